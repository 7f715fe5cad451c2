"""Keeping a run's copy in a bucket up to date while the run goes on, without ever stopping it.

The directory is always written first. What cannot be sent stays there, is said once, and is sent with the next that
can be, or by `fmbench sync`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fmbench_lib.atomic_files import read_json
from fmbench_lib.errors import FmbenchError, InputError, StorageError
from fmbench_lib.run_state import Outage
from fmbench_lib.storage.bucket import Address, Bucket
from fmbench_lib.storage.sync import Sent, Tree
from fmbench_lib.workspace import Workspace, path_part

ROOT = "results"
"""The folder of a bucket that runs are kept in, as they are in the folder of results: `results/<name>/<run id>`."""

_LOCK = "bucket"
_PATIENCE_S = 600.0
_REST_S = 30.0
_REST_TIMES = 10.0
_LONG_S = 8.0


@dataclass(frozen=True, slots=True)
class Keeper:
    """Sends what is complete of one run to its place in a bucket; what a `Workspace` has as its `send`."""

    address: Address
    region: str | None = None

    def __call__(self, workspace: Workspace, paths: Sequence[Path], *, insist: bool) -> bool:
        """Whether all of it is there now. After a failure it rests for a while: not for certain files, which cannot
        wait, and where one insists only after a failure that took long to come."""
        if not paths and _resting(workspace, insist):
            return False
        begun = time.monotonic()
        try:
            sent = self.send(workspace, paths, growing=insist)
        except (FmbenchError, OSError) as error:
            self.behind(workspace, str(error), time.monotonic() - begun)
            return False
        if sent.left:
            self.behind(workspace, f"another machine has gone on with the run in {self.address}")
            return False
        if not paths:
            workspace.behind_file.unlink(missing_ok=True)
        return True

    def begin(self, workspace: Workspace) -> None:
        """Put the first files of a new run; raises InputError where the bucket does not take them."""
        try:
            sent = self.send(workspace)
        except StorageError as error:
            raise InputError(f"the run cannot be kept in {self.address}: {error}") from None
        if sent.left:
            raise InputError(f"another run began in {self.address} in this very second: start again")

    def send(self, workspace: Workspace, paths: Sequence[Path] = (), *, growing: bool = True) -> Sent:
        """Send these files, or all that are complete; raises StorageError where the bucket does not take them.

        Without `growing` large files that were sent before wait: a server's log is not sent whole at every level.
        """
        with workspace.locked(_LOCK, patience=_PATIENCE_S):
            return Tree(workspace, self.address, self.region).send(paths, growing=growing)

    def synchronise(self, workspace: Workspace) -> Sent:
        """Send what the bucket lacks and look at every object afterwards; raises StorageError where it is not there."""
        with workspace.locked(_LOCK, patience=_PATIENCE_S):
            tree = Tree(workspace, self.address, self.region)
            tree.missing()  # forgets what was sent and has been lost there
            sent = tree.send()
            lost = [name for name in tree.missing() if name not in sent.left]
        if lost:
            raise StorageError(f"{self.address} lacks {', '.join(lost[:5])}{' and more' if lost[5:] else ''}")
        if not sent.left:
            workspace.behind_file.unlink(missing_ok=True)
        return sent

    def release(self, workspace: Workspace) -> bool:
        """Remove a run's directory once every file of it was seen to be in the bucket; returns whether it is gone."""
        try:
            with workspace.locked(_LOCK, patience=_PATIENCE_S):
                if Tree(workspace, self.address, self.region).missing():
                    return False
        except StorageError:
            return False
        shutil.rmtree(workspace.path, ignore_errors=True)
        return not workspace.path.exists()

    def fetch(self, workspace: Workspace, wanted: Callable[[str], bool] = lambda name: True) -> int:
        """Bring here what the bucket has newer; returns how many files. Raises StorageError and RunStateError."""
        workspace.path.mkdir(parents=True, exist_ok=True)
        with workspace.locked(_LOCK, patience=_PATIENCE_S):
            return Tree(workspace, self.address, self.region).fetch(wanted)

    def behind(self, workspace: Workspace, said: str, took: float = 0.0) -> None:
        """Take note that the bucket lacks something, the first time with an event and for the report.

        `took` is how many seconds it took to find out: a bucket that does not answer is asked the less often.
        """
        first = not workspace.behind_file.exists()
        since = datetime.now(UTC).isoformat(timespec="seconds") if first else read_json(workspace.behind_file)["since"]
        rest = max(_REST_S, _REST_TIMES * took)
        workspace.note(workspace.behind_file, {"since": since, "until": time.time() + rest, "took": took, "said": said})
        if first:
            workspace.log_event("bucket behind", address=str(self.address), said=said)
            kept = workspace.read_run().get("kept", {})
            outage: Outage = {"since": since, "said": said}
            workspace.update_run(kept={**kept, "outages": [*kept.get("outages", []), outage]})


def why_behind(workspace: Workspace) -> str | None:
    """Why the bucket lacks something of the run, None where that is not known to be so."""
    try:
        said: str = read_json(workspace.behind_file)["said"]
    except (OSError, ValueError):
        return None
    return said


def _resting(workspace: Workspace, insist: bool) -> bool:
    try:
        failure = read_json(workspace.behind_file)
    except (OSError, ValueError):
        return False
    return time.time() < failure["until"] and (failure["took"] > _LONG_S or not insist)


def address_of_run(bucket: str, name: str, run_id: str) -> Address:
    """Where in a bucket a run is kept."""
    return Address(bucket, ROOT).below(path_part(name), run_id)


def runs_in(bucket: str, name: str, region: str | None = None) -> list[Address]:
    """The runs of one name in a bucket, newest first; raises StorageError."""
    folder = Address(bucket, ROOT).below(path_part(name))
    found = Bucket(bucket, region).folders(folder.key)
    return [folder.below(run_id) for run_id in sorted(found, reverse=True)]


def siblings_of(keeper: Keeper) -> list[Address]:
    """The other runs beside a run in its bucket, newest first; raises StorageError."""
    folder, _, own = keeper.address.key.rpartition("/")
    found = Bucket(keeper.address.bucket, keeper.region).folders(folder)
    return [Address(keeper.address.bucket, folder).below(name) for name in sorted(found, reverse=True) if name != own]


def parse_run_address(text: str) -> Address:
    """The address of a run, `s3://bucket/results/name/run-id`; raises InputError for another."""
    address = Address.parse(text)
    if address.key.count("/") < 1:
        raise InputError(f"{text} is no run: write s3://bucket/{ROOT}/name/run-id")
    return address
