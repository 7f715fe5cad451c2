"""Folders of results as fmbench leaves them, without a measurement: one level of a recorded run, altered for each run.

Two teams measure models on serving stacks and instances again and again. In the middle of the history of the first
experiment its times grow by a quarter. Some runs have no prices, some no judged answers, one was never analysed.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fmbench_lib.report.summary import summary_document
from tests.report.html.made_run import made_run

BEGINNING = datetime(2026, 5, 4, 9, 30, tzinfo=UTC)
PAYLOADS = ("payload_en_1-300.jsonl", "payload_en_300-1000.jsonl")
LOADS = (1.0, 2.0, 4.0, 8.0)
EXPERIMENTS = (
    ("llama-vllm", "org/llama-8b", "ec2", "vllm", "g5.2xlarge"),
    ("llama-sglang", "org/llama-8b", "ec2", "sglang", "g5.2xlarge"),
    ("llama-djl", "org/llama-8b", "sagemaker", "djl", "ml.g5.2xlarge"),
    ("mistral-vllm", "org/mistral-7b", "ec2", "vllm", "g6.2xlarge"),
    ("mistral-tgi", "org/mistral-7b", "ec2", "huggingface", "g5.2xlarge"),
    ("qwen-vllm", "org/qwen-14b", "ec2", "vllm", "p4d.24xlarge"),
)
SLOWER = 1.25
_TIMES = ("latency", "TTFT", "TPOT", "ITL", "TTLT")
_RATES = ("transactions_per", "completion_token_throughput", "prompt_token_throughput", "goodput")


def made_results(folder: Path, count: int, page: bytes | None = b"<!DOCTYPE html><title>report</title>") -> list[Path]:
    """Write `count` runs below `folder`, a day apart; their directories, oldest first."""
    generator = np.random.default_rng(7)
    made = []
    for number in range(count):
        first = number % 3 * 2
        chosen = EXPERIMENTS[first : first + 2]
        run_id = f"{BEGINNING + timedelta(days=number):%Y%m%d-%H%M%SZ}"
        factors = [float(np.exp(generator.normal(0, 0.03))) for _ in chosen]
        if first == 0 and number >= count / 2:
            factors[0] *= SLOWER
        tags = ["release"] if number % 10 == 0 else []
        made.append(
            made_run_folder(
                folder / ("nightly" if first == 0 else "weekly") / run_id, BEGINNING + timedelta(days=number), chosen,
                factors, priced=number % 7 != 1, judged=number % 5 != 4, analysed=number != 1, tags=tags, page=page,
            )
        )  # fmt: skip
    return made


def made_run_folder(
    path: Path,
    began: datetime,
    experiments: Sequence[tuple[str, str, str, str, str]] = EXPERIMENTS[:1],
    factors: Sequence[float] = (1.0,),
    *,
    priced: bool = True,
    judged: bool = True,
    analysed: bool = True,
    tags: Sequence[str] = (),
    page: bytes | None = None,
    prompts: str = "5f0c2a9d1b7e",
    changes: Mapping[str, Any] | None = None,
) -> Path:
    """Write a run of these experiments, each slower by its factor; `changes` are of its state."""
    path.mkdir(parents=True)
    state = {
        "run_id": path.name, "name": path.parent.name, "status": "finished", "created": began.isoformat(),
        "versions": {"fmbench": "3.0.0"}, "host": {"processor": "a processor", "cores": 8, "system": "Linux 6"},
        "steps": {}, **(changes or {}),
    }  # fmt: skip
    _write(path / "run.json", state)
    _write(path / "config.yml", {"general": {"name": "x"}, "experiments": [_config(one) for one in experiments]})
    index = {"payloads": [{"payload_file": name, "sha256": prompts * 5} for name in PAYLOADS]}
    _write(path / "prompts" / "payloads.json", index)
    if tags:
        _write(path / "tags.json", {"tags": list(tags)})
    if analysed:
        _write(path / "summary.json", _summary(experiments, factors, priced, judged))
        if page is not None:
            (path / "report.html").write_bytes(page)
    return path


def _summary(
    experiments: Sequence[tuple[str, str, str, str, str]], factors: Sequence[float], priced: bool, judged: bool
) -> dict[str, Any]:
    summary = copy.deepcopy(_template())
    template, levels = summary["levels"], []
    for (name, model, _, stack, instance), factor in zip(experiments, factors, strict=True):
        own = factor * (1 + 0.25 * (len(model) % 3)) * {"vllm": 1.0, "sglang": 0.95}.get(stack, 1.2)
        for row in template:
            level = _scaled(row, own) | {"experiment_name": name, "instance_type": instance}
            if judged:
                right = 0.9 - 0.05 * (len(model) % 3)
                level |= {
                    "accuracy": right, "accuracy_low": right - 0.05, "accuracy_high": right + 0.04, "accuracy_n": 200,
                }  # fmt: skip
            if not priced:
                level |= {key: None for key in level if key.startswith("price_")}
            levels.append(level)
    winner = min(levels, key=lambda level: level["latency_p95"])
    text = f"{winner['experiment_name']} at concurrency {winner['concurrency']:g} is the cheapest."
    return {**summary, "levels": levels, "decision": {**summary["decision"], "winner": winner, "text": text}}


def _scaled(row: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """A level whose times are longer by a factor, its rates and prices accordingly."""
    level = dict(row)
    for key, value in row.items():
        if not isinstance(value, float) or key.endswith("_n"):
            continue
        if key.startswith((*(f"{name}_p" for name in _TIMES), "price_per", *(f"{name}_mean" for name in _TIMES))):
            level[key] = value * factor
        elif key.startswith(_RATES):
            level[key] = value / factor
    return level


@functools.cache
def _template() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(summary_document(made_run(("one",), PAYLOADS, LOADS))))
    return document


def _config(experiment: tuple[str, str, str, str, str]) -> dict[str, Any]:
    name, model, platform, stack, instance = experiment
    return {
        "name": name, "model_id": model, "platform": platform, "instance_type": instance,
        "inference_spec": {"container_type": stack},
    }  # fmt: skip


def _write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
