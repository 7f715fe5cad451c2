"""From what files say of levels to the levels of a run: descriptions of one level put together, and each named."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fmbench_lib.config.repeat_names import repeat_name
from fmbench_lib.imports.found_level import Form, FoundLevel, RequestTimes
from fmbench_lib.imports.tool_file import ResultFile
from fmbench_lib.metrics.imported_level import UNKNOWN_LOAD, ImportedFile, ImportedLevel, KnownFinding, PrintedFigure

_FIRST: tuple[Form, ...] = ("requests", "batches", "summary", "table")
"""Whose figure counts where several files of a level have it: the one that is rounded and averaged least."""
_SAME_LENGTH = 0.05
"""Prompts whose mean lengths differ by no more than this share are taken for the same ones."""
_FAMILIES = {"AIPerf": "perf", "GenAI-Perf": "perf"}
_MATCHED = ("experiment", "model", "dataset", "concurrency", "request_rate", "load")


@dataclass(frozen=True, slots=True)
class Part:
    """What one file says of a level."""

    file: ResultFile
    level: FoundLevel

    @property
    def counts(self) -> tuple[int | None, int | None]:
        """How many requests and successes it is about; None for what it does not say."""
        single = self.level.requests
        if single:
            return len(single), sum(one.error is None for one in single)
        requests, successes = (self.level.value(name) for name in ("requests", "successes"))
        return None if requests is None else round(requests), None if successes is None else round(successes)


@dataclass(frozen=True, slots=True)
class Names:
    """What the user says in place of what the files do, or do not, say."""

    experiment: str | None = None
    payload_file: str | None = None
    instance_type: str | None = None
    instance_count: int | None = None


@dataclass(slots=True)
class _Level:
    """The descriptions of one level, and the names that it gets."""

    parts: list[Part]
    experiment: str = ""
    payload_file: str = ""
    load: str = ""

    def first(self, name: str) -> object:
        """The first value that one of the descriptions has."""
        return next((value for part in self.parts if (value := getattr(part.level, name)) is not None), None)


@dataclass(frozen=True, slots=True)
class Assembled:
    """A level as the run keeps it, and its single requests, where a file has them."""

    level: ImportedLevel
    requests: tuple[RequestTimes, ...] = field(default=())


def assembled(parts: Sequence[Part], names: Names) -> list[Assembled]:
    """The levels of a run, in the order of the files, each under a name of its own.

    Two levels of one name are repeats of it where they come from one folder; those of other folders are other
    experiments.
    """
    levels = _merged(parts)
    _name_experiments(levels, names)
    _name_payloads(levels, names)
    seen: dict[tuple[str, str, str], int] = {}
    found = []
    for level in levels:
        load = _load_name(level)
        key = (level.experiment, level.payload_file, load)
        seen[key] = seen.get(key, 0) + 1
        level.load = repeat_name(load, seen[key])
        found.append(_kept(level, names))
    return found


def _merged(parts: Iterable[Part]) -> list[_Level]:
    levels: list[_Level] = []
    for part in parts:
        candidates = [level for level in levels if _describes(part, level)]
        if len(candidates) == 1:
            candidates[0].parts.append(part)
            candidates[0].parts.sort(key=lambda one: _FIRST.index(one.level.form))
        else:
            levels.append(_Level([part]))
    return levels


def _describes(part: Part, level: _Level) -> bool:
    """Whether a description is another form of a level's: of one tool and folder, with nothing against it, and with
    the same number of requests or the same names for it."""
    other = level.parts[0]
    same_place = part.file.path.parent == other.file.path.parent
    if not same_place or _family(part) != _family(other) or part.level.form in (one.level.form for one in level.parts):
        return False
    pairs = [(getattr(part.level, name), level.first(name)) for name in _MATCHED]
    if any(one is not None and another is not None and one != another for one, another in pairs):
        return False
    counted = [
        one == another
        for known in level.parts
        for one, another in zip(part.counts, known.counts, strict=True)
        if one is not None and another is not None
    ]
    if counted:
        return any(counted)
    return sum(bool(one is not None and one == another) for one, another in pairs) > 1


def _family(part: Part) -> str:
    return _FAMILIES.get(part.level.tool, part.level.tool)


def _name_experiments(levels: Sequence[_Level], names: Names) -> None:
    places: dict[str, list[Path]] = {}
    for level in levels:
        level.experiment = names.experiment or _experiment_of(level)
        folder = level.parts[0].file.path.parent
        known = places.setdefault(level.experiment, [])
        if folder not in known:
            known.append(folder)
    if names.experiment is not None:
        return
    for level in levels:
        folders = places.get(level.experiment, [])
        if len(folders) > 1 and level.first("experiment") is None:
            folder = level.parts[0].file.path.parent
            ambiguous = sum(other.name == folder.name for other in folders) > 1
            level.experiment = f"{level.experiment} {folder.name}{f'-{folders.index(folder) + 1}' if ambiguous else ''}"


def _experiment_of(level: _Level) -> str:
    """The experiment's name in the file, the model's last part, or the folder's name."""
    named, model = level.first("experiment"), level.first("model")
    if named:
        return str(named)
    if model and (last := str(model).rstrip("/").rpartition("/")[2]):
        return last
    path = level.parts[0].file.path.resolve()
    return path.parent.name or path.stem


