"""The copies of a model: how many requests each address got, and how many of them failed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fmbench_lib.metrics.columns import Cells, Column
from fmbench_lib.metrics.level_sample import LevelSample
from fmbench_lib.metrics.missing import Row, text

COPIES = (
    Column(
        "requests_by_copy",
        "",
        "text",
        'measured requests and failures of each address, as JSON: `{"http://…": {"requests": 90, "failures": 2}}`; '
        "empty where there is one",
    ),
)


@dataclass(frozen=True, slots=True)
class CopyCounts:
    """The measured requests that one copy got, and how many of them failed."""

    address: str
    requests: int
    failures: int


def copies(sample: LevelSample) -> Cells:
    """The column `COPIES`."""
    chosen = sample.chosen.table(("endpoint", "success"))
    if "endpoint" not in chosen or chosen["endpoint"].nunique() < 2:
        return {"requests_by_copy": None}
    counted = {
        str(address): {"requests": len(mine), "failures": int((~mine["success"].astype(bool)).sum())}
        for address, mine in chosen.groupby("endpoint")
    }
    return {"requests_by_copy": json.dumps(counted)}


def copy_counts(row: Row) -> list[CopyCounts]:
    """The column `requests_by_copy` of a row, by address; empty where there is one copy."""
    counted: Mapping[str, Mapping[str, int]] = json.loads(text(row, "requests_by_copy") or "{}")
    return [CopyCounts(address, each["requests"], each["failures"]) for address, each in counted.items()]
