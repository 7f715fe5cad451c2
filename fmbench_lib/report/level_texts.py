"""Levels in short texts, as tables and sentences of the report show them."""

from __future__ import annotations

from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.report.level_order import dataset_name
from fmbench_lib.report.numbers import MISSING, estimate, plain, seconds


def level_names(row: Row) -> dict[str, str]:
    """The columns that name a level in a table: experiment, dataset and load."""
    return {
        "experiment": str(row.get("experiment_name")),
        "dataset": dataset_name(text(row, "payload_file")),
        "load": load_label(row),
    }


def level_sentence_name(row: Row) -> str:
    """The level in a sentence: `experiment, dataset, concurrency 4`."""
    return ", ".join(level_names(row).values())


def instance(row: Row) -> str:
    """The instance type with its count where that is not 1: `g5.2xlarge` or `2 × g5.2xlarge`."""
    name, copies = text(row, "instance_type") or MISSING, number(row, "instance_count")
    return f"{plain(copies)} × {name}" if copies is not None and copies != 1 else name


def time_of(row: Row, column: str) -> str:
    """A time of a level without its interval, marked as uncertain where it has none: `1.92 s` or `≈ 1.92 s`."""
    written = seconds(number(row, column))
    return f"≈ {written}" if number(row, column) is not None and number(row, f"{column}_low") is None else written


def estimate_of(row: Row, column: str) -> str:
    """A time of a level with its 95% confidence interval, or marked as uncertain without one."""
    return estimate(number(row, column), number(row, f"{column}_low"), number(row, f"{column}_high"))
