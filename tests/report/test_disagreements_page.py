"""The page of disagreements shows hostile texts as they are, in a real browser too."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest

from fmbench_lib.report.disagreements_page import Disagreement, Said, disagreements_page, literal

HOSTILE = (
    "</dd><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">",
    "![picture](http://example.invalid/x.png) [link](javascript:alert(1)) <a href=javascript:alert(1)>x</a>",
    "```\n</article></body><style>body{display:none}</style>\n```",
    "&lt;b&gt; &amp;amp; {title} %s \\u003cscript\\u003e",
    "user\u202etxt.exe\u2066 \u200b\ufeff \x00\x1b[31m \u2028",
    "half \ud83d of a pair",
)


def page(*texts: str, verdicts: tuple[str, ...] = ("correct", "incorrect")) -> str:
    shown = [
        Disagreement(
            answer_id=f"a{number}",
            experiments=text,
            payload_file=text,
            question=text,
            truths=text,
            answer=text,
            said=tuple(Said(text, verdict, text) for verdict in verdicts),
        )
        for number, text in enumerate(texts)
    ]
    return disagreements_page(texts[0] if texts else "model", shown, len(shown), 40)


def test_nothing_of_a_text_is_markup() -> None:
    made = page(*HOSTILE)
    tags = set(re.findall(r"<(/?\w+)", made))
    ours = {"html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "article", "dl", "dt", "dd", "span",
            "table", "thead", "tbody", "tr", "th", "td"}  # fmt: skip
    assert {tag.removeprefix("/") for tag in tags} == ours
    assert made.count("<style>") == 1
    assert "default-src 'none'" in made
    made.encode("utf-8")


def test_texts_are_readable_as_they_were() -> None:
    made = page(HOSTILE[0], HOSTILE[3])
    assert HOSTILE[0] in unescape(made)
    assert HOSTILE[3].replace("&", "&amp;").replace("<", "&lt;") in made


def test_invisible_characters_are_named_and_line_breaks_kept() -> None:
    assert literal("a\u202eb") == 'a<span class="hidden">U+202E</span>b'
    assert literal("\ud83d\x00") == '<span class="hidden">U+D83D</span><span class="hidden">U+0000</span>'
    assert literal("one\r\n\ttwo \u200d") == "one\n\ttwo \u200d"


def test_the_middle_of_a_long_text_is_left_out_and_said_to_be() -> None:
    text = "b" * 2_500 + "m" * 197_000 + "e" * 500
    made = literal(text)
    assert made == f'{"b" * 2_500}<span class="note"> … 197,000 characters left out … </span>{"e" * 500}'
    assert literal("x" * 3_000) == "x" * 3_000
    assert len(page(text)) < 40_000


def test_the_page_says_how_many_there_are() -> None:
    assert "Judges disagree on 2 of 40 answers.<" in page("a", "b")
    one = Disagreement("a", "m", "p", "q", "t", "x", (Said("j", "no_verdict", "", "timeout"),), human="correct")
    made = disagreements_page("m", [one], 7, 9)
    assert "Judges disagree on 7 of 9 answers. The 1 on which they disagree most are shown." in made
    assert "no answer: timeout" in made
    assert "<td>a person</td>" in made
    assert "All judges say the same of all 40 answers." in page()


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which is not installed")
def test_a_browser_runs_and_loads_nothing_of_it(tmp_path: Path) -> None:
    file = tmp_path / "disagreements.html"
    file.write_text(page("model", *HOSTILE, "z" * 200_000), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    quiet = ["--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"]
    done = subprocess.run(
        [str(CHROMIUM), *options, *quiet, "--dump-dom", file.as_uri()], capture_output=True, timeout=120, check=True
    )
    seen = done.stdout.decode()
    assert "<title>model: answers on which judges disagree</title>" in seen
    assert not re.search(r"<(script|img|a|iframe|link|form)\b", seen)
    assert seen.count("<article>") == len(HOSTILE) + 2
    assert seen.count("<style>") == 1
