"""Tables, the live view and the decision as HTML for a notebook, on a light or dark page.

Colours are those of the frontend where it names them (JupyterLab, VS Code). A notebook that is not trusted loses the
style sheet; then plain tables are left. All text is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import zip_longest

from fmbench_lib.metrics.missing import Row
from fmbench_lib.runs.progress import LevelEvent, LiveLevel
from fmbench_lib.views.level_cells import COLUMNS, TONES, place_of, reason_of
from fmbench_lib.views.live_view import LiveView, failed_line, finished_line, live_view

_LONG, _WORD = 60, 32
_CODE = re.compile(r"`([^`]+)`")
_STYLE = """<style>
.fmbench{--good:#1a7f37;--doubtful:#8a5a00;--bad:#c62828;--line:#8884;--track:#8883;
 color:var(--jp-content-font-color1,var(--vscode-editor-foreground,inherit));font-size:13px;line-height:1.45;max-width:88em;overflow-x:auto}
[data-jp-theme-light="false"] .fmbench,.vscode-dark .fmbench,.vscode-high-contrast .fmbench{
 --good:#57d16f;--doubtful:#e3b341;--bad:#ff7b72}
.fmbench table{border-collapse:collapse;margin:.4em 0!important;display:table!important;table-layout:auto!important}
.fmbench th,.fmbench td{padding:.25em .45em!important;border-bottom:1px solid var(--line)!important;vertical-align:top;
 text-align:left!important;white-space:normal!important;overflow-wrap:break-word;background:none!important;
 max-width:32em!important;color:inherit!important}
.fmbench th{font-weight:600;vertical-align:bottom}
.fmbench .number{text-align:right!important;font-variant-numeric:tabular-nums}
.fmbench td.number,.fmbench td.word{white-space:nowrap!important}
.fmbench .long{min-width:18em!important}
.fmbench .good{color:var(--good)!important;font-weight:600}
.fmbench .doubtful{color:var(--doubtful)!important;font-weight:600}
.fmbench .bad{color:var(--bad)!important;font-weight:600}
.fmbench tr{background:none!important}
.fmbench .noted td{border-bottom:none!important;padding-bottom:0!important}
.fmbench .note{opacity:.75;padding-top:0!important;max-width:none!important}
.fmbench .dim{opacity:.75}
.fmbench .bar{height:8px;border-radius:4px;background:var(--track);margin:.5em 0;max-width:40em;overflow:hidden}
.fmbench .bar div{height:100%;background:var(--good)}
.fmbench .card{border:1px solid var(--line);border-left:5px solid var(--good);border-radius:4px;padding:.6em 1em;
 max-width:56em}
.fmbench code{background:var(--track);border-radius:3px;padding:0 .3em}
.fmbench .card.doubtful,.fmbench .card.bad{color:inherit!important;font-weight:inherit}
.fmbench .card.doubtful{border-left-color:var(--doubtful)}
.fmbench .card.bad{border-left-color:var(--bad)}
.fmbench .card p{margin:.25em 0}
</style>"""


def html_of(*parts: str) -> str:
    """Parts that are HTML already, as one output with its styles."""
    return f'{_STYLE}<div class="fmbench">{"".join(parts)}</div>'


def table_html(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    numeric: Iterable[int] = (),
    tones: Mapping[str, str] = TONES,
    below: Sequence[str] = (),
) -> str:
    """A table of plain texts. The columns in `numeric` are figures; a cell that is a word in `tones` has its colour.

    `below` has a note for each row, or an empty text, which stands below it over the whole width.
    """
    right = set(numeric)

    def cell(tag: str, index: int, value: str) -> str:
        kinds = ["number" if index in right else "", "long" if len(value) > _LONG else ""]
        kinds.append("word" if "-" in value and " " not in value and len(value) <= _WORD else "")  # stays whole
        kinds.append(tones.get(value, "") if tag == "td" else "")
        return f'<{tag} class="{" ".join(filter(None, kinds))}">{escape(value)}</{tag}>'

    head = "".join(cell("th", index, heading) for index, heading in enumerate(headings))
    body = ""
    for row, note in zip_longest(rows, below, fillvalue=""):
        tag = '<tr class="noted">' if note else "<tr>"
        body += f"{tag}{''.join(cell('td', *each) for each in enumerate(row))}</tr>"
        if note:
            body += f'<tr><td class="note" colspan="{len(headings)}">{escape(note)}</td></tr>'
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def level_cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    """The headings and cells of a table of levels; what all have in common is left out of the first columns."""
    places = [place_of(row) for row in rows]
    shown = [index for index in (0, 1) if len({place[index] for place in places}) > 1 or index == 0]
    headings = [*(("experiment", "dataset")[index] for index in shown), *(column.heading for column in COLUMNS)]
    cells = [
        [*(place[index] for index in shown), *(column.cell(row) for column in COLUMNS)]
        for row, place in zip(rows, places, strict=True)
    ]
    return headings, cells


def levels_html(rows: Sequence[Row]) -> str:
    """Measured levels as a table, the main reason for a verdict below the figures."""
    headings, cells = level_cells(rows)
    numeric = range(len(headings) - len(COLUMNS) + 1, len(headings) - 1)
    return table_html(headings, cells, numeric, below=[reason_of(row) for row in rows])


def live_html(ended: Sequence[LevelEvent], level: LiveLevel | None, waiting: str = "") -> str:
    """The live view: the levels that have ended, from their events, and the one that is being measured, or what is
    waited for."""
    rows = [figures for facts in ended if (figures := facts.get("figures"))]
    parts = [levels_html(rows)] if rows else []
    others = [
        failed_line(facts) if "error" in facts else finished_line(facts) for facts in ended if not facts.get("figures")
    ]
    parts += [f'<p class="bad">{escape(line)}</p>' for line in others]
    now = _level_html(live_view(level)) if level is not None else f'<p class="dim">{escape(waiting)}</p>'
    return html_of(*parts, now if level is not None or waiting else "")


def live_text(ended: Sequence[LevelEvent], level: LiveLevel | None, waiting: str = "") -> str:
    """The live view as text."""
    lines = [_ended_line(facts) for facts in ended]
    if level is not None:
        view = live_view(level)
        lines.append(" · ".join([view.position, view.level, view.requests, *view.figures, *view.left]))
    elif waiting:
        lines.append(waiting)
    return "\n".join(lines)


def _ended_line(facts: LevelEvent) -> str:
    return failed_line(facts) if "error" in facts else finished_line(facts)


def _level_html(view: LiveView) -> str:
    share = "" if view.share is None else f'<div class="bar"><div style="width:{view.share:.1%}"></div></div>'
    told = "" if view.share is None else f"{view.share:.0%} · "
    figures = " · ".join(map(escape, view.figures))
    return (
        f"<p><b>{escape(view.position)}</b> · {escape(view.level)}</p>{share}"
        f"<p>{told}{escape(view.requests)} · {figures}</p>"
        f'<p class="dim">{escape(" · ".join(view.left))}</p>'
    )


def decision_html(sentences: Sequence[str], runner_up: str, links: Mapping[str, str], tone: str) -> str:
    """The decision as a card; `links` are addresses by the text that is shown, `tone` is one of `TONES`."""
    what, *rest = sentences
    parts = [f"<p><b>{escape(what)}</b></p>", *(f"<p>{_with_code(sentence)}</p>" for sentence in rest)]
    if runner_up:
        parts.append(f'<p class="dim">Runner-up: {escape(runner_up)}</p>')
    anchors = [
        f'<a href="{escape(address, quote=True)}" target="_blank">{escape(name)}</a>' for name, address in links.items()
    ]
    if anchors:
        parts.append(f"<p>{' · '.join(anchors)}</p>")
    return html_of(f'<div class="card {tone}">{"".join(parts)}</div>')


def _with_code(sentence: str) -> str:
    """A sentence, with what is in backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(sentence))
