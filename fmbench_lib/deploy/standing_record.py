"""What the runs of this machine have deployed and not deleted, recorded outside their directories.

A run's own record is its `endpoints.json`. This one is for when that is gone, or could not be written: it is in the
user's state folder, one file a run. It is written as far as possible, and never the reason why something fails.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.host.atomic_files import exclusive_lock, read_json, write_json

_PATIENCE_S = 15.0
_ENDPOINTS = "endpoints"


@dataclass(frozen=True, slots=True)
class StandingRun:
    """A run by its directory, which may be gone, and its endpoints as they were recorded last, by experiment."""

    path: Path
    endpoints: Mapping[str, Mapping[str, Any]]


def state_folder() -> Path:
    """The folder of the records: `fmbench/deployed` in `$XDG_STATE_HOME`, else in `~/.local/state`. Not created."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "fmbench" / "deployed"


def note_standing(run_path: Path, experiment: str, facts: Mapping[str, Any] | None) -> bool:
    """Record an experiment's endpoint, or with None that its run has recorded it as deleted; whether that was possible.

    A run with no endpoint left has no file.
    """
    try:
        path = _file_of(run_path)
        if facts is None and not path.exists():
            return True
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with exclusive_lock(path.parent / ".lock", _PATIENCE_S):
            known = {name: known for name, known in _read(path).items() if name != experiment}
            if facts is not None:
                known[experiment] = dict(facts)
            if known:
                write_json(path, {"run_dir": str(run_path), _ENDPOINTS: known})
            else:
                path.unlink(missing_ok=True)
    except Exception:  # noqa: BLE001 - no home, no rights, no room, a file of someone else: the run goes on without
        return False
    return True


def recorded_outside(run_path: Path) -> dict[str, Mapping[str, Any]]:
    """The endpoints of a run that are recorded here, by experiment, as `Endpoint.to_dict` gives them."""
    with contextlib.suppress(OSError, RuntimeError):
        return dict(_read(_file_of(run_path)))
    return {}


def standing_runs() -> Iterator[StandingRun]:
    """The runs of this machine that something is recorded of."""
    with contextlib.suppress(OSError, RuntimeError):
        for path in sorted(state_folder().glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                content = read_json(path)
                yield StandingRun(Path(content["run_dir"]), content[_ENDPOINTS])


def _file_of(run_path: Path) -> Path:
    return state_folder() / f"{hashlib.sha256(os.fsencode(run_path)).hexdigest()[:24]}.json"


def _read(path: Path) -> dict[str, Mapping[str, Any]]:
    """The endpoints in a file; none where it is missing or damaged."""
    try:
        return dict(read_json(path)[_ENDPOINTS])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return {}
