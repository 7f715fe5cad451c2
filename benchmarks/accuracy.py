"""How exactly times are measured: every request compared with what the server really did.

    python benchmarks/accuracy.py [--streams 8,64,256,512] [--seconds 15] [--tls]

Closed loops against the emulator (TTFT 50 ms, ITL 10 ms, 100 tokens), plain at growing numbers of streams, and over TLS
at 64; `--tls` measures only the latter. The error is measured − true. The measured TTFT counts from `due`, without
opening connections, or from `sent`; the true one from the kernel's receipt of the request to the first write.
Percentiles are of the absolute error.

Each level is decoded twice: with the kernel's stamps, as in a run, and with the stamps that the reading clock took at
the same reads. The second shows the accuracy without the kernel's help, except that a worker naps for up to 0.2 ms only
if it has that help. Prints a table, writes `benchmarks/results/accuracy.json`, and fails if with the kernel's stamps
TTFT is off by more than 0.3 ms (p50), 2 ms (p99; 5 ms beyond 256 streams), or ITL by more than 0.05 ms on average.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from output import print_table, write_result

from fmbench_lib.calibration.measurement import STREAMS, Answers, Load, Sent, ledger_of, row_of, send
from fmbench_lib.emulator import Tls, launch
from fmbench_lib.load.recording.records import table_from_rows
from fmbench_lib.load.sending.loop import NAP_NS
from fmbench_lib.load.sending.spool import read_spool

TLS_FILES = Path(__file__).parent.parent / "tests" / "emulator" / "tls"
TLS = Tls(TLS_FILES / "certificate.pem", TLS_FILES / "key.pem")
TLS_STREAMS = 64
MANY_STREAMS = 256
TTFT_P50_ALLOWED, TTFT_P99_ALLOWED, TTFT_P99_ALLOWED_MANY, ITL_MEAN_ALLOWED = 0.0003, 0.002, 0.005, 0.00005
SHOWN = {
    "TTFT_error_p50": "TTFT error p50 ms",
    "TTFT_error_p99": "p99 ms",
    "TTFT_error_from_sent_p50": "from sent p50 ms",
    "TTFT_error_from_sent_p99": "p99 ms",
    "ITL_error_p50": "ITL error p50 ms",
    "ITL_error_p99": "p99 ms",
    "ITL_error_mean": "mean ms",
    "client_lag_p99": "client lag p99 ms",
}
COLUMNS = (
    ("load", "load"),
    ("stamps", "stamps"),
    ("requests", "requests"),
    ("joined", "joined"),
    ("rate", "of ideal rate"),
    *((f"{name}_ms", title) for name, title in SHOWN.items()),
)


def by_the_reading_clock(sent: Sent) -> pd.DataFrame:
    """The records of a level without the kernel's stamps."""
    rows = []
    for number, (worker, clocks) in enumerate(zip(sent.run.workers, sent.run.clocks(), strict=True)):
        for _, exchange in read_spool(worker.spool):
            unstamped = replace(exchange, kernel_ns=(0,) * len(exchange.kernel_ns))
            rows.append(sent.recorder.record(unstamped, clocks, sent.run.level_id, number))
    return table_from_rows(rows).to_pandas()


def level(streams: int, seconds: float, tls: Tls | None = None) -> list[dict[str, Any]]:
    """The rows of one level: with the kernel's stamps, and with the reading clock's."""
    load, answers = Load(streams=streams), Answers()
    with tempfile.TemporaryDirectory() as folder, launch(answers.behaviour, tls=tls) as server:
        sent = send(load, server, answers, seconds, Path(folder), tls)
        ledger = ledger_of(server)
        decoded = {"kernel": sent.records(Path(folder)), "reading clock": by_the_reading_clock(sent)}
    rows = []
    for stamps, records in decoded.items():
        row = {**row_of(load, answers, records, sent, ledger), "stamps": stamps, "tls": tls is not None}
        in_ms = {f"{name}_ms": "" if row[name] is None else 1000 * row[name] for name in SHOWN}
        shown = {"load": f"{load.name}, TLS" if tls else load.name, "rate": f"{row['share_of_ideal']:.1%}"}
        rows.append({**row, **in_ms, **shown})
    return rows


def wrong(row: Mapping[str, Any]) -> bool:
    """Whether a level is not exact enough, or not every request could be compared."""
    p99 = TTFT_P99_ALLOWED if row["streams"] <= MANY_STREAMS else TTFT_P99_ALLOWED_MANY
    return bool(
        row["joined"] < row["requests"]
        or row["stamp_source"] != "kernel"
        or row["TTFT_error_p50"] > TTFT_P50_ALLOWED
        or row["TTFT_error_p99"] > p99
        or abs(row["ITL_error_mean"]) > ITL_MEAN_ALLOWED
    )


def main(argv: Sequence[str]) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--streams", default=",".join(map(str, STREAMS)))
    options.add_argument("--seconds", type=float, default=15.0)
    options.add_argument("--tls", action="store_true")
    given = options.parse_args(argv)
    plain = [] if given.tls else [int(one) for one in given.streams.split(",")]
    rows = [row for streams in plain for row in level(streams, given.seconds)]
    rows += level(TLS_STREAMS, given.seconds, TLS)
    print_table(COLUMNS, rows)
    bad = [row["load"] for row in rows if row["stamps"] == "kernel" and wrong(row)]
    print(f"not exact enough: {'; '.join(bad)}" if bad else "all exact enough")
    write_result("accuracy", {"seconds": given.seconds, "nap_ms": NAP_NS / 1e6, "levels": rows, "wrong": bad})
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
