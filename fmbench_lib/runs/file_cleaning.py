"""Files of a run that other processes write, such as servers' logs and samples: cleaned of secrets where they are.

What a server prints goes straight to its log. Secrets in it are overwritten in place, by as many `*`, which neither
loses a line nor disturbs the server that goes on writing. How far a file has been looked at is remembered, of what load
workers have left the time of its last change.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.runs.run import Run
from fmbench_lib.workspace import Workspace

_LOOK_BACK = 8192
"""Bytes looked at again: a secret may have been written in two parts."""

_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


def clean_files(run: Run) -> None:
    """Overwrite the run's secrets in what other processes have written since the last time, and keep the files from
    other users where the config asks for that. A file that cannot be written is left as it is."""
    workspace = run.workspace
    looked_at = _looked_at(workspace)
    for path in _written_by_others(workspace):
        name = path.relative_to(workspace.path).as_posix()
        start = looked_at.get(name, 0)
        with contextlib.suppress(OSError):
            size = path.stat().st_size
            if size != start:
                begin = max(0, start - _LOOK_BACK) if size > start else 0  # a shorter one is another file
                looked_at[name] = run.redactor.mask_file(path, begin)
    _note(workspace, looked_at)
    if run.config.report.private:
        make_private(workspace)


def clean_after_a_death(run: Run) -> None:
    """Clean what a killed process has left too: the notebook that it was executing, what it had received of a level.

    Only while no process executes the run, since notebooks are written anew after each cell.
    """
    for path in sorted(run.workspace.notebook("any").parent.glob("*")):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                run.redactor.mask_file(path)
    clean_received(run)
    clean_files(run)


def clean_received(run: Run) -> None:
    """Clean what load workers have received and printed that no process works on any more: of levels that are decoded
    when the run is resumed, and of those that were cut off."""
    workspace = run.workspace
    looked_at = _looked_at(workspace)
    for path, clean in _received(workspace):
        name = path.relative_to(workspace.path).as_posix()
        with contextlib.suppress(OSError):
            if not path.is_symlink() and path.stat().st_mtime_ns != looked_at.get(name):
                clean(path, run.redactor)
                looked_at[name] = path.stat().st_mtime_ns
    _note(workspace, looked_at)


def make_private(workspace: Workspace) -> None:
    """Keep other users of the machine from the run's directory and every file in it."""
    with contextlib.suppress(OSError):
        workspace.path.chmod(_PRIVATE_FOLDER)
    for path in workspace.path.rglob("*"):
        with contextlib.suppress(OSError):  # a temporary file may be gone by now
            if path.is_file() and not path.is_symlink():
                path.chmod(_PRIVATE_FILE)


def _written_by_others(workspace: Workspace) -> Iterator[Path]:
    for folder in (workspace.logs, workspace.endpoint_metrics):
        yield from (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())


def _received(workspace: Workspace) -> Iterator[tuple[Path, Callable[[Path, Redactor], object]]]:
    """What load workers have left, and how it is cleaned."""
    from fmbench_lib.load.recording.spool_cleaning import clean_spool, spools_in  # imports numpy

    for spool in spools_in(workspace.path):
        yield spool, clean_spool
        yield spool.with_suffix(".stderr"), lambda path, redactor: redactor.mask_file(path)


def _looked_at(workspace: Workspace) -> dict[str, int]:
    try:
        return read_json(workspace.cleaned_file)
    except (OSError, ValueError):
        return {}


def _note(workspace: Workspace, looked_at: dict[str, int]) -> None:
    if looked_at and workspace.path.is_dir():
        with contextlib.suppress(OSError):
            write_json(workspace.cleaned_file, looked_at)
