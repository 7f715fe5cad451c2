"""What the largest levels and runs take on this machine: seconds, memory, errors.

    python benchmarks/size.py [CASE …]

    streams   10,000 streams at the same time, 8 tokens each, a second apart
    rate      5,000 short requests a second for 8 s
    prompts   40 prompts of 1 MB, 4 at a time
    answers   4 answers of 100,000 tokens, 2 at a time
    copies    200 copies behind one experiment, 400 requests in flight for 8 s
    levels    30 levels of 4 requests each, as a run measures them: the overhead per level
    report    60 experiments at 9 loads, 540 levels: tables, report and page of made records, and the page in a browser

All but `report` are against the emulator, which shares the machine. `client MiB` is the greatest sum over the client's
processes, `per stream` what its load workers hold above those of a level with one stream, by stream; both of resident
memory, looked at every 0.1 s. `wall s` includes start-up and decoding. Prints a table and writes
`benchmarks/results/size.json`; exits with 1 where a request failed.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import yaml
from output import print_table, write_result

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from made_level import MadeLevel, write_level  # noqa: E402
from single_level import Measured, measure  # noqa: E402

from fmbench_lib.emulator import Behaviour, Constant, launch  # noqa: E402
from fmbench_lib.runs.opening import create_run  # noqa: E402
from fmbench_lib.runs.run import Run  # noqa: E402
from fmbench_lib.steps.analysis import write_analysis  # noqa: E402
from fmbench_lib.steps.data_generation import generate_data  # noqa: E402
from fmbench_lib.steps.deployment import deploy_missing  # noqa: E402
from fmbench_lib.steps.inference import run_inference  # noqa: E402
from fmbench_lib.steps.run_inputs.levels import run_levels  # noqa: E402

LOOK_S = 0.1
BEGAN = 1_790_000_000.0
SHORT = Behaviour(ttft=Constant(0.001), itl=Constant(0.001), tokens=Constant(1))
EXPERIMENTS, LOADS = 60, 9
SMALL_LEVELS = 30
COLUMNS = (
    ("case", "case"),
    ("what", "what"),
    ("requests", "requests"),
    ("errors", "errors"),
    ("load_s", "load s"),
    ("wall_s", "wall s"),
    ("client_mib", "client MiB"),
    ("stream_kib", "per stream KiB"),
    ("verdict", "verdict"),
)


@dataclass(slots=True)
class Peaks:
    """The greatest resident memory (MiB) of this process with its children, and of the load workers among them."""

    whole: float = 0.0
    workers: float = 0.0

    def look(self, others: set[int]) -> None:
        """Look once; `others` are the ids of children that are not the client's."""
        own = psutil.Process()
        whole, workers = own.memory_info().rss, 0
        for child in own.children(recursive=True):
            try:
                rss, words = child.memory_info().rss, child.cmdline()
            except psutil.Error:
                continue
            if child.pid not in others:
                whole += rss
                workers += rss if any("sending.worker" in word for word in words) else 0
        self.whole, self.workers = max(self.whole, whole / 2**20), max(self.workers, workers / 2**20)


@contextmanager
def watched(others: Sequence[int] = ()) -> Iterator[Peaks]:
    """Look at memory while the block runs."""
    peaks, ended = Peaks(), threading.Event()

    def look() -> None:
        while not ended.wait(LOOK_S):
            peaks.look(set(others))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()


def main() -> int:
    """Do the cases that are named, or all."""
    wanted = sys.argv[1:] or list(CASES)
    unknown = set(wanted) - CASES.keys()
    if unknown:
        print(f"no such case: {', '.join(sorted(unknown))}; there are {', '.join(CASES)}", file=sys.stderr)
        return 2
    rows = []
    for name in wanted:
        rows.append({**dict.fromkeys(key for key, _ in COLUMNS), "case": name, **CASES[name]()})
        print_table(COLUMNS, [{key: "–" if value is None else value for key, value in rows[-1].items()}])
    write_result("size", {"cases": rows})
    return int(any(row["errors"] for row in rows))


# -- levels ----------------------------------------------------------------------------------------------------------


def level(
    what: str, behaviour: Behaviour, prompts: Sequence[str], streams: int | None = None, copies: int = 1, **load: Any
) -> dict[str, Any]:
    """Measure a level, and one of a single stream to compare memory with."""
    with launch(behaviour, host="0.0.0.0" if copies > 1 else "127.0.0.1") as emulator:
        port = emulator.base_url.rpartition(":")[2]
        urls = [f"http://127.0.0.{n}:{port}/v1/chat/completions" for n in range(1, copies + 1)]
        with watched([emulator.process.pid]) as single:
            measure(urls, prompts[:1], concurrency=1, timeout=600)
        with watched([emulator.process.pid]) as peaks:
            measured = measure(urls, prompts, concurrency=streams, timeout=600, **load)
    return {"what": what, **_row(measured, peaks), "stream_kib": _per_stream(peaks, single, measured)}


def _row(measured: Measured, peaks: Peaks) -> dict[str, Any]:
    facts, row = measured.facts, measured.row
    return {
        "requests": row["requests"],
        "errors": row["errors"],
        "load_s": facts["ended"] - facts["started"],
        "wall_s": measured.wall_s,
        "client_mib": peaks.whole,
        "verdict": row["verdict"],
        "reasons": row["verdict_reasons"],
        "requests_per_second": row.get("requests_per_second"),
        "transactions_per_second": row["transactions_per_second"],
        "TTFT_p50": row["TTFT_p50"],
        "client_lag_p99": row["client_lag_p99"],
        "schedule_lag_p99": row["schedule_lag_p99"],
        "mean_in_flight": row["mean_in_flight"],
    }


