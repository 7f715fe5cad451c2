"""The run directory, and its state. One file because every file name in it is spelt here and only here."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypedDict, Unpack, cast
from urllib.parse import quote, unquote

from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import each_text, exclusive_lock, read_json, write_json
from fmbench_lib.host.disk_space import room_explained
from fmbench_lib.host.process_identity import is_gone
from fmbench_lib.run_state import Event, RunChanges, RunState

RUN_FILE = "run.json"
COMPOSE_FILE = "compose.yml"
APPENDIX_FILE = "report_appendix.md"
RUN_ID_FORMAT = "%Y%m%d-%H%M%SZ"
_SUMMARY, _PAGE, _TAGS = "summary.json", "report.html", "tags.json"
_CONFIG_COPY, _EVENTS_FILE, _ENDPOINTS_FILE = "config.yml", "events.jsonl", "endpoints.json"
_FLEET_FILE = "fleet.json"
_NOTEBOOKS, _PROMPTS, _REQUESTS, _METRICS = "notebooks", "prompts", "requests", "metrics"
_FIGURES, _LOGS, _CONTAINERS, _ENDPOINT_METRICS = "figures", "logs", "containers", "endpoint_metrics"
_PAYLOAD_INDEX, _ALL_PROMPTS = "payloads.json", "all_prompts.csv"
_SENT_PROMPTS, _FITS, _ANSWERS = "prompts_sent", "fits", "answers"
_EARLIER_RUNS = ".earlier"
_MACHINES = "machines"
_FAILED_LEVEL, _ATTEMPTS, _EARLIER_ATTEMPT = ".failed.json", ".attempts.json", ".attempt-"
_PASSING = (".part", ".lock")
_BEGUN = ".begun.part"
_OWN_ENDINGS = (*_PASSING, ".parquet", ".raw.zst", _FAILED_LEVEL, _ATTEMPTS)


class Send(Protocol):
    """Sends files of a run to a second location. Its failures do not stop the run: they are recorded, not raised."""

    def __call__(self, workspace: Workspace, paths: Sequence[Path], *, insist: bool) -> bool: ...


def _not_sent(workspace: Workspace, paths: Sequence[Path], *, insist: bool) -> bool:
    """Sends nothing: the run is kept in its directory alone."""
    return True


def raw_file(level: Path) -> Path:
    """The file of a level's raw responses, beside its records."""
    return level.with_suffix(".raw.zst")


def failure_file(level: Path) -> Path:
    """The file beside a level's records that says why it could not be measured."""
    return level.with_suffix(_FAILED_LEVEL)


class LevelKey(NamedTuple):
    """What tells a level from every other of its run; the fields are the columns that name it in tables and records."""

    experiment_name: str
    payload_file: str
    load: str


class IndexedFiles(NamedTuple):
    """The files of a run, by their paths in it, that an index of many runs is made from."""

    state: str
    summary: str
    config: str
    payloads: str
    tags: str
    page: str


class MachineFiles(NamedTuple):
    """The files of a machine of a fleet: what SkyPilot is given, what is sent there, what was brought back, what
    SkyPilot has printed, and what fmbench has printed there last, as far as it has been asked."""

    task: Path
    input: Path
    output: Path
    log: Path
    last_line: Path


class FailedLevelNote(TypedDict):
    """Why a level could not be measured, in a file beside its records."""

    experiment_name: str
    payload_file: str
    load: str
    error: str


INDEXED = IndexedFiles(RUN_FILE, _SUMMARY, _CONFIG_COPY, f"{_PROMPTS}/{_PAYLOAD_INDEX}", _TAGS, _PAGE)


