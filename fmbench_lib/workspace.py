"""Where everything of a run is kept. Every file name of a run directory is spelt here and only here.

Files appear under their names only when they are whole: they are written beside, synchronised and renamed, so that a
killed process leaves either the old content or the new one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from fmbench_lib.errors import RunStateError

COMPOSE_FILE = "compose.yml"
RUN_ID_FORMAT = "%Y%m%d-%H%M%SZ"
_FAILED_LEVEL = ".failed.json"


class Send(Protocol):
    """Brings files of a run to where else it is kept. It raises nothing that a run would have to stop for."""

    def __call__(self, workspace: Workspace, paths: Sequence[Path], *, insist: bool) -> bool: ...


def _kept_here(workspace: Workspace, paths: Sequence[Path], *, insist: bool) -> bool:
    """A run that is kept in its directory alone is complete there."""
    return True


def raw_file(level: Path) -> Path:
    """Where the raw responses of a level are kept, beside its records."""
    return level.with_suffix(".raw.zst")


@dataclass(frozen=True, slots=True)
class Workspace:
    """One run directory. `redact` takes the secrets out of what is noted of the run.

    `send` brings what is complete to where else the run is kept: a bucket (`storage/`), or nowhere.
    """

    path: Path
    redact: Callable[[str], str] = field(default=str, repr=False, compare=False)
    send: Send = field(default=_kept_here, repr=False, compare=False)

    # -- names -------------------------------------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        return self.path.name

    @property
    def run_file(self) -> Path:
        return self.path / "run.json"

    @property
    def config_copy(self) -> Path:
        return self.path / "config.yml"

    @property
    def events_file(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def progress_file(self) -> Path:
        return self.path / "progress.json"

    @property
    def endpoints_file(self) -> Path:
        return self.path / "endpoints.json"

    @property
    def prices_file(self) -> Path:
        """What was looked up because no price file listed it."""
        return self.path / "prices.json"

    @property
    def summary_file(self) -> Path:
        return self.path / "summary.json"

    @property
    def report_file(self) -> Path:
        return self.path / "report.md"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    def containers(self, experiment: str) -> Path:
        """What an experiment's containers were made from."""
        return self.path / "containers" / path_part(experiment)

    def compose_file(self, experiment: str) -> Path:
        """The containers that an experiment ran, as `docker compose` takes them."""
        return self.containers(experiment) / COMPOSE_FILE

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    @property
    def prompts(self) -> Path:
        return self.path / "prompts"

    @property
    def requests(self) -> Path:
        return self.path / "requests"

    @property
    def endpoint_metrics(self) -> Path:
        """What was sampled of the endpoints' machines, as it was read."""
        return self.path / "endpoint_metrics"

    def notebook(self, step: str) -> Path:
        return self.path / "notebooks" / f"{step}.ipynb"

    def payload(self, payload_file: str) -> Path:
        return self.prompts / path_part(payload_file)

    def metrics(self, name: str) -> Path:
        return self.path / "metrics" / name

    def level(self, experiment: str, payload_file: str, load: str) -> Path:
        """A level's records; the file's existence means that the level is done."""
        folder = self.requests / path_part(experiment) / path_part(payload_file.removesuffix(".jsonl"))
        return folder / f"{path_part(load)}.parquet"

    def failed_level(self, experiment: str, payload_file: str, load: str) -> Path:
        """Why a level has no records, where that is so."""
        return self.level(experiment, payload_file, load).with_suffix(_FAILED_LEVEL)

    def level_scratch(self, experiment: str, payload_file: str, load: str) -> Path:
        """Where a level is under way; what an earlier attempt left there is of no use."""
        return self.level(experiment, payload_file, load).with_suffix(".part")

    def samples(self, experiment: str, name: str) -> Path:
        """Raw samples of the machine that an experiment is served by: what `name` (a monitor, a service) read."""
        return self.endpoint_metrics / path_part(experiment) / f"{path_part(name)}.jsonl"

    def samples_of(self, experiment: str) -> list[Path]:
        """All raw samples of an experiment, in order of their names."""
        return sorted((self.endpoint_metrics / path_part(experiment)).glob("*.jsonl"))

    def levels(self) -> list[Path]:
        """The records of all finished levels, in order of their names."""
        return sorted(self.requests.rglob("*.parquet"))

    def levels_of(self, experiment: str) -> list[Path]:
        """The records of an experiment's finished levels."""
        return sorted((self.requests / path_part(experiment)).rglob("*.parquet"))

    def failed_levels(self) -> list[dict[str, Any]]:
        return [read_json(path) for path in sorted(self.requests.rglob(f"*{_FAILED_LEVEL}"))]

    # -- where else it is kept ---------------------------------------------------------------------------------

    @property
    def bucket_file(self) -> Path:
        """What this directory knows of the run's copy in a bucket; it stays here, as all names with a dot do."""
        return self.path / ".bucket.json"

    @property
    def behind_file(self) -> Path:
        """Why the bucket lacks something of the run; it is there only while that is so."""
        return self.path / ".bucket-behind.json"

    @property
    def inputs_file(self) -> Path:
        """Which local copies there are of what the run has read from buckets."""
        return self.path / ".inputs.json"

    def keep(self, *paths: Path, insist: bool = False) -> bool:
        """Send what is complete of the run, or only these files, to where else it is kept.

        Returns whether it is there. `insist` tries also where it failed a moment ago, and sends large files again that
        grow, such as logs: once in a step. Never called while a level is being measured.
        """
        return self.send(self, paths, insist=insist)

    def complete_files(self) -> Iterator[Path]:
        """The files that are kept: what is under way, notes of this machine and links are not.

        A notebook is complete when its step has ended, for then its secrets are taken out. The run's state comes last,
        so that it says of nothing that it is there before it is.
        """
        running = {f"{name}.ipynb" for name, state in self.read_run()["steps"].items() if state["status"] == "running"}
        last = (self.events_file, self.run_file)
        for folder, folders, names in os.walk(self.path):
            folders[:] = sorted(name for name in folders if _is_kept(name))
            for path in (Path(folder) / name for name in sorted(names)):
                unfinished = path.parent.name == "notebooks" and path.name in running
                passing = path.is_symlink() or path in (*last, self.progress_file)
                if _is_kept(path.name) and not passing and not unfinished:
                    yield path
        yield from (path for path in last if path.exists())

    def is_withdrawn(self, path: Path) -> bool:
        """Whether a file that is not here any more shall not be in the bucket either: a level that was measured since
        it failed. Nothing else is removed from there."""
        return path.name.endswith(_FAILED_LEVEL) and not path.exists()

    # -- the run's state ---------------------------------------------------------------------------------------

    def read_run(self) -> dict[str, Any]:
        """What `run.json` says. Raises RunStateError when this is no run directory."""
        if not self.run_file.exists():
            raise RunStateError(f"{self.path}: not a run directory: there is no run.json in it")
        try:
            return read_json(self.run_file)
        except ValueError as error:
            raise RunStateError(f"{self.run_file}: not readable as a run's state: {error}") from error

    def update_run(self, **changes: Any) -> dict[str, Any]:
        """Change keys of `run.json`; a mapping is merged into the one that is there."""
        run = self.read_run()
        for key, value in changes.items():
            run[key] = {**run[key], **value} if isinstance(value, Mapping) and isinstance(run.get(key), dict) else value
        self.note(self.run_file, run)
        return run

    def note(self, path: Path, content: Any) -> None:
        """Write what is known of the run, or of a part of it, as JSON and without secrets."""
        write_json(path, each_text(content, self.redact))

    def log_event(self, event: str, **facts: Any) -> None:
        """Append one line to `events.jsonl`."""
        moment = datetime.now(UTC).isoformat()
        line = json.dumps({"time": moment, "event": event, **each_text(facts, self.redact)})
        with self.events_file.open("a") as file:
            file.write(line + "\n")

    @contextlib.contextmanager
    def locked(self, name: str, patience: float = 15.0) -> Iterator[None]:
        """Keep other processes out of the same work on this run; a dead process's lock is gone with it.

        Raises RunStateError when another process still holds it after `patience` seconds.
        """
        with (self.path / f".{name}.lock").open("w") as file:
            deadline = time.monotonic() + patience
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise RunStateError(f"{self.path}: another process is at work on this run") from None
                    time.sleep(0.1)
            yield


