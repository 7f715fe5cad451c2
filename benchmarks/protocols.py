"""Every protocol's streams at an emulated endpoint: measured times compared with the emulator's ledger per request.

    python benchmarks/protocols.py [STREAMS] [REQUESTS]

TTFT 50 ms, ITL 10 ms, 100 tokens. Errors are absolute differences of measured and true times; that of ITL is of the
request's mean. `tokens exact` and `events exact` are the requests whose counts equal the ledger's. Prints a table and
writes `benchmarks/results/protocols.json`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from output import print_table, write_result

from fmbench_lib.config import Experiment
from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.workspace import LevelKey

BEHAVIOUR = Behaviour(ttft=Constant(0.05), itl=Constant(0.01), tokens=Constant(100), usage="always")
REST = {
    "body": {"question": "{prompt}", "settings": {"stream": "{stream}"}},
    "text": "$.result.parts[*].words",
    "prompt_tokens": "$.counts.read",
    "completion_tokens": "$.counts.written",
}
PROTOCOLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("openai", "/v1/chat/completions", {}),
    ("openai", "/v1/completions", {}),
    ("tgi", "/generate_stream", {}),
    ("djl", "/invocations", {}),
    ("triton", "/v2/models/ensemble/generate_stream", {}),
    ("ollama", "/api/generate", {}),
    ("ollama", "/api/chat", {}),
    ("llama_cpp", "/completion", {}),
    ("rest", "/custom/generate", {"rest": REST}),
    ("rest", "/custom/lines", {"rest": REST}),
)
COLUMNS = (
    ("protocol", "protocol"),
    ("path", "path"),
    ("requests", "requests"),
    ("errors", "errors"),
    ("tokens_exact", "tokens exact"),
    ("events_exact", "events exact"),
    ("ttft_error_p50_ms", "TTFT error p50 ms"),
    ("ttft_error_p99_ms", "p99 ms"),
    ("itl_error_mean_ms", "ITL error mean ms"),
    ("itl_error_p99_ms", "p99 ms"),
)


class Words:
    """A tokenizer that counts as the emulator does, for the protocols whose servers do not count."""

    is_estimate = False

    def count(self, text: str) -> int:
        return len(text.split())


def measured(emulator: Emulator, protocol: str, path: str, spec: dict[str, Any], streams: int, requests: int) -> Any:
    """The records of a level of one protocol."""
    least = {"name": "mine", "platform": "endpoint", "deploy": False, "payload_files": ["p"]}
    experiment = Experiment.model_validate({**least, "protocol": protocol, "inference_spec": {"stream": True, **spec}})
    url = emulator.base_url + path
    predictor = predictor_for(experiment, url, "m")
    prompts = [f"Say something about number {number}" for number in range(requests)]
    load = LoadSettings(workers=1)
    level = Level((url,), (), tuple(range(requests)), path, load, concurrency=streams)
    with tempfile.TemporaryDirectory() as folder:
        done = run_level(level, map(predictor.encode, prompts), Path(folder), lambda _: None)
        sent = [SentPrompt(str(number), 5) for number in range(requests)]
        return list(
            Recorder(predictor, sent, (url,), LevelKey(protocol, "", f"concurrency-{streams}"), Words()).rows(done)
        )


def row_of(emulator: Emulator, protocol: str, path: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the records of a protocol come to beside the ledger."""
    ledger = {entry.request_id: entry for entry in emulator.read_ledger()}
    fine = [(row, ledger[row["request_id"]]) for row in rows if row["error"] is None]
    ttft = [1000 * (row["first"] - row["sent"] - (entry.ttft or 0.0)) for row, entry in fine]
    itl = [1000 * (np.mean(np.diff(row["event_times"])) - np.mean(entry.itl)) for row, entry in fine]
    return {
        "protocol": protocol,
        "path": path,
        "requests": len(rows),
        "errors": len(rows) - len(fine),
        "tokens_exact": sum(row["completion_tokens"] == entry.tokens for row, entry in fine),
        "events_exact": sum(len(row["event_times"]) == entry.events for row, entry in fine),
        "ttft_error_p50_ms": float(np.percentile(np.abs(ttft), 50)),
        "ttft_error_p99_ms": float(np.percentile(np.abs(ttft), 99)),
        "itl_error_mean_ms": float(np.mean(np.abs(itl))),
        "itl_error_p99_ms": float(np.percentile(np.abs(itl), 99)),
    }


def main(streams: int, requests: int) -> None:
    """Measure the protocols one after the other."""
    with launch(BEHAVIOUR) as emulator:
        table = [
            row_of(emulator, protocol, path, measured(emulator, protocol, path, spec, streams, requests))
            for protocol, path, spec in PROTOCOLS
        ]
    print_table(COLUMNS, table)
    write_result("protocols", {"streams": streams, "requests": requests, "protocols": table})


if __name__ == "__main__":
    main(*(int(text) for text in [*sys.argv[1:], *("64", "256")[len(sys.argv) - 1 :]]))
