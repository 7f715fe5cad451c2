"""Spools that a killed process left: cleaned of secrets where they are, and decoded as before."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.load.recording.masked_raw import masked_raw
from fmbench_lib.load.sending.spool import SPOOL, masked_records


def spools_in(folder: Path) -> list[Path]:
    """The spools of all levels, and of all rounds of judging, below a folder, sorted by path."""
    return sorted(folder.rglob(f"*{SPOOL}"))


def clean_spool(path: Path, redactor: Redactor) -> None:
    """Overwrite secrets in a spool by as many `*`, also in a record that was cut off. Raises OSError."""
    end = 0
    with path.open("r+b") as file:
        for record in masked_records(path, redactor.masked, partial(masked_raw, redactor=redactor)):
            file.seek(end)
            if file.read(len(record)) != record:
                file.seek(end)
                file.write(record)
            end += len(record)
        file.seek(end)
        rest = redactor.masked(file.read())
        file.seek(end)
        file.write(rest)
