"""The frame of the live view at every width."""

from __future__ import annotations

import pytest

from fmbench_lib.cli.live_frame import flowed, frame_of
from fmbench_lib.views.live_view import live_view
from tests.cli.level_facts import published


@pytest.mark.parametrize("width", [30, 40, 59, 79, 119, 199])
def test_every_figure_is_there_whatever_the_width(width: int) -> None:
    lines = [line.plain for line in frame_of("3_run_inference", 5.0, live_view(published()), width)]
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines[1:])
    assert lines[0].startswith("level 1 of")
    for figure in ("4.00 req/s", "0 errors", "TTFT p50 ≈ 0.120 s", "latency p95 ≈ 1.50 s", "≈ 81.3 tok/s"):
        assert figure in text
    assert "20/40 requests" in text
    assert "level: 5 s left" in text
    assert "run: about 1 min 15 s left" in text


def test_the_bar_shows_how_much_is_done() -> None:
    bar = frame_of("s", 0.0, live_view(published(done=10, elapsed=5.0, time_left=15.0)), 79)[1].plain
    done, rest = bar.count("━"), bar.count("─")
    assert done == round((done + rest) / 4)
    assert bar.endswith("25% · 10/40 requests")
    wide = frame_of("s", 0.0, live_view(published(total=None, time_left=None)), 79)
    assert wide[1].plain == "20 requests", "a level whose end is not known has no bar"


def test_a_step_without_a_level_shows_its_time() -> None:
    [line] = frame_of("2_deploy_model", 35.2, None, 79)
    assert line.plain == "2_deploy_model · 35 s"


def test_a_long_name_keeps_its_beginning_and_its_end() -> None:
    title = frame_of("s", 0.0, live_view(published(experiment_name="m" * 90)), 59)[0].plain
    assert len(title) <= 59
    assert title.startswith("level 1 of 3 · mmm")
    assert title.endswith("concurrency 1")


def test_figures_are_broken_between_figures_only() -> None:
    assert flowed(["aaaa", "bbbb", "c" * 20, "d"], 11) == ["aaaa · bbbb", "c" * 20, "d"]
