"""docs/metrics.md is what the code makes of it: its column tables and its thresholds are generated."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.metrics.columns import Column
from fmbench_lib.metrics.costs import COST_TABLE
from fmbench_lib.metrics.metric_groups import SLICES, SUMMARY
from fmbench_lib.metrics.request_table import REQUEST_TABLE
from fmbench_lib.metrics.tables import COUNT_TABLE, ERROR_RATE_TABLE
from fmbench_lib.report.column_reference import PARTS, REGENERATE, columns_table, main, regenerated

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
TABLES = (SUMMARY, SLICES, REQUEST_TABLE, COUNT_TABLE, ERROR_RATE_TABLE, COST_TABLE)


def test_the_page_is_current() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == regenerated(text), f"docs/metrics.md is stale; run: {REGENERATE}"


def test_the_page_has_every_part() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in PARTS if f"<!-- generated: {name} -->" not in text] == []


@pytest.mark.parametrize("columns", TABLES)
def test_every_column_is_named_once_and_has_a_meaning(columns: tuple[Column, ...]) -> None:
    assert len({column.name for column in columns}) == len(columns)
    assert [column.name for column in columns if not column.meaning or "|" in column.meaning] == []
    assert [column.name for column in columns if column.kind in ("text", "flag") and column.unit] == []


def test_neighbours_of_one_meaning_share_a_row() -> None:
    columns = [Column("a", "s", "number", "same"), Column("b", "s", "number", "same"), Column("c", "", "text", "other")]
    assert columns_table(columns).splitlines()[2:] == ["| `a`, `b` | s | number | same |", "| `c` |  | text | other |"]


def test_a_stale_page_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- generated: all_metrics.csv -->\nold\n<!-- end -->\nafter\n", encoding="utf-8")
    main([str(page)])
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("<!-- end -->\nafter\n")
    assert "old" not in text
    assert "| `slice` |" in text
