"""The page of answers on which judges disagree: what was asked and answered, and what each judge says of it.

All of its texts come from models and data sets. They are shown literally: no markup of theirs is read, characters that
are invisible or change the direction of writing stand there by their numbers, and the page may load or run nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from fmbench_lib.report.markdown import one_line
from fmbench_lib.report.numbers import several

BEGINNING, END = 2_500, 500
"""Characters that are shown of a longer text."""
_HIDDEN = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
_HARMLESS = frozenset("\n\t\u200c\u200d")
"""Line breaks, and the joiners that some scripts are written with."""


@dataclass(frozen=True, slots=True)
class Said:
    """What one judge says of an answer: its verdict (`no_verdict` without one), and why; `error` where it gave none."""

    judge: str
    verdict: str
    explanation: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An answer on which judges disagree. `truths`: the acceptable answers · `human`: a person's verdict, "" without
    one."""

    answer_id: str
    experiments: str
    payload_file: str
    question: str
    truths: str
    answer: str
    said: tuple[Said, ...]
    human: str = ""


def disagreements_page(title: str, shown: Sequence[Disagreement], found: int, judged: int) -> str:
    """The page as HTML. `found`: on how many of the `judged` answers judges disagree; `shown` may be fewer."""
    which = "" if len(shown) == found else f" The {len(shown):,} on which they disagree most are shown."
    if found:
        intro = f"Judges disagree on {found:,} of {several(judged, 'answer')}.{which}"
    else:
        intro = f"All judges say the same of all {several(judged, 'answer')}."
    articles = "\n".join(_article(number, one) for number, one in enumerate(shown, 1))
    name = _title(f"{title}: answers on which judges disagree")
    return _PAGE.format(title=name, intro=escape(intro), articles=articles)


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body{{font-family:system-ui,sans-serif;color:#1f2430;margin:1.2rem auto;max-width:60rem;padding:0 1rem}}
h1{{font-size:1.3rem}}h2{{font-size:1.05rem;margin-bottom:.2rem}}
article{{border-top:1px solid #d7dbe0;padding:.4rem 0 1rem}}
.where,.note{{color:#6b7280;font-size:.9rem;margin:.1rem 0}}
dt{{font-weight:600;margin-top:.6rem}}dd{{margin:0}}
.text{{white-space:pre-wrap;overflow-wrap:anywhere;overflow:auto;max-height:18rem;unicode-bidi:isolate;
background:#f6f7f9;padding:.5rem .7rem;border-radius:4px}}
table{{border-collapse:collapse;width:100%;table-layout:fixed}}
th,td{{text-align:left;vertical-align:top;padding:.3rem .6rem;border-bottom:1px solid #e6e8eb;
overflow-wrap:anywhere;white-space:pre-wrap}}
th:nth-child(1){{width:22%}}th:nth-child(2){{width:14%}}
.correct{{color:#00694b}}.incorrect{{color:#a33b00}}.none{{color:#6b7280}}
.hidden{{color:#b3261e;font-size:.8em;border:1px solid #e0b4b0;border-radius:3px;padding:0 .15em}}
</style>
</head>
<body>
<h1>{title}</h1>
<p>{intro}</p>
<p class="note">Questions, answers and explanations are shown as they are: nothing in them is interpreted. Long texts
are cut, and characters that cannot be seen are named by their number.</p>
{articles}
</body>
</html>
"""


def _article(number: int, one: Disagreement) -> str:
    parts = [
        f"<h2>{number}. {_short(one.experiments)}</h2>",
        f'<p class="where">{_short(one.payload_file)}, answer {_short(one.answer_id)}</p>',
        "<dl>",
        _text("Question", one.question),
        _text("Acceptable answers", one.truths or "(none: judged by the context)"),
        _text("Answer", one.answer),
        "</dl>",
        "<table><thead><tr><th>judge</th><th>verdict</th><th>explanation</th></tr></thead><tbody>",
        *(_row(said) for said in one.said),
        *([_row(Said("a person", one.human, ""))] if one.human else []),
        "</tbody></table>",
    ]
    return "<article>\n" + "\n".join(parts) + "\n</article>"


def _text(name: str, text: str) -> str:
    return f'<dt>{name}</dt><dd class="text" dir="auto">{literal(text)}</dd>'


def _row(said: Said) -> str:
    kind = said.verdict if said.verdict in ("correct", "incorrect") else "none"
    verdict = said.verdict.replace("_", " ")
    why = said.explanation or (f"no answer: {said.error}" if said.error else "")
    return f'<tr><td>{_short(said.judge)}</td><td class="{kind}">{_short(verdict)}</td><td>{literal(why)}</td></tr>'


def literal(text: str) -> str:
    """A text of any origin as HTML that shows it as it is, with the middle of a long one left out."""
    if len(text) > BEGINNING + END:
        left_out = len(text) - BEGINNING - END
        note = f'<span class="note"> … {left_out:,} characters left out … </span>'
        return f"{_visible(text[:BEGINNING])}{note}{_visible(text[-END:])}"
    return _visible(text)


def _visible(text: str) -> str:
    return "".join(_character(each) for each in text.replace("\r\n", "\n"))


def _character(each: str) -> str:
    if each in _HARMLESS or unicodedata.category(each) not in _HIDDEN:
        return escape(each)
    return f'<span class="hidden">U+{ord(each):04X}</span>'


def _title(text: str) -> str:
    """The page's title, which holds no tags."""
    return escape("".join(each for each in one_line(text, 200) if unicodedata.category(each) not in _HIDDEN))


def _short(text: str) -> str:
    return _visible(one_line(text, 200))