def create_workspace(results: Path, name: str, now: datetime | None = None) -> Workspace:
    """A new run directory below `results`, named by its start time (UTC); two runs of a second get different names."""
    folder = results / path_part(name)
    moment = now or datetime.now(UTC)
    for attempt in range(100):
        path = folder / (moment.strftime(RUN_ID_FORMAT) + (f"-{attempt + 1}" if attempt else ""))
        try:
            path.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise RunStateError(f"{path}: no run directory can be made there: {error.strerror}") from error
        for part in ("notebooks", "prompts", "requests", "metrics", "figures", "logs"):
            (path / part).mkdir()
        return Workspace(path.resolve())
    raise RunStateError(f"{folder}: no new run directory could be made")


def runs_of(results: Path, name: str) -> list[Workspace]:
    """The runs of one name, newest first."""
    folder = results / path_part(name)
    runs = [Workspace(path.resolve()) for path in folder.glob("*Z*") if (path / "run.json").exists()]
    return sorted(runs, key=lambda run: run.run_id, reverse=True)


def is_needed_to_clean_up(name: str) -> bool:
    """Whether a file, by its path in the run directory, is needed to take down what the run deployed."""
    return name in ("run.json", "config.yml", "endpoints.json", "events.jsonl")


def _is_kept(name: str) -> bool:
    """Whether a file or folder of this name belongs to what a run is."""
    return not name.startswith(".") and not name.endswith((".part", ".lock"))


def path_part(name: str) -> str:
    """A name as one part of a path, percent-encoded where a path cannot have it."""
    encoded = quote(name, safe=" ")
    return encoded.replace(".", "%2E") if not encoded.strip(". ") else encoded


def each_text(content: Any, change: Callable[[str], str]) -> Any:
    """The same content with each text in it, but for the keys, changed."""
    if isinstance(content, Mapping):
        return {key: each_text(value, change) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [each_text(value, change) for value in content]
    return change(content) if isinstance(content, str) else content


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def write_json(path: Path, content: Any) -> None:
    """Write strict JSON (no NaN) as a whole or not at all."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a file beside `path` to write to; on success it takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON-lines file, one by one."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def write_rows(path: Path, rows: Iterator[Mapping[str, Any]]) -> None:
    """A JSON-lines file of these objects."""
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
