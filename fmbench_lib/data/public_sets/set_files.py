"""One file of a public set as configs expect it, made of what the Hub has: copied, unpacked or turned to JSON lines."""

from __future__ import annotations

import base64
import fnmatch
import itertools
import json
import shutil
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from fmbench_lib.data.public_sets.catalogue import SetFile
from fmbench_lib.data.sources.base import Row, SourceRequest
from fmbench_lib.data.sources.readers import reader_for
from fmbench_lib.errors import DataError
from fmbench_lib.host.atomic_files import replacing


def sources_of(file: SetFile, repo: str, names: Sequence[str]) -> list[str]:
    """The repository's files that a file is made of, in the order of their names.

    Raises DataError where the repository has none of them any more.
    """
    for pattern in file.sources:
        found = sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))
        if found:
            return found
    raise DataError(f"{repo} has no {' or '.join(file.sources)}: its files are {', '.join(names[:12]) or 'none'}")


def write_file(file: SetFile, downloaded: Sequence[Path], target: Path, rows: int | None) -> None:
    """Write the file, whole or not at all; `rows` limits it to its first ones. Raises DataError where it cannot be."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as new:
        if file.member is not None:
            _unpack(downloaded[0], file.member, new, rows)
        elif len(downloaded) == 1 and downloaded[0].suffix == target.suffix:
            _copy(downloaded[0], new, rows)
        else:
            _as_json_lines(downloaded, new, rows)


def _unpack(archive: Path, member: str, new: Path, rows: int | None) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            name = next((name for name in opened.namelist() if PurePosixPath(name).name == member), None)
            if name is None:
                raise DataError(f"{archive.name} has no {member}")
            with opened.open(name) as content, new.open("wb") as out:
                _copy_lines(content, out, rows)
    except zipfile.BadZipFile as error:
        raise DataError(f"{archive} cannot be unpacked: {error}; delete it to download it again") from error


def _copy(path: Path, new: Path, rows: int | None) -> None:
    with path.open("rb") as content, new.open("wb") as out:
        _copy_lines(content, out, rows)


def _copy_lines(content: Any, out: Any, rows: int | None) -> None:
    if rows is None:
        shutil.copyfileobj(content, out, 1 << 20)
    else:
        out.writelines(itertools.islice((line for line in content if line.strip()), rows))


def _as_json_lines(paths: Sequence[Path], new: Path, rows: int | None) -> None:
    with new.open("w", encoding="utf-8") as out:
        for row in itertools.islice(_rows(paths), rows):
            out.write(json.dumps(row, ensure_ascii=False, default=_plain) + "\n")


def _rows(paths: Sequence[Path]) -> Iterator[Row]:
    for path in paths:
        source = reader_for(path.name).open(SourceRequest(path.name, path, 0))
        yield from (row for _, row in source.read())


def _plain(value: Any) -> Any:
    """What JSON has no form for: bytes, such as those of images, in base64; dates and decimals as text."""
    return base64.b64encode(value).decode() if isinstance(value, bytes) else str(value)
