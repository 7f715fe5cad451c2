"""The generated parts of `docs/metrics.md`: the columns of the CSV files, and the thresholds of the verdict.

python -m fmbench_lib.report.column_reference docs/metrics.md  # writes the page anew between its markers
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.costs import COST_TABLE
from fmbench_lib.metrics.fmbench2_scores import SCORE_TABLE
from fmbench_lib.metrics.metric_groups import SLICES, SUMMARY
from fmbench_lib.metrics.pooled_row import REPEATS
from fmbench_lib.metrics.quality_and_cost import TRADE
from fmbench_lib.metrics.request_table import REQUEST_TABLE
from fmbench_lib.metrics.tables import COUNT_TABLE, ERROR_RATE_TABLE
from fmbench_lib.metrics.text_levels import RETRIEVAL, TEXTS
from fmbench_lib.metrics.thresholds import thresholds_table

REGENERATE = "python -m fmbench_lib.report.column_reference docs/metrics.md"

_MARKED = re.compile(r"(<!-- generated: (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)


def columns_table(columns: Sequence[Column]) -> str:
    """The columns as a Markdown table; neighbours that differ in nothing but their name share a row."""
    lines = ["| column | unit | kind | meaning |", "|---|---|---|---|"]
    for (unit, kind, meaning), group in groupby(columns, lambda column: (column.unit, column.kind, column.meaning)):
        names = ", ".join(f"`{column.name}`" for column in group)
        lines.append(f"| {names} | {unit} | {kind} | {meaning} |")
    return "\n".join(lines)


def _added_by_slices() -> Iterator[Column]:
    known = {column.name for column in SUMMARY}
    return (column for column in SLICES if column.name not in known)


PARTS: dict[str, Callable[[], str]] = {
    "thresholds": thresholds_table,
    "all_metrics_summary.csv": lambda: columns_table(SUMMARY),
    "repeated_levels.csv": lambda: columns_table(REPEATS),
    "all_metrics.csv": lambda: columns_table(list(_added_by_slices())),
    "per_inference_request_results.csv": lambda: columns_table(REQUEST_TABLE),
    "experiment_counts.csv": lambda: columns_table(COUNT_TABLE),
    "error_rates.csv": lambda: columns_table(ERROR_RATE_TABLE),
    "summary_metrics_for_dataset_w_scores.csv": lambda: columns_table(SCORE_TABLE),
    "embedding_levels.csv": lambda: columns_table(TEXTS),
    "retrieval_quality.csv": lambda: columns_table(RETRIEVAL),
    "quality_and_cost.csv": lambda: columns_table(TRADE),
    "endpoint_per_instance_per_run_costs.csv": lambda: columns_table(COST_TABLE),
}
"""The text of each generated part, by the name in its marker `<!-- generated: NAME -->`."""


def regenerated(page: str) -> str:
    """The page with the text between its markers made anew. Raises KeyError for a marker that names no part."""
    return _MARKED.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n\n{match[3]}", page)


def main(arguments: list[str]) -> None:
    """Write the generated parts into the page that is named."""
    path = Path(arguments[0])
    path.write_text(regenerated(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
