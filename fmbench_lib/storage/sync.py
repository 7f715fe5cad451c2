"""A run directory and its copy in a bucket: what differs is sent, or fetched, and checked to have arrived.

Each object carries in its metadata the SHA-256 of its content and which directory it was sent from; the directory
records what it has sent or fetched. So a file counts as newer only where the other side has not changed, and nothing
that another machine has uploaded since is overwritten.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Self, TypedDict

from fmbench_lib.errors import RunStateError, StorageError
from fmbench_lib.host.atomic_files import read_json, replacing, write_json
from fmbench_lib.storage.bucket import PART_BYTES, Address, Bucket, Stored
from fmbench_lib.workspace import Workspace

_SHA, _WRITER, _MTIME = "fmbench-sha256", "fmbench-directory", "fmbench-mtime-ns"
_CHUNK = 2**20


class FileNote(TypedDict):
    """What the directory records of a file that it has sent or fetched."""

    size: int
    mtime_ns: int
    sha256: str


@dataclass(slots=True)
class Sent:
    """The number of files sent and their bytes; `left` are files that another machine has uploaded since."""

    files: int = 0
    size: int = 0
    left: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Local:
    """A file as it was when it was read."""

    size: int
    mtime_ns: int
    sha256: str
    content: bytes | None

    @classmethod
    def of(cls, path: Path) -> Self:
        """The file at a path, which may be growing: what it holds now counts. Only small content is kept in memory."""
        state = path.stat()
        if state.st_size <= PART_BYTES:
            content = path.read_bytes()
            return cls(len(content), state.st_mtime_ns, hashlib.sha256(content).hexdigest(), content)
        return cls(state.st_size, state.st_mtime_ns, _sha256(path, state.st_size), None)

    def note(self) -> FileNote:
        return FileNote(size=self.size, mtime_ns=self.mtime_ns, sha256=self.sha256)


class RunCopy:
    """One run in its directory and at `address`. Not for several threads or processes at once."""

    def __init__(self, workspace: Workspace, address: Address, region: str | None = None) -> None:
        self._workspace = workspace
        self._address = address
        self._bucket = Bucket(address.bucket, region)
        known = read_json(workspace.bucket_file) if workspace.bucket_file.exists() else {}
        same = known.get("address") == str(address)
        self._writer: str = known["directory"] if known else uuid.uuid4().hex
        self._files: dict[str, FileNote] = known["files"] if same else {}

    # -- to the bucket ------------------------------------------------------------------------------------------------

    def send(self, paths: Iterable[Path] = (), *, growing: bool = True) -> Sent:
        """Send these files, or all that are complete, unless the bucket has them; raises StorageError.

        Without `growing`, a large file that was sent before and has changed, such as a server's log, waits.
        """
        sent, chosen = Sent(), list(paths)
        try:
            for path in chosen or self._workspace.complete_files():
                if path.is_file() and (growing or not self._is_growing(path)):
                    self._send(path, sent)
            if not chosen:
                self._withdraw()
        finally:
            self._note()
        return sent

    def _send(self, path: Path, sent: Sent) -> None:
        name = self._name(path)
        known, state = self._files.get(name), path.stat()
        if known and (known["size"], known["mtime_ns"]) == (state.st_size, state.st_mtime_ns):
            return
        local = _Local.of(path)
        if not known or known["sha256"] != local.sha256:
            stored = self._bucket.look(self._key(name))
            if stored is not None and not self._is_ours(stored, known) and not _same(stored, local):
                sent.left.append(name)
                return
            if stored is None or not _same(stored, local):
                self._put(name, path, local)
                sent.files, sent.size = sent.files + 1, sent.size + local.size
        self._files[name] = local.note()

    def _is_growing(self, path: Path) -> bool:
        return path.stat().st_size > PART_BYTES and self._name(path) in self._files

    def _put(self, name: str, path: Path, local: _Local) -> None:
        metadata = {_SHA: local.sha256, _WRITER: self._writer, _MTIME: str(local.mtime_ns)}
        if local.content is not None:
            self._bucket.put(self._key(name), local.content, metadata)
        else:
            self._bucket.put_file(self._key(name), path, metadata, local.size)
        arrived = self._bucket.look(self._key(name))
        if arrived is None or not _same(arrived, local):
            raise StorageError(f"{self._address.below(name)} arrived corrupt")

    def _is_ours(self, stored: Stored, known: FileNote | None) -> bool:
        """Whether the bucket's version is the one that this directory has sent or fetched last."""
        return stored.metadata.get(_WRITER) == self._writer or (
            known is not None and stored.metadata.get(_SHA) == known["sha256"]
        )

    def _withdraw(self) -> None:
        for name in [name for name in self._files if self._workspace.is_withdrawn(self._workspace.path / name)]:
            self._bucket.remove(self._key(name))
            del self._files[name]

    def missing(self) -> list[str]:
        """The complete files that the bucket lacks or has differently: every object is checked; raises StorageError."""
        missing = []
        for path in self._workspace.complete_files():
            name, local = self._name(path), _Local.of(path)
            stored = self._bucket.look(self._key(name))
            if stored is None or not _same(stored, local):
                self._files.pop(name, None)
                missing.append(name)
        return missing

    # -- from the bucket ----------------------------------------------------------------------------------------------

    def fetch(self, wanted: Callable[[str], bool] = lambda name: True) -> int:
        """Fetch what this directory lacks or has in an older version; returns the number of files.

        A file that changed on both sides is taken from the bucket, where the run has gone on. Raises StorageError, and
        RunStateError where `endpoints.json` changed on both: no deployed endpoint may be forgotten.
        """
        count, start = 0, f"{self._address.key}/"
        self._workspace.path.mkdir(parents=True, exist_ok=True)
        try:
            for key in self._bucket.keys(start):
                name = key.removeprefix(start)
                if _is_safe(name) and wanted(name) and self._is_newer(name):
                    self._fetch(name)
                    count += 1
        finally:
            self._note()
        return count

    def _is_newer(self, name: str) -> bool:
        path, known = self._workspace.path / name, self._files.get(name)
        if not path.exists():
            return not (known and self._workspace.is_withdrawn(path))
        stored = self._bucket.look(self._key(name))
        local = _Local.of(path)
        if stored is None or _same(stored, local):
            self._files[name] = local.note()
            return False
        if stored.metadata.get(_WRITER) == self._writer:
            return False  # sent from here, and changed here since
        changed_here = known is None or known["sha256"] != local.sha256
        changed_there = known is None or stored.metadata.get(_SHA) != known["sha256"]
        if changed_here and changed_there and path == self._workspace.endpoints_file:
            raise RunStateError(
                f"{path} and the copy in {self._address} record different deployments: delete those of this machine "
                f"with fmbench cleanup {shlex.quote(str(self._workspace.path))}, then move that folder away"
            )
        return changed_there

    def _fetch(self, name: str) -> None:
        path = self._workspace.path / name
        with replacing(path) as part:
            stored = self._bucket.fetch(self._key(name), part)
            local = _Local.of(part)
            if stored.size != local.size or stored.metadata.get(_SHA, local.sha256) != local.sha256:
                raise StorageError(f"{self._address.below(name)} arrived corrupt")
            written = int(stored.metadata.get(_MTIME, local.mtime_ns))
            os.utime(part, ns=(written, written))
        self._files[name] = FileNote(size=local.size, mtime_ns=written, sha256=local.sha256)

    # -- names and records --------------------------------------------------------------------------------------------

    def _name(self, path: Path) -> str:
        return path.relative_to(self._workspace.path).as_posix()

    def _key(self, name: str) -> str:
        return self._address.below(name).key

    def _note(self) -> None:
        facts = {"address": str(self._address), "directory": self._writer, "files": self._files}
        write_json(self._workspace.bucket_file, facts)


def _same(stored: Stored, local: _Local) -> bool:
    return stored.size == local.size and stored.metadata.get(_SHA) == local.sha256


def _is_safe(name: str) -> bool:
    """Whether a name from a bucket stays inside the run directory, and is not of a hidden file."""
    parts = PurePosixPath(name).parts
    return bool(parts) and not name.startswith("/") and not any(part.startswith(".") for part in parts)


def _sha256(path: Path, size: int) -> str:
    """The SHA-256 of the first `size` bytes of a file."""
    digest, left = hashlib.sha256(), size
    with path.open("rb") as file:
        while left and (chunk := file.read(min(_CHUNK, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()
