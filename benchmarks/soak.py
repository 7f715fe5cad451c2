"""A level of hours, in pieces: memory and open files of each process, bytes per request, and what --resume adds.

    python benchmarks/soak.py [--minutes 60] [--pieces 4] [--rate 200] [--tokens 20] [--faults 0.1]

One level at RATE requests per second of TOKENS tokens, against the emulator. After each piece the run is stopped with
`fmbench stop` and continued with `--resume`; the last one measures to the end. With `--faults` that share of the
requests fails, in five ways. Each process is looked at every few seconds; `MiB/hour` is the slope of its resident
memory after its first minute, in each piece. At the end the level has every request of its schedule once, and the time
between its pieces in no figure. Prints tables, writes `benchmarks/results/soak.json` (`soak_faults.json`), and fails
where a request is missing or sent twice, or a process grows by more than 64 MiB an hour.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow.parquet as pq
import yaml
from output import print_table, write_result

from fmbench_lib.emulator import Behaviour, Constant, launch
from fmbench_lib.emulator.faults import parse_fault_rule

LOOK_S, SETTLED_S = 3.0, 60.0
GROWTH_ALLOWED_MIB = 64.0
PROMPTS = 500
KINDS = ("reset:events=5", "truncated:events=10", "rate_limit", "server_error", "malformed:events=3")
NAMES = {
    "sending.worker": "load worker",
    "sampler_program": "monitor",
    "decoder_program": "decoder",
    "pipeline.kernels": "kernel server",
    "--resume": "fmbench",
    "--config-file": "fmbench",
}
PROCESSES = (
    ("process", "process"), ("piece", "piece"), ("seconds", "s"), ("first_mib", "first MiB"), ("last_mib", "last MiB"),
    ("peak_mib", "peak MiB"), ("per_hour", "MiB/hour"), ("files_first", "files, first"), ("files_last", "last"),
)  # fmt: skip


class Watcher:
    """Looks at all processes of a command while it sends a level; before and after it, notebooks need memory."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.samples: dict[str, list[tuple[float, float, int]]] = defaultdict(list)
        self._root, self._over = psutil.Process(process.pid), threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._over.wait(LOOK_S):
            seen: dict[str, tuple[float, float, int]] = {}
            with contextlib.suppress(psutil.Error):
                for process in (self._root, *self._root.children(recursive=True)):
                    with contextlib.suppress(psutil.Error):
                        sample = time.monotonic(), process.memory_info().rss / 2**20, process.num_fds()
                        seen[self._name(process)] = sample
            if "load worker" in seen:
                for name, sample in seen.items():
                    self.samples[name].append(sample)

    @staticmethod
    def _name(process: psutil.Process) -> str:
        line = " ".join(process.cmdline())
        name = next((name for word, name in NAMES.items() if word in line), "other")
        if name == "kernel server" and process.parent() is not None:
            parent = " ".join(process.parent().cmdline())  # type: ignore[union-attr]
            return "notebook kernel" if "pipeline.kernels" in parent else name
        return name


def rows_of(watcher: Watcher, piece: int) -> list[dict[str, Any]]:
    """What a piece showed of each process that lived for long enough."""
    rows = []
    for name, samples in sorted(watcher.samples.items()):
        begun = samples[0][0]
        settled = [sample for sample in samples if sample[0] - begun > SETTLED_S]
        if len(settled) < 10:
            continue
        times, memory, files = (np.array(values, dtype=float) for values in zip(*settled, strict=True))
        slope = float(np.polyfit(times - times[0], memory, 1)[0]) * 3600
        rows.append({
            "process": name, "piece": piece, "seconds": round(times[-1] - begun), "first_mib": float(memory[0]),
            "last_mib": float(memory[-1]), "peak_mib": float(memory.max()), "per_hour": slope,
            "files_first": int(files[0]), "files_last": int(files[-1]),
        })  # fmt: skip
    return rows


def config(folder: Path, url: str, options: argparse.Namespace) -> Path:
    """A config of one level."""
    rows = [{"input": f"What is item {n}?", "context": f"Item {n} is number {n}."} for n in range(PROMPTS)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    filters = [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}]
    experiment = {
        "name": "soak", "platform": "endpoint", "model_id": "emulated", "tokenizer": "words", "ep_name": url,
        "instance_type": "machine", "payload_files": ["all.jsonl"], "request_rates": [options.rate],
    }  # fmt: skip
    content = {
        "general": {"name": "soak"},
        "s3_read_data": {"source_data_files": ["source.jsonl"]},
        "datasets": {"prompt_template_keys": ["input", "context"], "filters": filters},
        "pricing": {"machine": 3.6},
        "inference_parameters": {"max_tokens": options.tokens},
        "load": {"duration": options.minutes * 60, "timeout": 30, "prompt_reuse": "allowed", "warmup_requests": 20,
                 "stop_on_error_rate": None},
        "experiments": [experiment],
    }  # fmt: skip
    path = folder / "soak.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def measured_seconds(run: Path | None) -> float:
    """For how long the level that is under way has been measured."""
    try:
        return float(json.loads((run / "progress.json").read_text())["elapsed"]) if run else 0.0
    except (OSError, ValueError, KeyError):
        return 0.0


