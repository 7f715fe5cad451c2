"""One level from its prompts to its file, as a step asks for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Emulator
from fmbench_lib.errors import WorkerError
from fmbench_lib.load.levels.attempt import Attempt
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.measure import ExperimentLoad, measure_level
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.window import measured_in, window_of
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from tests.load.level_builder import load

PAYLOAD = [
    {
        "prompt_id": f"q{n}",
        "prompt": f"Question {n}?",
        "prompt_tokens": n,
        "question": "Q",
        "ground_truth": "secret truth",
    }
    for n in range(30)
]


def spec(**settings: Any) -> LevelSpec:
    least = {
        "name": "mine",
        "platform": "endpoint",
        "protocol": "openai",
        "deploy": False,
        "payload_files": ["p.jsonl"],
    }
    experiment = Experiment.model_validate({**least, "instance_type": "local"})
    stop = StopRule(requests=8, duration=None)
    return LevelSpec(**{**_CLOSED, "experiment": experiment, "stop": stop, **settings})


_CLOSED: dict[str, Any] = {"payload_file": "p.jsonl", "concurrency": 2, "request_rate": None, "warmup": 3}
DEAL = Deal((20, 21, 22), (9, 3, 5, 1, 7, 8, 2, 6), 8)


def experiment_load(url: str, predictor: Predictor | None = None, **settings: Any) -> ExperimentLoad:
    """An experiment at this address; `settings` are those of its load."""
    sent = load(**{"timeout": 10.0, "workers": 1, **settings})
    return ExperimentLoad((url,), predictor or OpenAiPredictor(url, "m"), None, "words", sent, seed=1)


def test_a_level_is_one_file_with_its_facts(emulator: Emulator, tmp_path: Path) -> None:
    target, scratch = tmp_path / "level.parquet", tmp_path / "scratch"
    facts = measure_level(spec(), DEAL, PAYLOAD, experiment_load(emulator.url), target, scratch)
    records, stored = read_level(target)
    assert stored == json.loads(json.dumps(facts))
    assert not scratch.exists()
    assert set(records["prompt_id"][records["phase"] == "warmup"]) == {"q20", "q21", "q22"}
    measured = records[records["phase"] == "measured"].sort_values("due")
    assert set(measured["prompt_id"]) == {f"q{n}" for n in DEAL.measured}
    assert set(map(tuple, records[["experiment_name", "payload_file", "load"]].to_numpy())) == {
        ("mine", "p.jsonl", "concurrency-2")
    }
    expected = {"experiment_name": "mine", "load": "concurrency-2", "concurrency": 2, "request_rate": None}
    expected |= {"stop_reason": "requests", "requested": 8, "workers": 1, "warmup": 3, "instance_type": "local"}
    assert facts.items() >= expected.items()
    assert facts["started"] <= facts["window_start"] < facts["window_end"] <= facts["ended"]
    assert 0 <= facts["client_cpu"][0] <= 2


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("load", [{}, {"concurrency": None, "request_rate": 200.0}])
def test_no_measured_request_falls_out_of_its_window(
    emulator: Emulator, tmp_path: Path, load: dict[str, Any], workers: int
) -> None:
    target = tmp_path / "level.parquet"
    facts = measure_level(
        spec(warmup=0, **load),
        Deal((), DEAL.measured, 8),
        PAYLOAD,
        experiment_load(emulator.url, workers=workers),
        target,
        tmp_path / "s",
    )
    records, _ = read_level(target)
    assert measured_in(records, window_of(facts)).sum() == 8


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("warmup", [(20, 21), (20, 21, 22, 23, 24, 25, 26, 27, 28)])
def test_no_slots_first_request_is_measured(
    emulator: Emulator, tmp_path: Path, workers: int, warmup: tuple[int, ...]
) -> None:
    """Where there are too few prompts for them, those that there are go round."""
    target = tmp_path / "level.parquet"
    load = experiment_load(emulator.url, workers=workers)
    facts = measure_level(spec(concurrency=6), Deal(warmup, DEAL.measured, 8), PAYLOAD, load, target, tmp_path / "s")
    records, _ = read_level(target)
    phases = records.sort_values("due")["phase"]
    assert facts["warmup"] == (phases == "warmup").sum() == max(len(warmup), 6)
    for worker in range(workers):
        firsts = records[records["worker"] == worker].nsmallest(6 // workers, "due")
        assert set(firsts["phase"]) == {"warmup"}
    assert set(records["prompt_id"][records["phase"] == "warmup"]) == {f"q{number}" for number in warmup}
    assert sorted(records["prompt_id"][records["phase"] == "measured"]) == sorted(f"q{n}" for n in DEAL.measured)


def test_all_experiments_get_the_same_arrivals(emulator: Emulator, tmp_path: Path) -> None:
    offsets = []
    for name in ("mine", "theirs"):
        level = spec(concurrency=None, request_rate=200.0)
        level = replace(level, experiment=level.experiment.model_copy(update={"name": name}))
        target = tmp_path / f"{name}.parquet"
        measure_level(level, DEAL, PAYLOAD, experiment_load(emulator.url, arrival="poisson"), target, tmp_path / "s")
        due = read_level(target)[0]["due"].sort_values().to_numpy()
        offsets.append(due - due[0])
    assert offsets[0] == pytest.approx(offsets[1], abs=1e-5)


def test_the_truth_is_never_sent(scripted: Any, answer: bytes, tmp_path: Path) -> None:
    def one(peer: Any) -> None:
        while peer.request():
            peer.send(answer)

    server = scripted([one])
    measure_level(spec(), DEAL, PAYLOAD, experiment_load(server.url), tmp_path / "level.parquet", tmp_path / "s")
    assert len(server.received) == 11
    for received in server.received:
        assert b"Question" in received
        assert b"truth" not in received


def test_a_level_that_breaks_down_leaves_no_file(
    emulator: Emulator, tmp_path: Path, workers: Callable[[], list[Any]]
) -> None:
    def kill(_: LiveFigures) -> None:
        for worker in workers():
            worker.kill()

    target, scratch = tmp_path / "level.parquet", tmp_path / "scratch"
    with pytest.raises(WorkerError):
        measure_level(spec(), DEAL, PAYLOAD, experiment_load(emulator.url), target, scratch, kill)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_run_left_in_the_scratch_folder_is_not_taken_for_ours(emulator: Emulator, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "worker-0.spool").write_bytes(b"torn")
    measure_level(spec(), DEAL, PAYLOAD, experiment_load(emulator.url), tmp_path / "level.parquet", scratch)
    records, _ = read_level(tmp_path / "level.parquet")
    assert len(records) == 11


def test_a_person_sees_how_it_goes(emulator: Emulator, tmp_path: Path) -> None:
    seen: list[LiveFigures] = []
    measure_level(
        spec(), DEAL, PAYLOAD, experiment_load(emulator.url), tmp_path / "l.parquet", tmp_path / "s", seen.append
    )
    assert (seen[-1].done, seen[-1].total, seen[-1].errors, seen[-1].in_flight) == (11, 11, 0, 0)
    assert [one.done for one in seen] == sorted(one.done for one in seen)


_KILLED = """
import os, signal, sys
from pathlib import Path
from fmbench_lib.load import measure
from tests.load.test_measure import DEAL, PAYLOAD, experiment_load, spec

