"""`fmbench import`: result files of other tools become a run, which is analysed and reported like any other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fmbench_lib.config import STEPS
from fmbench_lib.config.platforms import ENDPOINT
from fmbench_lib.errors import InputError
from fmbench_lib.imports.assembling import Assembled, Names, Part, assembled
from fmbench_lib.imports.tool_file import read_result_file
from fmbench_lib.imports.tool_table import levels_in
from fmbench_lib.runs.opening import create_run_of
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.analysis import write_analysis
from fmbench_lib.steps.reporting.imported_records import write_records

FORMAT = 1
"""Of `imported_levels.json`."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import: files and folders of them, and what the user adds.

    `hourly`: USD for an hour of the instance · `pricing`: a price file · `values`: keys of the config, as `--set` gives
    them.
    """

    paths: Sequence[Path]
    names: Names = field(default_factory=Names)
    run_name: str | None = None
    hourly: float | None = None
    pricing: Path | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Imported:
    """The run, how many levels and files it is made of, and the files of folders that no tool is known for."""

    run: Run
    levels: int
    files: int
    skipped: tuple[str, ...] = ()


def import_results(request: ImportRequest, results: Path) -> Imported:
    """Make a run of result files, analyse it and write its report.

    Raises InputError for a file that is missing, damaged, given twice or of no known tool, and for prices that fit no
    instance type; then no run is made.
    """
    parts, skipped = _parts(request.paths)
    levels = assembled(parts, request.names)
    run = create_run_of(_config(request, levels), results, request.values)
    workspace = run.workspace
    for one in levels:
        if one.requests:
            write_records(workspace, one.level, one.requests)
    workspace.note(workspace.imported_file, {"format": FORMAT, "levels": [one.level for one in levels]})
    files = {part.file.sha256: str(part.file.path) for part in parts}
    workspace.log_event("results imported", files=list(files.values()))
    write_analysis(run)
    workspace.update_run(status="finished", exit_code=0)
    return Imported(run, len(levels), len(files), tuple(skipped))


def _parts(paths: Iterable[Path]) -> tuple[list[Part], list[str]]:
    """What the files say; files of folders that no tool is known for are left out, and named."""
    parts: list[Part] = []
    skipped: list[str] = []
    seen: dict[str, Path] = {}
    for path, in_folder in _files(paths):
        try:
            file = read_result_file(path)
            levels = levels_in(file)
        except InputError as error:
            if not in_folder:
                raise
            skipped.append(str(error).partition("; known are")[0])
            continue
        if file.sha256 in seen:
            raise InputError(f"{path} has the content of {seen[file.sha256]}: give each result once")
        seen[file.sha256] = path
        parts += [Part(file, level) for level in levels]
    if not parts:
        raise InputError(f"nothing to import: {'; '.join(skipped) or 'the folders are empty'}")
    return parts, skipped


def _files(paths: Iterable[Path]) -> Iterable[tuple[Path, bool]]:
    """Every file, and whether it was found in a folder that was given; hidden ones are left out."""
    for path in paths:
        if not path.is_dir():
            yield path, False
            continue
        for found in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in found.relative_to(path).parts)
            if found.is_file() and not hidden:
                yield found, True


def _config(request: ImportRequest, levels: Sequence[Assembled]) -> dict[str, Any]:
    """The config of the run: what was measured, with the steps that measure switched off."""
    experiments = _experiments(levels)
    models = list(dict.fromkeys(one.level["model"] or one.level["experiment_name"] for one in levels))
    name = request.run_name or (experiments[0]["name"] if len(experiments) == 1 else "imported")
    prices = _pricing(request, levels)
    return {
        "general": {"name": name, "model_name": models[0] if len(models) == 1 else name},
        "run_steps": dict.fromkeys(STEPS, False) | {"4_model_metric_analysis": True},
        "datasets": {"filters": []},
        **({} if prices is None else {"pricing": prices}),
        "experiments": experiments,
    }


def _experiments(levels: Sequence[Assembled]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for one in (each.level for each in levels):
        entry = found.setdefault(one["experiment_name"], {"name": one["experiment_name"], "platform": ENDPOINT})
        for key, value in (
            ("instance_type", one["instance_type"]),
            ("instance_count", one["instance_count"]),
            ("model_id", one["model"]),
        ):
            if value is not None:
                entry.setdefault(key, value)
        _add(entry, "payload_files", one["payload_file"])
        _add(entry, "concurrency_levels", one["concurrency"])
        _add(entry, "request_rates", one["request_rate"])
    return list(found.values())


def _add(entry: dict[str, Any], key: str, value: Any) -> None:
    if value and value not in entry.setdefault(key, []):
        entry[key].append(value)


def _pricing(request: ImportRequest, levels: Sequence[Assembled]) -> Any:
    """A price file, or the price that was given, under the one instance type of all levels."""
    if request.hourly is not None and request.pricing is not None:
        raise InputError("--hourly and --pricing both say what it costs: leave one of the two out")
    if request.pricing is not None:
        if not request.pricing.is_file():
            raise InputError(f"--pricing {request.pricing}: no such file")
        return str(request.pricing.resolve())
    if request.hourly is None:
        return None
    types = {one.level["instance_type"] for one in levels}
    if len(types) != 1 or None in types:
        named = ", ".join(sorted(filter(None, types))) or "none"
        raise InputError(
            f"--hourly is the price of one instance type, and the files name {named}: give --instance-type too, or "
            f"--pricing FILE"
        )
    return {str(types.pop()): request.hourly}
