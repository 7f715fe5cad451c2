"""Runs that are deleted: never one that is being measured, nor one whose endpoints still cost money."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from pathlib import Path

from fmbench_lib.errors import InputError, RunStateError, StorageError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.runs.index.run_index import KnownRun
from fmbench_lib.runs.location import fetch_run
from fmbench_lib.runs.run_locks import not_being_measured
from fmbench_lib.steps.endpoints.standing_endpoints import standing_lines
from fmbench_lib.storage.bucket import Address, Bucket, is_address
from fmbench_lib.workspace import INDEXED, Workspace, is_needed_to_clean_up

_GOING = ".deleted-"


def delete_run(known: KnownRun) -> None:
    """Delete a run's directory, or its objects in a bucket; a copy elsewhere stays.

    Raises InputError where it is being measured, something it deployed still stands, or it is not deleted whole.
    """
    if is_address(known.place):
        _delete_objects(Address.parse(known.place))
        return
    path = Path(known.place)
    if path.is_symlink():
        raise RunStateError(f"{path} is a link: delete the run in the folder that it leads to")
    workspace = Workspace(path)
    with not_being_measured(workspace):
        _check_nothing_stands(workspace, known.place)
        going = path.with_name(_GOING + path.name)
        path.rename(going)
    shutil.rmtree(going, ignore_errors=True)
    if going.exists():
        raise RunStateError(f"{path} is no run any more, but {going} cannot be deleted: remove it")
    with contextlib.suppress(OSError):  # other runs of the name are there
        path.parent.rmdir()


def _check_nothing_stands(workspace: Workspace, place: str) -> None:
    try:
        if workspace.endpoints_file.exists():
            read_json(workspace.endpoints_file)
        standing = standing_lines(workspace)
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise RunStateError(
            f"{place}: cannot tell whether what it deployed still stands, as {workspace.endpoints_file.name} cannot be "
            f"read ({error}): look, then delete the folder by hand"
        ) from None
    if standing:
        raise RunStateError(f"{place}: what it deployed still stands: delete that first with fmbench cleanup {place}")


def _delete_objects(address: Address) -> None:
    """Delete a run in a bucket, its state last: half of a run can still be found, and deleted again."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(fetch_run(str(address), Path(folder), wanted=is_needed_to_clean_up))
        if workspace.read_run().get("status") == "running":
            raise RunStateError(f"{address} is being measured, as far as its bucket knows: wait for its end")
        _check_nothing_stands(workspace, str(address))
    bucket, state = Bucket(address.bucket), address.below(INDEXED.state).key
    try:
        for key in [key for key in bucket.keys(f"{address.key}/") if key != state]:
            bucket.remove(key)
        bucket.remove(state)
    except StorageError as error:
        raise InputError(f"{address} is not deleted whole: {error}; delete it again") from None
