"""`fmbench calibrate`: how accurately this machine measures, against the emulator, whose true times are known.

Every level is sent by the load engine as in a run. Its records and the emulator's ledger are joined request by request.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from fmbench_lib import __version__
from fmbench_lib.calibration.calibration_document import CalibrationConditions, CalibrationDocument, CalibrationRow
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Behaviour, Constant, Emulator, LedgerEntry, Tls, launch
from fmbench_lib.host.facts import host_facts
from fmbench_lib.load.executor import Executor, OneMachine
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.engine import LevelRun
from fmbench_lib.load.sending.level import Level
from fmbench_lib.metrics.statistics.accuracy import Errors, Timing, bias, compare, greatest_within, magnitude
from fmbench_lib.metrics.statistics.percentiles import percentile
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey

STREAMS = (8, 64, 256, 512)
EVENT_RATES = (5_000.0, 20_000.0, 40_000.0)
SECONDS = 10.0
QUICK_SECONDS = 3.0
LIMITS_MS = (1, 5)
SCHEMA = 1

_PROMPTS = 100
_TIMEOUT = 60.0
_HERE = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Answers:
    """What the emulator answers: always the same, so that every deviation is an error. Times in seconds."""

    ttft: float = 0.05
    itl: float = 0.01
    tokens: int = 100

    @property
    def latency(self) -> float:
        """From the first byte received to the last token."""
        return self.ttft + (self.tokens - 1) * self.itl

    @property
    def behaviour(self) -> Behaviour:
        """The emulator's behaviour that gives these answers."""
        return Behaviour(ttft=Constant(self.ttft), itl=Constant(self.itl), tokens=Constant(self.tokens))


@dataclass(frozen=True, slots=True)
class Load:
    """The load of a level: concurrent streams (closed loop), or content events per second on average (open loop with
    Poisson arrivals). One of them is set."""

    streams: int | None = None
    event_rate: float | None = None

    @property
    def name(self) -> str:
        """The load in words, such as `64 streams`."""
        return f"{self.streams} streams" if self.streams is not None else f"{self.event_rate:,.0f} events/s"


@dataclass(frozen=True, slots=True)
class Sent:
    """A level that was sent and is not decoded yet: its raw exchanges are in the folder that it was given."""

    run: LevelRun
    recorder: Recorder
    executor: Executor

    def records(self, folder: Path) -> pd.DataFrame:
        """The request records, decoded as in a run; `folder` is for temporary files."""
        tables = list(self.executor.tables(self.recorder, self.run, folder))
        frame: pd.DataFrame = pa.concat_tables(tables).to_pandas()
        return frame

    @property
    def window(self) -> tuple[float, float]:
        """From the first measured request to the stop of sending, Unix seconds."""
        assert self.run.window_ns is not None
        clock = self.run.clocks()[0]
        return clock.to_unix(self.run.window_ns[0]), clock.to_unix(self.run.window_ns[1])


def calibrate(
    streams: Sequence[int] = STREAMS,
    event_rates: Sequence[float] = EVENT_RATES,
    seconds: float = SECONDS,
    answers: Answers | None = None,
    on_row: Callable[[CalibrationRow], None] = lambda _: None,
    executor: Executor | None = None,
    host: str = _HERE,
) -> CalibrationDocument:
    """Measure each load for about so many seconds, each against its own emulator.

    `on_row` is called with the row of each level as soon as it is known. `executor` sends the levels, None for this
    machine, and reaches the emulator at `host`. Returns the document that `store` writes.
    Raises EndpointError where the emulator cannot be started, WorkerError where the engine breaks down.
    """
    answers = answers or Answers()
    facts: CalibrationConditions = {
        "schema": SCHEMA,
        "fmbench": __version__,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": host_facts(),
        "load_average": os.getloadavg()[0],
        "settings": {**asdict(answers), "seconds": seconds},
    }
    rows = []
    for load in [*(Load(streams=count) for count in streams), *(Load(event_rate=rate) for rate in event_rates)]:
        rows.append(measure(load, answers, seconds, executor, host))
        on_row(rows[-1])
    return {**facts, "within": {f"{limit}_ms": within(rows, limit / 1000) for limit in LIMITS_MS}, "levels": rows}


def measure(
    load: Load, answers: Answers, seconds: float, executor: Executor | None = None, host: str = _HERE
) -> CalibrationRow:
    """Measure one level against its own emulator; returns its row."""
    with tempfile.TemporaryDirectory() as name, launch(answers.behaviour, host=host) as server:
        sent = send(load, server, answers, seconds, Path(name), executor=executor)
        return row_of(load, answers, sent.records(Path(name)), sent, ledger_of(server))


def send(
    load: Load,
    server: Emulator,
    answers: Answers,
    seconds: float,
    folder: Path,
    tls: Tls | None = None,
    executor: Executor | None = None,
) -> Sent:
    """Send a level whose measured part takes about so many seconds; the raw responses are in `folder`.

    The warm-up opens the connections, so that opening them disturbs no measured request. `tls` is the server's.
    """
    if load.streams is not None:
        warmup, requests = load.streams, load.streams * max(round(seconds / answers.latency), 1)
        rate = None
    else:
        assert load.event_rate is not None
        rate = load.event_rate / answers.tokens
        warmup, requests = math.ceil(1.5 * rate * answers.latency), max(round(seconds * rate), 2)
    numbers = range(warmup + min(_PROMPTS, requests))
    predictor = OpenAiPredictor(server.url, "emulated")
    section = LoadSection(arrival="poisson", prompt_reuse="allowed", timeout=_TIMEOUT)
    level = Level(
        urls=(server.url,),
        warmup=tuple(numbers[:warmup]),
        measured=tuple(numbers[warmup:]),
        seed=load.name,
        load=load_settings(section, ca_bundle=None if tls is None else str(tls.certfile)),
        stop=StopRule(requests=requests),
        concurrency=load.streams,
        request_rate=rate,
    )
    prompts = [SentPrompt(f"q{n}", None) for n in numbers]
    recorder = Recorder(predictor, prompts, [server.url], LevelKey("calibration", "", load.name), None)
    executor = executor or OneMachine()
    run = executor.run(level, (predictor.encode(f"Question {n}?") for n in numbers), folder, recorder)
    return Sent(run, recorder, executor)


