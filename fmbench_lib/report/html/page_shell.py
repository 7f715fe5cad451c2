"""The content of a page as one HTML file: styles, scripts and data are in it, and it may load and run nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from fmbench_lib.report.figures.style import COLOURS
from fmbench_lib.report.html.page_shapes import BusinessContent, PageContent, PageHead
from fmbench_lib.report.html.page_tables import LEVELS_TABLE
from fmbench_lib.report.html.static_table import static_table

ASSETS = Path(__file__).parent / "assets"
_SCRIPTS = ("format.js", "scales.js", "plot.js", "table.js", "sections.js", "levels.js", "requests.js", "page.js")
COLOURS_ON_DARK = ("#5fb4ec", "#f58a45", "#3cc79c", "#e5a0c8", "#f0b84a", "#a5d8f7", "#b59be4", "#c4ad7c")
"""The palette of the pictures, in its order, lightened until it is clear on a dark page."""
_LITERAL = str.maketrans({"<": r"\u003c", ">": r"\u003e", "&": r"\u0026", "\u2028": r"\u2028", "\u2029": r"\u2029"})
"""Characters of JSON that would end its element or a line of script."""
_PLACE = re.compile(r"\{\{(\w+)\}\}")


def page_html(content: PageContent | BusinessContent, picture: bytes | None = None) -> str:
    """The page. `content`: of `page_content` or of a business page, secrets removed · `picture`: the PNG of the first
    chart, for viewers that run no scripts; None without one."""
    head = content["head"]
    business = content["kind"] == "business"
    return self_contained(
        title=head["title"],
        about=" · ".join(head["about"]),
        decision=_decision(head),
        static=_static(content, picture),
        bar="" if business else BAR,
        mounts="".join(f'<div id="{escape(chart["id"])}"></div>' for chart in content["quality"]) if business else "",
        content=content,
        scripts=_SCRIPTS,
    )


def self_contained(
    *,
    title: str,
    about: str,
    decision: str,
    static: str,
    bar: str,
    mounts: str,
    content: Mapping[str, Any],
    scripts: Sequence[str],
) -> str:
    """A page of its parts. `title` and `about` are texts, `decision`, `static` (for viewers without scripts), `bar` and
    `mounts` are HTML · `content`: what the scripts read · `scripts`: names in `assets/`, in their order."""
    style = _filled(_asset("page.css"), light=_palette(COLOURS), dark=_palette(COLOURS_ON_DARK))
    script = '"use strict";\n' + "\n".join(map(_asset, scripts))
    return _filled(
        _asset("page.html"),
        policy=escape(
            f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; img-src data:; "
            "base-uri 'none'; form-action 'none'"
        ),
        title=escape(title),
        about=escape(about),
        style=style,
        decision=decision,
        static=static,
        bar=bar,
        mounts=mounts,
        footer=escape("Written by fmbench. This page loads nothing: it can be mailed and opened anywhere."),
        data=json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_LITERAL),
        script=script,
    )


BAR = """<nav class="bar-top" aria-label="Selection and sections"><div class="wrap">
<div id="filters"></div><ul id="contents"></ul></div></nav>"""
"""The bar of a page with filters and sections."""


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def _filled(template: str, **parts: str) -> str:
    """The template with its `{{places}}` filled; what is put in is not looked at again."""
    return _PLACE.sub(lambda place: parts[place[1]], template)


def _palette(colours: tuple[str, ...]) -> str:
    return " ".join(f"--c{index}: {colour};" for index, colour in enumerate(colours))


def _hash(text: str) -> str:
    """A source of a content security policy: this text and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _decision(head: PageHead) -> str:
    """The decision, its figures and the quality of the measurement: the part that needs no script."""
    tiles = "".join(
        f'<div><dt>{escape(tile["name"])}</dt><dd class="figure">{_figure(tile["figure"])}</dd>'
        f'<dd class="below">{escape(tile["below"])}</dd></div>'
        for tile in head["tiles"]
    )
    asides = {"Runner-up": head["runner_up"], "Measurement": head["quality"]}
    lines = "".join(f'<p class="aside"><b>{name}</b> {_marked(text)}</p>' for name, text in asides.items() if text)
    return (
        f'<div class="verdict-card {escape(head["tone"])}"><p class="what">{_marked(head["what"])}</p>'
        f'<p class="sure">{_marked(head["how_sure"])}</p><dl class="tiles">{tiles}</dl>'
        f"{_budgets(head['budgets'])}{lines}</div>"
    )


def _budgets(rows: Sequence[Sequence[str]]) -> str:
    """The table of budgets: headings in the first row and the first column."""
    if not rows:
        return ""
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "".join(
        f'<tr><th scope="row">{escape(name)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for name, *cells in rows[1:]
    )
    return (
        f'<div class="scroll" tabindex="0"><table class="budgets"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(text: str) -> str:
    """A figure with its interval, if it has one, in small letters below it."""
    figure, bracket, interval = text.partition(" (")
    return escape(figure) + (f"<small>95% CI {escape(interval.removesuffix(')'))}</small>" if bracket else "")


def _marked(text: str) -> str:
    """A sentence with what stands between backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _static(content: PageContent | BusinessContent, picture: bytes | None) -> str:
    """What stands in for charts and tables in a viewer that runs no scripts."""
    parts = [
        "<p>This viewer runs no scripts: only a picture and the table of levels are shown. In JupyterLab choose “Trust "
        "HTML”; a browser shows everything.</p>"
    ]
    if picture is not None:
        source = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
        alternative = escape(f"Price and performance of {content['head']['title']}")
        parts.append(f'<img alt="{alternative}" src="{source}">')
    tables = content["tables"] if content["kind"] == "report" else []
    parts += [static_table(table) for table in tables if table["id"] == LEVELS_TABLE]
    return f'<div class="static">{"".join(parts)}</div>'
