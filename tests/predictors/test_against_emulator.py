"""Every protocol measured by the engine against an emulated endpoint, and compared request by request with its ledger.

Also the table in docs/protocols.md: what it says of a protocol is what is found here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import PROTOCOLS
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.emulator import Behaviour, Constant, Emulator, Exponential, LedgerEntry, launch
from fmbench_lib.emulator.behaviour import Planner, Task
from fmbench_lib.emulator.wires.content import Content
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.predictors.base import may_echo_prompt
from fmbench_lib.predictors.echo import PromptMark
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.workspace import LevelKey

Rows = list[dict[str, Any]]

BEHAVIOUR = Behaviour(ttft=Constant(0.004), itl=Constant(0.001), tokens=Exponential(6), echo=True, usage="always")
MICROSECOND = 1e-6
PROTOCOLS_PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"


@dataclass(frozen=True, eq=False)
class Served:
    """A protocol's address at the emulator. `counts` is who counts the tokens of prompt and answer."""

    protocol: str
    path: str
    stream: bool
    counts: str = "server"
    spec: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.protocol}{self.path}{'' if self.stream else '-whole'}{'-'.join(['', *self.spec])}"


CUSTOM = {
    "body": {"question": "{prompt}", "settings": {"stream": "{stream}", "most": "{max_tokens}"}},
    "text": "$.result.parts[*].words",
    "prompt_tokens": "$.counts.read",
    "completion_tokens": "$.counts.written",
    "finish_reason": "$.why",
    "error": "$.fault.reason",
}
TRITON = "/v2/models/ensemble/generate"
MODEL = "/model/us.meta.llama3-1-8b-instruct-v1%3A0"
DETAILS = {"parameters": {"details": True}}
COUNTED = {"parameters": {"return_num_input_tokens": True, "return_num_output_tokens": True}}
PROMPTS_OURS = "prompt:tokenizer+completion:server"
SERVED = [
    Served("openai", "/v1/chat/completions", True),
    Served("openai", "/v1/chat/completions", False),
    Served("openai", "/v1/completions", True),
    Served("openai", "/v1/completions", False),
    Served("tgi", "/generate", True),
    Served("tgi", "/generate", False, PROMPTS_OURS),
    Served("djl", "/invocations", True, PROMPTS_OURS),
    Served("djl", "/invocations", False, "tokenizer"),
    Served("djl", "/generate", True, PROMPTS_OURS),
    Served("triton", TRITON, True, "tokenizer"),
    Served("triton", TRITON, False, "tokenizer"),
    Served("triton", TRITON, True, "server", COUNTED),
    Served("triton", TRITON, False, "server", COUNTED | {"backend": "vllm"}),
    Served("triton", TRITON, True, "tokenizer", {"backend": "djl"}),
    Served("ollama", "/api/generate", True),
    Served("ollama", "/api/generate", False),
    Served("ollama", "/api/chat", True),
    Served("ollama", "/api/chat", False),
    Served("llama_cpp", "/completion", True),
    Served("llama_cpp", "/completion", False),
    Served("rest", "/serve/infer", False, "tokenizer"),
    Served("eks", "/serve/text", False, "tokenizer"),
    Served("custom_rest", "/v2/completions", False),
    Served("rest", "/custom/generate", True, "server", {"rest": CUSTOM}),
    Served("rest", "/custom/generate", False, "server", {"rest": CUSTOM}),
    Served("rest", "/custom/lines", True, "server", {"rest": CUSTOM}),
    Served("sagemaker", "/endpoints/lmi/invocations", True, PROMPTS_OURS),
    Served("sagemaker", "/endpoints/lmi/invocations", False, PROMPTS_OURS, DETAILS),
    Served("sagemaker", "/endpoints/lmi-split/invocations", True, PROMPTS_OURS),
    Served("sagemaker", "/endpoints/tgi/invocations", True),
    Served("sagemaker", "/endpoints/tgi/invocations", False, PROMPTS_OURS, DETAILS),
    Served("sagemaker", "/endpoints/tgi-split/invocations", True),
    Served("bedrock", MODEL, True),
    Served("bedrock", MODEL, False),
    *(
        Served("bedrock_invoke", f"/model/{model}", stream)
        for model in (
            "anthropic.claude-3-haiku-20240307-v1%3A0",
            "us.meta.llama3-1-8b-instruct-v1%3A0",
            "mistral.mistral-large-2407-v1%3A0",
            "us.deepseek.r1-v1%3A0",
            "cohere.command-text-v14",
            "cohere.command-r-v1%3A0",
            "ai21.jamba-1-5-mini-v1%3A0",
            "amazon.titan-text-express-v1",
            "amazon.nova-lite-v1%3A0",
        )
        for stream in (True, False)
    ),
    Served("bedrock_invoke", "/model/ai21.j2-mid-v1", False),
]


