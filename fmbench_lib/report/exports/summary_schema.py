"""The JSON Schema of `summary.json`, made from the columns: `docs/summary.schema.json` is generated from here.

python -m fmbench_lib.report.exports.summary_schema docs/summary.schema.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.metric_groups import SUMMARY
from fmbench_lib.metrics.pooled_row import REPEATS
from fmbench_lib.report.summary import FORMAT

_TYPES = {"whole number": "number", "number": "number", "text": "string", "flag": "boolean", "time": "number"}
_MAPPINGS = ("errors_by_class", "error_messages", "remarks")
_OBJECTS = ("run", "decision", "budgets", "verdicts")
_LISTS = (
    "recommendations", "costs", "prices", "failed_deployments", "failed_levels", "standing", "searches", "notices",
    "attention",
)  # fmt: skip


def summary_schema() -> dict[str, Any]:
    """The schema (draft 2020-12). Keys may be added without a new `format`; none goes or changes its meaning."""
    properties: dict[str, Any] = {
        "format": {"const": FORMAT, "description": "incremented when programs that read the file have to change"},
        "levels": {"type": "array", "items": _row(SUMMARY)},
        "repeated_levels": {"type": "array", "items": _row((*SUMMARY, *REPEATS))},
        "dataset_of_interest": {"type": ["string", "null"]},
        "cost_measuring": {"type": ["number", "null"]},
        "cost_billed": {"type": ["number", "null"]},
        "all_well": {"type": "boolean"},
        "all_measured": {"type": "boolean"},
        "all_evaluated": {"type": "boolean", "description": "false where the evaluation of the answers broke down"},
        **{name: {"type": "object"} for name in _OBJECTS},
        **{name: {"type": "array"} for name in _LISTS},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "summary.json of fmbench",
        "description": "Times in seconds, prices in USD, moments in Unix seconds; null is what is not known.",
        "type": "object",
        "required": sorted(properties),
        "properties": properties,
    }


def _row(columns: Sequence[Column]) -> dict[str, Any]:
    properties = {column.name: _cell(column) for column in columns}
    return {"type": "object", "required": sorted(properties), "properties": properties}


def _cell(column: Column) -> dict[str, Any]:
    unit = f" ({column.unit})" if column.unit else ""
    kind: Any = "object" if column.name in _MAPPINGS else [_TYPES[column.kind], "null"]
    return {"type": kind, "description": f"{column.meaning}{unit}"}


def schema_text() -> str:
    """The schema as the file has it."""
    return json.dumps(summary_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
