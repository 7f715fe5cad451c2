"""What every fault leads to: its error class, its count, and the times of the healthy requests.

    python benchmarks/faults.py [REQUESTS]

Each fault hits every fifth request of its own level, 8 requests at a time; the others are healthy. `report` is the
level's row in the report's table of errors. `TTFT error` compares the healthy requests with the emulator's ledger;
`longest` is the longest request of the level, which no fault may extend beyond the timeout. Prints a table, writes
`benchmarks/results/faults.json`, and fails if a class or a count is wrong.
"""

from __future__ import annotations

import socket
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from output import print_table, write_result
from single_level import Measured, by_id, measure

from fmbench_lib.emulator import Behaviour, Constant, LedgerEntry, Tls, launch, read_ledger
from fmbench_lib.report.sections.failures import errors_table

TLS_FILES = Path(__file__).parent.parent / "tests" / "emulator" / "tls"
TLS = Tls(TLS_FILES / "certificate.pem", TLS_FILES / "key.pem")
TTFT, ITL, TOKENS = 0.05, 0.005, 20
TIMEOUT = 1.0
EVERY = 5
COLUMNS = (
    ("fault", "fault"),
    ("class", "class"),
    ("faulty", "faulty"),
    ("as_expected", "as class"),
    ("others", "others"),
    ("others_ok", "fine"),
    ("report", "report: errors by class"),
    ("ttft_error_p50_ms", "TTFT error p50 ms"),
    ("ttft_error_max_ms", "max ms"),
    ("longest_s", "longest s"),
    ("wall_s", "wall s"),
)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault, its expected class (None: no error), and the level's settings that expose it."""

    fault: str
    error: str | None
    stream: bool = True
    tls: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        parts = [self.fault, *([] if self.stream else ["in one piece"]), *(["TLS"] if self.tls else [])]
        return ", ".join([*parts, *(f"{name} {value:g} s" for name, value in self.settings.items())])


STREAMED = {
    "reset": "truncated",
    "reset:bytes=60": "truncated",
    "reset:bytes=700": "truncated",
    "reset:events=3": "truncated",
    "stall": "timeout",
    "stall:events=3": "timeout",
    "rate_limit:seconds=2": "http_429",
    "server_error": "http_5xx",
    "server_error:status=404": "http_4xx",
    "redirect": "protocol",
    "malformed": "decode",
    "malformed:events=3": "decode",
    "truncated": "truncated",
    "truncated:events=3": "truncated",
    "content_length:bytes=10": "truncated",
    "content_length:bytes=-10": "protocol",
    "drip:seconds=0.0001": None,
    "drip:seconds=0.5": "timeout",
    "empty": "empty",
    "error": "endpoint",
    "error:events=3": "endpoint",
    "unannounced_close": None,
    "lost_request": None,
}
IN_ONE_PIECE = ("reset", "stall", "malformed", "truncated", "content_length:bytes=10", "empty", "error")
OVER_TLS = ("reset:events=3", "stall:events=3", "truncated:events=3", "content_length:bytes=10", "unannounced_close")
CASES = (
    *(Case(fault, error) for fault, error in STREAMED.items()),
    Case("stall", "timeout", settings={"first_byte_timeout": 0.4}),
    Case("stall:events=3", "timeout", settings={"read_timeout": 0.4}),
    *(Case(fault, STREAMED[fault], stream=False) for fault in IN_ONE_PIECE),
    *(Case(fault, STREAMED[fault], tls=True) for fault in OVER_TLS),
)


def run_cases(requests: int) -> Iterator[dict[str, Any]]:
    """The faults of answers, on one server each for plain and for TLS."""
    with ExitStack() as stack:
        servers = {tls: stack.enter_context(launch(_behaviour(), tls=TLS if tls else None)) for tls in (False, True)}
        for case in CASES:
            prompts = [
                f"{case} {n}" + (f" [[fault:{case.fault}]]" if n % EVERY == EVERY - 1 else "") for n in range(requests)
            ]
            server = servers[case.tls]
            more = {**case.settings, **({"ca_bundle": str(TLS.certfile)} if case.tls else {})}
            level = measure(server.url, prompts, concurrency=8, timeout=TIMEOUT, stream=case.stream, **more)
            faulty = np.array(["[[fault:" in prompts[int(one[1:])] for one in level.requests["prompt_id"]])
            yield figures(str(case), case.error, level, faulty, by_id(server.read_ledger()))


