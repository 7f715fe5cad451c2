"""What is told of levels while they are measured."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.config import StopRule
from fmbench_lib.host.process_identity import identity_of, this_process
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.runs import progress
from fmbench_lib.steps.measuring import level_watch
from fmbench_lib.steps.measuring.level_watch import LevelWatch
from fmbench_lib.steps.notebook_display.notebook_view import LevelView
from fmbench_lib.workspace import LevelKey, create_workspace

FACTS: Any = {"attempt": 1, "stop_reason": "requests"}


def level(concurrency: int, search_number: int | None = None) -> Any:
    return SimpleNamespace(
        key=LevelKey("one", "a.jsonl", f"concurrency-{concurrency}"),
        concurrency=concurrency,
        request_rate=None,
        warmup=0,
        search_number=search_number,
        stop=StopRule(requests=20, duration=None),
    )


def now() -> LiveFigures:
    return LiveFigures(
        done=4, total=20, errors=0, in_flight=2, elapsed=1.0, request_rate=4.0, ttft_p50=None, latency_p95=None,
        token_rate=None, time_left=4.0,
    )  # fmt: skip


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(level_watch, "measured_figures", lambda run, path: {"latency_mean": 0.4, "verdict": "valid"})
    return SimpleNamespace(workspace=create_workspace(tmp_path, "test"))


def events(run: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.workspace.events_file.read_text().splitlines()]


def test_every_live_figure_is_published(run: Any) -> None:
    worker = identity_of(os.getppid())
    figures = LiveFigures(
        done=4, total=20, errors=1, in_flight=2, elapsed=1.5, request_rate=4.25, ttft_p50=0.25, latency_p95=0.75,
        token_rate=128.0, time_left=4.5, processes=(worker,), bytes_per_request=6200.0,
        bytes_needed=10**9, bytes_free=2 * 10**9,
    )  # fmt: skip
    watch = LevelWatch(run, [level(2)], LevelView())
    watch.begin(level(2), (1, 1))
    watch.show(level(2), figures)
    published = progress.read(run.workspace)
    assert published is not None
    shown = {name: value for name, value in asdict(figures).items() if name != "processes"}
    assert {name: published[name] for name in shown} == shown
    assert published["processes"] == {"notebook": this_process(), "load worker 0": worker}


def test_a_level_is_published_with_the_time_that_the_run_still_takes(run: Any) -> None:
    seconds = SimpleNamespace(now=0.0)
    watch = LevelWatch(run, [level(2), level(4), level(10)], LevelView(), lambda: seconds.now)
    watch.begin(level(2), (1, 3))
    watch.show(level(2), now())
    published = progress.read(run.workspace)
    assert published is not None
    # 4 s of this level; then 5 waves of 4 and 2 of 10 requests that take 2 / 4 s each
    assert published["run_left"] == 4.0 + 5 * 0.5 + 2 * 0.5
    assert not published["run_left_at_most"]
    assert (published["number"], published["count"], published["load"]) == (1, 3, "concurrency-2")
    seconds.now = 9.0
    watch.measured(level(2), FACTS)
    assert progress.read(run.workspace) is None, "it is over"
    watch.skip(level(4))
    watch.begin(level(10), (3, 3))
    watch.show(level(10), now())
    published = progress.read(run.workspace)
    assert published is not None
    assert published["run_left"] == 4.0
    watch.end()
    assert progress.read(run.workspace) is None
    started, measured, _ = events(run)
    assert started["event"] == "level started"
    assert measured["figures"] == {"latency_mean": 0.4, "verdict": "valid"}
    assert measured["level"] == "one · a.jsonl · concurrency-2"
    assert (measured["experiment_name"], measured["number"], measured["count"]) == ("one", 1, 3)


def test_levels_of_a_search_that_may_follow_count_as_long_as_those_so_far(run: Any) -> None:
    seconds = SimpleNamespace(now=0.0)
    watch = LevelWatch(run, [level(2, search_number=1)], LevelView(), lambda: seconds.now)
    watch.begin(level(2, search_number=1), (1, 3))
    watch.show(level(2, search_number=1), now())
    published = progress.read(run.workspace)
    assert published is not None
    assert published["run_left"] is None, "nothing is known of them"
    seconds.now = 10.0
    watch.measured(level(2, search_number=1), FACTS)
    watch.begin(level(4, search_number=2), (2, 3))
    watch.show(level(4, search_number=2), now())
    published = progress.read(run.workspace)
    assert published is not None
    assert (published["run_left"], published["run_left_at_most"]) == (4.0 + 10.0, True)


def test_a_level_that_breaks_down_is_told_with_its_reason(run: Any) -> None:
    watch = LevelWatch(run, [level(2)], LevelView())
    watch.begin(level(2), (1, 1))
    watch.failed(level(2), ValueError("broken"))
    assert events(run)[-1]["event"] == "level failed"
    assert "broken" in events(run)[-1]["error"]
