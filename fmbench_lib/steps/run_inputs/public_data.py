"""Fetching a public data set to where configs look for it: a folder of this machine, or a bucket."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.data.public_sets.catalogue import SETS, PublicSet, SetFile, set_named, set_with
from fmbench_lib.data.public_sets.origins import NAME, Origin, read_origins, with_origins
from fmbench_lib.data.public_sets.set_files import sources_of, write_file
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import write_text
from fmbench_lib.host.paths import expanded
from fmbench_lib.models.cache import sha256_of
from fmbench_lib.models.hub import HubDataset, hub_dataset, hub_dataset_file
from fmbench_lib.models.hub_token import hf_token
from fmbench_lib.storage.bucket import Address, Bucket, is_address

__all__ = ["fetch_command", "fetch_set", "list_of_sets", "set_named"]

FOLDER = "source_data"
"""The folder of source files in what a config reads, unless `s3_read_data.source_data_prefix` has another."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is there now; `was_there`: since before, in the same revision."""

    path: str
    origin: Origin
    was_there: bool = False


def set_names() -> tuple[str, ...]:
    """The names of the public sets."""
    return tuple(SETS)


def fetch_set(
    wanted: PublicSet, into: str, *, prefix: str = FOLDER, rows: int | None = None, say: Callable[[str], None]
) -> list[Fetched]:
    """Fetch all files of a set into the folder `prefix` of `into`, a directory or an `s3://` address.

    `rows` limits each file to its first rows. What is there in the same revision is left alone, and a file that was
    not fetched is not replaced. Raises InputError for such a file, ModelFileError where the Hub cannot be used,
    DataError where it has other files than expected, StorageError where the bucket cannot be written.
    """
    token = hf_token((), ())
    dataset = hub_dataset(wanted.repo, token)
    say(f"{wanted.repo} at {dataset.revision[:12]}")
    making = _Making(wanted, dataset, token, rows)
    if is_address(into):
        return _into_bucket(making, Address.parse(into), prefix)
    folder = expanded(into)
    return _into_folder(making, folder if folder.name == prefix else folder / prefix)


def fetch_command(source: str, folders: Sequence[Path], prefix: str) -> str | None:
    """The command that brings a missing source of a config to where it is looked for; None where none does."""
    wanted = set_with(source)
    if wanted is None:
        return None
    folder = shlex.quote(str(folders[0])) if folders else "."
    other = "" if prefix == FOLDER else f" --prefix {shlex.quote(prefix)}"
    return f"fmbench fetch {wanted.name} --into {folder}{other}"


@dataclass(frozen=True, slots=True)
class _Making:
    """Makes the files of one set."""

    wanted: PublicSet
    dataset: HubDataset
    token: str | None
    rows: int | None

    def write(self, file: SetFile, target: Path) -> Origin:
        """Download what a file is made of, and write it to `target`."""
        names = sources_of(file, self.dataset.repo, self.dataset.files)
        downloaded = [hub_dataset_file(self.dataset, name, self.token) for name in names]
        write_file(file, downloaded, target, self.rows)
        return Origin(
            data_set=self.wanted.name,
            repository=self.dataset.repo,
            revision=self.dataset.revision,
            licence=self.dataset.licence or self.wanted.licence,
            sources=tuple(names),
            sha256=sha256_of(target),
            size_bytes=target.stat().st_size,
            rows=self.rows,
        )

    def noted(self, text: str | None, name: str) -> Origin | None:
        """What the note says of a file, if that is of this revision and these rows."""
        noted = read_origins(text).get(name)
        try:
            origin = None if noted is None else Origin(**{**noted, "sources": tuple(noted["sources"])})
        except (KeyError, TypeError):
            return None
        same = origin is not None and (origin.revision, origin.rows) == (self.dataset.revision, self.rows)
        return origin if same else None


def _into_folder(making: _Making, folder: Path) -> list[Fetched]:
    note = folder / NAME
    text = note.read_text(encoding="utf-8") if note.is_file() else None
    fetched = []
    for file in making.wanted.files:
        target = folder / file.target
        if target.exists() and file.target not in read_origins(text):
            raise InputError(f"{target} exists, and was not fetched: move it away, or name another folder with --into")
        origin = making.noted(text, file.target)
        if origin is not None and target.is_file() and sha256_of(target) == origin.sha256:
            fetched.append(Fetched(str(target), origin, was_there=True))
            continue
        origin = making.write(file, target)
        text = with_origins(text, {file.target: origin})
        write_text(note, text)
        fetched.append(Fetched(str(target), origin))
    return fetched


def _into_bucket(making: _Making, address: Address, prefix: str) -> list[Fetched]:
    bucket, place = Bucket(address.bucket), address
    if address.key.rpartition("/")[2] != prefix:
        place = address.below(prefix)
    bucket.check()
    content = bucket.read(place.below(NAME).key)
    text = None if content is None else content.decode("utf-8", "replace")
    fetched = []
    with tempfile.TemporaryDirectory(prefix="fmbench-fetch-") as folder:
        for file in making.wanted.files:
            target = place.below(file.target)
            stored, origin = bucket.look(target.key), making.noted(text, file.target)
            if stored is not None and file.target not in read_origins(text):
                raise InputError(f"{target} exists, and was not fetched: move it away, or use another --into")
            if origin is not None and stored is not None and stored.metadata.get("sha256") == origin.sha256:
                fetched.append(Fetched(str(target), origin, was_there=True))
                continue
            path = Path(folder, "file").with_suffix(Path(file.target).suffix)
            origin = making.write(file, path)
            bucket.put_file(target.key, path, {"sha256": origin.sha256})
            text = with_origins(text, {file.target: origin})
            bucket.put(place.below(NAME).key, text.encode(), {})
            fetched.append(Fetched(str(target), origin))
    return fetched


def list_of_sets() -> list[str]:
    """A line for each set that can be fetched: its name, what it holds, its licence and its files."""
    width = max(map(len, SETS))
    return [
        f"{entry.name:{width}}  {entry.what}; {entry.licence}; {entry.repo} -> {', '.join(entry.targets)}"
        for entry in SETS.values()
    ]