def ledger_of(server: Emulator) -> dict[str, LedgerEntry]:
    """What the emulator really did, by request id; of a request that was sent again, the last attempt."""
    return {entry.request_id: entry for entry in server.read_ledger()}


def errors_of(records: pd.DataFrame, ledger: Mapping[str, LedgerEntry], clock: str = "due") -> Errors:
    """The errors of the successes among these records, their TTFT counted from `due` or from `sent`.

    From `due`, the client's lateness in sending is an error, as it is in every TTFT of a report. Opening a connection
    is not, so it is subtracted.
    """
    fine = records[records["error"].isna() & records["first"].notna()]
    start = fine["sent"] if clock == "sent" else fine["due"] + fine["connect_s"].fillna(0.0)
    ttft = (fine["first"] - start).to_numpy()
    measured = {
        request_id: Timing(first, np.diff(times))
        for request_id, first, times in zip(fine["request_id"], ttft, fine["event_times"], strict=True)
    }
    true = {
        request_id: Timing(entry.ttft, entry.itl)
        for request_id, entry in ledger.items()
        if request_id in measured and entry.ttft is not None
    }
    return compare(measured, true)


def row_of(
    load: Load, answers: Answers, records: pd.DataFrame, sent: Sent, ledger: Mapping[str, LedgerEntry]
) -> CalibrationRow:
    """The row of one level. Times and errors are in seconds; None for what does not exist."""
    measured = records[records["phase"] == "measured"]
    errors, from_sent = errors_of(measured, ledger), errors_of(measured, ledger, "sent")
    achieved, ideal = _event_rates(load, answers, measured)
    cpu = [worker.cpu for worker in sent.run.workers if worker.cpu is not None]
    return {
        "load": load.name,
        "streams": load.streams,
        "event_rate": load.event_rate,
        "requests": len(measured),
        "failed": int(measured["error"].notna().sum()),
        "joined": errors.joined,
        "uneven": errors.uneven,
        "workers": len(sent.run.workers),
        "events_per_second": achieved,
        "share_of_ideal": achieved / ideal,
        "TTFT_error_p50": magnitude(errors.ttft, 0.5),
        "TTFT_error_p99": magnitude(errors.ttft, 0.99),
        "TTFT_error_mean": bias(errors.ttft),
        "TTFT_error_from_sent_p50": magnitude(from_sent.ttft, 0.5),
        "TTFT_error_from_sent_p99": magnitude(from_sent.ttft, 0.99),
        "ITL_error_p50": magnitude(errors.itl, 0.5),
        "ITL_error_p99": magnitude(errors.itl, 0.99),
        "ITL_error_mean": bias(errors.itl),
        "client_lag_p99": percentile(measured["client_lag"].to_numpy(dtype=np.float64), 0.99),
        "schedule_lag_p99": percentile(measured["schedule_lag"].to_numpy(dtype=np.float64), 0.99),
        "client_cpu_max": max(cpu, default=None),
        "client_cpu_per_event": client_cpu_per_event(records, sent),
        "stamp_source": "+".join(sorted(set(measured["stamp_source"].dropna()))),
        "server_stamp_source": "+".join(sorted({entry.stamp_source for entry in ledger.values()})),
        "nodes": list(sent.run.nodes) or None,
    }


def _event_rates(load: Load, answers: Answers, measured: pd.DataFrame) -> tuple[float, float]:
    """Content events per second that were measured, and that an ideal client would have measured.

    In a closed loop the ideal keeps all streams busy; in an open one it sends each request when it is due.
    """
    events = int(measured["event_times"].map(len).sum())
    if load.streams is not None:
        ideal = load.streams * answers.tokens / answers.latency
        return events / float(measured["end"].max() - measured["due"].min()), ideal
    sent, due = measured["sent"].fillna(measured["due"]), measured["due"]
    return events / float(sent.max() - sent.min()), events / float(due.max() - due.min())


def client_cpu_per_event(records: pd.DataFrame, sent: Sent) -> float | None:
    """CPU seconds of the load workers per content event, over the window; None where neither is known."""
    begin, end = sent.window
    times = np.concatenate(records["event_times"].to_list())
    events = int(((times >= begin) & (times <= end)).sum())
    shares = [worker.cpu for worker in sent.run.workers]
    if not events or any(share is None for share in shares):
        return None
    return sum(share for share in shares if share is not None) * (end - begin) / events


def within(rows: Sequence[CalibrationRow], limit: float) -> dict[str, float | None]:
    """The greatest number of streams, and of content events per second, whose TTFT is measured within a limit (s).

    The p99 of its errors decides. A level with a failed request, or one that is not in the ledger, is within no limit.
    """
    known = [(row, row["TTFT_error_p99"] if row["joined"] == row["requests"] else None) for row in rows]
    return {
        "streams": greatest_within([(row["streams"], p99) for row, p99 in known if row["streams"] is not None], limit),
        "events_per_second": greatest_within([(row["events_per_second"], p99) for row, p99 in known], limit),
    }
