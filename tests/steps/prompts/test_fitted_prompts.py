"""Prompts fitted to what an experiment's server counts: kept as sent, made once, and honest about what is not known."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib import steps
from fmbench_lib.emulator import Behaviour, Emulator, launch
from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.load.executor import OneMachine
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.runs.opening import create_run, reopen_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.inference import _experiment_load
from fmbench_lib.steps.prompts import fitted_prompts
from fmbench_lib.steps.prompts.fitted_prompts import fit_notices, prompts_to_send

CONFIG = """
general: {{name: fitted}}
data: {{synthetic: {synthetic}}}
load: {{requests: 6, warmup_requests: 2, timeout: 20}}
experiments:
- {{name: one, platform: endpoint, protocol: {protocol}, ep_name: "{url}", model_id: m, tokenizer: words,
   concurrency_levels: [2]}}
"""
FILE = "payload_en_40-41.jsonl"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """Each word is a token to it, and it adds none."""
    with launch() as running:
        yield running


def run_at(
    folder: Path, url: str, path: str = "/v1/chat/completions", protocol: str = "openai", **synthetic: Any
) -> Run:
    entry = json.dumps({"input_tokens": 40, **synthetic})
    (folder / "fitted.yml").write_text(CONFIG.format(synthetic=entry, url=url + path, protocol=protocol))
    run = create_run(str(folder / "fitted.yml"), results=folder / "results")
    steps.generate_data(run)
    steps.deploy_models(run)
    return run


def sent(run: Run, payload_file: str = FILE) -> Path:
    (experiment,) = run.config.experiments
    return prompts_to_send(run, experiment, payload_file, _experiment_load(run, OneMachine(), experiment.name))


def records_of(run: Run) -> Any:
    (level,) = run.workspace.levels()
    return read_level(level)[0]


@pytest.mark.thorough
def test_what_is_sent_has_the_servers_tokens_and_is_kept(emulator: Emulator, tmp_path: Path) -> None:
    run = run_at(tmp_path, emulator.base_url)
    steps.run_inference(run)
    made = list(read_rows(run.workspace.payload(FILE)))
    kept = list(read_rows(run.workspace.sent_prompts("one", FILE)))
    # Estimated at 30 words before the server was asked, 40 of its tokens afterwards.
    assert {len(row["prompt"].split()) for row in made} == {30}
    assert {len(row["prompt"].split()) for row in kept} == {40}
    assert [row["number"] for row in made] == [row["number"] for row in kept]
    records = records_of(run)
    assert set(records["prompt_tokens"]) == {40}
    assert set(records["prompt_id"]) == {row["prompt_id"] for row in kept}
    assert list(fit_notices(run)) == [
        f"one: {FILE}: the server counts exactly the tokens asked for, 0 of which it adds to each prompt; the prompts "
        "are made of words that are one token each to it"
    ]


def test_as_many_prompts_are_made_as_the_levels_send(emulator: Emulator, tmp_path: Path) -> None:
    assert list(steps.generate_data(run_at(tmp_path, emulator.base_url))["prompts"]) == [8]


@pytest.mark.thorough
def test_a_resumed_run_sends_the_same_and_asks_no_more(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_at(tmp_path, emulator.base_url, output_tokens=3)
    first = sent(run).read_bytes()

    def ask(*_: object, **__: object) -> list[int | None]:
        raise AssertionError("asked again")

    monkeypatch.setattr(fitted_prompts, "prompt_counts", ask)
    monkeypatch.setattr(fitted_prompts, "is_refused", ask)
    again = reopen_run(run.workspace.path, {})
    assert sent(again).read_bytes() == first


@pytest.mark.thorough
def test_prompts_that_were_changed_are_not_sent(emulator: Emulator, tmp_path: Path) -> None:
    run = run_at(tmp_path, emulator.base_url)
    sent(run).write_text("{}\n")
    with pytest.raises(RunStateError, match="has changed since run"):
        sent(run)


def test_a_server_that_does_not_count_gets_the_prompts_as_they_are(tmp_path: Path) -> None:
    with launch(Behaviour(usage="never")) as silent:
        run = run_at(tmp_path, silent.base_url)
        assert sent(run) == run.workspace.payload(FILE)
    (notice,) = fit_notices(run)
    assert "the server reports no prompt tokens, so a prompt's are estimated from words" in notice


def test_a_server_that_counts_otherwise_for_long_prompts_is_reported(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts(_: object, prompts: Sequence[str], **__: object) -> list[int | None]:
        return [len(prompt.split()) + (len(prompt.split()) >= 40) for prompt in prompts]

    monkeypatch.setattr(fitted_prompts, "prompt_counts", counts)
    run = run_at(tmp_path, emulator.base_url)
    sent(run)
    (notice,) = fit_notices(run)
    assert notice == f"one: {FILE}: prompts are not exactly as long as asked for: the server counts 41 for 40 tokens"


def test_a_template_longer_than_the_prompts_fails_the_level_with_that_reason(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counts(_: object, prompts: Sequence[str], **__: object) -> list[int | None]:
        return [len(prompt.split()) + 50 for prompt in prompts]

    monkeypatch.setattr(fitted_prompts, "prompt_counts", counts)
    run = run_at(tmp_path, emulator.base_url)
    steps.run_inference(run)
    (failed,) = run.workspace.failed_levels()
    assert "a prompt of 40 tokens cannot be made: the server's chat template alone has 50" in failed["error"]


@pytest.mark.thorough
def test_answers_have_the_lengths_asked_for(emulator: Emulator, tmp_path: Path) -> None:
    run = run_at(tmp_path, emulator.base_url, output_tokens=[3, 5])
    steps.run_inference(run)
    asked = {row["prompt_id"]: row["output_tokens"] for row in read_rows(run.workspace.sent_prompts("one", FILE))}
    records = records_of(run)
    assert set(asked.values()) == {3, 5}
    assert list(records["completion_tokens"]) == [asked[prompt] for prompt in records["prompt_id"]]
    predictor = _experiment_load(run, OneMachine(), "one").predictor
    assert json.loads(predictor.encode("Hi", 3).body)["ignore_eos"] is True


@pytest.mark.parametrize(
    ("protocol", "path", "words"),
    [
        ("openai", "/v1/chat/completions", "the server refuses ignore_eos, so answers may end before output_tokens"),
        ("ollama", "/api/generate", "protocol ollama has no parameter that keeps a model from stopping, so answers"),
    ],
)
def test_where_answers_may_end_early_the_report_says_so(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, path: str, words: str
) -> None:
    monkeypatch.setattr(fitted_prompts, "is_refused", lambda *_: True)
    run = run_at(tmp_path, emulator.base_url, path, protocol, output_tokens=3)
    predictor = _experiment_load(run, OneMachine(), "one").predictor
    assert b"ignore_eos" not in predictor.encode("Hi", 3).body
    assert words in next(fit_notices(run))


@pytest.mark.parametrize(
    ("protocol", "spec", "parameters"),
    [
        ("djl", "", {"ignore_eos_token": True}),
        ("triton", "backend: vllm", {"ignore_eos": True}),
        ("triton", "backend: djl", {"ignore_eos_token": True}),
        ("triton", "backend: tensorrt", {}),
        ("triton", "", {}),
        ("tgi", "", {}),
    ],
)
def test_what_keeps_a_model_from_stopping_depends_on_the_server(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: str, spec: str, parameters: Any
) -> None:
    monkeypatch.setattr(fitted_prompts, "is_refused", lambda *_: False)
    text = CONFIG.format(
        synthetic="{input_tokens: 40, output_tokens: 3}", url="http://127.0.0.1:9/generate", protocol=protocol
    )
    text = text.replace("platform: endpoint", f"platform: endpoint, inference_spec: {{{spec}}}")
    (tmp_path / "fitted.yml").write_text(text)
    run = create_run(str(tmp_path / "fitted.yml"), results=tmp_path / "results")
    (experiment,) = run.config.experiments
    exact = fitted_prompts.with_exact_answers(run, experiment, "http://127.0.0.1:9/generate", None)
    given = experiment.inference_spec.parameters
    assert {name: value for name, value in exact.inference_spec.parameters.items() if name not in given} == parameters