measure.write_tables = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
measure.measure_level(spec(), DEAL, PAYLOAD, experiment_load(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
"""


def test_a_process_killed_while_it_decodes_leaves_the_level_to_be_decoded(emulator: Emulator, tmp_path: Path) -> None:
    target, scratch = tmp_path / "level.parquet", tmp_path / "scratch"
    before = len(emulator.ledger())
    command = [sys.executable, "-c", _KILLED, emulator.url, str(target), str(scratch)]
    killed = subprocess.run(command, check=False, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert killed.returncode == -signal.SIGKILL
    sent = len(emulator.ledger()) - before
    assert (target.exists(), sent) == (False, 11)
    facts = measure_level(spec(), DEAL, PAYLOAD, experiment_load(emulator.url), target, scratch)
    records, stored = read_level(target)
    assert (len(records), stored["attempt"], facts["attempt"]) == (11, 1, 1)
    assert list(records["error"].dropna()) == []
    assert len(emulator.ledger()) - before == sent
    assert not scratch.exists()


def test_an_attempt_says_which_prompts_it_sent(emulator: Emulator, tmp_path: Path) -> None:
    said: list[Any] = []
    attempt = Attempt(2, began=lambda *what: said.append(what), ended=said.append)
    load = experiment_load(emulator.url)
    facts = measure_level(
        spec(stop=StopRule(requests=4, duration=None)),
        DEAL,
        PAYLOAD,
        load,
        tmp_path / "level.parquet",
        tmp_path / "s",
        attempt=attempt,
    )
    assert said == [([*DEAL.warmup, *DEAL.measured], 3, 3), 3 + 4]
    assert facts["attempt"] == 2
