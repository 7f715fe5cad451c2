"""Where a run is kept besides its directory: what command line and config say of it, and what its state records.

The directory always comes first. A bucket holds a copy of it (`s3`, `both`); with `s3` only the copy remains.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from fmbench_lib.config import Config
from fmbench_lib.errors import InputError, StorageError
from fmbench_lib.run_state import Kept, RunState
from fmbench_lib.storage.bucket import Address, Bucket
from fmbench_lib.storage.default_buckets import default_bucket
from fmbench_lib.storage.mirror import Mirror, address_of_run, parse_run_address, runs_in, siblings_of
from fmbench_lib.workspace import RUN_FILE, Workspace


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """What the command line says of buckets; with `local_only` none is read or written."""

    local_only: bool = False
    write_bucket: str | None = None


DEFAULT_STORAGE = StorageOptions()


@dataclass(frozen=True, slots=True)
class RunLocation:
    """Where a run is to be kept: `where` is `local`, `s3` or `both`."""

    where: str
    bucket: str | None = None
    region: str | None = None

    def state(self, name: str, run_id: str, storage: StorageOptions) -> Kept:
        """The location as the run's state records it."""
        address = None if self.bucket is None else str(address_of_run(self.bucket, name, run_id))
        return {"where": self.where, "address": address, "region": self.region, "local_only": storage.local_only}


def location_of(config: Config, storage: StorageOptions) -> RunLocation:
    """Where a run of this config is kept: as the command line says, else the config, else its directory alone.

    Checks that the bucket can be used. Raises InputError where none is known or it cannot be used.
    """
    where = config.aws.s3_and_or_local_file_system or ("both" if storage.write_bucket else "local")
    if storage.local_only or where == "local":
        return RunLocation("local")
    region = filled_in(config.aws.region)
    name = filled_in(storage.write_bucket) or filled_in(config.aws.bucket)
    bucket = name.removeprefix("s3://").strip("/") if name else default_bucket("write", region)
    try:
        Bucket(bucket, region).check()
    except StorageError as error:
        raise InputError(
            f"the run cannot be kept in S3: {error} (--write-bucket, aws.bucket), or write --local-mode yes"
        ) from None
    return RunLocation(where, bucket, region)


def filled_in(text: str | None) -> str | None:
    """A value of the config; None where it is missing or its placeholder has no value."""
    return None if not text or "{" in text else text


def connected(workspace: Workspace) -> Workspace:
    """The same run directory, sending complete files to the bucket that its state names, if any."""
    keeper = keeper_of(workspace)
    return workspace if keeper is None else replace(workspace, send=keeper)


def keeper_of(workspace: Workspace) -> Mirror | None:
    """What sends a run to its bucket; None for a run that is kept in its directory alone."""
    kept = _kept(workspace)
    address = kept.get("address")
    return None if not address else Mirror(Address.parse(address), kept.get("region"))


def is_scratch(workspace: Workspace) -> bool:
    """Whether the directory is deleted once the run is complete in its bucket."""
    return _kept(workspace).get("where") == "s3"


def is_local_only(workspace: Workspace) -> bool:
    """Whether the run was made with `--local-mode yes`: it reads no bucket either."""
    return bool(_kept(workspace).get("local_only"))


def _kept(workspace: Workspace) -> Kept:
    return workspace.read_run().get("kept", {})


# -- runs in a bucket ----------------------------------------------------------------------------------------------


def every_file(_name: str) -> bool:
    """The choice of all files of a run."""
    return True


def fetch_run(
    address: str, results: Path, region: str | None = None, wanted: Callable[[str], bool] = every_file
) -> Path:
    """Fetch a run, or what the bucket has newer of it, to below `results`; returns its directory.

    `wanted` chooses files by their paths in the run. Raises InputError where there is no such run, or the bucket cannot
    be read.
    """
    source = parse_run_address(address)
    name, run_id = source.key.split("/")[-2:]
    if {name, run_id} & {".", ".."}:
        raise InputError(f"{address} is not the address of a run")
    workspace = Workspace((results / name / run_id).resolve())
    try:
        bucket = Bucket(source.bucket, region)
        bucket.check()
        if bucket.look(source.below(workspace.run_file.name).key) is None:
            raise InputError(f"there is no run at {source}")
        Mirror(source, region).fetch(workspace, wanted)
    except StorageError as error:
        raise InputError(f"{source} cannot be read: {error}") from None
    kept = _kept(workspace)
    if kept.get("address") != str(source):
        workspace.update_run(kept=cast(Kept, {"where": "both", "region": region, **kept, "address": str(source)}))
    return workspace.path


def refresh(workspace: Workspace) -> None:
    """Fetch what another machine has added to a run that is kept in a bucket. Without the bucket the run continues."""
    keeper = keeper_of(workspace)
    if keeper is not None:
        try:
            keeper.fetch(workspace)
        except StorageError as error:
            keeper.record_outage(workspace, str(error))


def earlier_run_in_bucket(workspace: Workspace, wanted: Callable[[Workspace], bool]) -> Workspace | None:
    """Fetch the prompts of the newest other run of the same name in the bucket for which `wanted` holds, else None.

    They are put into a folder that belongs to no run. Raises InputError where the bucket cannot be read.
    """
    keeper = keeper_of(workspace) if workspace.run_file.exists() else None
    if keeper is None:
        return None
    try:
        for address in siblings_of(keeper):
            earlier = Workspace(workspace.earlier_run(address.key.rsplit("/", 1)[-1]))
            Mirror(address, keeper.region).fetch(earlier, _is_prompts(earlier))
            if wanted(earlier):
                return earlier
    except StorageError as error:
        raise InputError(f"earlier runs in the bucket cannot be read: {error}") from None
    return None


def _is_prompts(workspace: Workspace) -> Callable[[str], bool]:
    folder = f"{workspace.prompts.name}/"
    return lambda name: name.startswith(folder)


def runs_in_bucket(config: Config, storage: StorageOptions) -> Iterator[tuple[str, RunState]]:
    """The runs of a config's name in the bucket that it is kept in, newest first: address and state.

    Raises InputError where the bucket cannot be used.
    """
    location = location_of(config, storage)
    if location.bucket is None:
        return
    try:
        for address in runs_in(location.bucket, config.general.name, location.region):
            content = Bucket(location.bucket, location.region).read(address.below(RUN_FILE).key)
            if content is not None:
                yield str(address), json.loads(content)
    except (StorageError, ValueError) as error:
        raise InputError(f"the runs in the bucket {location.bucket} cannot be read: {error}") from None
