"""Tags: words that a person files a run under. They lie in the run, so that they outlive the index and go with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

from fmbench_lib.errors import InputError, StorageError
from fmbench_lib.runs.index.run_index import KnownRun
from fmbench_lib.runs.location import connected
from fmbench_lib.storage.bucket import Address, Bucket, is_address
from fmbench_lib.workspace import INDEXED, Workspace

_TAG = re.compile(r"[\w][\w.:@/+-]{0,49}")


def check_tag(tag: str) -> str:
    """The tag, if it is one; raises InputError."""
    if not _TAG.fullmatch(tag):
        raise InputError(f"{tag!r} is not a tag: write up to 50 letters, digits and . _ - : @ / +, such as baseline")
    return tag


def tag_run(known: KnownRun, add: Iterable[str], remove: Iterable[str]) -> bool:
    """Add tags to a run and remove others; returns whether its tags changed. Raises InputError and OSError."""
    wanted = sorted((set(known.run.tags) | set(add)) - set(remove))
    if wanted == sorted(known.run.tags):
        return False
    if is_address(known.place):
        address = Address.parse(known.place).below(INDEXED.tags)
        content = json.dumps({"tags": wanted}, indent=2).encode() + b"\n"
        try:
            Bucket(address.bucket).put(address.key, content, {})
        except StorageError as error:
            raise InputError(f"{known.place} cannot be tagged: {error}") from None
        return True
    workspace = connected(Workspace(Path(known.place)))
    workspace.note(workspace.tags_file, {"tags": wanted})
    workspace.keep(workspace.tags_file)
    return True