def _per_stream(peaks: Peaks, single: Peaks, measured: Measured) -> float:
    return 1024 * (peaks.workers - single.workers) / max(measured.row["mean_in_flight"] or 1, 1)


def streams() -> dict[str, Any]:
    """10,000 requests in flight."""
    slow = Behaviour(ttft=Constant(8), itl=Constant(1), tokens=Constant(8))
    return level("10,000 streams", slow, [f"Question {n}?" for n in range(10_000)], streams=10_000)


def rate() -> dict[str, Any]:
    """5,000 requests a second."""
    prompts = [f"Question {n}?" for n in range(40_000)]
    return level("5,000 requests/s", SHORT, prompts, request_rate=5_000.0)


def long_prompts() -> dict[str, Any]:
    """Prompts of 1 MB."""
    texts = [f"{n} " + "word " * 200_000 for n in range(40)]
    return level("prompts of 1 MB", SHORT, texts, streams=4)


def long_answers() -> dict[str, Any]:
    """Answers of 100,000 tokens."""
    slow = Behaviour(ttft=Constant(0.01), itl=Constant(0.0002), tokens=Constant(100_000))
    return level("answers of 100,000 tokens", slow, [f"Question {n}?" for n in range(4)], streams=2)


def copies() -> dict[str, Any]:
    """200 addresses of one experiment."""
    answers = Behaviour(ttft=Constant(0.1), itl=Constant(0.02), tokens=Constant(10))
    prompts = [f"Question {n}?" for n in range(1_000)]
    return level("200 copies, 400 in flight", answers, prompts, streams=400, copies=200, duration=8)


# -- runs ------------------------------------------------------------------------------------------------------------


def small_levels() -> dict[str, Any]:
    """What a level costs beside its load."""
    with tempfile.TemporaryDirectory() as folder, launch(SHORT) as emulator:
        run = made_run(Path(folder), 6, SMALL_LEVELS // 6, emulator.url)
        generate_data(run)
        deploy_missing(run)
        begun = time.monotonic()
        with watched([emulator.process.pid]) as peaks:
            table = run_inference(run)
        seconds = time.monotonic() - begun
    load_s = float(table["seconds"].sum())
    return {
        "what": f"{len(table)} levels: {(seconds - load_s) / len(table):.2f} s each beside their load",
        "requests": int(table["requests"].sum()),
        "errors": int(table["errors"].sum()),
        "load_s": load_s,
        "wall_s": seconds,
        "client_mib": peaks.whole,
    }


def report() -> dict[str, Any]:
    """Step 4 of 540 levels, and its page."""
    with tempfile.TemporaryDirectory() as folder:
        run = made_run(Path(folder), EXPERIMENTS, LOADS, "http://127.0.0.1:1/v1/chat/completions")
        found = run_levels(run)
        for number, spec in enumerate(found):
            made = MadeLevel(spec.key, 200, number + 1, BEGAN + 60 * number, spec.concurrency)
            write_level(run.workspace.level(spec.key), made)
        begun = time.monotonic()
        with watched() as peaks:
            write_analysis(run)
        seconds = time.monotonic() - begun
        pages = (run.workspace.page_file, run.workspace.report_file, run.workspace.appendix_file)
        page, text, appendix = (path.stat().st_size / 1000 for path in pages)
        opened = _opened(run)
    return {
        "what": f"{len(found)} levels: page {page:.0f} kB, {opened}, report {text:.0f} kB, appendix {appendix:.0f} kB",
        "requests": 200 * len(found),
        "errors": 0,
        "wall_s": seconds,
        "client_mib": peaks.whole,
    }


def _opened(run: Run) -> str:
    """How soon the page answers in a browser, where there is one."""
    try:
        from page import opened

        figures = opened(run.workspace.page_file, 3)
    except Exception as error:  # noqa: BLE001 - a benchmark of the rest goes on without a browser
        return f"not opened ({type(error).__name__})"
    return f"first chart {figures['first']:.0f} ms, ready {figures['ready']:.0f} ms"


def made_run(folder: Path, experiments: int, loads: int, url: str) -> Run:
    """A run of so many experiments, each at so many loads."""
    content = {
        "general": {"name": "size"},
        "datasets": {
            "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 4000, "payload_file": "all.jsonl"}]
        },
        "pricing": {"m7a.xlarge": 0.23},
        "load": {"requests": 4, "warmup_requests": 1, "prompt_reuse": "allowed"},
        "report": {"latency_budget": 2},
        "experiments": [
            {
                "name": f"stack {number}",
                "platform": "endpoint",
                "ep_name": url,
                "model_id": "emulated",
                "tokenizer": "words",
                "instance_type": "m7a.xlarge",
                "concurrency_levels": list(range(1, loads + 1)),
            }
            for number in range(experiments)
        ],
    }
    path = folder / "size.yml"
    path.write_text(yaml.safe_dump(content))
    return create_run(path, results=folder / "results")


CASES: dict[str, Callable[[], dict[str, Any]]] = {
    "streams": streams,
    "rate": rate,
    "prompts": long_prompts,
    "answers": long_answers,
    "copies": copies,
    "levels": small_levels,
    "report": report,
}


if __name__ == "__main__":
    sys.exit(main())
