"""`business_summary.html`: price and performance, and quality where it is known, in one file for a browser."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.report.figures.price_performance import Trade
from fmbench_lib.report.figures.quality_trade import QualityTrade
from fmbench_lib.report.html.chart_content import chart_content
from fmbench_lib.report.html.level_values import TEXT, clean
from fmbench_lib.report.html.page_shapes import PageHead
from fmbench_lib.report.html.page_shell import page_html
from fmbench_lib.report.level_order import in_order
from fmbench_lib.report.report_data import ReportInputs


def write_business_page(
    inputs: ReportInputs, trade: Trade, quality: Mapping[str, QualityTrade], path: Path, picture: Path
) -> Path:
    """Write the page; returns its path. `picture` is that of the same chart, shown where no scripts run."""
    rows = in_order([dict(judgement.row) for judgement in inputs.decision.judgements])
    brief = brief_of(inputs.decision.to_dict())
    head: PageHead = {
        "title": clean(f"{inputs.run.model_name}: {trade.title}"),
        "about": [clean(inputs.run.name), clean(inputs.run.run_id)],
        "what": clean(brief.what, 2 * TEXT),
        "how_sure": clean(brief.how_sure, 2 * TEXT),
        "runner_up": clean(brief.runner_up, TEXT),
        "tone": brief.tone,
        "tiles": [],
        "budgets": [],
        "quality": "",
    }
    content = chart_content(inputs.decision, rows, trade.transactions, quality)
    static = picture.read_bytes() if picture.exists() else None
    path.write_text(page_html({**content, "kind": "business", "head": head}, static), encoding="utf-8")
    return path
