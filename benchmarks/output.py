"""The output of a benchmark: a table on the terminal, and a JSON file that records the machine it ran on."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fmbench_lib.host.facts import host_facts

RESULTS = Path(__file__).parent / "results"


def print_table(columns: Sequence[tuple[str, str]], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the rows under their titles, numbers right-aligned; `columns` are pairs of a row's key and its title."""
    shown = [[_shown(row[key]) for key, _ in columns] for row in rows]
    lines = [[title for _, title in columns], *shown]
    widths = [max(map(len, cells)) for cells in zip(*lines, strict=True)]
    right = [bool(rows) and isinstance(rows[0][key], int | float) for key, _ in columns]
    for line in lines:
        cells = zip(line, widths, right, strict=True)
        print(
            "  ".join(cell.rjust(width) if to_right else cell.ljust(width) for cell, width, to_right in cells).rstrip()
        )


def write_result(name: str, result: Mapping[str, Any]) -> None:
    """Write `results/<name>.json`: the result, its time, the machine, and how busy it was (load averages)."""
    RESULTS.mkdir(exist_ok=True)
    facts = {"written": datetime.now(UTC).isoformat(timespec="seconds"), "host": host_facts()}
    whole = {**facts, "load_average": os.getloadavg(), **result}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
