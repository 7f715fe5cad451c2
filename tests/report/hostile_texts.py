"""Texts that attack whoever shows them, every place that shows texts of others, and whether they are only text there.

`python -m tests.report.hostile_texts` prints the table: a row for each text, a column for each place.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from fmbench_lib.cli.level_table import print_levels
from fmbench_lib.cli.terminal import clean, say, say_wrapped
from fmbench_lib.host.atomic_files import each_text
from fmbench_lib.host.csv_files import write_rows
from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.disagreements_page import Disagreement, Said, disagreements_page
from fmbench_lib.report.document import render_appendix, render_markdown
from fmbench_lib.report.report_data import (
    EndpointMetrics,
    FailedDeployment,
    FailedLevel,
    ReportInputs,
    StandingEndpoint,
)
from fmbench_lib.views.frame_table import FrameTable
from fmbench_lib.views.level_cells import plain_line
from fmbench_lib.views.notebook_html import decision_html, html_of, levels_html
from fmbench_lib.views.step_summary import step_summary

HOSTILE = {
    "script": "</td></details><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
    "picture": "![p](http://attack.invalid/x.png) [l](javascript:alert(1)) <http://attack.invalid> http://attack.invalid",
    "reference": "[a][b] ![c][b]\n\n[b]: http://attack.invalid 'x'",
    "formula": "=cmd|' /C calc'!A0",
    "ansi": "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b]8;;http://attack.invalid\x07link\x1b]8;;\x07 \x9b2J",
    "bidi": "user\u202etxt.exe\u2066 \u200b\ufeff \u2028",
    "long": "x" * 10_000,
    "pipes": "| a | b |\n| --- | --- |\n``` `` ` ~~~ \\| \\",
    "lines": "one\r\n\r\n# heading\n\n- item\n\n> quote\n\n    code\n\n<!-- comment -->\n---",
    "emphasis": "*a* **b** _c_ ~~d~~ $e$ &lt; &#60;script&#62; :smile: @someone #1",
}
_OURS = ("figures/", "#", "config.yml", "report.md", "report_appendix.md")
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\u2028\u2029]")
_CODE = re.compile(r"^(`{3,}).*?^\1$|(?<![\\`])(`+)(?!`).*?(?<!`)\2(?!`)", flags=re.S | re.M)
_MARKDOWN_TAGS = {
    "h1", "h2", "h3", "h4", "p", "strong", "em", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "code", "pre",
    "a", "img", "blockquote",
}  # fmt: skip


class _Markup(HTMLParser):
    """The tags and addresses of a page, and the text of each cell of a table."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.addresses: list[str] = []
        self.handlers: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src")]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]


def attacked(inputs: ReportInputs, text: str) -> ReportInputs:
    """The inputs with the text wherever something of others can stand, in place of the experiment's name too."""
    summary = inputs.summary.assign(
        experiment_name=text,
        tokenizer=text,
        proxy=text,
        verdict="degraded",
        verdict_reasons=f"the copy {text} failed: {text}".replace("; ", " "),
        price_source=text,
    )
    rows = rows_of(summary)
    row = rows[0]
    decision = replace(inputs.decision, winner=row, runner_up=rows[1], text=f"{text} is the cheapest.")
    run = replace(
        inputs.run,
        model_name=text,
        name=text,
        config_file=text,
        host={"cpu": text},
        versions={text: text},
        source_data_files=(text,),
        steps_failed={"3_run_inference": text},
    )
    return replace(
        inputs,
        run=run,
        summary=_with_errors(summary, text),
        decision=decision,
        recommendations=inputs.recommendations.assign(recommendation=text, payload_file=text),
        costs=inputs.costs.assign(experiment_name=text, note=text),
        failed_deployments=[FailedDeployment(text, text, text)],
        failed_levels=[FailedLevel(text, text, text, text)],
        standing=[StandingEndpoint(text, "local", text, text, text)],
        endpoint=EndpointMetrics(notes=[(text, text)], no_ttft={text: text}, interval=1.0),
        notices=[text],
        config_yaml=f"name: {text!r}\n",
    )


def _with_errors(summary: Any, text: str) -> Any:
    import json

    said = json.dumps({"http_5xx": text})
    return summary.assign(errors=3, error_rate=0.1, errors_by_class='{"http_5xx": 3}', error_messages=said)


def markdown_is_safe(markdown: str) -> bool:
    """Whether a page of Markdown, as a viewer shows it that allows HTML, has no markup but ours."""
    return not faults_of_markdown(markdown)


