"""The command `compare`: runs beside a base, as text or a file, and conditions that fail a build."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.cli.option_values import existing_run
from fmbench_lib.cli.terminal import emit, is_json, masked, say
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.metrics.comparison.claims import RunComparison
from fmbench_lib.metrics.comparison.conditions import Condition, conditions, not_judged
from fmbench_lib.metrics.comparison.measures import CLAIMED, known_measure
from fmbench_lib.report.comparison.comparison_page import comparison_page
from fmbench_lib.report.comparison.documents import Broken, document, junit, markdown, terminal_lines
from fmbench_lib.report.comparison.words import level_title

_FORMS: dict[str, Callable[[RunComparison, Sequence[Broken]], str]] = {
    ".md": markdown,
    ".json": lambda comparison, broken: json.dumps(document(comparison, broken), indent=2) + "\n",
    ".xml": junit,
    ".html": comparison_page,
}


def compare_command(options: argparse.Namespace) -> int:
    """Compare runs with a base, print what differs, write the files asked for; 1 where a condition is broken."""
    rules = conditions(options.fail_on)
    measures = _measures(options.measures, rules)
    pairs = [_pair(text) for text in options.match]
    outputs = [_output(path) for path in options.output]
    outputs += [] if options.html is None else [_html(options.html)]
    runs = [existing_run(run, results=options.results_dir) for run in options.runs]
    if len(runs) == 1 and not pairs:
        raise InputError("compare: give two runs, or one and --match EXPERIMENT=OTHER for two experiments of it")
    if len(runs) > 2 and outputs:
        raise InputError("--output: takes the comparison of two runs; compare the others one by one")
    wanted = _Wanted(pairs, measures, rules, outputs, options.fail_on_budget)
    failed = [_compared(runs[0], new, wanted) for new in runs[1:] or runs]
    return 1 if any(failed) else 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked of a comparison, as the options say it."""

    pairs: Sequence[tuple[str, str]]
    measures: Sequence[str]
    rules: Sequence[Condition]
    outputs: Sequence[Path]
    budgets: bool


def _compared(base: Path, new: Path, wanted: _Wanted) -> bool:
    """Compare two runs; whether a condition is broken."""
    from fmbench_lib.steps.comparing import compare_runs

    comparison = compare_runs(base, new, wanted.pairs, wanted.measures)
    broken = _broken(comparison, wanted)
    if is_json():
        emit("comparison", **document(comparison, broken))
    for line in terminal_lines(comparison, broken):
        say(line)
    for path in wanted.outputs:
        write_text(path, masked(_FORMS[path.suffix](comparison, broken)))
        say(f"written: {path}")
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(masked(markdown(comparison, broken)))
    return bool(broken)


def _broken(comparison: RunComparison, wanted: _Wanted) -> list[Broken]:
    missed = comparison.missed_budget if wanted.budgets else ""
    budget = [Broken("--fail-on-budget", missed, None)] if missed else []
    unjudged = [Broken("--fail-on", line, None) for line in not_judged(comparison, wanted.rules)]
    return [
        *budget,
        *unjudged,
        *(
            Broken(rule.text, level_title(level), claim)
            for rule in wanted.rules
            for level in comparison.levels
            if (claim := rule.broken_by(level)) is not None
        ),
    ]


def _measures(asked: str | None, rules: Sequence[Condition]) -> tuple[str, ...]:
    """What is compared: the measures asked for, else those of the conditions, else the usual ones."""
    if asked is None:
        named = tuple(dict.fromkeys(rule.name for rule in rules))
        return named or CLAIMED
    names = tuple(dict.fromkeys(name.strip() for name in asked.split(",") if name.strip()))
    for name in names:
        known_measure(name, f"--measures {asked}")
    return tuple(dict.fromkeys((*names, *(rule.name for rule in rules))))


def _pair(text: str) -> tuple[str, str]:
    base, sign, new = text.partition("=")
    if not sign or not base or not new:
        raise InputError(f"--match {text}: write EXPERIMENT=OTHER, the base's first")
    return base, new


def _html(text: str) -> Path:
    if Path(text).suffix != ".html":
        raise InputError(f"--html {text}: the name must end in .html")
    return _output(text)


def _output(text: str) -> Path:
    path = Path(text)
    if path.suffix not in _FORMS:
        raise InputError(f"--output {text}: the name must end in {', '.join(_FORMS)}")
    if not path.absolute().parent.is_dir():
        raise InputError(f"--output {text}: the folder {path.parent} does not exist")
    return path