@dataclass(frozen=True, slots=True)
class Workspace:
    """One run directory. `redact` removes secrets from what is recorded; `send` copies complete files to a bucket."""

    path: Path
    redact: Callable[[str], str] = field(default=str, repr=False, compare=False)
    send: Send = field(default=_not_sent, repr=False, compare=False)

    # -- names -------------------------------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        """The start time in UTC, `20250131-120000Z`, with a suffix where two runs began in one second."""
        return self.path.name

    @property
    def run_file(self) -> Path:
        """The run's state (`RunState`)."""
        return self.path / RUN_FILE

    @property
    def config_copy(self) -> Path:
        """The resolved config, secrets removed."""
        return self.path / _CONFIG_COPY

    @property
    def events_file(self) -> Path:
        """What happened and when, one JSON object a line."""
        return self.path / _EVENTS_FILE

    @property
    def progress_file(self) -> Path:
        """Live figures of the level that is being measured; there only during a measurement."""
        return self.path / "progress.json"

    @property
    def endpoints_file(self) -> Path:
        """The endpoints that the run deployed or uses, by experiment."""
        return self.path / _ENDPOINTS_FILE

    @property
    def prices_file(self) -> Path:
        """Prices that were looked up because no price file has them."""
        return self.path / "prices.json"

    @property
    def imported_file(self) -> Path:
        """The levels that were read from other tools' result files; there only in an imported run."""
        return self.path / "imported_levels.json"

    @property
    def fleet_file(self) -> Path:
        """The machines that the experiments run on; there only where the run is a fleet's."""
        return self.path / _FLEET_FILE

    def machine(self, name: str) -> MachineFiles:
        """The files of a machine of a fleet."""
        folder = self.path / _MACHINES / path_part(name)
        log, last_line = self.logs / f"{name}.log", folder / ".last_line.txt"
        return MachineFiles(folder / "task.yml", folder / "input", folder / "output", log, last_line)

    @property
    def summary_file(self) -> Path:
        """The decision and the levels, for programs."""
        return self.path / _SUMMARY

    @property
    def report_file(self) -> Path:
        """The report, for people."""
        return self.path / "report.md"

    @property
    def appendix_file(self) -> Path:
        """The tables of the report with every level and every column."""
        return self.path / APPENDIX_FILE

    @property
    def page_file(self) -> Path:
        """The report as one page for a browser."""
        return self.path / _PAGE

    @property
    def tags_file(self) -> Path:
        """The words that a person filed the run under; there only where it has any."""
        return self.path / _TAGS

    @property
    def disagreements(self) -> Path:
        """The page of answers on which judges disagree; there only where they were asked."""
        return self.path / "disagreements.html"

    @property
    def logs(self) -> Path:
        """The folder of the servers' logs."""
        return self.path / _LOGS

    def containers(self, experiment: str) -> Path:
        """The folder of the files that an experiment's containers were made from."""
        return self.path / _CONTAINERS / path_part(experiment)

    def compose_file(self, experiment: str) -> Path:
        """The containers that an experiment ran, as a `docker compose` file."""
        return self.containers(experiment) / COMPOSE_FILE

    @property
    def evaluation(self) -> Path:
        """The folder of the answers that are evaluated, their scores and the verdicts on them."""
        return self.path / "evaluation"

    @property
    def figures(self) -> Path:
        """The folder of the report's pictures."""
        return self.path / _FIGURES

    @property
    def prompts(self) -> Path:
        """The folder of the payload files."""
        return self.path / _PROMPTS

    @property
    def requests(self) -> Path:
        """The folder of the request records, one Parquet file per level."""
        return self.path / _REQUESTS

    @property
    def endpoint_metrics(self) -> Path:
        """The folder of raw samples from the endpoints' machines."""
        return self.path / _ENDPOINT_METRICS

    def notebook(self, step: str) -> Path:
        """The executed notebook of a step."""
        return self.path / _NOTEBOOKS / f"{step}.ipynb"

    @property
    def payload_index(self) -> Path:
        """Which payload files there are, and what they were made of."""
        return self.prompts / _PAYLOAD_INDEX

    @property
    def all_prompts(self) -> Path:
        """The prompts of all payload files in one table."""
        return self.prompts / _ALL_PROMPTS

    def payload(self, payload_file: str) -> Path:
        """A payload file; one called like the index or the table beside it gets another name."""
        part = path_part(payload_file)
        return self.prompts / (part.replace(".", "%2E") if part in (_PAYLOAD_INDEX, _ALL_PROMPTS) else part)

    def sent_prompts(self, experiment: str, payload_file: str) -> Path:
        """The prompts of a payload file as an experiment sends them, where they were fitted to its server."""
        return self.path / _SENT_PROMPTS / path_part(experiment) / path_part(payload_file)

    def fit(self, experiment: str, payload_file: str) -> Path:
        """How the prompts of a payload file were fitted to an experiment's server."""
        return self.path / _SENT_PROMPTS / path_part(experiment) / _FITS / f"{path_part(payload_file)}.json"

    def answer_lengths(self, experiment: str) -> Path:
        """The parameters that keep an experiment's answers from ending early."""
        return self.path / _SENT_PROMPTS / path_part(experiment) / _FITS / _ANSWERS / "parameters.json"

    def metrics(self, name: str) -> Path:
        """A table of the analysis, by its file name."""
        return self.path / _METRICS / name

    def level(self, key: LevelKey) -> Path:
        """A level's records; the level is done when the file exists."""
        folder = self.requests / path_part(key.experiment_name) / path_part(key.payload_file.removesuffix(".jsonl"))
        return folder / f"{path_part(key.load)}.parquet"

    def failed_level(self, key: LevelKey) -> Path:
        """Why a level could not be measured; there only where that is so."""
        return failure_file(self.level(key))

    def level_scratch(self, key: LevelKey) -> Path:
        """The folder of a level that is being measured, or was sent as a whole and is not decoded yet; what an earlier
        attempt has left of another one is discarded."""
        return self.level(key).with_suffix(".part")

    def level_parts(self, key: LevelKey) -> Path:
        """The folder of what was measured of a level that was stopped, until the rest of it has been sent."""
        return self.level(key).with_suffix(_BEGUN)

    def stopped_levels(self) -> list[Path]:
        """The folders `level_parts` that there are."""
        return sorted(path for path in self.requests.rglob(f"*{_BEGUN}") if path.is_dir())

    def attempts_file(self, key: LevelKey) -> Path:
        """The attempts at a level, and the prompts that each of them sent."""
        return self.level(key).with_suffix(_ATTEMPTS)

    def attempts_files(self, experiment: str, payload_file: str) -> list[Path]:
        """The attempts at all levels of an experiment and payload file."""
        folder = self.level(LevelKey(experiment, payload_file, "any")).parent
        return sorted(folder.glob(f"*{_ATTEMPTS}"))

    def level_of_attempts(self, path: Path, experiment: str, payload_file: str) -> LevelKey:
        """The level that a file of `attempts_files` is about."""
        return LevelKey(experiment, payload_file, unquote(path.name.removesuffix(_ATTEMPTS)))

    def earlier_attempt(self, key: LevelKey, number: int) -> Path:
        """The records of an attempt at a level that was measured again since."""
        return self.level(key).with_suffix(f"{_EARLIER_ATTEMPT}{number}.parquet")

    def earlier_attempts(self, key: LevelKey) -> list[tuple[int, Path]]:
        """The attempts at a level that were measured again since, with their numbers, in order."""
        path = self.level(key)
        found = path.parent.glob(f"{path.stem}{_EARLIER_ATTEMPT}*.parquet")
        return sorted((int(each.stem.rpartition(_EARLIER_ATTEMPT)[2]), each) for each in found)

    def samples(self, experiment: str, name: str) -> Path:
        """Raw samples of the machine that serves an experiment, taken by the monitor `name`."""
        return self.endpoint_metrics / path_part(experiment) / f"{path_part(name)}.jsonl"

    def samples_of(self, experiment: str) -> list[Path]:
        """The files of an experiment's raw samples, sorted by name."""
        return sorted((self.endpoint_metrics / path_part(experiment)).glob("*.jsonl"))

    def levels(self) -> list[Path]:
        """The records of all finished levels, sorted by path."""
        return sorted(self.requests.rglob("*.parquet"))

    def levels_of(self, experiment: str) -> list[Path]:
        """The records of an experiment's finished levels."""
        return sorted((self.requests / path_part(experiment)).rglob("*.parquet"))

    def failures_of(self, experiment: str) -> list[Path]:
        """The files that say why levels of an experiment could not be measured."""
        return sorted((self.requests / path_part(experiment)).rglob(f"*{_FAILED_LEVEL}"))

    def failed_levels(self) -> list[FailedLevelNote]:
        """The contents of the files that say why levels could not be measured."""
        paths = sorted(self.requests.rglob(f"*{_FAILED_LEVEL}"))
        return [cast(FailedLevelNote, read_json(path)) for path in paths]

    # -- the copy in a bucket ---------------------------------------------------------------------------------

    @property
    def bucket_file(self) -> Path:
        """What is known of the run's copy in a bucket. Never sent, like all names that begin with a dot."""
        return self.path / ".bucket.json"

    @property
    def behind_file(self) -> Path:
        """Why the bucket lacks files of the run; there only while that is so."""
        return self.path / ".bucket-behind.json"

    @property
    def cleaned_file(self) -> Path:
        """How far the files of other processes have been looked at for secrets."""
        return self.path / ".cleaned.json"

    @property
    def reserve_file(self) -> Path:
        """Room for how the run ended, kept occupied while it goes on and freed on a disk that has become full."""
        return self.path / ".reserve"

    @property
    def orders_file(self) -> Path:
        """What is asked of the process that executes the run; there only until it has obeyed."""
        return self.path / ".orders.json"

    @property
    def inputs_file(self) -> Path:
        """The local copies of what the run has read from buckets."""
        return self.path / ".inputs.json"

    def earlier_run(self, run_id: str) -> Path:
        """The folder for what is fetched from an earlier run in the bucket."""
        return self.path / _EARLIER_RUNS / run_id

    def keep(self, *paths: Path, insist: bool = False) -> bool:
        """Send the run's complete files, or only these, to its bucket; returns whether they arrived.

        `insist` also tries shortly after a failure and sends large growing files, such as logs, again: once in a step.
        Never call it while a level is being measured.
        """
        return self.send(self, paths, insist=insist)

    def complete_files(self) -> Iterator[Path]:
        """The files to send: not those still being written, those of this machine alone, or links.

        A notebook is complete when its step has ended, as its secrets are removed then. The run's state comes last, so
        that a bucket never claims files that it does not have yet.
        """
        steps = self._written_state()["steps"]
        running = {f"{name}.ipynb" for name, state in steps.items() if state["status"] == "running"}
        last = (self.events_file, self.run_file)
        for folder, folders, names in os.walk(self.path):
            folders[:] = sorted(name for name in folders if _is_part_of_run(name))
            for path in (Path(folder) / name for name in sorted(names)):
                unfinished = path.parent.name == _NOTEBOOKS and path.name in running
                passing = path.is_symlink() or path in (*last, self.progress_file)
                if _is_part_of_run(path.name) and not passing and not unfinished:
                    yield path
        yield from (path for path in last if path.exists())

    def is_withdrawn(self, path: Path) -> bool:
        """Whether a file that is gone here is to be deleted in the bucket too: the failure of a level that has been
        measured since, and records that were renamed, as it is measured again. Nothing else is deleted there."""
        renamed = path.suffix == ".parquet" and any(path.parent.glob(f"{path.stem}{_EARLIER_ATTEMPT}*.parquet"))
        return (path.name.endswith(_FAILED_LEVEL) or renamed) and not path.exists()

    # -- the run's state ---------------------------------------------------------------------------------------

    def read_run(self) -> RunState:
        """The run's state; what was running in a process that is gone was interrupted.

        Raises RunStateError where this is not a run directory, or its state is damaged.
        """
        state = self._written_state()
        process = state.get("process")
        if state.get("status") == "running" and process is not None and is_gone(process):
            state["status"] = "interrupted"
            for step in state["steps"].values():
                step["status"] = "interrupted" if step["status"] == "running" else step["status"]
        return state

    def settle(self) -> None:
        """Write down that a run whose process is gone was interrupted."""
        if self._written_state().get("status") != (status := self.read_run().get("status")) and status is not None:
            self.update_run(status=status)

    def _written_state(self) -> RunState:
        if not self.run_file.exists():
            raise RunStateError(f"{self.path} is not a run directory: it has no {RUN_FILE}")
        try:
            state = read_json(self.run_file)
            if not isinstance(state, Mapping) or not isinstance(state.get("steps", {}), Mapping):
                raise ValueError("it is not that of a run")
        except (ValueError, RecursionError) as error:
            raise RunStateError(f"cannot read the run's state in {self.run_file}: {error}") from error
        return cast(RunState, state)

    def update_run(self, **changes: Unpack[RunChanges]) -> RunState:
        """Change keys of the run's state; a mapping is merged into the one that is there. Returns the new state."""
        state = cast(dict[str, Any], self._written_state())
        for key, value in changes.items():
            merged = isinstance(value, Mapping) and isinstance(state.get(key), dict)
            state[key] = {**state[key], **cast(Mapping[str, Any], value)} if merged else value
        self.note(self.run_file, state)
        return cast(RunState, state)

    def note(self, path: Path, content: Any) -> None:
        """Write a JSON file of the run, secrets removed."""
        write_json(path, each_text(content, self.redact))

    def log_event(self, event: str, **facts: Any) -> None:
        """Append an event to the event log, secrets removed."""
        begun: Event = {"time": datetime.now(UTC).isoformat(), "event": event}
        line = json.dumps({**begun, **each_text(facts, self.redact)}) + "\n"
        with room_explained(self.events_file, len(line)), self.events_file.open("a", encoding="utf-8") as file:
            file.write(line)

    @contextlib.contextmanager
    def locked(self, name: str, patience: float = 15.0) -> Iterator[None]:
        """Keep other processes from the same work on this run; a dead process's lock is released.

        Raises RunStateError when another process still holds it after `patience` seconds.
        """
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(exclusive_lock(self.path / f".{name}.lock", patience))
            except TimeoutError:
                raise RunStateError(f"{self.path}: another process is working on this run") from None
            yield


