"""The tools that `peers.py` compares: how each gets its job, and where its results are.

Each gets the settings that its documentation recommends for this job: the server's token counts, no hardware metrics,
no display, and a record of each request if it makes one. Each chooses its number of processes, as the engine does; a
tuned tool gets the number found best on two cores (of 2, 4 and its own choice). None contacts a model registry: the
tokenizer is a small local one, and the lengths of prompts and responses do not depend on it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CORES = os.cpu_count() or 1
MODEL = "emulated"
TIMEOUT = 120
_WORDS = ["[UNK]", "please", "answer", "request", "number", "with", "words"] + [str(digit) for digit in range(10)]


@dataclass(frozen=True, slots=True)
class Job:
    """`requests` requests, `streams` at a time, each answered with `events` content events."""

    base_url: str
    requests: int
    streams: int
    events: int
    folder: Path
    """Where the tools find their inputs, and leave their results."""
    tuned: bool = False

    @property
    def prompts(self) -> list[str]:
        """One prompt per request, all distinct."""
        return [f"please answer request number {n} with words" for n in range(self.requests)]

    def prepare(self) -> None:
        """Write the prompts in every tool's form, and the tokenizer; not part of what is measured."""
        (self.folder / "prompts.txt").write_text("".join(f"{prompt}\n" for prompt in self.prompts))
        for name, key in (("guidellm.jsonl", "prompt"), ("aiperf.jsonl", "text")):
            (self.folder / name).write_text("".join(json.dumps({key: prompt}) + "\n" for prompt in self.prompts))
        tokenizer = self.folder / "tokenizer"
        tokenizer.mkdir()
        vocabulary = {word: number for number, word in enumerate(_WORDS)}
        model = {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"}
        whole = {"version": "1.0", "added_tokens": [], "pre_tokenizer": {"type": "Whitespace"}, "model": model}
        (tokenizer / "tokenizer.json").write_text(json.dumps(whole))
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]", "model_max_length": 100_000}
        (tokenizer / "tokenizer_config.json").write_text(json.dumps(settings))


@dataclass(frozen=True, slots=True)
class Reported:
    """A tool's results: TTFT in ms, the same per request if it reports that, and the failed requests."""

    p50_ms: float
    p99_ms: float
    errors: int
    by_request: Mapping[str, float] = field(default_factory=dict)
    """By the id of the request or of the answer."""
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Tool:
    """How a tool is started and its results are read; `command` gets the folder of its programs."""

    package: str
    command: Callable[[Job, Path], list[str]]
    read: Callable[[Job], Reported]
    tuning: Mapping[str, str] = field(default_factory=dict)
    """Variables of the environment that tune it."""


def _engine_command(job: Job, programs: Path) -> list[str]:
    script = Path(__file__).with_name("engine_job.py")
    url, prompts, result = f"{job.base_url}/v1/chat/completions", job.folder / "prompts.txt", job.folder / "engine.json"
    return [str(programs / "python"), str(script), url, str(job.streams), str(prompts), str(result)]


def _engine_read(job: Job) -> Reported:
    said = _json(job.folder / "engine.json")
    return Reported(said["p50_ms"], said["p99_ms"], said["errors"], said["requests"], said["verdict"])


def _guidellm_command(job: Job, programs: Path) -> list[str]:
    backend = f"kind=openai_http,target={job.base_url},model={MODEL},request_format=/v1/chat/completions"
    return [
        *(str(programs / "guidellm"), "run", "--disable-console"),
        *("--backend", f"{backend},timeout={TIMEOUT}"),
        *("--profile", f"kind=concurrent,streams={job.streams}"),
        *("--constraint", f"kind=max_requests,count={job.requests}"),
        *("--tokenizer", f"kind=huggingface_auto,model={job.folder / 'tokenizer'}"),
        *("--data", f"kind=json_file,path={job.folder / 'guidellm.jsonl'}"),
        *("--output", f"kind=json,path={job.folder / 'guidellm.json'}"),
    ]


