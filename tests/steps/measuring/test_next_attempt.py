"""Levels that are interrupted, invalid, or sent to a warm cache: what the next attempt sends, and its verdict.

In this process, without notebooks, against an emulator whose ledger says which prompts it took from its cache.
"""

from __future__ import annotations

import functools
import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.errors import InputError
from fmbench_lib.load import measure
from fmbench_lib.load.recording import disk_watch, live_figures
from fmbench_lib.runs.opening import create_run, reopen_run
from fmbench_lib.runs.run import Run
from fmbench_lib.runs.run_orders import give_order, is_to_pause, withdraw_order
from fmbench_lib.steps import inference
from fmbench_lib.steps.data_generation import generate_data
from fmbench_lib.steps.deployment import deploy_models
from fmbench_lib.steps.inference import run_inference
from fmbench_lib.steps.measuring.attempts_log import past_attempts
from fmbench_lib.steps.measuring.level_watch import LevelWatch
from fmbench_lib.steps.measuring.remeasuring import remeasure
from fmbench_lib.steps.measuring.stopped_levels import stopped_levels
from fmbench_lib.steps.reporting.report_inputs import analysis_of
from fmbench_lib.steps.setup import set_up
from fmbench_lib.workspace import LevelKey, Workspace

PREFILL = 0.002  # s for each token of a prompt that is not cached
LEVEL = LevelKey("one", "all.jsonl", "concurrency-2")
CACHING = Behaviour(
    ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(3), prefill_per_token=PREFILL, prompt_cache=True
)


@pytest.fixture
def caching() -> Iterator[Emulator]:
    """A server with a prefix cache that reports cached tokens."""
    with launch(CACHING) as emulator:
        yield emulator


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Run]:
    """A run of one level, ready to be measured."""
    rows = [{"input": f"What is item {n} of the list that has been given?"} for n in range(60)]
    (tmp_path / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "template.txt").write_text("{input}")

    def made(url: str, **load: Any) -> Run:
        config = {
            "general": {"name": "again"},
            "s3_read_data": {"source_data_files": ["source.jsonl"], "prompt_template_file": "template.txt"},
            "datasets": {
                "prompt_template_keys": ["input"],
                "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
            },
            "monitors": {"enabled": False},
            "load": {"requests": 12, "warmup_requests": 2, "timeout": 10, "prompt_reuse": "never", **load},
            "experiments": [
                {
                    "name": "one",
                    "platform": "endpoint",
                    "ep_name": url,
                    "model_id": "emulated",
                    "tokenizer": "words",
                    "payload_files": ["all.jsonl"],
                    "concurrency_levels": [2],
                }
            ],
        }
        path = tmp_path / "config.yml"
        path.write_text(yaml.safe_dump(config))
        run = create_run(path, results=tmp_path / "results")
        set_up(run)
        generate_data(run)
        deploy_models(run)
        return run

    return made


def interrupt(*_: Any) -> Any:
    raise KeyboardInterrupt


def cached(emulator: Emulator) -> list[int]:
    """The cached tokens of each request that the server has seen, in order."""
    return [entry.cached_tokens for entry in sorted(emulator.ledger(), key=lambda entry: entry.number)]


def summary(run: Run) -> list[dict[str, Any]]:
    frame: pd.DataFrame = analysis_of(run).summary
    return frame.to_dict("records")


