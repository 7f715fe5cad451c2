"""The table that `fmbench calibrate` prints: a title, and a line per level."""

from __future__ import annotations

from fmbench_lib.calibration.calibration_document import CalibrationRow

_UNKNOWN = "–"
_COLUMNS = (
    ("load", 16),
    ("requests", 9),
    ("events/s", 9),
    ("of ideal", 9),
    ("TTFT error p50", 15),
    ("p99 ms", 9),
    ("ITL error p50", 14),
    ("p99 ms", 9),
    ("mean ms", 10),
    ("CPU µs/event", 13),
)
TITLE = "".join(
    title.ljust(width) if index == 0 else title.rjust(width) for index, (title, width) in enumerate(_COLUMNS)
)
"""The titles of the columns, aligned with `row_line`."""


def row_line(row: CalibrationRow) -> str:
    """A level's line under `TITLE`; times in milliseconds, CPU in microseconds."""
    cells = [
        str(row["load"]),
        f"{row['requests']:,}",
        f"{row['events_per_second']:,.0f}",
        f"{row['share_of_ideal']:.1%}",
        *(
            _scaled(error, 1e3, 3)
            for error in (row["TTFT_error_p50"], row["TTFT_error_p99"], row["ITL_error_p50"], row["ITL_error_p99"])
        ),
        _scaled(row["ITL_error_mean"], 1e3, 4),
        _scaled(row["client_cpu_per_event"], 1e6, 1),
    ]
    aligned = [
        cell.ljust(width) if index == 0 else cell.rjust(width)
        for index, (cell, (_, width)) in enumerate(zip(cells, _COLUMNS, strict=True))
    ]
    lost = row["requests"] - row["joined"]
    return "".join(aligned) + (f"   {lost} requests without a counterpart ({row['failed']} failed)" if lost else "")


def node_lines(row: CalibrationRow) -> list[str]:
    """A line for each machine of a cluster, under the level's: what it sent, how busy and how late it was."""
    return [
        f"  {node['name']} at {node['host']}: {_whole(node['requests'])} requests, "
        f"busiest worker {_scaled(node['cpu'], 100, 0)}% of a core, "
        f"sent {_scaled(node['schedule_lag_p99'], 1e3, 2)} ms late at p99, "
        f"clock known within {_scaled(node['clock_bound'], 1e3, 2)} ms"
        + (f", lost: {node['lost']}" if node["lost"] else "")
        for node in row["nodes"] or ()
    ]


def _whole(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value:,}"


def _scaled(value: float | None, factor: float, decimals: int) -> str:
    return _UNKNOWN if value is None else f"{value * factor:z.{decimals}f}"
