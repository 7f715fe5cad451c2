"""The load engine as a command, so that it can be measured like any other tool.

    python benchmarks/engine_job.py URL STREAMS PROMPTS RESULT

Sends each line of the file PROMPTS once, STREAMS at a time, makes records and figures as a run does, and writes JSON to
the file RESULT: TTFT p50 and p99 and that of each request by its id, in ms, the number of errors, and the level's
verdict.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from single_level import measure

TIMEOUT = 120.0


def main(url: str, streams: str, prompts: str, result: str) -> None:
    lines = Path(prompts).read_text(encoding="utf-8").splitlines()
    measured = measure(url, lines, concurrency=int(streams), timeout=TIMEOUT)
    requests = measured.requests.dropna(subset=["TTFT"])
    reported = {
        "p50_ms": 1000 * measured.row["TTFT_p50"],
        "p99_ms": 1000 * measured.row["TTFT_p99"],
        "errors": measured.row["errors"],
        "verdict": measured.row["verdict"],
        "requests": dict(zip(requests["request_id"], (1000 * requests["TTFT"]).tolist(), strict=True)),
    }
    Path(result).write_text(json.dumps(reported))


if __name__ == "__main__":
    main(*sys.argv[1:])