def piece(folder: Path, words: list[str], seconds: float | None) -> tuple[Watcher, dict[str, Any]]:
    """Run until the level has been measured for so long, then stop it; to the end without."""
    results = folder / "results"
    begun = time.monotonic()
    with (folder / "out").open("ab") as out:
        process = subprocess.Popen([sys.executable, "-m", "fmbench_lib", *words], cwd=folder, stdout=out, stderr=out)
        watcher, per_request, stop_s = Watcher(process), 0.0, 0.0
        while process.poll() is None:
            time.sleep(1.0)
            run = next(iter(results.glob("*/*Z*")), None)
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
                per_request = float(json.loads((run / "progress.json").read_text())["bytes_per_request"])  # type: ignore[operator]
            if seconds is not None and measured_seconds(run) >= seconds:
                asked = time.monotonic()
                stop = [sys.executable, "-m", "fmbench_lib", "stop", "latest", "--results-dir", str(results)]
                subprocess.run(stop, cwd=folder, check=True, stdout=out)
                process.wait()
                stop_s = time.monotonic() - asked
    watcher.end()
    whole = time.monotonic() - begun
    return watcher, {"code": process.returncode, "seconds": whole, "bytes_per_request": per_request, "stop_s": stop_s}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pieces", type=int, default=4)
    parser.add_argument("--rate", type=float, default=200.0)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--faults", type=float, default=0.0)
    options = parser.parse_args()
    rules = tuple(
        parse_fault_rule(f"{kind}{',' if ':' in kind else ':'}rate={options.faults / len(KINDS)}") for kind in KINDS
    )
    behaviour = Behaviour(
        Constant(0.05), Constant(0.01), Constant(options.tokens), faults=rules if options.faults else ()
    )
    rows: list[dict[str, Any]] = []
    pieces: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="soak-") as name, launch(behaviour) as server:
        folder = Path(name)
        words = ["--config-file", str(config(folder, server.url, options)), "--results-dir", "results"]
        for number in range(options.pieces):
            last = number == options.pieces - 1
            watcher, told = piece(folder, words, None if last else options.minutes * 60 / options.pieces)
            rows += rows_of(watcher, number + 1)
            pieces.append({"piece": number + 1, **told})
            words = ["--resume", str(next((folder / "results").glob("*/*Z*")))]
        result = whole(folder, options)
        print((folder / "out").read_text(errors="replace")[-3000:], file=sys.stderr)
    print_table(PROCESSES, rows)
    print_table(tuple((key, key) for key in pieces[0]), pieces)
    print_table(tuple((key, key) for key in result), [result])
    load = {"options": vars(options), "processes": rows, "pieces": pieces, "level": result}
    write_result("soak_faults" if options.faults else "soak", load)
    grown = [row for row in rows if row["per_hour"] > GROWTH_ALLOWED_MIB]
    if grown or not result["each_once"]:
        sys.exit(f"failed: {grown or result}")


def whole(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What the level came to."""
    (path,) = folder.glob("results/*/*Z*/requests/*/*/*.parquet")
    table = pq.read_table(path, columns=["request_id", "phase", "error", "due"])
    frame = table.to_pandas()
    measured = frame[frame["phase"] == "measured"]
    numbers = measured["request_id"].str.rpartition("-")[2].astype(int)
    expected = round(options.rate * options.minutes * 60)
    each_once = bool(numbers.is_unique) and int(numbers.max() - numbers.min()) + 1 == len(measured)
    summary = json.loads(next(folder.glob("results/*/*Z*/summary.json")).read_text())
    level = summary["levels"][0]
    return {
        "requests": len(measured), "expected": expected, "each_once": each_once,
        "errors": int(measured["error"].notna().sum()),
        "window_s": level.get("window_s"), "latency_p99": level.get("latency_p99"), "TTFT_p99": level.get("TTFT_p99"),
        "parts": level.get("parts"), "gap_s": level.get("parts_gap_s"),
        "record_bytes": path.stat().st_size / len(measured), "verdict": level.get("verdict"),
        "reasons": level.get("verdict_reasons") or "", "load_average": os.getloadavg()[0],
    }  # fmt: skip


if __name__ == "__main__":
    main()
