"""The levels of a finished run as a table on standard output."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich.text import Text

from fmbench_lib.cli.level_lines import LevelLines
from fmbench_lib.cli.live_region import LiveRegion, is_live
from fmbench_lib.cli.terminal import say
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.missing import Row
from fmbench_lib.report.level_order import in_order
from fmbench_lib.views.level_cells import load_cell

_PLAIN_WIDTH = 500


def print_levels(rows: Sequence[Row]) -> None:
    """Print the last attempt at each level, by payload file, experiment and load; `rows` are cleaned."""
    counted = [dict(row) for row, is_last in zip(rows, last_attempts(rows), strict=True) if is_last]
    if not counted:
        return
    region = LiveRegion(sys.stdout) if is_live(sys.stdout) else None
    table = LevelLines(_PLAIN_WIDTH if region is None else region.width, map(load_cell, counted))
    lines = [table.header, *(line for row in in_order(counted) for line in table.lines(row))]
    if region is None:
        for line in lines:
            say(line.plain.rstrip())
    else:
        region.print([Text(""), *lines, Text("")])
