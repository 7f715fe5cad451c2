"""A table of the page as plain HTML, for viewers that run no scripts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from fmbench_lib.report.html.page_shapes import Table
from fmbench_lib.report.numbers import MISSING, amount, count, duration, percent, seconds, significant

_FORMATS: Mapping[str, Callable[[Any], str]] = {
    "seconds": seconds,
    "duration": duration,
    "count": count,
    "number": significant,
    "share": percent,
    "usd": amount,
    "load": lambda value: str(value[0]),
}


def static_table(table: Table) -> str:
    """One of `page_tables.tables` as HTML; all texts are escaped."""
    heads = "".join(f'<th scope="col">{escape(column["name"])}</th>' for column in table["columns"])
    kinds = [column["kind"] for column in table["columns"]]
    rows = "".join(
        f"<tr>{''.join(_cell(value, kind) for value, kind in zip(row, kinds, strict=True))}</tr>"
        for row in table["rows"]
    )
    caption = f"<caption>{escape(table['title'])}</caption>"
    return f'<div class="scroll"><table>{caption}<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cell(value: Any, kind: str) -> str:
    if value is None or value == "":
        return f"<td>{MISSING}</td>"
    return f"<td>{escape(_FORMATS.get(kind, str)(value))}</td>"
