"""Endpoints that go wrong, through the steps of a run: the class of each fault, its count, what the report says.

Times are compared by order alone, which holds however busy the machine is: nothing arrives before it was written, and
no request is sent over a connection before the answer to the one before it is there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.config.schema.load_section import LoadSection, load_settings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Behaviour, Constant, Emulator, LedgerEntry, Tls, launch, read_ledger
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.measure import ExperimentLoad, measure_level
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.groups.counts import errors_by_class
from fmbench_lib.metrics.tables import summary_frame
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.report.sections.failures import errors_table

TLS = Path(__file__).parent.parent / "emulator" / "tls"
QUICK = Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(8))
TIMEOUT = 1.5
CLOCK_SLACK = 0.0002  # what two readings of a pair of clocks can be apart
SLEW_SLACK = 0.005  # what the wall clock may drift from the monotonic one in a level

ONLY_STREAMED = {
    "reset:bytes=700": "truncated",
    "malformed:events=3": "decode",
    "truncated:events=3": "truncated",
    "error:events=3": "endpoint",
}
FAULTS: dict[str, str | None] = {
    "reset": "truncated",
    "reset:bytes=60": "truncated",
    "reset:events=3": "truncated",
    "stall": "timeout",
    "stall:events=3": "timeout",
    "rate_limit:seconds=2": "http_429",
    "server_error": "http_5xx",
    "server_error:status=404": "http_4xx",
    "redirect": "protocol",
    "malformed": "decode",
    "truncated": "truncated",
    "content_length:bytes=10": "truncated",
    "content_length:bytes=-10": "protocol",
    "drip:seconds=0.00001": None,
    "drip:seconds=0.5": "timeout",
    "empty": "empty",
    "error": "endpoint",
    "unannounced_close": None,
    "lost_request": None,
}


@dataclass(frozen=True)
class Level:
    """A level's measured records in the order of being due, its row, and what the report says of its errors."""

    records: list[dict[str, Any]]
    row: dict[str, Any]
    said: str


@pytest.fixture
def measure(tmp_path: Path) -> Callable[..., Level]:
    """Sends prompts in their order by the steps of a run, and reads what the run keeps."""

    def run(urls: Sequence[str], prompts: Sequence[str], *, concurrency: int, stream: bool = True) -> Level:
        experiment = Experiment.model_validate(
            {"name": "faulty", "platform": "endpoint", "protocol": "openai", "deploy": False, "payload_files": ["p"]}
        )
        stop = StopRule(requests=len(prompts), duration=None)
        spec = LevelSpec(experiment, "p", concurrency=concurrency, request_rate=None, stop=stop, warmup=0)
        measured = ExperimentLoad(
            urls=tuple(urls),
            predictor=OpenAiPredictor(urls[0], "m", {}, stream),
            tokenizer=None,
            tokenizer_name=None,
            load=replace(load_settings(LoadSection(timeout=TIMEOUT, workers=1)), stop_on_error_rate=None),
            seed=1,
        )
        payload = [{"prompt_id": prompt, "prompt": prompt, "prompt_tokens": 3} for prompt in prompts]
        deal = Deal((), tuple(range(len(prompts))), len(prompts))
        target = tmp_path / "level.parquet"
        measure_level(spec, deal, payload, measured, target, tmp_path / "scratch")
        records, facts = read_level(target)
        summary = summary_frame([(records, facts)])
        table = errors_table(summary)
        said = "" if table.empty else str(table["by class"][0])
        known = records.astype(object).where(records.notna(), None)
        measured_rows = [row for row in known.to_dict("records") if row["phase"] == "measured"]
        rows = sorted(measured_rows, key=lambda row: row["due"])
        return Level(rows, summary.to_dict("records")[0], said)

    return run


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with launch(QUICK) as running:
        yield running


def faulty_prompts(faults: Sequence[str], each: int, healthy: int) -> list[str]:
    """Each fault so many times, each time among so many healthy prompts; the fault is the prompt's last word."""
    prompts = []
    for number in range(each):
        for fault in faults:
            prompts += [f"{fault} {number} neighbour {place} healthy" for place in range(healthy)]
            prompts.append(f"{number} [[fault:{fault}]]")
    return prompts


def fault_of(record: dict[str, Any]) -> str:
    return str(record["prompt_id"]).rpartition(" ")[2].removeprefix("[[fault:").removesuffix("]]")


def hold_against(ledger: Sequence[LedgerEntry], records: Sequence[dict[str, Any]], stream: bool) -> int:
    """Compare successes with the truth by order; returns how many were compared."""
    entries = {entry.request_id: entry for entry in ledger}
    times = {}
    for record in records:
        entry = entries[record["request_id"]]
        events = record["event_times"] if stream else [record["last"]]
        assert len(events) == entry.events
        for arrival, write in zip(events, entry.writes, strict=True):
            assert arrival - record["sent"] >= (write - entry.received_ns) / 1e9 - CLOCK_SLACK
            assert arrival >= write / 1e9 - SLEW_SLACK
        times[record["request_id"]] = events[-1]
    for before, after in pairwise(sorted(entries.values(), key=lambda entry: (entry.connection, entry.on_connection))):
        if before.connection == after.connection and before.request_id in times:
            assert times[before.request_id] <= after.received_first_ns / 1e9 + SLEW_SLACK
    return len(times)


