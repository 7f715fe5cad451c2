"""The calibration of this machine as a file of the user, and what runs record of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, TypeAlias

from fmbench_lib import __version__
from fmbench_lib.calibration.calibration_document import CalibrationDocument
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.host.facts import host_facts
from fmbench_lib.host.paths import expanded
from fmbench_lib.run_state import CalibrationReference

_Fact: TypeAlias = Literal["machine", "processor", "cores"]
_SAME: tuple[_Fact, ...] = ("machine", "processor", "cores")  # another kernel or interpreter is no other machine


def calibration_file(name: str = "calibration.json") -> Path:
    """The calibration's file: `fmbench/calibration.json` in `$XDG_DATA_HOME`, else in `~/.local/share`."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return expanded(home) / "fmbench" / name


def store(document: CalibrationDocument, *, cluster: bool = False) -> Path:
    """Write a calibration of this machine, or of a cluster, in place of the earlier one; returns its path.

    Raises InputError where that fails.
    """
    path = calibration_file("calibration-ray.json") if cluster else calibration_file()
    try:
        write_json(path, document)
    except OSError as error:
        raise InputError(
            f"{path}: cannot write the calibration ({error.strerror}); name another folder in XDG_DATA_HOME"
        ) from error
    return path


def reference() -> CalibrationReference | None:
    """The calibration as `run.json` records it: its file and date, whether it was made on this machine and by this
    version, and how far it reaches. None where there is none; for one that cannot be read, the `error`.
    """
    path = calibration_file()
    try:
        document = read_json(path)
        return {
            "file": _shown(path),
            "date": str(document["date"]),
            "fmbench": str(document["fmbench"]),
            "same_machine": all(document["machine"].get(name) == fact for name, fact in _machine().items()),
            "same_version": document["fmbench"] == __version__,
            "within": {limit: dict(reach) for limit, reach in document["within"].items()},
            "error": None,
        }
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {"file": _shown(path), "error": f"{type(error).__name__}: {error}"}


def _machine() -> dict[str, str | int | None]:
    facts = host_facts()
    return {name: facts[name] for name in _SAME}


def _shown(path: Path) -> str:
    """The path without the user's name."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)
