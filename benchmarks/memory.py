"""Whether memory grows with the number of requests: peaks of sending and of decoding, before and after doubling it.

    python benchmarks/memory.py [REQUESTS]

A level of REQUESTS (default 100,000) and one of twice as many, with one-token responses and 64 streams, against the
emulator. Sending (engine and load workers) and decoding (to the level's file of records, with its decoders) each run in
their own process. The peaks of resident memory are the kernel's (`VmHWM`): of that process, and of the largest of its
children. Prints a table, writes `benchmarks/results/memory.json`, and fails if a peak grows by more than 10%.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
from output import print_table, write_result

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

STREAMS, PROMPTS = 64, 1000
GROWTH_ALLOWED = 0.1
SHORT = Behaviour(ttft=Constant(0.001), itl=Constant(0.001), tokens=Constant(1))
PEAKS = {
    "engine_mib": "engine MiB",
    "worker_mib": "largest worker MiB",
    "decoding_mib": "decoding MiB",
    "decoder_mib": "largest decoder MiB",
}
COLUMNS = (
    ("requests", "requests"),
    *PEAKS.items(),
    ("spool_mib", "spools MiB"),
    ("records_mib", "records MiB"),
    ("sending_s", "sending s"),
    ("decoding_s", "decoding s"),
)


def send(requests: int, url: str, folder: Path) -> dict[str, float]:
    """Send the level and leave its spools, with what decoding needs to know, in the folder."""
    predictor = OpenAiPredictor(url, "emulated")
    load = LoadSettings(prompt_reuse="allowed")
    level = Level((url,), (), tuple(range(PROMPTS)), "memory", load, StopRule(requests), concurrency=STREAMS)
    peaks = Peaks()
    begun = time.monotonic()
    encoded = (predictor.encode(f"Question {n}?") for n in range(PROMPTS))
    run = run_level(level, encoded, folder, lambda _: peaks.look())
    prompts = [SentPrompt(f"q{n}", None) for n in range(PROMPTS)]
    key = LevelKey("memory", "", f"concurrency-{STREAMS}")
    job = Job.of(Recorder(predictor, prompts, [url], key, None), run)
    (folder / "job").write_bytes(pickle.dumps(job))
    spools = sum(spool.stat().st_size for spool in job.spools)
    return {
        "sending_s": time.monotonic() - begun,
        "spool_mib": spools / 2**20,
        **peaks.named("engine_mib", "worker_mib"),
    }


def decode(folder: Path) -> dict[str, float]:
    """Decode what `send` left."""
    job = pickle.loads((folder / "job").read_bytes())
    peaks = Peaks()
    begun = time.monotonic()
    count = write_tables(folder / "records.parquet", looked_at(tables_of(job, folder), peaks), {})
    return {
        "records": count,
        "decoding_s": time.monotonic() - begun,
        "records_mib": (folder / "records.parquet").stat().st_size / 2**20,
        **peaks.named("decoding_mib", "decoder_mib"),
    }


def looked_at(tables: Iterator[pa.Table], peaks: Peaks) -> Iterator[pa.Table]:
    """The same tables, with a look at the children at each."""
    for table in tables:
        peaks.look()
        yield table


class Peaks:
    """Peaks of this process and of its children. What `getrusage` says of a child is never less than the memory of the
    parent that it was started by: the children are asked while they live."""

    def __init__(self) -> None:
        self._child_mib = 0.0

    def look(self) -> None:
        """Take note of the children's peaks up to now."""
        for child in psutil.Process().children():
            self._child_mib = max(self._child_mib, peak_mib(child.pid))

    def named(self, own: str, child: str) -> dict[str, float]:
        """Both in MiB, under the names given."""
        return {own: peak_mib(os.getpid()), child: self._child_mib}


def peak_mib(process: int) -> float:
    """The peak resident memory of a process since its program began; 0 when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0.0
    peaks = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
    return max(peaks, default=0) / 1024


def level(requests: int) -> dict[str, Any]:
    """Both parts, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, launch(SHORT) as server:
        sending = in_a_process(__file__, "send", str(requests), server.url, folder)
        decoding = in_a_process(__file__, "decode", folder)
    assert decoding["records"] == requests, f"{decoding['records']:.0f} of {requests} requests have a record"
    return {"requests": requests, **sending, **decoding}


def in_a_process(program: str, *words: str) -> dict[str, float]:
    """What a program prints as JSON, in a process of its own."""
    done = subprocess.run([sys.executable, program, *words], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main(argv: Sequence[str]) -> int:
    if argv[:1] == ["send"]:
        print(json.dumps(send(int(argv[1]), argv[2], Path(argv[3]))))
        return 0
    if argv[:1] == ["decode"]:
        print(json.dumps(decode(Path(argv[1]))))
        return 0
    requests = int(argv[0]) if argv else 100_000
    rows = [level(requests), level(2 * requests)]
    print_table(COLUMNS, rows)
    growth = {name: rows[1][name] / rows[0][name] - 1 for name in PEAKS}
    print("growth: " + ", ".join(f"{PEAKS[name].removesuffix(' MiB')} {share:+.1%}" for name, share in growth.items()))
    bad = [name for name, share in growth.items() if share > GROWTH_ALLOWED]
    print("not flat" if bad else "flat")
    write_result("memory", {"streams": STREAMS, "levels": rows, "growth": growth, "wrong": bad})
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
