"""The site of many runs: its page, and beside it the report of each run."""

from __future__ import annotations

import filecmp
import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fmbench_lib.errors import FmbenchError, InputError
from fmbench_lib.host.atomic_files import replacing, write_json, write_text
from fmbench_lib.metrics.many_runs.run_choice import RunChoice
from fmbench_lib.report.site.site_content import PlacedRun, site_content
from fmbench_lib.report.site.site_page import site_page
from fmbench_lib.runs.index.results_folders import SITE_MARK
from fmbench_lib.runs.index.results_places import FoundRun, ResultsPlace
from fmbench_lib.runs.index.run_index import KnownRun, known_runs
from fmbench_lib.storage.bucket import is_address
from fmbench_lib.workspace import INDEXED, path_part

PAGE = "index.html"
_RUNS = "runs"
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class MadeSite:
    """A site that was written. `page`: its first page · `runs`, `pages`: how many it shows, and how many reports lie in
    it · `left_out`: a line for each folder, file and report that is not."""

    page: Path
    runs: int
    pages: int
    left_out: Sequence[str]


def make_site(
    place: ResultsPlace, into: Path, title: str, choice: RunChoice | None = None, *, pages: bool = True
) -> MadeSite:
    """Write the site of the runs of a place that are chosen; with `pages` each run's own report is copied into it.

    Reports that a site made before has of runs that are gone are removed; nothing else in the folder is touched.
    Raises InputError where there are no runs, or the folder is used for something else.
    """
    _check_folder(into)
    known = known_runs(place)
    chosen = [one for one in known.runs if choice is None or choice.chooses(one.run)]
    if not chosen:
        raise InputError(
            f"there is no run to show{'' if choice is None or choice.asks_nothing else ' among those asked for'}"
        )
    left_out = list(known.left_out)
    _make_folder(into)
    write_json(into / SITE_MARK, {"made_by": "fmbench site"})
    taken: set[Path] = set()
    placed = [PlacedRun(one.run, _page_of(place, one, into, left_out, taken) if pages else "") for one in chosen]
    copied = {one.page for one in placed if one.page}
    _forget(into, copied)
    shown = [line.replace(f"{place.where}/", "") for line in left_out]  # a site may be shown where our folders are not
    write_text(into / PAGE, site_page(site_content(placed, shown), title))
    return MadeSite(into / PAGE, len(placed), len(copied), left_out)


def _check_folder(into: Path) -> None:
    """Raise InputError for a folder that holds something else than a site."""
    try:
        used = into.exists()
    except OSError as error:
        raise InputError(f"--into {into}: {error.strerror}; name another folder") from error
    if used and not into.is_dir():
        raise InputError(f"--into {into}: is a file; name a folder")
    if into.is_dir() and any(into.iterdir()) and not (into / SITE_MARK).exists():
        raise InputError(
            f"--into {into}: holds files that are no site of fmbench; name another folder, or an empty one"
        )


def _make_folder(into: Path) -> None:
    """Make the folder of the site. Raises InputError where that cannot be, or it may not be written to."""
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--into {into}: cannot be made: {error.strerror}; name another folder") from error
    if not os.access(into, os.W_OK):
        raise InputError(f"--into {into}: may not be written to; name another folder")


def _page_of(place: ResultsPlace, known: KnownRun, into: Path, left_out: list[str], taken: set[Path]) -> str:
    """Copy a run's own report into the site; its address there, empty where it has none."""
    if not known.run.page:
        return ""
    parts = (_RUNS, _folder(known.run.name or "unnamed"), _folder(known.run.run_id), INDEXED.page)
    target = into.joinpath(*parts)
    if target in taken:
        left_out.append(f"{known.place}: its report is not copied: another run has its name and id")
        return ""
    taken.add(target)
    try:
        _copy(place, known, target)
    except (FmbenchError, OSError) as error:
        left_out.append(f"{known.place}: its report cannot be copied: {error}")
        return ""
    return "/".join(map(quote, parts))


def _folder(name: str) -> str:
    """A name as that of a folder, of a length that every file system takes."""
    part = path_part(name)
    if len(part) <= _LONGEST:
        return part
    return f"{part[:_LONGEST]}-{hashlib.sha256(part.encode()).hexdigest()[:8]}"


def _copy(place: ResultsPlace, known: KnownRun, target: Path) -> None:
    if not is_address(known.place):
        source = Path(known.place) / INDEXED.page
        if not target.exists() or not filecmp.cmp(source, target):
            with replacing(target) as part:
                shutil.copy2(source, part)
        return
    content = place.content(FoundRun(known.place, "", page=True), INDEXED.page)
    if content is None:
        raise InputError("it is gone")
    with replacing(target) as part:
        part.write_bytes(content)


def _forget(into: Path, kept: set[str]) -> None:
    """Remove reports of an earlier making that are of no run any more."""
    for page in into.glob(f"{_RUNS}/*/*/{INDEXED.page}"):
        address = "/".join(map(quote, page.relative_to(into).parts))
        if address not in kept:
            page.unlink()
            for folder in (page.parent, page.parent.parent):
                if not any(folder.iterdir()):
                    folder.rmdir()