def test_an_interrupted_level_sends_what_the_server_has_not_seen(
    caching: Emulator, make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(caching.url)
    probes = len(caching.ledger())
    with monkeypatch.context() as patched:
        patched.setattr(live_figures.Onlooker, "look", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_inference(run)
    (first,) = past_attempts(run.workspace.attempts_file(LEVEL))
    seen = len(caching.ledger()) - probes
    assert first.sent is not None
    assert 0 < seen <= first.sent
    run_inference(reopen_run(run.workspace.path))
    second = past_attempts(run.workspace.attempts_file(LEVEL))[1]
    assert not {*first.prompts_sent} & {*second.prompts_sent}
    assert set(cached(caching)[probes:]) == {0}
    (row,) = summary(run)
    assert (row["attempt"], row["resent_prompts"]) == (2, 0)
    assert "had been sent" not in str(row["verdict_reasons"])


def test_what_was_sent_as_a_whole_is_decoded_and_not_sent_again(
    caching: Emulator, make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(caching.url)
    with monkeypatch.context() as patched:
        patched.setattr(measure, "write_tables", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_inference(run)
    assert not run.workspace.level(LEVEL).exists()
    sent = len(caching.ledger())
    table = run_inference(reopen_run(run.workspace.path))
    assert (list(table["requests"]), list(table["errors"])) == ([12], [0])
    assert len(caching.ledger()) == sent
    (row,) = summary(run)
    assert (row["attempt"], row["resent_prompts"], row["window_s"] > 0) == (1, 0, True)
    assert not run.workspace.level_scratch(LEVEL).exists()


def test_what_was_sent_only_in_part_is_not_taken_for_the_whole(
    caching: Emulator, make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(caching.url)
    with monkeypatch.context() as patched:
        patched.setattr(measure, "write_tables", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_inference(run)
    (spool,) = run.workspace.level_scratch(LEVEL).glob("*.spool")
    spool.write_bytes(spool.read_bytes()[:-10])
    sent = len(caching.ledger())
    run_inference(run)
    assert len(caching.ledger()) == sent + 14
    assert [row["attempt"] for row in summary(run)] == [2]


@pytest.mark.parametrize("retries", [0, 2])
def test_an_invalid_level_is_measured_again_at_once_as_often_as_asked(
    make: Callable[..., Run], retries: int, tmp_path: Path
) -> None:
    with launch(CACHING) as emulator:
        run = make(emulator.url, retry_invalid=retries, stop_on_error_rate=0)
    table = run_inference(run)  # the server is gone
    assert list(table["errors"]) == [12]
    rows = summary(run)
    assert [(row["attempt"], row["verdict"]) for row in rows] == [(n + 1, "invalid") for n in range(retries + 1)]
    assert ["measure it again: " in row["verdict_reasons"] for row in rows] == [False] * retries + [True]
    assert len(analysis_of(run).eligible) == 1
    past = past_attempts(run.workspace.attempts_file(LEVEL))
    assert len(set().union(*(each.prompts_sent for each in past))) == 14 * (retries + 1)


def test_a_second_run_of_the_same_prompts_is_known_by_its_cached_tokens(
    caching: Emulator, make: Callable[..., Run]
) -> None:
    first, second = make(caching.url), make(caching.url)
    for run in (first, second):
        run_inference(run)
    cold, warm = summary(first)[0], summary(second)[0]
    assert pd.isna(cold["earlier_run"])
    assert (warm["earlier_run"], warm["earlier_prompts"]) == (f"again/{first.workspace.run_id}", 12)
    assert warm["verdict"] != "valid"  # a busy machine may add reasons of its own
    assert (
        f"run again/{first.workspace.run_id} sent 12 of these prompts to this endpoint on 20" in warm["verdict_reasons"]
    )
    assert "the server took 100% of their tokens from its cache" in warm["verdict_reasons"]
    assert "from its cache" not in str(cold["verdict_reasons"])


def test_without_cached_tokens_it_is_known_by_its_ttft(make: Callable[..., Run]) -> None:
    silent = Behaviour(
        **{name: getattr(CACHING, name) for name in ("itl", "tokens", "prompt_cache")},
        usage="never",
        ttft=Constant(0.001),
        prefill_per_token=0.02,
    )
    with launch(silent) as emulator:
        runs = [make(emulator.url) for _ in range(2)]
        for run in runs:
            run_inference(run)
    cold, warm = (summary(run)[0] for run in runs)
    assert warm["earlier_ttft_p50"] == pytest.approx(cold["TTFT_p50"], rel=0.2)
    assert warm["verdict"] != "valid"  # a busy machine may add reasons of its own
    assert (
        "so its cache was warm unless the server has changed since: restart the endpoint or send others"
        in warm["verdict_reasons"]
    )
    assert "cache was warm" not in str(cold["verdict_reasons"])


def test_remeasure_finds_levels_by_verdict_and_by_any_of_their_names(
    caching: Emulator, make: Callable[..., Run]
) -> None:
    run = make(caching.url, requests=3)
    assert remeasure(run, ["concurrency-2"]) == []  # it has no records yet, and is measured anyway
    for number, word in enumerate(
        ("degraded", "one/all.jsonl/concurrency-2", " · ".join(LEVEL), "one/all/concurrency-2")
    ):
        run_inference(run)
        assert remeasure(run, ["invalid"]) == []
        assert remeasure(run, [word]) == [LEVEL]
        assert [each for each, _ in run.workspace.earlier_attempts(LEVEL)] == list(range(1, number + 2))
    assert [row["attempt"] for row in summary(run)] == [1, 2, 3, 4]
    for word in ("", "concurrency-3", "one/all/concurrency-1", "valid"):
        with pytest.raises(InputError, match="--remeasure"):
            remeasure(run, [word])


# -- levels that are stopped -------------------------------------------------------------------------------------------


@pytest.fixture
def slow() -> Iterator[Emulator]:
    """A server with a prefix cache, whose answers take a quarter of a second."""
    with launch(Behaviour(ttft=Constant(0.25), itl=Constant(0.001), tokens=Constant(3), prompt_cache=True)) as emulator:
        yield emulator


@pytest.fixture
def during(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Has something happen once, when five requests of a level have ended."""
    show, done = LevelWatch.show, []

    def happens(what: Callable[[], None]) -> None:
        def watched(watch: LevelWatch, level: Any, figures: Any) -> None:
            show(watch, level, figures)
            if figures.done >= 5 and not done:
                done.append(True)
                what()

        monkeypatch.setattr(LevelWatch, "show", watched)

    return happens


def the_row(run: Run) -> dict[str, Any]:
    (row,) = summary(run)
    assert (row["requests"], row["errors"], row["attempt"]) == (12, 0, 1)
    return row


@pytest.mark.parametrize("how", ["fmbench stop", "Ctrl-C"])
def test_a_stopped_level_goes_on_as_the_same_attempt(
    how: str, slow: Emulator, make: Callable[..., Run], during: Callable[[Callable[[], None]], None]
) -> None:
    run = make(slow.url)
    probes = len(slow.ledger())
    order = functools.partial(give_order, run.workspace, "stop")
    during(order if how == "fmbench stop" else functools.partial(os.kill, os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt, match="requests are kept"):
        run_inference(run)
    ((key, kept),) = stopped_levels(run.workspace)
    assert key == LEVEL
    assert 0 < kept < 12
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = reopen_run(run.workspace.path)
    run_inference(again)
    row = the_row(again)
    assert (row["parts"], row["resent_prompts"], row["parts_gap_s"] > 0) == (2, 0, True)
    assert sorted(cached(slow)[probes:])[:-2] == [0] * 14  # the warm-up's prompts alone are sent a second time
    assert list(stopped_levels(run.workspace)) == []


def test_a_level_that_is_stopped_for_a_pause_goes_on_in_the_same_process(
    slow: Emulator,
    make: Callable[..., Run],
    during: Callable[[Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make(slow.url)
    during(functools.partial(give_order, run.workspace, "pause now"))
    waited: list[bool] = []

    def resumed(workspace: Workspace, _watch: LevelWatch) -> None:
        waited.append(is_to_pause(workspace))
        withdraw_order(workspace)

    monkeypatch.setattr(inference, "obey_orders", resumed)
    run_inference(run)
    assert waited == [False, True]
    assert the_row(run)["parts"] == 2


def test_what_the_disk_has_no_room_for_is_stopped_said_and_measured_later(
    slow: Emulator, make: Callable[..., Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(slow.url)
    with monkeypatch.context() as patched:
        patched.setattr(disk_watch, "_LEAST_ENDED", 5)
        patched.setattr(measure, "DiskWatch", lambda folder: disk_watch.DiskWatch(folder, lambda _: 1_000_000))
        table = run_inference(run)
    assert list(table["measured"]) == [False]
    assert "1.0 MB are left on the disk" in table["ended_by"][0]
    assert "requests are kept, and the others are sent by --resume" in table["ended_by"][0]
    again = reopen_run(run.workspace.path)
    run_inference(again)
    assert the_row(again)["parts"] == 2
    assert again.workspace.failed_levels() == []


def test_what_a_killed_part_had_sent_is_sent_again_and_said(
    slow: Emulator,
    make: Callable[..., Run],
    during: Callable[[Callable[[], None]], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make(slow.url)
    during(functools.partial(give_order, run.workspace, "stop"))
    with pytest.raises(KeyboardInterrupt):
        run_inference(run)
    look = live_figures.Onlooker.look

    def killed(onlooker: live_figures.Onlooker, progress: Any) -> live_figures.LiveFigures:
        return interrupt() if progress.done > 3 else look(onlooker, progress)

    with monkeypatch.context() as patched:
        patched.setattr(live_figures.Onlooker, "look", killed)
        with pytest.raises(KeyboardInterrupt):
            run_inference(reopen_run(run.workspace.path))
    again = reopen_run(run.workspace.path)
    run_inference(again)
    row = the_row(again)
    assert row["parts"] == 2
    assert 0 < row["resent_prompts"] < 12