def refused(requests: int) -> dict[str, Any]:
    """Connections refused from the middle of a level on; each request needs a new one."""
    prompts = [f"refuse {n}" for n in range(requests)]
    prompts[requests // 2] += " [[fault:refuse:seconds=600]]"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger"
        with launch(_behaviour(framing="close"), ledger=path) as server:
            level = measure(server.url, prompts, concurrency=1, timeout=TIMEOUT)
        faulty = np.array([int(one[1:]) > requests // 2 for one in level.requests["prompt_id"]])
        return figures("refuse", "connect", level, faulty, by_id(read_ledger(path)))


def unusable(requests: int) -> Iterator[dict[str, Any]]:
    """One of two addresses is unusable: its name is unknown, or its certificate is not trusted."""
    with launch(_behaviour()) as server, launch(_behaviour(), tls=TLS) as untrusted:
        addresses = {"dns": "http://no-such-host.invalid/v1/chat/completions", "tls": untrusted.url}
        for error, address in addresses.items():
            prompts = [f"{error} {n}" for n in range(requests)]
            level = measure([server.url, address], prompts, concurrency=1, timeout=TIMEOUT)
            faulty = (level.requests["endpoint"] == address).to_numpy()
            name = "unknown host name" if error == "dns" else "untrusted certificate"
            yield figures(name, error, level, faulty, by_id(server.read_ledger()))


def never_accepted(requests: int) -> Iterator[dict[str, Any]]:
    """One of two addresses never accepts connections: its queue is full."""
    with launch(_behaviour()) as server, socket.socket() as listener, ExitStack() as stack:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        address = f"http://127.0.0.1:{listener.getsockname()[1]}/v1/chat/completions"
        for settings in ({}, {"connect_timeout": 0.4}):
            name = str(Case("connect without an answer", "timeout", settings=settings))
            prompts = [f"{name} {n}" for n in range(requests)]
            level = measure([server.url, address], prompts, concurrency=8, timeout=TIMEOUT, **settings)
            faulty = (level.requests["endpoint"] == address).to_numpy()
            yield figures(name, "timeout", level, faulty, by_id(server.read_ledger()))


def figures(
    name: str, error: str | None, level: Measured, faulty: np.ndarray, ledger: Mapping[str, LedgerEntry]
) -> dict[str, Any]:
    """The row of one fault; `faulty` says which requests had it."""
    requests = level.requests
    fine = requests[~faulty & requests["success"]]
    errors = [
        abs(arrival - sent - ledger[request_id].ttft)
        for request_id, arrival, sent in zip(
            fine["request_id"], fine["first"].fillna(fine["last"]), fine["sent"], strict=True
        )
    ]
    classes = Counter(None if pd.isna(one) else str(one) for one in requests["error"][faulty])
    table = errors_table(pd.DataFrame([level.row]))
    return {
        "fault": name,
        "class": error or "none",
        "faulty": int(faulty.sum()),
        "as_expected": classes[error],
        "others": int((~faulty).sum()),
        "others_ok": len(fine),
        "report": "No request failed." if table.empty else str(table["by class"][0]),
        "ttft_error_p50_ms": 1000 * float(np.median(errors)),
        "ttft_error_max_ms": 1000 * float(np.max(errors)),
        "longest_s": float((requests["end"] - requests["due"]).max()),
        "wall_s": level.wall_s,
        "retried": int(requests["retried"].sum()),
        "retry_after": sorted(set(requests["retry_after"].dropna())),
        "messages": sorted(set(requests["error_message"].dropna())),
        "verdict": level.row["verdict"],
        "verdict_reasons": level.row["verdict_reasons"],
    }


def wrong(row: Mapping[str, Any]) -> bool:
    """Whether a request has the wrong class, or exceeded its timeout by more than a busy machine's delays."""
    miscounted = row["faulty"] != row["as_expected"] or row["others"] != row["others_ok"] or not row["faulty"]
    return bool(miscounted or row["longest_s"] > TIMEOUT + 0.5)


def _behaviour(**more: Any) -> Behaviour:
    return Behaviour(ttft=Constant(TTFT), itl=Constant(ITL), tokens=Constant(TOKENS), **more)


def main(argv: Sequence[str]) -> int:
    requests = int(argv[0]) if argv else 60
    rows = [*run_cases(requests), refused(requests), *unusable(requests), *never_accepted(requests)]
    print_table(COLUMNS, rows)
    bad = [row["fault"] for row in rows if wrong(row)]
    print(f"wrong: {', '.join(bad)}" if bad else f"all {len(rows)} correct")
    write_result("faults", {"requests_per_level": requests, "timeout_s": TIMEOUT, "faults": rows, "wrong": bad})
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
