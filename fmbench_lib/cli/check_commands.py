"""The commands `validate` and `plan`: what a config says, and what a run of it would do."""

from __future__ import annotations

import argparse

from fmbench_lib.cli.exit_codes import BAD_INPUT
from fmbench_lib.cli.option_values import config_arguments, standard_placeholders, storage_options
from fmbench_lib.cli.terminal import detail, emit, say
from fmbench_lib.config import validate_paths
from fmbench_lib.config.problems import merged
from fmbench_lib.storage.fetch import local_config


def validate_command(options: argparse.Namespace) -> int:
    """Check configs; print a line for each, or one for each mistake."""
    invalid = count = 0
    for checked in validate_paths(options.paths, config_arguments(options), standard_placeholders(options)):
        if not checked.problems:
            detail(f"{checked.path}: ok")
        for problem in checked.problems:
            say(f"{checked.path}: {problem}")
        for notice in merged(checked.notices):
            detail(f"{checked.path}: note: {notice}", error=True)
        emit(
            "config",
            path=str(checked.path),
            valid=not checked.problems,
            problems=[{"key": problem.key, "message": problem.message} for problem in checked.problems],
            notices=[str(notice) for notice in merged(checked.notices)],
        )
        invalid += bool(checked.problems)
        count += 1
    if not count:
        say(f"fmbench: no config (.yml or .yaml) in {', '.join(map(str, options.paths))}", error=True)
    code = BAD_INPUT if invalid or not count else 0
    emit("end", exit_code=code)
    return code


def plan_command(options: argparse.Namespace) -> int:
    """Print what a run would do, and what would stop it before it began."""
    from fmbench_lib.steps.plan import make_plan

    plan = make_plan(
        local_config(options.config),
        config_arguments(options),
        standard_placeholders(options),
        storage_options(options),
    )
    for line in plan.text.split("\n"):
        detail(line)
    emit("plan", config=options.config, lines=plan.text.split("\n"), obstacles=list(plan.obstacles))
    for obstacle in plan.obstacles:
        say(f"fmbench: {obstacle}", error=True)
    code = BAD_INPUT if plan.obstacles else 0
    emit("end", exit_code=code)
    return code