def create_workspace(results: Path, name: str, now: datetime | None = None) -> Workspace:
    """Make a run directory below `results`, named by its start time (UTC); runs of one second get different names.

    Raises RunStateError where it cannot be made.
    """
    folder = results / path_part(name)
    moment = now or datetime.now(UTC)
    for attempt in range(100):
        path = folder / (moment.strftime(RUN_ID_FORMAT) + (f"-{attempt + 1}" if attempt else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunStateError(f"cannot make the run directory {path}: {error.strerror}") from error
        for part in (_NOTEBOOKS, _PROMPTS, _REQUESTS, _METRICS, _FIGURES, _LOGS):
            (path / part).mkdir()
        return Workspace(path.resolve())
    raise RunStateError(f"cannot make a run directory in {folder}: a hundred runs began in this second")


def runs_of(results: Path, name: str) -> list[Workspace]:
    """The runs of one name, newest first."""
    folder = results / path_part(name)
    runs = [Workspace(path.resolve()) for path in folder.glob("*Z*") if (path / RUN_FILE).exists()]
    return sorted(runs, key=lambda run: run.run_id, reverse=True)


def is_needed_to_clean_up(name: str) -> bool:
    """Whether a file, by its path in the run directory, is needed to delete what the run deployed."""
    return name in (RUN_FILE, _CONFIG_COPY, _ENDPOINTS_FILE, _EVENTS_FILE)


def is_needed_to_follow(name: str) -> bool:
    """Whether a file, by its path in the run directory, says how far the run is."""
    return is_needed_to_clean_up(name) or name == _FLEET_FILE or name.endswith(_FAILED_LEVEL)


def is_needed_to_explore(name: str) -> bool:
    """Whether a file, by its path in the run directory, holds what is asked of a finished run: its state, config,
    results, records and notebooks, without raw responses."""
    folder = name.partition("/")[0]
    results = folder in (RUN_FILE, _CONFIG_COPY, _SUMMARY, "report.md", _METRICS, _NOTEBOOKS)
    return results or (folder == _REQUESTS and name.endswith((".parquet", ".json")))


def _is_part_of_run(name: str) -> bool:
    """Whether a file or folder of this name is part of the run: no lock, no temporary file, nothing of this machine."""
    return not name.startswith(".") and not name.endswith(_PASSING)


def path_part(name: str) -> str:
    """A name as one component of a path; characters that a path cannot have are percent-encoded.

    So are dots that would make it a hidden file, a lock, an unfinished file, or one of a level.
    """
    encoded = quote(name, safe=" ")
    if not encoded.strip(". "):
        return encoded.replace(".", "%2E")
    if encoded.startswith("."):
        encoded = "%2E" + encoded[1:]
    ending = next((ending for ending in _OWN_ENDINGS if encoded.endswith(ending)), None)
    return encoded if ending is None else encoded.removesuffix(ending) + ending.replace(".", "%2E")
