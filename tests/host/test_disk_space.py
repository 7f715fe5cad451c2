"""A full disk is one line that says where and how much is missing; room is looked at before it is needed."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from fmbench_lib.errors import DiskFullError
from fmbench_lib.host import disk_space
from fmbench_lib.host.atomic_files import replacing, write_json, write_text
from fmbench_lib.host.disk_space import check_room, free_bytes, is_full, room_explained, set_aside, size_text


@pytest.fixture
def few_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every disk has 1,000 bytes free."""
    monkeypatch.setattr(disk_space, "free_bytes", lambda path: 1000)


@pytest.mark.usefixtures("few_bytes")
def test_the_error_says_where_and_how_much_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DiskFullError) as raised, room_explained(tmp_path / "a.json", 4500):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert str(raised.value) == f"the disk of {tmp_path} is full: 1.0 kB free, at least 3.5 kB more needed"


@pytest.mark.usefixtures("few_bytes")
@pytest.mark.parametrize(("code", "said"), [(errno.EDQUOT, "quota"), (errno.EFBIG, r"ulimit -f")])
def test_a_quota_and_a_limit_are_named(tmp_path: Path, code: int, said: str) -> None:
    with pytest.raises(DiskFullError, match=said), room_explained(tmp_path / "a"):
        raise OSError(code, os.strerror(code))


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), room_explained(tmp_path / "a"):
        raise PermissionError(errno.EACCES, "no")
    assert not is_full(ValueError())


@pytest.mark.usefixtures("few_bytes")
def test_a_level_that_needs_more_is_refused_and_one_that_fits_is_not(tmp_path: Path) -> None:
    check_room(tmp_path, 1000, "the level")
    with pytest.raises(DiskFullError, match=r"the level needs about 3\.0 MB .*1\.0 kB free: 3\.0 MB are missing"):
        check_room(tmp_path, 3_000_000, "the level")


def test_room_is_that_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    disk = os.statvfs(tmp_path)
    free = free_bytes(tmp_path / "not" / "there")
    assert free is not None
    assert abs(free - disk.f_bavail * disk.f_frsize) < 1 << 30  # others write too


def test_what_is_set_aside_is_occupied(tmp_path: Path) -> None:
    set_aside(tmp_path / "r", 65536)
    assert (tmp_path / "r").stat().st_blocks * 512 >= 65536


def test_a_write_without_room_leaves_the_old_content_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFullError, match="is full"):
        write_json(path, {"a": 2})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_vanishes_in_between_is_the_error_not_what_follows_from_it(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(FileNotFoundError), replacing(folder / "a") as part:  # noqa: PT012
        part.write_text("x")
        part.unlink()
        folder.rmdir()
    assert not folder.exists()
    write_text(tmp_path / "b", "y")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (999_600, "1.0 MB"), (3 * 10**9, "3.0 GB")]
)
def test_sizes_are_written_as_people_read_them(size: int, text: str) -> None:
    assert size_text(size) == text
