"""The command `runs`: the runs of a folder or bucket by what they measured, tagged and deleted."""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fmbench_lib.cli.terminal import detail, emit, is_json, say, short_path
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import FmbenchError, InputError
from fmbench_lib.metrics.many_runs.indexed_run import IndexedExperiment
from fmbench_lib.metrics.many_runs.run_choice import VERDICTS, RunChoice
from fmbench_lib.runs.index.run_index import KnownRun, known_runs, place_of_results
from fmbench_lib.runs.index.run_tags import check_tag, tag_run
from fmbench_lib.runs.named_runs import LATEST
from fmbench_lib.runs.opening import default_results
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import RUN_FILE

_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


def runs_command(options: argparse.Namespace) -> int:
    """List the runs that are chosen, tag or delete them; 1 where one could not be tagged or deleted."""
    added, removed = map(check_tag, options.add_tag), map(check_tag, options.remove_tag)
    add, remove = list(added), list(removed)
    choice, (results, names) = choice_of(options), _results_and_names(options)
    if (add or remove or options.delete) and choice.asks_nothing and not names:
        raise InputError("runs: say which: name runs, or choose them with --tag, --model, --since, …")
    if options.delete and (add or remove):
        raise InputError("runs: either --delete, or --add-tag and --remove-tag")
    known = known_runs(place_of_results(results))
    chosen = [one for one in _named(known.runs, names) if choice.chooses(one.run)]
    for line in known.left_out:
        say(f"left out: {line}", error=True)
    if options.delete:
        return _delete(chosen, asked=not options.yes)
    if add or remove:
        return _tag(chosen, add, remove)
    _list(chosen, len(known.runs), known.read, known.left_out)
    return 0


def _results_and_names(options: argparse.Namespace) -> tuple[str | Path, list[str]]:
    """Where the runs are, and which are named; a single name that is a folder of runs is where they are."""
    if options.results_dir:
        return options.results_dir, options.runs
    if len(options.runs) == 1 and Path(options.runs[0]).is_dir() and not (Path(options.runs[0]) / RUN_FILE).exists():
        return options.runs[0], []
    return default_results(), options.runs


def choice_of(options: argparse.Namespace) -> RunChoice:
    """What the options ask of runs, apart from their names."""
    return RunChoice(
        model=options.model,
        stack=options.stack,
        instance=options.instance,
        verdict=options.verdict,
        since=None if options.since is None else moment_since(options.since, time.time()),
        tags=tuple(check_tag(tag) for tag in options.tag),
    )


