"""Synthetic prompts are as long as asked for to llama.cpp's own server, with the embedded model."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fmbench_lib import steps
from fmbench_lib.config import Experiment, LocalSection
from fmbench_lib.deploy import DeployContext, platform
from fmbench_lib.host.atomic_files import read_rows
from fmbench_lib.load.probe import prompt_counts
from fmbench_lib.models.embedded import EMBEDDED_MODEL
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.inference import _experiment_load
from fmbench_lib.steps.prompts.fitted_prompts import prompts_to_send

CONFIG = """
general: {{name: exact}}
data:
  synthetic:
  - {{input_tokens: 128, output_tokens: 4, prompts: 300}}
  - {{input_tokens: 1000, output_tokens: 4, prompts: 300}}
  - {{input_tokens: 4000, output_tokens: 4, prompts: 300}}
  - {{input_tokens: {{mean: 500, stddev: 150, min: 100, max: 900}}, output_tokens: [1, 2, 3], prompts: 300}}
load: {{requests: 2, warmup_requests: 1, timeout: 600}}
experiments:
- {{name: real, platform: endpoint, ep_name: "{url}", model_id: smollm2-135m-instruct, tokenizer: {tokenizer},
   concurrency_levels: [1]}}
"""
CONTEXT = 4200


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    ignored = lambda *_: None  # noqa: E731
    context = DeployContext("run", tmp_path_factory.mktemp("logs"), (), ignored, ignored, ignored)
    experiment = Experiment(
        name="exact",
        platform="local",
        protocol="openai",
        deploy=True,
        model_id=EMBEDDED_MODEL,
        local=LocalSection(context_tokens=CONTEXT, parallel=1, threads=2, cache_prompt=False),
    )
    endpoint = platform("local").deploy(experiment, context)
    yield endpoint.urls[0]
    platform("local").delete(endpoint)


class Server:
    """The server's own counts, without an answer: its chat template applied, then its tokenizer."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=60)

    def tokens(self, prompt: str) -> int:
        rendered = self._post("/apply-template", messages=[{"role": "user", "content": prompt}])["prompt"]
        return len(self._post("/tokenize", content=rendered, add_special=True, parse_special=True)["tokens"])

    def _post(self, path: str, **body: Any) -> Any:
        self.connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        return json.loads(self.connection.getresponse().read())


def rows_of(run: Run, payload_file: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Any]:
    """The rows as they were made, as they are sent, and what sends them."""
    (experiment,) = run.config.experiments
    load = _experiment_load(run, experiment.name)
    path = prompts_to_send(run, experiment, payload_file, load)
    return list(read_rows(run.workspace.payload(payload_file))), list(read_rows(path)), load


@pytest.mark.thorough
@pytest.mark.parametrize("tokenizer", [EMBEDDED_MODEL, "words"])
def test_every_prompt_has_the_tokens_that_the_server_counts(server_url: str, tokenizer: str, tmp_path: Path) -> None:
    (tmp_path / "exact.yml").write_text(CONFIG.format(url=server_url, tokenizer=tokenizer))
    run = create_run(str(tmp_path / "exact.yml"), results=tmp_path / "results")
    steps.generate_data(run)
    steps.deploy_models(run)
    server = Server(server_url)
    for payload_file in run.config.experiments[0].payload_files:
        made, sent, load = rows_of(run, payload_file)
        wanted = [row["prompt_tokens"] for row in made]
        assert len(wanted) == len({row["prompt"] for row in sent}) == 300
        assert [server.tokens(row["prompt"]) for row in sent] == wanted
        # What is charged is `usage.prompt_tokens`, so a few are answered too.
        sample = slice(0, 3 if max(wanted) < 1000 else 1)
        assert prompt_counts(load.predictor, [row["prompt"] for row in sent[sample]], timeout=600) == wanted[sample]
        print(payload_file, tokenizer, min(wanted), max(wanted), len(wanted))


@pytest.mark.thorough
def test_answers_are_as_long_as_asked_for(server_url: str, tmp_path: Path) -> None:
    text = CONFIG.format(url=server_url, tokenizer=EMBEDDED_MODEL)
    start, end = text.index("  - {input_tokens: 128"), text.index("load:")
    short = "  - {input_tokens: 48, output_tokens: [24, 9], prompts: 4}\n"
    (tmp_path / "exact.yml").write_text(text[:start] + short + text[end:])
    run = create_run(str(tmp_path / "exact.yml"), results=tmp_path / "results")
    steps.generate_data(run)
    steps.deploy_models(run)
    steps.run_inference(run)
    (level,) = run.workspace.levels()
    from fmbench_lib.load.recording.records import read_level

    records, _ = read_level(level)
    asked = {row["prompt_id"]: row["output_tokens"] for row in rows_of(run, "payload_en_48-49.jsonl")[1]}
    assert set(records["prompt_tokens"]) == {48}
    assert list(records["completion_tokens"]) == [asked[prompt] for prompt in records["prompt_id"]]
    assert set(records["finish_reason"]) == {"length"}
