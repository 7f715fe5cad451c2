"""Runs of a base and of servers that are as fast as it or slower, measured by the steps of a run and compared by the
command `compare`: what `regressions.py` counts."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fmbench_lib import steps
from fmbench_lib.cli.commands import main as fmbench
from fmbench_lib.emulator import Behaviour, Constant, LogNormal, launch
from fmbench_lib.metrics.comparison.measures import CLAIMED
from fmbench_lib.runs.opening import create_run
from fmbench_lib.steps import comparing
from fmbench_lib.steps.reporting.levels_of_runs import read_run

TTFT, ITL = LogNormal(0.045, 0.015), LogNormal(0.015, 0.005)
"""Of an answer of two tokens: a latency of 60 ms on average, with a coefficient of variation of 0.26."""
REPEATS = 3
CONDITION = "latency_p95>+0%"
LEVEL_FIGURES = ("latency_p50", "latency_p95", "TTFT_p50", "TTFT_p95", "transactions_per_minute", "price_per_10k_txn")
PRICE_PER_HOUR = 1.0

# Several servers of one run are compared with its base one by one: the run is read once.
comparing.read_run = lru_cache(2)(comparing.read_run)


@dataclass(frozen=True, slots=True)
class Setting:
    """A load, the requests of a repeat, and the servers beside the base, each by how much slower it is, as a share.

    Give `concurrency` or `request_rate` (Poisson arrivals). `drift`: by this share all servers become slower over the
    time of all levels. Not `in_turns`: the other server is measured after the base, in a run of its own.
    """

    name: str
    requests: int
    concurrency: int | None = None
    request_rate: float | None = None
    slower: tuple[float, ...] = (0.0,)
    slots: int | None = None
    drift: float = 0.0
    in_turns: bool = True

    @property
    def experiments(self) -> dict[str, float]:
        """The name of each server, and how much slower than the base it is."""
        return {"base": 0.0, **{f"new{number}": share for number, share in enumerate(self.slower, 1)}}

    def behaviour(self, slower: float, drift_per_second: float) -> Behaviour:
        """The server that is slower by a share: all its times are longer by the same factor."""
        factor = 1 + slower
        return Behaviour(
            ttft=LogNormal(TTFT.mean * factor, TTFT.deviation * factor),
            itl=LogNormal(ITL.mean * factor, ITL.deviation * factor),
            tokens=Constant(2),
            slots=self.slots,
            drift=drift_per_second,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """Two experiments to compare, each in its run, with how much slower the second truly is."""

    setting: str
    number: int
    slower: float
    base: Path
    new: Path
    match: str
    drifted: float = 0.0


def measured_pairs(setting: Setting, number: int, folder: Path, seconds: float) -> tuple[list[Pair], float]:
    """Measure a base and the servers beside it; the pairs to compare, and the seconds that it took.

    `seconds`: how long it is expected to take, for the drift.
    """
    drift = setting.drift / seconds
    with contextlib.ExitStack() as stack:
        urls = {}
        for index, (name, slower) in enumerate(setting.experiments.items()):
            # Servers that drift are one server: each emulator's time begins with its own first request.
            shared = setting.drift and urls
            seed = f"--seed={1000 * number + index}"
            urls[name] = urls["base"] if shared else _url(stack, setting.behaviour(slower, drift), seed)
        began = time.monotonic()
        if setting.in_turns:
            run = _run(setting, number, urls, folder)
            runs = dict.fromkeys(urls, run)
        else:
            runs = {
                name: _run(setting, 2 * number + index, {name: url}, folder)
                for index, (name, url) in enumerate(urls.items())
            }
        took = time.monotonic() - began
    pairs = [
        Pair(setting.name, number, slower, runs["base"], runs[name], f"base={name}", drift * took)
        for name, slower in setting.experiments.items()
        if name != "base"
    ]
    return pairs, took


def _url(stack: contextlib.ExitStack, behaviour: Behaviour, seed: str) -> str:
    return stack.enter_context(launch(behaviour, arguments=[seed])).url


def _run(setting: Setting, seed: int, urls: Mapping[str, str], folder: Path) -> Path:
    """Measure a run; its directory."""
    source = Path(tempfile.mkdtemp(dir=folder))
    run = create_run(_config(setting, seed, urls, source), results=folder / "results")
    for step in (steps.set_up, steps.generate_data, steps.deploy_models, steps.run_inference):
        step(run)
    return run.workspace.path


def _config(setting: Setting, seed: int, urls: Mapping[str, str], folder: Path) -> Path:
    rows = [{"input": f"What is item {n}?"} for n in range(setting.requests + 100)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "template.txt").write_text("{input}")
    load = (
        {"concurrency_levels": [setting.concurrency]}
        if setting.concurrency
        else {"request_rates": [setting.request_rate]}
    )
    shared = {"platform": "endpoint", "model_id": "emulated", "tokenizer": "words", "instance_type": "emulator"}
    config = {
        "general": {"name": "pair", "seed": seed},
        "s3_read_data": {"source_data_files": ["source.jsonl"], "prompt_template_file": "template.txt"},
        "datasets": {"filters": [{"max_length_in_tokens": 500, "payload_file": "all.jsonl"}]},
        "pricing": {"emulator": PRICE_PER_HOUR},
        "inference_parameters": {"max_tokens": 100},
        "load": {
            "requests": setting.requests,
            "warmup_requests": 32,
            "repeats": REPEATS,
            "prompt_reuse": "allowed",
            **({"arrival": "poisson"} if setting.request_rate else {}),
        },
        "experiments": [{"name": name, "ep_name": url, **shared, **load} for name, url in urls.items()],
    }
    path = folder / "config.yml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def comparison_of(pair: Pair, *, levels: bool = False) -> dict[str, Any]:
    """What `fmbench compare` says of a pair, in JSON's types, and with `levels` the intervals of both levels.

    `claims` and `exit_code` are those of all usual figures with `CONDITION`, `alone` and `exit_code_alone` of a build
    that asks for nothing else.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "comparison.json"
        code, document = _compare(pair, output, "--measures", ",".join(CLAIMED))
        code_alone, alone = _compare(pair, output)
    (level,), (level_alone,) = document["levels"], alone["levels"]
    rows = [one.row for path in dict.fromkeys((pair.base, pair.new)) for one in read_run(path).levels] if levels else []
    return {
        "setting": pair.setting,
        "number": pair.number,
        "slower": pair.slower,
        "drifted": pair.drifted,
        "exit_code": code,
        "exit_code_alone": code_alone,
        "alone": level_alone["claims"],
        "claims": level["claims"],
        "ranks": level["ranks"],
        "levels": [
            {name: [_number(row, f"{name}{end}") for end in ("", "_low", "_high")] for name in LEVEL_FIGURES}
            for row in rows
        ],
    }


def _compare(pair: Pair, output: Path, *options: str) -> tuple[int, dict[str, Any]]:
    """Compare a pair by the command, failing on `CONDITION`: its exit code and its document."""
    runs = [str(path) for path in dict.fromkeys((pair.base, pair.new))]
    words = ["compare", *runs, "--match", pair.match, *options, "--fail-on", CONDITION, "--output", str(output)]
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        code = fmbench(words)
    return code, json.loads(output.read_text())


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return None if value is None or not np.isfinite(value) else float(value)