def moment_since(said: str, now: float) -> float:
    """The Unix seconds that `--since` means. Raises InputError for a date that no calendar has."""
    if said[-1] in _UNITS and said[:-1].isdecimal():
        return now - timedelta(**{_UNITS[said[-1]]: int(said[:-1])}).total_seconds()
    try:
        return datetime.fromisoformat(said.removesuffix("Z")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise InputError(f"--since {said}: there is no such date; write 2026-11-01") from None


def _named(runs: Sequence[KnownRun], names: Sequence[str]) -> list[KnownRun]:
    """The runs that are named, all of them where no name is given. Raises InputError for a name that none has."""
    if not names:
        return list(runs)
    chosen: dict[str, KnownRun] = {}
    for name in names:
        found = [one for one in runs if _is_called(one, name)] if name != LATEST else list(runs[-1:])
        if not found:
            raise InputError(_no_such_run(runs, name))
        chosen |= {one.place: one for one in found}
    return list(chosen.values())


def _no_such_run(runs: Sequence[KnownRun], name: str) -> str:
    """That no run is called so, and which is nearly."""
    if not runs:
        return "there is no run in this folder: name the folder that holds the runs (--results-dir)"
    near = nearest(name, [LATEST, *(called for one in runs for called in (one.run.title, one.run.name))], within=2)
    advice = f"did you mean {near}?" if near else "fmbench runs lists them"
    return f"there is no run {name or repr(name)}; {advice}"


def _is_called(known: KnownRun, name: str) -> bool:
    if is_address(known.place):
        return name.rstrip("/") in (known.run.title, known.run.run_id, known.run.name, known.place)
    path = Path(known.place)
    titles = (known.run.title, known.run.run_id, known.run.name, path.name, f"{path.parent.name}/{path.name}")
    return name in titles or Path(name).absolute() == path


# -- what is done with them ------------------------------------------------------------------------------------------


def _list(chosen: Sequence[KnownRun], of: int, read: int, left_out: Sequence[str]) -> None:
    emit("runs", runs=[_document(one) for one in chosen], left_out=list(left_out), read=read)
    for known in chosen:
        say(_line(known))
        if known.run.problem:
            say(f"  note: {known.run.problem}")
    shown = f"{len(chosen)} of {of} runs" if len(chosen) != of else f"{of} runs"
    detail(f"{shown}; {read} read, the others as the index has them" if read < of else f"{shown}")


def _line(known: KnownRun) -> str:
    """A run on a line: when, name, how it stands, its levels by verdict, what it measured, its tags."""
    run = known.run
    when = "" if run.created is None else f"{datetime.fromtimestamp(run.created, UTC):%Y-%m-%d %H:%M}"
    verdicts = Counter(level.verdict for level in run.levels)
    counted = ", ".join(f"{verdicts[name]} {name}" for name in VERDICTS if verdicts[name])
    levels = counted or ("no level" if run.analysed else "not analysed")
    experiments = run.experiments or tuple(dict.fromkeys(level.experiment for level in run.levels))
    what = "; ".join(dict.fromkeys(filter(None, map(_what, experiments))))
    tags = " ".join(f"#{tag}" for tag in run.tags)
    return "  ".join(part for part in (when, run.title, run.status, levels, what, tags) if part)


def _what(experiment: IndexedExperiment) -> str:
    return ", ".join(part for part in (experiment.model, experiment.stack, experiment.instance) if part)


def _document(known: KnownRun) -> dict[str, Any]:
    """A run for programs."""
    run = asdict(known.run)
    levels = run.pop("levels")
    verdicts = {name: sum(level["verdict"] == name for level in levels) for name in VERDICTS}
    return {"place": known.place, "title": known.run.title, **run, "verdicts": verdicts}


def _tag(chosen: Sequence[KnownRun], add: Sequence[str], remove: Sequence[str]) -> int:
    failed = 0
    for known in chosen:
        try:
            changed = tag_run(known, add, remove)
        except FmbenchError as error:
            say(f"{known.run.title}: {error}", error=True)
            failed += 1
        else:
            detail(f"{known.run.title}: {'tagged' if changed else 'as it was'}")
    if not chosen:
        say("no run is meant")
    return 1 if failed else 0


def _delete(chosen: Sequence[KnownRun], *, asked: bool) -> int:
    from fmbench_lib.steps.deleting_runs import delete_run

    if not chosen:
        say("no run is meant")
        return 0
    if asked and not _confirmed(chosen):
        say("nothing was deleted")
        return 0
    failed = 0
    for known in chosen:
        try:
            delete_run(known)
        except (FmbenchError, OSError) as error:
            say(f"{known.run.title}: not deleted: {error}", error=True)
            failed += 1
        else:
            detail(f"{known.run.title}: deleted")
    return 1 if failed else 0


def _confirmed(chosen: Sequence[KnownRun]) -> bool:
    """Show the runs and ask. Raises InputError where nobody answers."""
    unanswered = f"runs --delete: {len(chosen)} runs would be deleted: write --yes where nobody can be asked"
    if is_json():
        raise InputError(unanswered)
    for known in chosen:
        place = known.place if is_address(known.place) else short_path(Path(known.place))
        say(f"{_line(known)}  ({place})")
    try:
        answer = input(f"delete {'this run' if len(chosen) == 1 else f'these {len(chosen)} runs'}? [y/N] ")
    except EOFError:
        print()
        raise InputError(unanswered) from None
    return answer.strip().lower() in ("y", "yes")