def faults_of_markdown(markdown: str) -> list[str]:
    """The markup of a page that is not ours, and rows whose cells are not as many as their header's."""
    page = _Markup()
    html = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    page.feed(html)
    faults = [f"<{tag}>" for tag in page.tags - _MARKDOWN_TAGS] + page.handlers
    faults += [address for address in page.addresses if not address.startswith(_OURS)]
    faults += re.findall(r"https?://\S+", _CODE.sub("", markdown))  # a viewer makes links of bare addresses
    if _OBEYED.search(markdown):
        faults.append("a character that is obeyed")
    inside, width = False, 0
    for line in markdown.splitlines():
        cells = len(re.split(r"(?<!\\)\|", line)) if line.startswith("| ") else 0
        if inside and cells and cells != width:
            faults.append(f"a row of {cells} cells of {width}")
        inside, width = bool(cells), cells or width
    return faults


def _html_is_safe(html: str) -> bool:
    page = _Markup()
    page.feed(re.sub(r"<style>.*?</style>", "", html, count=1, flags=re.S))
    return not page.tags & {"script", "img", "a", "iframe", "details"} and not page.handlers


def _csv_is_safe(inputs: ReportInputs, text: str) -> bool:
    """Whether no cell of a written table begins a formula, and every row has all cells."""
    frame = inputs.summary[["experiment_name", "error_messages", "verdict_reasons", "latency_p95"]]
    frame = frame.assign(experiment_name=text, completion=text, finish_reason=text, header=text)
    file = io.StringIO(newline="")
    write_rows(frame, file)
    rows = list(csv.reader(io.StringIO(file.getvalue(), newline="")))
    numbers = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?$")
    bad = [cell for row in rows for cell in row if cell[:1] in ("=", "+", "-", "@") and not numbers.match(cell)]
    return not bad and len({len(row) for row in rows}) == 1


def _terminal_is_safe(inputs: ReportInputs) -> bool:
    """Whether the lines that a terminal gets hold nothing that it obeys."""
    brief = brief_of(inputs.decision.to_dict())
    out = io.StringIO()
    with redirect_stdout(out):
        print_levels(each_text(rows_of(inputs.summary), clean))
        for row in rows_of(inputs.summary):
            say(plain_line(row))
        for sentence in [*brief.sentences, brief.runner_up]:
            say_wrapped(sentence)
    return not _OBEYED.search(out.getvalue())


def _notebook_is_safe(inputs: ReportInputs) -> bool:
    brief = brief_of(inputs.decision.to_dict())
    names = inputs.summary[["experiment_name", "verdict_reasons"]]
    html = [
        html_of(levels_html(rows_of(inputs.summary))),
        html_of(decision_html(brief.sentences, brief.runner_up, {}, brief.tone)),
        FrameTable(names)._repr_html_(),
    ]
    return all(map(_html_is_safe, html))


def _disagreements_is_safe(text: str) -> bool:
    one = Disagreement("a", text, text, text, text, text, (Said(text, "correct", text), Said("b", "incorrect", text)))
    return _html_is_safe(disagreements_page(text, [one], 1, 2))


def _step_summary(inputs: ReportInputs, text: str) -> bool:
    document = {"levels": rows_of(inputs.summary), "decision": inputs.decision.to_dict(), "attention": [text]}
    return markdown_is_safe(step_summary(text, each_text(document, clean)))


PLACES: dict[str, Callable[[ReportInputs, str], bool]] = {
    "report.md": lambda inputs, _: markdown_is_safe(render_markdown(inputs)),
    "report_appendix.md": lambda inputs, _: markdown_is_safe(render_appendix(inputs)),
    "CSV": _csv_is_safe,
    "terminal": lambda inputs, _: _terminal_is_safe(inputs),
    "notebooks": lambda inputs, _: _notebook_is_safe(inputs),
    "step summary": _step_summary,
    "disagreements.html": lambda _, text: _disagreements_is_safe(text),
}
"""Whether a text is only text in a place."""


def main() -> None:
    """Print the table."""
    from tests.report.conftest import inputs_of, simulated_level

    clean = inputs_of([simulated_level(name, n=30, concurrency=c) for name in ("a", "b") for c in (1, 4)])
    print(f"| text | {' | '.join(PLACES)} |\n|{' --- |' * (len(PLACES) + 1)}")
    for name, text in HOSTILE.items():
        inputs = attacked(clean, text)
        said = ["text" if is_safe(inputs, text) else "LIVE" for is_safe in PLACES.values()]
        print(f"| {name} | {' | '.join(said)} |")


if __name__ == "__main__":
    main()
