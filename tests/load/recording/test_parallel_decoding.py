"""Spools to records: by one process or several, again from what was kept raw, and what is left when it breaks down."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from fmbench_lib.config.load_settings import TraceEntry
from fmbench_lib.emulator import Emulator
from fmbench_lib.errors import DataError, WorkerError
from fmbench_lib.load import executor
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.measure import measure_level
from fmbench_lib.load.recording.parallel_decoding import Job, table_of, tables_of
from fmbench_lib.load.recording.raw_responses import decode_raw
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.predictors.base import Completion, HttpRequest, HttpResponse
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import raw_file
from tests.load.test_measure import DEAL, PAYLOAD, experiment_load, spec


@pytest.fixture
def job(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Two workers' spools of a level, as the engine leaves them."""
    jobs: list[Job] = []

    def keep(job: Job, folder: Path) -> Any:
        kept = tuple((tmp_path / f"kept-{number}") for number in range(len(job.spools)))
        for spool, copy in zip(job.spools, kept, strict=True):
            copy.write_bytes(spool.read_bytes())
        jobs.append(replace(job, spools=kept))
        return tables_of(job, folder)

    with monkeypatch.context() as patch:
        patch.setattr(executor, "tables_of", keep)
        measure_level(
            spec(), DEAL, PAYLOAD, experiment_load(emulator.url, workers=2), tmp_path / "l.parquet", tmp_path / "s"
        )
    return jobs[0]


def test_parts_are_whole_exchanges_and_cover_every_spool(job: Job) -> None:
    parts = job.parts(most_bytes=1)
    assert len(parts) == 11
    for worker, spool in enumerate(job.spools):
        mine = [part for part in parts if part.worker == worker]
        assert [part.start for part in mine] == [0, *(part.stop for part in mine[:-1])]
        assert mine[-1].stop == spool.stat().st_size
    assert sum(table_of(job, part).num_rows for part in parts) == 11


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_the_records_are_the_same_however_many_processes_decode(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int
) -> None:
    whole = pa.concat_tables(table_of(job, part) for part in job.parts())
    monkeypatch.setattr(Job.parts, "__defaults__", (1,))
    found = pa.concat_tables(tables_of(job, tmp_path, processes))
    assert found.combine_chunks().equals(whole.combine_chunks())
    assert list(tmp_path.glob("*.arrow")) == []


class Deadly:
    """A codec whose process is gone as soon as it decodes."""

    def encode(self, prompt: str, max_tokens: int | None = None) -> HttpRequest:
        return OpenAiPredictor("http://localhost/v1/chat/completions", "m").encode(prompt, max_tokens)

    def decode(self, response: HttpResponse) -> Completion:
        raise SystemExit(f"no memory left for {len(response.body)} bytes")


def test_a_decoding_process_that_dies_says_how(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Job.parts, "__defaults__", (1,))
    deadly = replace(job, recorder=replace(job.recorder, predictor=Deadly()))
    with pytest.raises(WorkerError, match=r"a decoding process ended with exit code 1: no memory left for \d+ bytes"):
        list(tables_of(deadly, tmp_path, 2))


def test_what_cannot_be_decoded_is_kept(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_job: Job, _folder: Path) -> Any:
        raise WorkerError("a decoding process was killed by signal 9")

    target = tmp_path / "level.parquet"
    monkeypatch.setattr(executor, "tables_of", die)
    with pytest.raises(WorkerError, match=r"the raw responses are kept in .*raw\.zst"):
        measure_level(spec(), DEAL, PAYLOAD, experiment_load(emulator.url), target, tmp_path / "s")
    assert not target.exists()
    (tmp_path / "scratch").mkdir()
    predictor = OpenAiPredictor(emulator.url, "m")
    assert decode_raw(raw_file(target), target, predictor, None, tmp_path / "scratch") == 11
    records, facts = read_level(target)
    assert records["error"].isna().all()
    assert facts["load"] == "concurrency-2"


def test_raw_responses_decode_to_the_same_records_again(emulator: Emulator, tmp_path: Path) -> None:
    target, again = tmp_path / "level.parquet", tmp_path / "again.parquet"
    predictor = OpenAiPredictor(emulator.url, "m", api_key="sk-secret")
    wanted = experiment_load(emulator.url, keep_raw=True, workers=2, predictor=predictor)
    measure_level(spec(), DEAL, PAYLOAD, wanted, target, tmp_path / "s")
    (tmp_path / "scratch").mkdir()
    decode_raw(raw_file(target), again, predictor, None, tmp_path / "scratch")
    before, facts = read_level(target)
    after, facts_again = read_level(again)
    assert facts_again == facts
    order = ["worker", "request_id"]
    first, second = (one.sort_values(order).reset_index(drop=True) for one in (before, after))
    for column in first.columns:
        assert [str(one) for one in first[column]] == [str(one) for one in second[column]], column
    with pa.CompressedInputStream(str(raw_file(target)), "zstd") as file:
        evidence = file.read()
    assert b"text/event-stream" in evidence
    assert b"sk-secret" not in evidence


@pytest.mark.parametrize("damage", [lambda data: data[:-40], lambda data: b"no zstd" + data, lambda _: b""])
def test_a_raw_file_that_is_damaged_is_refused(emulator: Emulator, tmp_path: Path, damage: Any) -> None:
    target = tmp_path / "level.parquet"
    measure_level(spec(), DEAL, PAYLOAD, experiment_load(emulator.url, keep_raw=True), target, tmp_path / "s")
    raw_file(target).write_bytes(damage(raw_file(target).read_bytes()))
    (tmp_path / "scratch").mkdir()
    with pytest.raises(DataError, match="not the raw responses of a level"):
        decode_raw(raw_file(target), tmp_path / "x", OpenAiPredictor(emulator.url, "m"), None, tmp_path / "scratch")


def test_a_trace_is_followed_in_its_lengths(scripted: Any, answer: bytes, tmp_path: Path) -> None:
    def one(peer: Any) -> None:
        while peer.request():
            peer.send(answer)

    server = scripted([one])
    trace = tuple(TraceEntry(0.01 * n, tokens, limit) for n, (tokens, limit) in enumerate([(5, 7), (2, None), (9, 3)]))
    level = spec(concurrency=None, request_rate=None, warmup=1)
    wanted = experiment_load(
        server.url, arrival="trace", trace=trace, predictor=OpenAiPredictor(server.url, "m", stream=False)
    )
    measure_level(level, Deal((20,), (9, 3, 5, 2), 3), PAYLOAD, wanted, tmp_path / "l.parquet", tmp_path / "s")
    bodies = [json.loads(received.partition(b"\r\n\r\n")[2]) for received in server.received]
    # the prompts nearest to 5, 2 and 9 tokens, each with the trace's limit; the warm-up has none
    asked = [(body["messages"][-1]["content"], body.get("max_tokens")) for body in bodies]
    assert sorted(asked, key=str) == sorted(
        [("Question 20?", None), ("Question 5?", 7), ("Question 2?", None), ("Question 9?", 3)], key=str
    )


def test_a_decoding_process_does_not_import_pandas_but_a_codec_may() -> None:
    program = """
import sys
from fmbench_lib.load.recording import decoder_program, records
decoder_program.use_arrow_without_pandas()
assert records.table_from_rows([{"event_times": [0.5]}]).num_rows == 1
assert "pandas" not in sys.modules
import pandas
assert list(pandas.DataFrame({"a": [1]}).columns) == ["a"]
"""
    subprocess.run([sys.executable, "-c", program], check=True)
