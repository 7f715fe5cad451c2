"""The commands `configs` and `init`: configs to begin with."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path

from fmbench_lib.cli.terminal import clean, say, say_lines, short_path
from fmbench_lib.config import load_config
from fmbench_lib.config.shipped.config_table import as_json, as_table, shipped_needs, terminal_width
from fmbench_lib.config.shipped.files import shipped_config
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.runs.first_config import Answers, first_config, questions

_INTO = "benchmark.yml"


def configs_command(options: argparse.Namespace) -> int:
    """List the configs that ship and what each needs, or copy one."""
    if options.copy:
        source = shipped_config(options.copy)
        target = _new_file(Path(options.into or source.name), source.name)
        _write(target, source.read_text(encoding="utf-8"))
        say(f"{short_path(source)} is copied to {short_path(target)}; run it with: {_command(target)}")
        return 0
    if options.into:
        raise InputError("--into goes with --copy NAME")
    say_lines(as_json(shipped_needs()) if options.json else as_table(shipped_needs(), terminal_width()))
    return 0


def init_command(options: argparse.Namespace) -> int:
    """Write a config with comments, from options, or from questions on a terminal."""
    target = _new_file(Path(options.into or _INTO), _INTO)
    answers = Answers(
        url=options.url,
        platform=options.platform,
        model=options.model,
        instance_type=options.instance_type,
        data=options.data,
        concurrency=tuple(options.concurrency or ()),
        rates=tuple(options.rate or ()),
        requests=options.requests,
        latency_budget=options.budget,
    )
    if not (answers.url or answers.platform):
        if not sys.stdin.isatty():
            raise InputError(
                "say what to measure: `fmbench init --url http://host:8000/v1` for a server that runs already, or "
                "--platform and --model; on a terminal it asks"
            )
        answers = questions(answers, _ask, say)
    text, notices = first_config(answers)
    _write(target, text)
    try:
        load_config(target)
    except InputError:
        target.unlink()  # the error says what to give
        raise
    for notice in notices:
        say(f"note: {notice}")
    say(f"written: {short_path(target)}; look at it with `fmbench plan {shlex.quote(short_path(target))}`, then")
    say(f"run it with: {_command(target)}")
    return 0


def _ask(question: str, default: str) -> str:
    """An answer typed on the terminal; the default for an empty one. Raises InputError where the input ends."""
    shown = f" [{default}]" if default else ""
    try:
        return input(clean(f"{question}{shown}: ")).strip() or default
    except EOFError:
        raise InputError("the input ended before the last question: nothing is written") from None


def _new_file(target: Path, name: str) -> Path:
    target = target / name if target.is_dir() else target
    if target.exists():
        raise InputError(f"{target} exists already: name another file with --into")
    return target.absolute()


def _write(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    write_text(target, text)


def _command(target: Path) -> str:
    return f"fmbench {shlex.quote(short_path(target))}"
