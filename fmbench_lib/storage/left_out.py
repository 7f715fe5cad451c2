"""What a bucket does not get of a run, and what of that would be lost with the directory."""

from __future__ import annotations

from pathlib import Path

from fmbench_lib.workspace import Workspace


def left_out(workspace: Workspace) -> list[Path]:
    """The files of a run that are not uploaded and exist nowhere else: a notebook or level that is not finished, a
    link, and what someone else has put there; sorted."""
    sent = set(workspace.complete_files())
    files = (path for path in sorted(workspace.path.rglob("*")) if path.is_symlink() or not path.is_dir())
    return [path for path in files if path not in sent and not _is_of_this_machine(workspace, path)]


def _is_of_this_machine(workspace: Workspace, path: Path) -> bool:
    """Whether a file means nothing anywhere else: locks, temporary files, and what is remembered of buckets."""
    notes = (workspace.bucket_file, workspace.behind_file, workspace.inputs_file, workspace.cleaned_file)
    fetched = workspace.earlier_run("any").parent
    temporary = path.name.startswith(".") and path.name.endswith((".part", ".lock"))
    return path in (*notes, workspace.progress_file) or path.is_relative_to(fetched) or temporary
