"""Where a run is kept beside its directory: what command line and config say of it, and what the directory has noted.

The directory comes first in any case; a bucket holds its copy (`s3`, `both`), which with `s3` alone is what stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fmbench_lib.aws.default_buckets import default_bucket
from fmbench_lib.config import Config
from fmbench_lib.errors import InputError, StorageError
from fmbench_lib.storage.bucket import Address, Bucket
from fmbench_lib.storage.mirror import Keeper, address_of_run, parse_run_address, runs_in, siblings_of
from fmbench_lib.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line says of where a run is read from and kept; `local_only` keeps all buckets out."""

    local_only: bool = False
    write_bucket: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run is to be kept: `where` is `local`, `s3` or `both`."""

    where: str
    bucket: str | None = None
    region: str | None = None

    def noted(self, name: str, run_id: str, wish: Wish) -> dict[str, Any]:
        """The place as `run.json` has it."""
        address = None if self.bucket is None else str(address_of_run(self.bucket, name, run_id))
        return {"where": self.where, "address": address, "region": self.region, "local_only": wish.local_only}


def place_of(config: Config, wish: Wish) -> Place:
    """Where a run of this config is kept: the command line's word, then the config's, then its directory alone.

    A bucket is looked for now. Raises InputError where none is known, or it cannot be used.
    """
    said = config.aws.s3_and_or_local_file_system or ("both" if wish.write_bucket else "local")
    if wish.local_only or said == "local":
        return Place("local")
    region = given(config.aws.region)
    named = given(wish.write_bucket) or given(config.aws.bucket)
    bucket = _name(named) if named else default_bucket("write", region)
    try:
        Bucket(bucket, region).check()
    except StorageError as error:
        raise InputError(
            f"the run cannot be kept in S3: {error} (--write-bucket, aws.bucket), or write --local-mode yes"
        ) from None
    return Place(said, bucket, region)


def given(text: str | None) -> str | None:
    """A value that was given: one whose placeholder is still open is none."""
    return None if not text or "{" in text else text


def _name(text: str) -> str:
    return text.removeprefix("s3://").strip("/")


def connected(workspace: Workspace) -> Workspace:
    """The same run directory, which sends what is complete to the bucket that its `run.json` names, if it names one."""
    keeper = keeper_of(workspace)
    return workspace if keeper is None else replace(workspace, send=keeper)


def keeper_of(workspace: Workspace) -> Keeper | None:
    """What sends a run to its bucket; None for a run that is kept in its directory alone."""
    kept = workspace.read_run().get("kept", {})
    if not kept.get("address"):
        return None
    return Keeper(Address.parse(kept["address"]), kept.get("region"))


def is_scratch(workspace: Workspace) -> bool:
    """Whether the directory is only there while the run is worked on: it stays in the bucket alone."""
    return bool(workspace.read_run().get("kept", {}).get("where") == "s3")


def is_local_only(workspace: Workspace) -> bool:
    """Whether the run was made with `--local-mode yes`: no bucket is read either."""
    return bool(workspace.read_run().get("kept", {}).get("local_only"))


# -- runs that are in a bucket -------------------------------------------------------------------------------------


def brought(
    address: str, results: Path, region: str | None = None, wanted: Callable[[str], bool] = lambda name: True
) -> Path:
    """The directory of a run that a bucket holds, below `results` as a local run's is, with what the bucket has newer.

    `wanted` chooses files by their names. Raises InputError where there is no such run, or the bucket does not answer.
    """
    place = parse_run_address(address)
    name, run_id = place.key.split("/")[-2:]
    if {name, run_id} & {".", ".."}:
        raise InputError(f"{address} is no run")
    workspace = Workspace((results / name / run_id).resolve())
    try:
        bucket = Bucket(place.bucket, region)
        bucket.check()
        if bucket.look(place.below(workspace.run_file.name).key) is None:
            raise InputError(f"there is no run at {place}")
        Keeper(place, region).fetch(workspace, wanted)
    except StorageError as error:
        raise InputError(f"{place} cannot be read: {error}") from None
    kept = workspace.read_run().get("kept", {})
    if kept.get("address") != str(place):
        workspace.update_run(kept={"where": "both", "region": region, **kept, "address": str(place)})
    return workspace.path


def refresh(workspace: Workspace) -> None:
    """Bring what another machine has added to a run that is kept in a bucket; without the bucket the run goes on."""
    keeper = keeper_of(workspace)
    if keeper is not None:
        try:
            keeper.fetch(workspace)
        except StorageError as error:
            keeper.behind(workspace, str(error))


def earlier_kept(workspace: Workspace, wanted: Callable[[Workspace], bool]) -> Workspace | None:
    """The prompts of the newest other run of the same name in the bucket, for which `wanted` holds; fetched.

    They are put where they belong to no run. Raises InputError where the bucket cannot be read.
    """
    keeper = keeper_of(workspace) if workspace.run_file.exists() else None
    if keeper is None:
        return None
    try:
        for address in siblings_of(keeper):
            earlier = Workspace(workspace.path / ".earlier" / address.key.rsplit("/", 1)[-1])
            folder = f"{earlier.prompts.name}/"
            Keeper(address, keeper.region).fetch(earlier, lambda name, folder=folder: name.startswith(folder))  # type: ignore[misc]
            if wanted(earlier):
                return earlier
    except StorageError as error:
        raise InputError(f"earlier runs in the bucket cannot be read: {error}") from None
    return None


def runs_kept(config: Config, wish: Wish) -> Iterator[tuple[str, dict[str, Any]]]:
    """The runs of a config's name in the bucket that it is kept in, newest first: address and `run.json`.

    Raises InputError where the bucket cannot be used.
    """
    place = place_of(config, wish)
    if place.bucket is None:
        return
    try:
        for address in runs_in(place.bucket, config.general.name, place.region):
            content = Bucket(place.bucket, place.region).read(address.below("run.json").key)
            if content is not None:
                yield str(address), json.loads(content)
    except (StorageError, ValueError) as error:
        raise InputError(f"the runs in the bucket {place.bucket} cannot be read: {error}") from None
