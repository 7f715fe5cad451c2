"""The site's page as HTML."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from fmbench_lib.report.html.level_values import TEXT, clean
from fmbench_lib.report.html.page_shapes import Table
from fmbench_lib.report.html.page_shell import BAR, self_contained
from fmbench_lib.report.html.static_table import static_table
from fmbench_lib.report.numbers import several
from fmbench_lib.report.site.site_shapes import SiteContent, SiteRun

_SCRIPTS = (
    "format.js", "scales.js", "plot.js", "table.js", "sections.js", "site.js", "site_board.js", "site_history.js",
    "site_compare.js", "site_page.js",
)  # fmt: skip
_MEASURES = {
    "latency_p95": "latency p95", "TTFT_p95": "TTFT p95", "TPOT_p50": "TPOT p50",
    "transactions_per_minute": "requests per minute", "price_per_10k_txn": "price", "error_rate": "error rate",
}  # fmt: skip


def site_page(content: SiteContent, title: str) -> str:
    """The page; `title` is a text of any origin."""
    return self_contained(
        title=clean(title, TEXT),
        about=clean(_span(content["runs"])),
        decision=_card(content),
        static=_static(content),
        bar=BAR,
        mounts="",
        content=content,
        scripts=_SCRIPTS,
    )


def _card(content: SiteContent) -> str:
    """What there is, what changed lately, and what was left out."""
    runs, experiments = content["runs"], content["experiments"]
    models = {one["model"] for one in experiments if one["model"]}
    stacks = {one["stack"] for one in experiments if one["stack"]}
    what = (
        f"{several(len(runs), 'run')} of {several(len(experiments), 'experiment')}: {several(len(models), 'model')}, "
        f"{several(len(stacks), 'serving stack')}, {several(len(content['levels']['rows']), 'level')}."
    )
    changed = [history for history in content["histories"] if history["changes"]]
    listed = "".join(f"<li>{escape(_newest_change(content, history['e']))}</li>" for history in changed[:5])
    more = f"<li>and {len(changed) - 5} more</li>" if len(changed) > 5 else ""
    histories = f"<ul>{listed}{more}</ul>" if changed else ""
    enough = sum(
        "too few" not in history["said"] and "no history" not in history["said"] for history in content["histories"]
    )
    said = (
        f"{several(len(changed), 'experiment')} changed over the runs"
        if changed
        else "No experiment changed over the runs, as far as their figures can show"
    )
    sure = f"{said} ({enough} of {len(content['histories'])} have runs enough to tell)."
    left = len(content["left_out"])
    aside = f'<p class="aside"><b>Left out</b> {several(left, "folder or file")}, listed below.</p>' if left else ""
    tone = "doubtful" if changed else "good"
    return (
        f'<div class="verdict-card {tone}"><p class="what">{escape(what)}</p><p class="sure">{escape(sure)}</p>'
        f"{histories}{aside}</div>"
    )


def _newest_change(content: SiteContent, experiment: int) -> str:
    """The last change of an experiment: `vllm: latency p95, requests per minute since nightly/20260603-093000Z`."""
    history = next(one for one in content["histories"] if one["e"] == experiment)
    change = history["changes"][-1]
    first = content["runs"][change["first"]]["title"]
    measures = ", ".join(dict.fromkeys(_MEASURES.get(each["measure"], each["measure"]) for each in change["figures"]))
    return f"{content['experiments'][experiment]['name']}: {measures} since {first}"


def _span(runs: Sequence[SiteRun]) -> str:
    known = sorted(run["at"] for run in runs if run["at"] is not None)
    if not known:
        return "fmbench site"
    first, last = (f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}" for at in (known[0], known[-1]))
    return f"fmbench site · runs of {first}" + (f" to {last}" if first != last else "")


def _static(content: SiteContent) -> str:
    """What stands in for the page in a viewer that runs no scripts."""
    table: Table = {
        "id": "runs",
        "title": "Runs",
        "columns": [{"name": name, "kind": "text"} for name in ("run", "status", "tags", "decision")],
        "rows": [
            [run["title"], run["status"], " ".join(run["tags"]), run["decision"]] for run in reversed(content["runs"])
        ],
    }
    links = "".join(
        f'<li><a href="{escape(run["page"])}">{escape(run["title"])}</a></li>' for run in content["runs"] if run["page"]
    )
    return (
        "<p>This viewer runs no scripts: only the list of runs is shown. A browser shows everything.</p>"
        f'<div class="static">{static_table(table)}<ul>{links}</ul></div>'
    )