@pytest.mark.parametrize("stream", [True, False])
def test_every_fault_has_its_class_and_leaves_the_others_alone(
    emulator: Emulator, measure: Callable[..., Level], stream: bool
) -> None:
    faults = {**FAULTS, **(ONLY_STREAMED if stream else {})}
    each, healthy = 2, 3
    level = measure([emulator.url], faulty_prompts(list(faults), each, healthy), concurrency=12, stream=stream)
    found = Counter((fault_of(record), record["error"]) for record in level.records)
    assert found == {**dict.fromkeys(faults.items(), each), ("healthy", None): each * healthy * len(faults)}
    errors = Counter(error for error in faults.values() if error is not None)
    assert errors_by_class(level.row) == {error: each * count for error, count in errors.items()}
    assert level.said == ", ".join(f"{error}: {each * errors[error]}" for error in sorted(errors))
    whole = [record for record in level.records if fault_of(record) in ("healthy", "unannounced_close")]
    assert hold_against(emulator.ledger(), whole, stream) == each * (healthy * len(faults) + 1)


def test_what_a_fault_says_is_kept(emulator: Emulator, measure: Callable[..., Level]) -> None:
    faults = ["rate_limit:seconds=2", "redirect", "stall", "reset", "error:events=3", "lost_request"]
    level = measure([emulator.url], faulty_prompts(faults, 1, 1), concurrency=1)
    records = {fault_of(record): record for record in level.records}
    assert records["rate_limit:seconds=2"]["retry_after"] == "2"
    assert records["rate_limit:seconds=2"]["status"] == 429
    assert "http://moved.invalid/ refused" in records["redirect"]["error_message"]
    assert f"within {TIMEOUT:g} s" in records["stall"]["error_message"]
    assert records["stall"]["end"] - records["stall"]["due"] >= TIMEOUT
    # A reset before any byte looks like a connection that was closed while idle: that is tried again, once, and said.
    assert records["reset"]["retried"] == 1
    assert records["lost_request"]["retried"] == 1
    assert records["lost_request"]["error"] is None
    assert len(records["error:events=3"]["event_times"]) == 3
    assert level.row["successes"] == len(faults) + 1


def test_a_refused_connection_is_a_connect_error(measure: Callable[..., Level], tmp_path: Path) -> None:
    before, after = 10, 5
    prompts = [f"{number} healthy" for number in range(before)]
    prompts += ["all is well up to here [[fault:refuse:seconds=600]]", *(f"{n} refused" for n in range(after))]
    closing = Behaviour(ttft=QUICK.ttft, itl=QUICK.itl, tokens=QUICK.tokens, framing="close")
    with launch(closing, ledger=tmp_path / "ledger") as emulator:
        level = measure([emulator.url], prompts, concurrency=1)
    assert [record["error"] for record in level.records] == [None] * (before + 1) + ["connect"] * after
    assert level.said == f"connect: {after}"
    assert "refused" in level.records[-1]["error_message"]
    ledger = list(read_ledger(tmp_path / "ledger"))
    assert hold_against(ledger, level.records[: before + 1], stream=True) == before + 1


def test_a_dead_copy_gets_a_few_requests_and_the_level_says_so(
    emulator: Emulator, measure: Callable[..., Level], tmp_path: Path
) -> None:
    """Without a pause it would have nearly all: its requests end first."""
    with launch(QUICK) as gone:
        dead = gone.url
    level = measure([dead, emulator.url], [f"{number} healthy" for number in range(400)], concurrency=8)
    counted = Counter(record["endpoint"] for record in level.records)
    failed = Counter(record["endpoint"] for record in level.records if record["error"] is not None)
    assert failed == {dead: counted[dead]}
    assert 1 <= counted[dead] <= 20
    assert counted[emulator.url] == 400 - counted[dead]
    counts = {address: {"requests": counted[address], "failures": failed[address]} for address in counted}
    assert json.loads(level.row["requests_by_copy"]) == counts
    assert f"the copy {dead} failed {counted[dead]} of its {counted[dead]} requests" in level.row["verdict_reasons"]


@pytest.mark.parametrize(("address", "error"), [("no-such-host.invalid", "dns"), ("an untrusted server", "tls")])
def test_an_address_that_cannot_be_used_fails_alone(
    emulator: Emulator, measure: Callable[..., Level], address: str, error: str
) -> None:
    prompts = [f"{number} healthy" for number in range(12)]
    with launch(QUICK, tls=Tls(TLS / "certificate.pem", TLS / "key.pem")) as untrusted:
        urls = [emulator.url, untrusted.url if error == "tls" else f"http://{address}/v1/chat/completions"]
        level = measure(urls, prompts, concurrency=1)
    failed = [record for record in level.records if record["error"] is not None]
    assert {record["error"] for record in failed} == {error}
    assert {record["endpoint"] for record in failed} == {urls[1]}
    assert level.said == f"{error}: {len(failed)}"
    assert ("not trusted" if error == "tls" else address) in failed[0]["error_message"]
    whole = [record for record in level.records if record["endpoint"] == urls[0]]
    assert hold_against(emulator.ledger(), whole, stream=True) == len(prompts) - len(failed) > 0