class Words:
    """A tokenizer that counts as the emulator does."""

    is_estimate = False

    def count(self, text: str) -> int:
        return len(text.split())


Measure = Callable[[Served], Rows]

HEALTHY = [f"Say {'something ' * number}about größe? [[echo: {number}]]" for number in range(12)]
FAULTS = {
    "error:events=1": "endpoint",
    "malformed:events=1": "decode",
    "truncated:events=1": "truncated",
    "empty": "empty",
    "rate_limit": "http_429",
    "server_error:status=503": "http_5xx",
}
TEXTS = ("/serve/infer", "/serve/text")
"""A text has no form that it could fail to have: half of one is another text."""


def errors_of(served: Served) -> dict[str, str]:
    """The faults that a protocol can show, each with its class of error."""
    return {fault: found for fault, found in FAULTS.items() if found != "decode" or served.path not in TEXTS}


def faulty(fault: str) -> str:
    return f"Do it [[fault:{fault}]]"


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """With its keys in the environment, for the protocols whose requests are signed."""
    with launch(BEHAVIOUR) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in {**running.aws_environment, "AWS_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        yield running


@pytest.fixture(scope="module")
def measure(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Measure:
    """The records of one level of each protocol, four requests at a time, faults among healthy ones."""

    @cache
    def run(served: Served) -> Rows:
        url = emulator.base_url + served.path
        spec = {"stream": served.stream, **served.spec}
        predictor = predictor_for(experiment_of(served.protocol, spec), url, "m")
        prompts = [*HEALTHY[:6], *map(faulty, errors_of(served)), *HEALTHY[6:]]
        load = load_settings(LoadSection(workers=1, timeout=20.0))
        level = Level((url,), (), tuple(range(len(prompts))), "1", load, concurrency=4)
        done = run_level(level, map(predictor.encode, prompts), tmp_path_factory.mktemp("level"), lambda _: None)
        echoed = may_echo_prompt(predictor)
        sent = [SentPrompt(text, len(text.split()), PromptMark.of(text) if echoed else None) for text in prompts]
        return list(Recorder(predictor, sent, (url,), LevelKey("exp", "p", "load"), Words()).rows(done))

    return run


def experiment_of(protocol: str, spec: dict[str, Any]) -> Experiment:
    least = {"name": "mine", "platform": "endpoint", "deploy": False, "payload_files": ["p"]}
    return Experiment.model_validate({**least, "protocol": protocol, "inference_spec": spec})


def answered(rows: Rows, prompts: Iterable[str]) -> Rows:
    """The records of some prompts, in the prompts' order."""
    by_prompt = {row["prompt_id"]: row for row in rows}
    return [by_prompt[prompt] for prompt in prompts]


def said(served: Served, prompt: str, entry: LedgerEntry) -> str:
    """What the emulator's answer to a request says."""
    task = Task(prompt, len(prompt.split()), served.stream, None, "m", True)
    return Content(Planner(BEHAVIOUR).plan(task, entry.request_id, entry.number, 0.0)).whole()[1]


def entries_of(emulator: Emulator, rows: Rows) -> dict[str, LedgerEntry]:
    wanted = {row["request_id"] for row in rows}
    return {entry.request_id: entry for entry in emulator.read_ledger() if entry.request_id in wanted}


@pytest.mark.parametrize("served", SERVED, ids=str)
def test_measured_is_what_the_ledger_says(measure: Measure, emulator: Emulator, served: Served) -> None:
    rows = answered(measure(served), HEALTHY)
    ledger = entries_of(emulator, rows)
    for row, prompt in zip(rows, HEALTHY, strict=True):
        entry = ledger[row["request_id"]]
        assert row["error"] is None, row["error_message"]
        assert row["completion"] == said(served, prompt, entry)
        assert row["token_source"] == served.counts
        assert row["prompt_tokens"] == entry.prompt_tokens == len(prompt.split())
        assert row["completion_tokens"] == entry.tokens
        assert row["streamed"] == served.stream
        assert row["server_request_id"] is not None
        arrivals = row["event_times"] if served.stream else [row["last"]]
        assert len(arrivals) == entry.events
        for arrival, written in zip(arrivals, entry.writes, strict=True):
            assert arrival > written / 1e9 - 100 * MICROSECOND  # nothing arrives before it is sent


@pytest.mark.parametrize("served", SERVED, ids=str)
def test_every_fault_is_the_error_that_it_is(measure: Measure, served: Served) -> None:
    expected = errors_of(served)
    rows = answered(measure(served), map(faulty, expected))
    assert [row["error"] for row in rows] == list(expected.values())


def test_an_embedding_has_a_time_and_no_tokens(measure: Measure, emulator: Emulator) -> None:
    rows = measure(Served("openai", "/v1/embeddings", False))
    ledger = entries_of(emulator, rows)
    for row in answered(rows, HEALTHY):
        entry = ledger[row["request_id"]]
        assert (row["error"], row["completion"], row["token_source"]) == (None, "", "server")
        assert (row["prompt_tokens"], row["completion_tokens"]) == (entry.prompt_tokens, 0)
        assert row["last"] > entry.writes[0] / 1e9 - 100 * MICROSECOND
    assert [row["error"] for row in answered(rows, map(faulty, FAULTS))] == list(FAULTS.values())


@pytest.mark.parametrize(
    ("served", "source"),
    [
        (Served("rerank", "/v1/rerank", False), "server"),
        (Served("tei", "/rerank", False, PROMPTS_OURS), PROMPTS_OURS),
    ],
    ids=lambda value: str(value).split("/", 1)[0],
)
def test_a_ranking_has_a_time_scores_and_no_tokens(measure: Measure, served: Served, source: str) -> None:
    rows = measure(served)
    for row in answered(rows, HEALTHY):
        assert (row["error"], row["completion"], row["token_source"]) == (None, "", source)
        assert (row["texts"], list(row["scores"]), row["completion_tokens"]) == (1, [1.0], 0)
        assert row["first"] is None
    assert [row["error"] for row in answered(rows, map(faulty, FAULTS))] == list(FAULTS.values())
    cells = table()[served.protocol]
    assert (cells["stream"], cells["whole"], cells["tokens from"]) == ("no", "yes", source)
    assert set(re.findall(r"`(\w+)`", cells["errors recognised"])) == set(FAULTS.values())


# -- docs/protocols.md -----------------------------------------------------------------------------------------------


def table() -> dict[str, dict[str, str]]:
    """The page's table of protocols: for each name its cells by heading."""
    lines = [line for line in PROTOCOLS_PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    heading, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {row[0].strip("`"): dict(zip(heading, row, strict=True)) for row in rows}


def test_the_page_lists_the_protocols_that_are_registered() -> None:
    assert list(table()) == list(PROTOCOLS)


@pytest.mark.parametrize("protocol", dict.fromkeys(served.protocol for served in SERVED))
def test_the_page_agrees_with_what_is_measured_here(protocol: str) -> None:
    row = table()[protocol]
    ours = [served for served in SERVED if served.protocol == protocol]
    forms = {served.stream for served in ours}
    assert (row["stream"], row["whole"]) == tuple("yes" if form in forms else "no" for form in (True, False))
    assert set(row["tokens from"].split(", ")) == {served.counts for served in ours}
    found = {error_class for served in ours for error_class in errors_of(served).values()}
    assert set(re.findall(r"`(\w+)`", row["errors recognised"])) == found
