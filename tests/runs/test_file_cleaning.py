from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.load.sending.spool import NO_STAMP, pack, read_spool
from fmbench_lib.runs.file_cleaning import clean_after_a_death, clean_files
from fmbench_lib.workspace import LevelKey, create_workspace

SECRET = "plumKestrel42"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """What the cleaning reads of a run."""
    redactor = Redactor.of([SECRET])
    workspace = replace(create_workspace(tmp_path, "test"), redact=redactor)
    config = SimpleNamespace(report=SimpleNamespace(private=False))
    return SimpleNamespace(workspace=workspace, redactor=redactor, config=config)


def test_logs_and_samples_are_cleaned_as_they_grow(run: Any) -> None:
    log, samples = run.workspace.logs / "a" / "server.log", run.workspace.samples("exp", "prometheus")
    for path in (log, samples):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"begins {SECRET}\n")
    with log.open("a") as server:
        clean_files(run)
        server.write(f"goes on {SECRET}\n")
    clean_files(run)
    assert log.read_text() == f"begins {'*' * 13}\ngoes on {'*' * 13}\n"
    assert samples.read_text() == f"begins {'*' * 13}\n"


def test_what_a_killed_process_leaves_is_cleaned_too(run: Any) -> None:
    notebook, log = run.workspace.notebook("3_run_inference"), run.workspace.logs / "server.log"
    cells = json.dumps({"cells": [{"outputs": [{"text": [f"it said {SECRET}\n"]}]}]}, indent=1)
    for path, text in ((notebook, cells), (log, f"key {SECRET}")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    clean_files(run)
    assert SECRET in notebook.read_text()  # it may be being written
    clean_after_a_death(run)
    assert json.loads(notebook.read_text()) == json.loads(cells.replace(SECRET, "*" * 13))
    assert log.read_text() == f"key {'*' * 13}"


def received(*pieces: str) -> bytes:
    """An exchange in a spool, whose answer came in these chunks."""
    chunks = [f"{len(piece):x}\r\n{piece}\r\n".encode() for piece in pieces]
    raw = [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", *chunks, b"0\r\n\r\n"]
    return pack(
        position=1, prompt=2, target=0, flags=0, retried=0, due_ns=4, cap_wait_ns=None, connect_ns=5, sent_ns=6,
        end_ns=7,
        error="timeout", message=f"refused {SECRET}", user_ns=list(range(len(raw))), kernel=[NO_STAMP] * len(raw),
        pieces=raw,
    )  # fmt: skip


def test_what_a_killed_worker_had_received_is_cleaned_and_can_still_be_decoded(run: Any) -> None:
    spool = run.workspace.level_scratch(LevelKey("exp", "p.jsonl", "concurrency-1")) / "worker-0.spool"
    spool.parent.mkdir(parents=True)
    whole, torn = received("so plum", "Kestrel42."), received(SECRET)[:-9]
    spool.write_bytes(whole + torn)
    errors = spool.with_suffix(".stderr")
    errors.write_text(f"the script says {SECRET}")
    clean_files(run)
    assert SECRET.encode() in spool.read_bytes()  # it may be being written
    before = [exchange for _, exchange in read_spool(spool)]
    clean_after_a_death(run)
    assert spool.stat().st_size == len(whole + torn)
    assert not any(part in spool.read_bytes() for part in (SECRET.encode(), b"plum", b"Kestrel42"))
    assert errors.read_text() == f"the script says {'*' * 13}"
    after = [exchange for _, exchange in read_spool(spool)]
    assert [each.message for each in after] == [f"refused {'*' * 13}"]
    assert [each.raw.count(b"*") for each in after] == [13]
    assert [replace(each, raw=b"", message="") for each in after] == [
        replace(each, raw=b"", message="") for each in before
    ]
    spool.write_bytes(received(SECRET))  # of another attempt
    clean_after_a_death(run)
    assert SECRET.encode() not in spool.read_bytes()


def test_a_secret_that_was_written_in_two_parts_is_found(run: Any) -> None:
    log = run.workspace.logs / "server.log"
    log.write_text("key plum")
    clean_files(run)
    with log.open("a") as server:
        server.write("Kestrel42\n")
    clean_files(run)
    assert log.read_text() == f"key {'*' * 13}\n"


def test_a_log_that_was_written_anew_is_cleaned_from_its_beginning(run: Any) -> None:
    log = run.workspace.logs / "server.log"
    log.write_text("long\n" * 10_000)
    clean_files(run)
    log.write_text(f"{SECRET}\n")
    clean_files(run)
    assert log.read_text() == f"{'*' * 13}\n"


def test_other_files_stay_as_they_are(run: Any, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mine.txt"
    elsewhere.write_text(SECRET)
    (run.workspace.logs / "link.log").symlink_to(elsewhere)
    run.workspace.payload("p.jsonl").write_text(SECRET)
    clean_files(run)
    assert elsewhere.read_text() == run.workspace.payload("p.jsonl").read_text() == SECRET


def test_a_private_run_is_its_users_alone(run: Any) -> None:
    run.workspace.payload("p.jsonl").write_text("a prompt")
    run.workspace.payload("p.jsonl").chmod(0o644)
    clean_files(run)
    assert run.workspace.payload("p.jsonl").stat().st_mode & 0o777 == 0o644
    run.config.report.private = True
    clean_files(run)
    assert run.workspace.path.stat().st_mode & 0o777 == 0o700
    assert run.workspace.payload("p.jsonl").stat().st_mode & 0o777 == 0o600
