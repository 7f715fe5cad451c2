"""Measured levels as lines of a terminal."""

from __future__ import annotations

import pytest

from fmbench_lib.cli.level_lines import LevelLines, shortened
from tests.cli.level_facts import figures

REASON = "19 successes are too few for a confidence interval of p95: measure at least 72"


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(199, set()), (119, set()), (79, set()), (59, {"tok/s", "USD/10k"}), (40, {"tok/s", "USD/10k", "TTFT p50/95"})],
)
def test_columns_are_left_out_where_there_is_no_room(width: int, left_out: set[str]) -> None:
    table = LevelLines(width)
    headings = {"load", "n", "err", "req/s", "tok/s", "TTFT p50/95", "lat. p50/95", "USD/10k", "verdict"}
    assert {heading for heading in headings if heading in table.header.plain} >= {"load", "n", "err", "verdict"}
    assert left_out <= {heading for heading in headings if heading not in table.header.plain}
    lines = table.lines(figures(verdict="degraded", verdict_reasons=REASON))
    assert all(line.cell_len <= width for line in (table.header, *lines))


def test_a_line_has_the_figures_of_its_level_under_their_headings() -> None:
    table = LevelLines(119)
    place, line = table.lines(figures())
    assert place.plain == "one · en_1-500"
    assert line.plain.split() == [
        "c",
        "4",
        "200",
        "0",
        "3.91",
        "410",
        "118/≈204",
        "ms",
        "1.23/2.50",
        "s",
        "0.31",
        "valid",
    ]
    for heading, cell in [(" n", "200"), ("err", "0"), ("req/s", "3.91"), ("tok/s", "410"), ("USD/10k", "0.31")]:
        end = table.header.plain.index(heading) + len(heading)
        assert line.plain[:end].endswith(cell)
    assert table.lines(figures(8))[0].plain.startswith("c 8"), "the same place is not said again"
    assert table.lines(figures(8, experiment_name="two"))[0].plain == "two · en_1-500"


def test_the_main_reason_stands_behind_the_figures_or_below_them() -> None:
    row = figures(verdict="degraded", verdict_reasons=f"{REASON}; a window of 3 s is short")
    wide = LevelLines(199).lines(row)
    assert len(wide) == 2
    assert wide[1].plain.endswith(REASON)
    narrow = LevelLines(79).lines(row)
    assert len(narrow) == 3
    assert narrow[2].plain.startswith("  19 successes are too few")


def test_a_verdict_is_a_word_with_a_colour() -> None:
    def styles(verdict: str) -> set[str]:
        return {str(span.style) for span in LevelLines(119).lines(figures(verdict=verdict))[1].spans}

    assert styles("valid") == {"green"}
    assert styles("degraded") == {"yellow"}
    assert styles("invalid") == {"bold red"}


def test_a_level_that_was_not_measured_says_why() -> None:
    facts = {
        "experiment_name": "one",
        "payload_file": "p.jsonl",
        "load": "concurrency-4",
        "error": "the endpoint is gone",
    }
    assert LevelLines(79).failed(facts)[1].plain == "c 4      not measured: the endpoint is gone"


@pytest.mark.parametrize("width", [59, 79, 119])
def test_longer_loads_that_are_known_keep_the_columns_aligned(width: int) -> None:
    table = LevelLines(width, ["c 16 try 2", "c 4"])
    second_attempt = table.lines(figures(16, attempt=2))[1].plain
    end = table.header.plain.index(" n") + len(" n")
    assert second_attempt.startswith("c 16 try 2")
    assert second_attempt[:end].endswith(" 200")
    assert max(len(second_attempt), table.header.cell_len) <= width


def test_of_a_reason_that_is_too_long_what_to_do_is_kept() -> None:
    assert shortened(REASON, len(REASON)) == REASON
    assert shortened(REASON, 60) == "19 successes are too few for a…: measure at least 72"
    assert shortened(REASON, 31) == "19 successes are too few for a…"
    assert shortened(REASON, 30) == "19 successes are too few for…"
    assert shortened("measure it again, and again", 18) == "measure it again…"
    assert shortened("日本語の長い言葉 again", 9) == "日本語の…", "a word that is longer than the room"
    assert all(len(shortened(REASON, room)) <= room for room in range(5, len(REASON)))