def _guidellm_read(job: Job) -> Reported:
    (said,) = _json(job.folder / "guidellm.json")["benchmarks"]
    times = said["metrics"]["time_to_first_token_ms"]["successful"]["percentiles"]
    made = said["requests"]
    by_answer = {row["response_id"].rpartition("-")[2]: row["time_to_first_token_ms"] for row in made["successful"]}
    return Reported(times["p50"], times["p99"], len(made["errored"]) + len(made["incomplete"]), by_answer)


def _aiperf_command(job: Job, programs: Path) -> list[str]:
    return [
        *(str(programs / "aiperf"), "profile", "--model", MODEL, "--url", job.base_url),
        *("--endpoint-type", "chat", "--streaming", "--use-server-token-count"),
        *("--concurrency", str(job.streams), "--request-count", str(job.requests)),
        *("--input-file", str(job.folder / "aiperf.jsonl"), "--custom-dataset-type", "single_turn"),
        *("--tokenizer", str(job.folder / "tokenizer"), "--request-timeout-seconds", str(TIMEOUT)),
        *("--ui", "none", "--no-server-metrics", "--no-gpu-telemetry"),
        *(("--workers-max", str(2 * CORES)) if job.tuned else ()),
        *("--artifact-dir", str(job.folder / "aiperf")),
    ]


def _aiperf_read(job: Job) -> Reported:
    said = _json(job.folder / "aiperf" / "profile_export_aiperf.json")
    lines = (job.folder / "aiperf" / "profile_export.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    times = {
        row["metadata"]["x_request_id"]: row["metrics"]["time_to_first_token"]["value"]
        for row in rows
        if "time_to_first_token" in row["metrics"]
    }
    ttft = said["time_to_first_token"]
    return Reported(ttft["p50"], ttft["p99"], sum(1 for row in rows if row.get("error")), times)


def _inference_perf_command(job: Job, programs: Path) -> list[str]:
    config: dict[str, Any] = {
        "load": {
            "type": "concurrent",
            "stages": [{"num_requests": job.requests, "concurrency_level": job.streams}],
            "request_timeout": TIMEOUT,
            **({"num_workers": CORES} if job.tuned else {}),
        },
        "api": {"type": "chat", "streaming": True},
        "server": {"type": "vllm", "model_name": MODEL, "base_url": job.base_url, "ignore_eos": True},
        "tokenizer": {"pretrained_model_name_or_path": str(job.folder / "tokenizer")},
        "data": {
            "type": "shared_prefix",
            "shared_prefix": {
                "num_groups": 1,
                "num_prompts_per_group": job.requests,
                "system_prompt_len": 1,
                "question_len": 5,
                "output_len": job.events,
            },
        },
        "report": {"request_lifecycle": {"summary": True, "per_stage": False, "use_server_output_tokens": True}},
        "storage": {"local_storage": {"path": str(job.folder / "inference-perf")}},
    }
    path = job.folder / "inference-perf.yml"
    path.write_text(json.dumps(config))  # JSON is YAML
    return [str(programs / "inference-perf"), "--config_file", str(path)]


def _inference_perf_read(job: Job) -> Reported:
    said = _json(job.folder / "inference-perf" / "summary_lifecycle_metrics.json")
    ttft = said["successes"]["latency"]["time_to_first_token"]
    return Reported(1000 * ttft["median"], 1000 * ttft["p99"], said["failures"]["count"])


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


ENGINE = Tool("fmbench-lib", _engine_command, _engine_read)
ENGINE_PROGRAMS = Path(sys.executable).parent
PEERS = {
    "guidellm": Tool("guidellm", _guidellm_command, _guidellm_read, {"GUIDELLM__MAX_WORKER_PROCESSES": str(CORES)}),
    "aiperf": Tool("aiperf", _aiperf_command, _aiperf_read),
    "inference-perf": Tool("inference-perf", _inference_perf_command, _inference_perf_read),
}
