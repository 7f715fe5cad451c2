"""Keeps a run's copy in a bucket up to date while the run goes on, without ever stopping the run.

The directory is always written first. What cannot be sent stays there, is reported once, and is sent together with the
next file that can be sent, or by `fmbench sync`.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fmbench_lib.errors import FmbenchError, InputError, StorageError
from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.run_state import Outage
from fmbench_lib.storage.bucket import Address, Bucket
from fmbench_lib.storage.left_out import left_out
from fmbench_lib.storage.sync import RunCopy, Sent
from fmbench_lib.workspace import Workspace, path_part

ROOT = "results"
"""The folder of a bucket that holds runs, laid out as the folder of results: `results/<name>/<run id>`."""

_LOCK = "bucket"
_PATIENCE_S = 600.0
_REST_S = 30.0
_REST_TIMES = 10.0
_LONG_S = 8.0


@dataclass(frozen=True, slots=True)
class Mirror:
    """Sends the complete files of one run to `address` in a bucket; the `send` of a `Workspace`."""

    address: Address
    region: str | None = None

    def __call__(self, workspace: Workspace, paths: Sequence[Path], *, insist: bool) -> bool:
        """Send these files, or all that are complete; whether the bucket has all of them now.

        After a failure nothing is sent for a while, except for `paths`, which cannot wait. With `insist` that holds
        only after a failure that took long to come.
        """
        if not paths and _resting(workspace, insist):
            return False
        begun = time.monotonic()
        try:
            sent = self.send(workspace, paths, growing=insist)
        except (FmbenchError, OSError) as error:
            self.record_outage(workspace, str(error), time.monotonic() - begun)
            return False
        if sent.left:
            self.record_outage(workspace, f"another machine has gone on with the run in {self.address}")
            return False
        if not paths:
            workspace.behind_file.unlink(missing_ok=True)
        return True

    def begin(self, workspace: Workspace) -> None:
        """Send the first files of a new run; raises InputError where the bucket refuses them."""
        try:
            sent = self.send(workspace)
        except StorageError as error:
            raise InputError(f"the run cannot be kept in {self.address}: {error}") from None
        if sent.left:
            raise InputError(f"another run began in {self.address} in this very second: start again")

    def send(self, workspace: Workspace, paths: Sequence[Path] = (), *, growing: bool = True) -> Sent:
        """Send these files, or all that are complete; raises StorageError where the bucket refuses them.

        Without `growing`, large files that were sent before wait: a server's log is not sent whole at every level.
        """
        with workspace.locked(_LOCK, patience=_PATIENCE_S):
            return RunCopy(workspace, self.address, self.region).send(paths, growing=growing)

    def synchronise(self, workspace: Workspace) -> Sent:
        """Send what the bucket lacks and check every object afterwards; raises StorageError where one is missing."""
        with workspace.locked(_LOCK, patience=_PATIENCE_S):
            copy = RunCopy(workspace, self.address, self.region)
            copy.missing()  # forgets what was sent and has been lost there
            sent = copy.send()
            lost = [name for name in copy.missing() if name not in sent.left]
        if lost:
            raise StorageError(f"{self.address} lacks {', '.join(lost[:5])}{' and more' if lost[5:] else ''}")
        if not sent.left:
            workspace.behind_file.unlink(missing_ok=True)
        return sent

    def release(self, workspace: Workspace) -> bool:
        """Remove a run's directory if the bucket has every file of it; returns whether the directory is gone.

        A directory with a file that the bucket does not get stays.
        """
        try:
            if left_out(workspace):
                return False
            with workspace.locked(_LOCK, patience=_PATIENCE_S):
                if RunCopy(workspace, self.address, self.region).missing():
                    return False
        except StorageError:
            return False
        shutil.rmtree(workspace.path, ignore_errors=True)
        return not workspace.path.exists()

    def fetch(self, workspace: Workspace, wanted: Callable[[str], bool] = lambda name: True) -> int:
        """Fetch what is newer in the bucket; returns the number of files. Raises StorageError and RunStateError."""
        workspace.path.mkdir(parents=True, exist_ok=True)
        with workspace.locked(_LOCK, patience=_PATIENCE_S):
            return RunCopy(workspace, self.address, self.region).fetch(wanted)

    def record_outage(self, workspace: Workspace, reason: str, took: float = 0.0) -> None:
        """Record that the bucket lacks something; the first time also as an event, and for the report.

        `took` is how long it took to find out, s: the longer, the longer it is until the bucket is tried again.
        """
        first = not workspace.behind_file.exists()
        since = datetime.now(UTC).isoformat(timespec="seconds") if first else read_json(workspace.behind_file)["since"]
        rest = max(_REST_S, _REST_TIMES * took)
        workspace.note(
            workspace.behind_file, {"since": since, "until": time.time() + rest, "took": took, "said": reason}
        )
        if first:
            workspace.log_event("bucket behind", address=str(self.address), said=reason)
            location = workspace.read_run().get("kept", {})
            outage: Outage = {"since": since, "said": reason}
            workspace.update_run(kept={**location, "outages": [*location.get("outages", []), outage]})


def why_behind(workspace: Workspace) -> str | None:
    """Why the bucket lacks some of the run's files; None where nothing is known to be missing."""
    try:
        reason: str = read_json(workspace.behind_file)["said"]
    except (OSError, ValueError):
        return None
    return reason


def _resting(workspace: Workspace, insist: bool) -> bool:
    try:
        failure = read_json(workspace.behind_file)
    except (OSError, ValueError):
        return False
    return time.time() < failure["until"] and (failure["took"] > _LONG_S or not insist)


def address_of_run(bucket: str, name: str, run_id: str) -> Address:
    """The address of a run in a bucket."""
    return Address(bucket, ROOT).below(path_part(name), run_id)


def runs_in(bucket: str, name: str, region: str | None = None) -> list[Address]:
    """The runs of one name in a bucket, newest first; raises StorageError."""
    folder = Address(bucket, ROOT).below(path_part(name))
    run_ids = Bucket(bucket, region).folders(folder.key)
    return [folder.below(run_id) for run_id in sorted(run_ids, reverse=True)]


def siblings_of(mirror: Mirror) -> list[Address]:
    """The other runs beside a run in its bucket, newest first; raises StorageError."""
    bucket = mirror.address.bucket
    folder, _, run_id = mirror.address.key.rpartition("/")
    run_ids = Bucket(bucket, mirror.region).folders(folder)
    return [Address(bucket, folder).below(other) for other in sorted(run_ids, reverse=True) if other != run_id]


def parse_run_address(text: str) -> Address:
    """The address of a run, `s3://bucket/results/name/run-id`; raises InputError for another."""
    address = Address.parse(text)
    if address.key.count("/") < 1:
        raise InputError(f"{text} is not a run: write s3://bucket/{ROOT}/name/run-id")
    return address
