"""A results folder on this machine: run directories up to two levels deep, beside whatever else lies there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fmbench_lib.errors import RunStateError
from fmbench_lib.runs.index.results_places import Found, FoundRun
from fmbench_lib.workspace import INDEXED, Workspace

INDEX_FILE = "runs.duckdb"
SITE_MARK = "fmbench-site.json"
"""A folder with this file is a site that fmbench made, and holds no runs."""


@dataclass(frozen=True, slots=True)
class ResultsFolder:
    """A folder of runs; a `ResultsPlace`."""

    path: Path

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    @property
    def index_file(self) -> Path:
        """Beside the runs."""
        return self.path / INDEX_FILE

    def look(self) -> Found:
        """The runs in it; folders without one are foreign."""
        if not self.path.is_dir():
            found = f"{self.path} is no folder" if self.path.exists() else f"there is no folder {self.path}"
            raise RunStateError(f"{found}: name the folder that holds the runs")
        if _is_run(self.path):
            return Found([_found(self.path)])
        runs: list[FoundRun] = []
        foreign: list[str] = []
        for folder in _folders(self.path):
            if _is_run(folder):
                runs.append(_found(folder))
            elif not (folder / SITE_MARK).exists():
                _look_into(folder, runs, foreign)
        return Found(runs, foreign)

    def state(self, run: FoundRun) -> Mapping[str, Any]:
        """The run's state; what was running in a process that is gone was interrupted."""
        state: Any = json.loads((Path(run.place) / INDEXED.state).read_bytes())
        if not isinstance(state, dict):
            raise ValueError(f"{INDEXED.state} is not that of a run")
        if state.get("status") == "running":
            return cast(dict[str, Any], Workspace(Path(run.place)).read_run())
        return cast(dict[str, Any], state)

    def content(self, run: FoundRun, name: str) -> bytes | None:
        """A file of a run."""
        path = Path(run.place) / name
        return path.read_bytes() if path.exists() else None


def _look_into(folder: Path, runs: list[FoundRun], foreign: list[str]) -> None:
    """The runs of one name; a folder without any is a line, and one without a state beside others is too."""
    try:
        inside = list(_folders(folder))
        found = [path for path in inside if _is_run(path)]
    except OSError as error:
        foreign.append(f"{folder}: cannot be read: {error.strerror}")
        return
    runs.extend(map(_found, found))
    without = [path for path in inside if path not in found] if found else [folder]
    foreign.extend(f"{path}: not a run: it has no {INDEXED.state}" for path in without)


def _folders(folder: Path) -> Iterator[Path]:
    yield from sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_run(folder: Path) -> bool:
    return (folder / INDEXED.state).is_file()


def _found(folder: Path) -> FoundRun:
    facts = []
    for name in INDEXED:
        try:
            known = (folder / name).stat()
            facts.append((name, known.st_size, known.st_mtime_ns))
        except OSError:
            facts.append((name, -1, 0))
    return FoundRun(str(folder), json.dumps(facts), page=(folder / INDEXED.page).is_file())
