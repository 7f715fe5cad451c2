"""TTFT and latency at concurrency 1, compared with an independent measurement of the same server by plain curl.

    python benchmarks/against_curl.py [PROMPTS]

Starts the embedded model and sends every prompt once by the load engine and once by `curl --trace-time`, alternating
which goes first, with the server's prompt cache off, and compares the medians. Each measurement follows an unmeasured
request sent the same way, so that the server has just been busy. curl's TTFT is the time from its first trace line to
the first received line with a non-empty content delta; its latency ends at the last such line, and `end` at its last
data. Prints a table and writes `benchmarks/results/against_curl.json`.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from fmbench_lib.config import Experiment, load_config
from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.deploy import DeployContext, platform
from fmbench_lib.load.probe import probe
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.predictors.base import HttpRequest, Predictor
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.workspace import LevelKey

RESULTS = Path(__file__).parent / "results"
CONFIG = """
general: {name: against-curl}
datasets: {filters: [{max_length_in_tokens: 500, payload_file: payload_en_1-500.jsonl}]}
inference_parameters: {max_tokens: 12, temperature: 0, cache_prompt: false}
experiments:
- {name: local, platform: local, concurrency_levels: [1], local: {cache_prompt: no, parallel: 1, threads: 1}}
"""
WARMUP = "What is a warm-up?"
CONTENT = re.compile(r'"delta":\{[^}]*"content":"[^"]')
FIGURES = ("ttft", "latency", "end")


def by_engine(predictor: Predictor, url: str, prompt: str, folder: Path) -> dict[str, float]:
    """One request through the engine, in seconds from its due time."""
    load = LoadSettings()
    level = Level((url,), warmup=(0,), measured=(1,), seed="", load=load, stop=StopRule(requests=1), concurrency=1)
    prompts = [SentPrompt("warm-up", None), SentPrompt("prompt", None)]
    recorder = Recorder(predictor, prompts, [url], LevelKey("against-curl", "", "concurrency-1"), None)
    requests = [predictor.encode(WARMUP), predictor.encode(prompt)]
    _, row = recorder.rows(run_level(level, requests, folder))
    assert row["error"] is None, row["error_message"]
    return {name: row[key] - row["due"] for name, key in zip(FIGURES, ("first", "last", "end"), strict=True)}


def by_curl(request: HttpRequest) -> dict[str, float]:
    """The same request by curl, in seconds from its first trace line."""
    headers = [part for name, value in request.headers for part in ("-H", f"{name}: {value}")]
    command = ["curl", "-sN", "--trace-time", "--trace-ascii", "-", "-o", "/dev/null", *headers]
    trace = subprocess.run(
        [*command, "--data-binary", "@-", request.url], input=request.body, capture_output=True, check=True
    ).stdout.decode(errors="replace")
    blocks = re.split(r"^(?=\d\d:\d\d:\d\d\.\d{6} )", trace, flags=re.MULTILINE)[1:]
    begin = _seconds(blocks[0])
    received = [block for block in blocks if "<= Recv data" in block.split("\n", 1)[0]]
    content = [_seconds(block) for block in received if CONTENT.search(_text(block))]
    times = (content[0], content[-1], _seconds(received[-1]))
    return {name: (at - begin) % 86400 for name, at in zip(FIGURES, times, strict=True)}


def _seconds(block: str) -> float:
    hours, minutes, seconds = block[:15].split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _text(block: str) -> str:
    """The data of a trace block: its lines of 64 characters without their offsets."""
    return "".join(re.sub(r"^[0-9a-f]{4}: ", "", line) for line in block.split("\n")[1:])


def compare(experiment: Experiment, prompts: list[str], folder: Path) -> list[dict[str, dict[str, float]]]:
    """Both measurements of every prompt, alternating which goes first."""
    service = platform(experiment.platform)
    context = DeployContext(
        run_id="against-curl",
        log_folder=folder,
        folders=(folder,),
        record=lambda _: None,
        say=lambda _: None,
        probe=lambda url, model: probe(predictor_for(experiment, url, model)),
    )
    endpoint = service.deploy(experiment, context)
    url = endpoint.urls[0]
    predictor = predictor_for(experiment, url, endpoint.model)
    pairs = []
    try:
        for number, prompt in enumerate(prompts):
            pair = {}
            for who in ("engine", "curl") if number % 2 else ("curl", "engine"):
                if who == "engine":
                    with tempfile.TemporaryDirectory(dir=folder) as scratch:
                        pair[who] = by_engine(predictor, url, prompt, Path(scratch))
                else:
                    by_curl(predictor.encode(WARMUP))
                    pair[who] = by_curl(predictor.encode(prompt))
            pairs.append(pair)
    finally:
        service.delete(endpoint)
    return pairs


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    source = Path(__file__).parent.parent / "configs" / "source_data" / "pydoc_qa.jsonl"
    rows = [json.loads(line) for line in source.read_text(encoding="utf-8").splitlines()]
    prompts = [row["input"] for row in rows][:count]  # short, so that many pairs even out a busy machine
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yml"
        config.write_text(CONFIG)
        pairs = compare(load_config(config).config.experiments[0], prompts, Path(folder))
    result = {"prompts": len(pairs)}
    print(f"{len(pairs)} prompts      engine        curl   difference   allowed (5% + 2 ms)")
    for name in FIGURES:
        engine, curl = (statistics.median(pair[who][name] for pair in pairs) for who in ("engine", "curl"))
        print(f"{name:10} {engine:11.4f} s {curl:9.4f} s {engine - curl:10.4f} s {0.05 * curl + 0.002:9.4f} s")
        result |= {f"{name}_engine_s": engine, f"{name}_curl_s": curl}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "against_curl.json").write_text(json.dumps({**result, "pairs": pairs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
