"""CloudWatch's figures of a run: fetched when they are there, kept when they cannot be, and never in the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import CloudWatchName, Endpoint
from fmbench_lib.deploy.endpoints_file import record
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.monitors import cloudwatch
from fmbench_lib.monitors.samples import Point, Series, Track, read_samples
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.measuring.endpoint_metrics import collect_cloudwatch, span_of, subject_of
from fmbench_lib.workspace import LevelKey

CONFIG = """
general: {name: clouded}
datasets:
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {requests: 4}
monitors: {cloudwatch: %s}
experiments:
- {name: exp, platform: sagemaker, ep_name: ep, tokenizer: words, concurrency_levels: [1]}
"""
BLUE = CloudWatchName("us-east-1", {"EndpointName": "ep", "VariantName": "blue"})
LATENCY = Series("cloudwatch", "model_latency", "gauge", "s", (("period_s", "60"),))


def measured(folder: Path, wanted: str = "auto", ended: float | None = None) -> Run:
    """A run with one level behind it, on an endpoint of SageMaker."""
    config = folder / "run.yml"
    config.write_text(CONFIG % wanted)
    run = create_run(config, results=folder / "results")
    record(run.workspace, Endpoint("exp", "sagemaker", urls=("https://r/x",), cloudwatch=BLUE, model="m"))
    path = run.workspace.level(LevelKey("exp", "all.jsonl", "concurrency-1"))
    path.parent.mkdir(parents=True)
    ended = time.time() if ended is None else ended
    names = {"experiment_name": "exp", "payload_file": "all.jsonl", "load": "concurrency-1"}
    write_tables(path, [], {**names, "started": ended - 90, "ended": ended})
    return run


def answers(monkeypatch: pytest.MonkeyPatch, answer: Callable[[], list[Track]]) -> list[cloudwatch.Subject]:
    """What CloudWatch is asked about, and what it answers."""
    asked: list[cloudwatch.Subject] = []

    def fetch(subject: cloudwatch.Subject, start: float, end: float) -> list[Track]:
        asked.append(subject)
        assert end - start == pytest.approx(90)
        return answer()

    monkeypatch.setattr(cloudwatch, "fetch", fetch)
    return asked


def refused() -> list[Track]:
    raise cloudwatch.CloudWatchError("CloudWatch: not allowed")


def test_it_is_asked_again_until_it_has_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = measured(tmp_path)
    path = run.workspace.samples("exp", "cloudwatch")
    asked = answers(monkeypatch, list)
    assert collect_cloudwatch(run) is False
    assert "no figures of these times yet" in read_samples([path]).notes[0].text
    answers(monkeypatch, lambda: [Track(LATENCY, [Point(time.time(), None, 0.5)])])
    assert collect_cloudwatch(run) is True
    answers(monkeypatch, refused)
    assert collect_cloudwatch(run) is False
    samples = read_samples([path])
    assert samples.notes == []
    assert samples.tracks[0].points[0].value == 0.5, "what is there is not lost for a later refusal"
    assert asked == [cloudwatch.sagemaker_subject("ep", "blue", "us-east-1")]


def test_what_was_fetched_long_after_the_levels_is_all_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = measured(tmp_path, ended=time.time() - 3600)
    asked = answers(monkeypatch, lambda: [Track(LATENCY, [Point(time.time(), None, 0.5)])])
    assert collect_cloudwatch(run) is True
    assert collect_cloudwatch(run) is False
    assert len(asked) == 1


def test_a_refusal_is_noted_and_nobody_is_asked_who_is_not_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = measured(tmp_path)
    answers(monkeypatch, refused)
    assert collect_cloudwatch(run) is False
    assert read_samples(run.workspace.samples_of("exp")).notes[0].text == "CloudWatch: not allowed"
    (tmp_path / "off").mkdir()
    off = measured(tmp_path / "off", wanted="no")
    assert answers(monkeypatch, refused) == []
    assert collect_cloudwatch(off) is False


def test_cloudwatch_knows_endpoints_and_models_of_aws_alone() -> None:
    experiment = Experiment(name="exp", platform="bedrock", protocol="bedrock", deploy=False)
    name = CloudWatchName("eu-west-1", {"ModelId": "org.model"})
    model = Endpoint("exp", "bedrock", cloudwatch=name, model="org.model")
    assert subject_of(experiment, model) == cloudwatch.bedrock_subject("org.model", "eu-west-1")
    assert subject_of(experiment, Endpoint("exp", "endpoint", urls=("http://h",))) is None
    unnamed = Endpoint("exp", "sagemaker", cloudwatch=replace(BLUE, dimensions={"EndpointName": "ep"}))
    subject = subject_of(experiment, unnamed)
    assert subject is not None
    assert subject.dimensions == {"EndpointName": "ep", "VariantName": "AllTraffic"}


def test_samples_are_of_the_window_that_the_other_figures_are_of() -> None:
    """40 requests of 9 s find a cold endpoint, which says nothing of its steady state."""
    due = np.arange(300.0)
    end = due + np.where(due < 40, 9.0, 1.5)
    times = {"due": due, "sent": due, "first": due + 0.5, "last": end, "end": end}
    records = pd.DataFrame(
        {**times, "error": None, "phase": "measured", "streamed": True, "completion_tokens": 2, "first_answer": None}
    )
    names = {"experiment_name": "exp", "payload_file": "all.jsonl", "load": "rate-1"}
    facts = {**names, "started": 0.0, "window_start": 0.0, "window_end": 300.0, "ended": 302.0, "request_rate": 1.0}
    assert span_of(records, facts).window == pytest.approx((40.0, 300.0))
    assert span_of(records, {**facts, "concurrency": 1}).window == (0.0, 300.0)
    assert span_of(records, {**facts, "window_end": None}).window == (0.0, 302.0)