def _name_payloads(levels: Sequence[_Level], names: Names) -> None:
    """The data set's name in the file; without one, the mean length of the prompts, one name for lengths alike."""
    lengths: dict[str, float] = {}
    for level in levels:
        dataset, mean = level.first("dataset"), _mean_length(level)
        if names.payload_file or dataset:
            level.payload_file = names.payload_file or str(dataset)
        elif mean is None:
            level.payload_file = "unknown_prompts"
        else:
            alike = (name for name, other in lengths.items() if abs(mean - other) <= _SAME_LENGTH * other)
            level.payload_file = next(alike, f"prompts_of_{mean:.0f}_tokens")
            lengths.setdefault(level.payload_file, mean)


def _mean_length(level: _Level) -> float | None:
    for part in level.parts:
        known = [one.prompt_tokens for one in part.level.requests if one.prompt_tokens is not None]
        if known:
            return sum(known) / len(known)
        if (mean := part.level.value("prompt_token_count_mean")) is not None:
            return mean
    return None


def _load_name(level: _Level) -> str:
    slots, rate = level.first("concurrency"), level.first("request_rate")
    if slots is not None:
        return f"concurrency-{slots}"
    return f"rate-{rate:.12g}" if rate is not None else str(level.first("load") or UNKNOWN_LOAD)


def _kept(level: _Level, names: Names) -> Assembled:
    requests = next((part.level.requests for part in level.parts if part.level.requests), ())
    version = next((part.level.version for part in level.parts if part.level.version), None)
    instance_type, instance_count = level.first("instance_type"), level.first("instance_count")
    evidence: dict[str, float] = {}
    for part in reversed(level.parts):
        evidence |= part.level.evidence
    return Assembled(
        ImportedLevel(
            experiment_name=level.experiment,
            payload_file=level.payload_file,
            load=level.load,
            concurrency=_whole(level.first("concurrency")),
            request_rate=_number(level.first("request_rate")),
            instance_type=names.instance_type or (None if instance_type is None else str(instance_type)),
            instance_count=names.instance_count or _whole(instance_count),
            tool=level.parts[0].level.tool,
            version=version,
            model=None if level.first("model") is None else str(level.first("model")),
            files=[_file(part) for part in level.parts],
            figures=[figure for part in level.parts for figure in _figures(part)],
            evidence=evidence,
            findings=_findings(level),
            requests=len(requests),
            clock=bool(requests) and all(one.start is not None for one in requests),
        ),
        requests,
    )


def _file(part: Part) -> ImportedFile:
    return ImportedFile(path=str(part.file.path), sha256=part.file.sha256, place=part.level.place)


def _figures(part: Part) -> list[PrintedFigure]:
    name = str(part.file.path)
    return [
        PrintedFigure(column=one.column, value=one.value, name=one.name, printed=one.printed, file=name)
        for one in part.level.figures
    ]


def _findings(level: _Level) -> list[KnownFinding]:
    """What the readers found, each once."""
    found = {finding.reason: finding for part in level.parts for finding in part.level.findings}
    return [KnownFinding(verdict=finding.verdict, reason=finding.reason) for finding in found.values()]


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, int | float) else None


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
