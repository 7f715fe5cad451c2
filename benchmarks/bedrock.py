"""Bedrock and SageMaker as the engine measures them, against an emulator that checks every signature.

    python benchmarks/bedrock.py [REQUESTS]

Each call with 16 requests in flight and distinct prompts: whether each response belongs to its prompt, whether token
counts equal the ledger's, and how far TTFT and ITL are from it. ConverseStream is also measured as an open loop, whose
requests are signed ahead, and with every tenth request throttled. The cost of a signature is measured separately.
Prints tables, writes `benchmarks/results/bedrock.json`, and fails if a response, a count or an error is wrong.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from output import print_table, write_result
from single_level import Measured, measure, truth

from fmbench_lib.aws.signing import Credentials, Signing
from fmbench_lib.emulator import Behaviour, Constant, Emulator, Fault, FaultRule, LedgerEntry, launch
from fmbench_lib.emulator.wires.aws_signature import ACCESS_KEY, SECRET_KEY
from fmbench_lib.load.sending.layout import write_requests
from fmbench_lib.load.sending.prebuilt import Prompts
from fmbench_lib.load.sending.request_signing import Signer
from fmbench_lib.load.sending.worker_protocol import KEYS
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.bedrock import ConversePredictor
from fmbench_lib.predictors.bedrock_invoke import InvokeModelPredictor
from fmbench_lib.predictors.sagemaker import SageMakerPredictor

CONCURRENCY = 16
RATE = 100.0
TTFT, ITL, TOKENS = 0.05, 0.005, 40
BEDROCK, SAGEMAKER = Signing("bedrock", "us-east-1"), Signing("sagemaker", "us-east-1")
COLUMNS = (
    ("call", "call"),
    ("requests", "requests"),
    ("own_answer", "own answer"),
    ("tokens_exact", "tokens exact"),
    ("errors", "errors"),
    ("ttft_p50", "TTFT p50 s"),
    ("latency_p50", "latency p50 s"),
    ("latency_p99", "p99 s"),
    ("ttft_error_p50_ms", "TTFT error p50 ms"),
    ("ttft_error_p99_ms", "p99 ms"),
    ("itl_error_p50_ms", "ITL error p50 ms"),
    ("schedule_lag_p99_ms", "schedule lag p99 ms"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """One call under one load."""

    name: str
    codec: Predictor
    url: str
    load: dict[str, Any]
    throttled: bool = False


def cases(base: str) -> list[Case]:
    """Every call in a closed loop, then ConverseStream as an open one, and throttled."""
    model = base + "/model/us.meta.llama3-1-8b-instruct-v1%3A0"
    endpoint = base + "/endpoints/lmi-split/invocations"
    details = {"max_new_tokens": TOKENS, "details": True}
    closed = {"concurrency": CONCURRENCY}
    stream = ConversePredictor(model, signing=BEDROCK)
    return [
        Case("Converse", ConversePredictor(model, stream=False, signing=BEDROCK), model, closed),
        Case("ConverseStream", stream, model, closed),
        Case("InvokeModel", InvokeModelPredictor(model, stream=False, signing=BEDROCK), model, closed),
        Case("InvokeModelWithResponseStream", InvokeModelPredictor(model, signing=BEDROCK), model, closed),
        Case("InvokeEndpoint", SageMakerPredictor(endpoint, details, False, signing=SAGEMAKER), endpoint, closed),
        Case("InvokeEndpointWithResponseStream", SageMakerPredictor(endpoint, signing=SAGEMAKER), endpoint, closed),
        Case(f"ConverseStream, {RATE:g}/s", stream, model, {"request_rate": RATE, "arrival": "poisson"}),
        Case("ConverseStream, 10% throttled", stream, model, closed, throttled=True),
    ]


def main(requests: int) -> None:
    os.environ |= {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY}
    os.environ.pop("AWS_SESSION_TOKEN", None)
    healthy = Behaviour(ttft=Constant(TTFT), itl=Constant(ITL), tokens=Constant(TOKENS), echo=True)
    throttling = replace(healthy, faults=(FaultRule(Fault("rate_limit", seconds=1.0), every=10),))
    rows = []
    for number, case in enumerate(cases("")):
        with launch(throttling if case.throttled else healthy) as emulator:
            rows.append(row_of(cases(emulator.base_url)[number], emulator, requests))
    print_table(COLUMNS, rows)
    costs = [signature_cost(size) for size in (1_000, 100_000)]
    print()
    print_table((("prompt_bytes", "prompt bytes"), ("microseconds", "µs per signature")), costs)
    write_result("bedrock", {"requests": requests, "concurrency": CONCURRENCY, "calls": rows, "signature": costs})
    wrong = [row["call"] for row in rows if not row["as_it_should_be"]]
    sys.exit(f"wrong: {', '.join(wrong)}" if wrong else 0)


def row_of(case: Case, emulator: Emulator, requests: int) -> dict[str, Any]:
    """One level of a case, compared with the ledger."""
    prompts = [f"[[echo:answer-{number:05d}]] a question of its own, number {number}" for number in range(requests)]
    level = measure(case.url, prompts, predictor=case.codec, name=case.name, **case.load)
    return {"call": case.name, **compared(level, emulator, throttled=case.throttled)}


def compared(level: Measured, emulator: Emulator, *, throttled: bool) -> dict[str, Any]:
    """A level's requests beside the ledger's entries of them."""
    known = truth(emulator)
    found = level.requests
    good = found[found["error"].isna()]
    classes = dict(Counter(found["error"].dropna()))
    own = sum(row.completion.startswith(f"answer-{int(row.prompt_id[1:]):05d}") for row in good.itertuples())
    exact = sum(_tokens_exact(row, known[row.request_id]) for row in good.itertuples())
    ttft, itl = [], []
    for row in good.itertuples():
        entry = known[row.request_id]
        if row.streamed and entry.ttft is not None:
            ttft.append((row.first - row.sent - entry.ttft) * 1e3)
            itl.append(float(np.mean(np.abs(np.diff(row.event_times) - entry.itl))) * 1e3)
    expected = {"http_429": len(found) // 10} if throttled else {}
    return {
        "requests": len(found),
        "own_answer": own,
        "tokens_exact": exact,
        "errors": json.dumps(classes) if classes else "none",
        "ttft_p50": float(np.median(good["first"] - good["due"])) if ttft else float("nan"),
        "latency_p50": level.row["latency_p50"],
        "latency_p99": level.row["latency_p99"],
        "ttft_error_p50_ms": float(np.median(ttft)) if ttft else float("nan"),
        "ttft_error_p99_ms": float(np.percentile(ttft, 99)) if ttft else float("nan"),
        "itl_error_p50_ms": float(np.median(itl)) if itl else float("nan"),
        "schedule_lag_p99_ms": level.row["schedule_lag_p99"] * 1e3,
        "as_it_should_be": own == exact == len(good) and classes == expected,
    }


def _tokens_exact(row: Any, entry: LedgerEntry) -> bool:
    """Whether the server's counts are the ledger's; SageMaker's containers do not count the prompt."""
    given = np.isnan(row.prompt_tokens) or row.prompt_tokens == entry.prompt_tokens
    return bool(given and row.completion_tokens == entry.tokens)


def signature_cost(prompt_bytes: int, repeats: int = 2_000) -> dict[str, Any]:
    """What one signature costs a worker, for a prompt of `prompt_bytes`."""
    codec = ConversePredictor("https://bedrock-runtime.us-east-1.amazonaws.com/model/m", signing=BEDROCK)
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as file:
        write_requests(file, Path(folder) / "index", [codec.encode("x" * prompt_bytes)])
        signer = Signer(BEDROCK, Prompts(file.fileno(), Path(folder) / "index"))
        keys = Credentials(ACCESS_KEY, SECRET_KEY, "t" * 1000)
        signer.take_keys(KEYS + json.dumps({name: getattr(keys, name) for name in keys.__slots__}).encode())
        signer.headers(0, "h")
        begun = time.perf_counter()
        for _ in range(repeats):
            signer.headers(0, "h")
        return {"prompt_bytes": prompt_bytes, "microseconds": (time.perf_counter() - begun) / repeats * 1e6}


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 320)
