"""The runs below an address in a bucket, found by one listing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.errors import InputError, StorageError
from fmbench_lib.models.cache import cache_folder
from fmbench_lib.runs.index.results_places import Found, FoundRun
from fmbench_lib.storage.bucket import Address, Bucket, Listed
from fmbench_lib.workspace import INDEXED


@dataclass(frozen=True, slots=True)
class ResultsBucket:
    """A folder of a bucket that holds runs, such as `s3://bucket/results`; a `ResultsPlace`."""

    address: Address

    @property
    def where(self) -> str:
        """Its address."""
        return str(self.address)

    @property
    def bucket(self) -> Bucket:
        """The bucket."""
        return Bucket(self.address.bucket)

    @property
    def index_file(self) -> Path:
        """In the cache of this machine."""
        digest = hashlib.sha256(str(self.address).encode()).hexdigest()[:16]
        return cache_folder() / "indexes" / f"{digest}.duckdb"

    def look(self) -> Found:
        """The runs at any depth: wherever there is a state."""
        start = f"{self.address.key}/" if self.address.key else ""
        files: dict[str, dict[str, Listed]] = {}
        try:
            self.bucket.check()
            for entry in self.bucket.listed(start):
                for name in INDEXED:
                    if entry.key.endswith(f"/{name}"):
                        files.setdefault(entry.key.removesuffix(f"/{name}"), {})[name] = entry
        except StorageError as error:
            raise InputError(f"{self.address} cannot be read: {error}") from None
        return Found([self._found(key, own) for key, own in files.items() if INDEXED.state in own])

    def _found(self, key: str, own: Mapping[str, Listed]) -> FoundRun:
        facts = [(name, own[name].size, own[name].etag) for name in INDEXED if name in own]
        place = str(Address(self.address.bucket, key))
        return FoundRun(place, json.dumps(facts), page=INDEXED.page in own)

    def state(self, run: FoundRun) -> Mapping[str, Any]:
        """The run's state as the bucket has it."""
        content = self.content(run, INDEXED.state)
        state = json.loads(content or b"null")
        if not isinstance(state, dict):
            raise ValueError(f"{INDEXED.state} is not that of a run")
        return state

    def content(self, run: FoundRun, name: str) -> bytes | None:
        """An object of a run."""
        address = Address.parse(run.place).below(name)
        return self.bucket.read(address.key)
