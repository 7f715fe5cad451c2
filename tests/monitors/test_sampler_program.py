"""The monitor as a process: it samples, answers, and ends with whoever started it, whatever its sources do."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.monitors.samples import Samples, read_samples

PLAN: dict[str, Any] = {
    "interval": 0.1,
    "machine": "endpoint",
    "client": os.getpid(),
    "ports": [],
    "processes": [],
    "nvidia": "no",
    "nvidia_devices": None,
    "neuron": "no",
    "neuron_devices": None,
    "pages": [],
    "ca_file": None,
}


class Monitor:
    """A monitor under test."""

    def __init__(self, file: Path, **plan: Any) -> None:
        self.file = file
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fmbench_lib.monitors.sampler_program"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.say(json.dumps({**PLAN, **plan, "file": str(file)}))

    def say(self, line: str) -> str:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stdout, selectors.EVENT_READ)
            assert selector.select(30), "no answer"
        return self.process.stdout.readline().strip()

    def end(self) -> Samples:
        out, errors = self.process.communicate(timeout=30)
        assert (self.process.returncode, out, errors) == (0, "", "")
        return read_samples([self.file])


@pytest.fixture
def silent() -> Iterator[str]:
    """A metrics page that never answers: connections are taken up and nothing is said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/metrics"


def test_it_samples_at_each_mark_and_ends_with_its_standard_input(tmp_path: Path) -> None:
    monitor = Monitor(tmp_path / "new" / "samples.jsonl", interval=60)
    assert monitor.say("mark") == "marked"
    assert monitor.say("mark") == "marked"
    samples = monitor.end()
    (memory,) = [one for one in samples.tracks if one.series.metric == "memory_used"]
    assert len(memory.points) >= 3
    assert memory.points[0].monotonic is not None
    assert {"host", "monitor"} == {one.series.source for one in samples.tracks}
    assert samples.notes == []


def test_a_source_that_hangs_keeps_up_no_other_and_is_told(tmp_path: Path, silent: str) -> None:
    monitor = Monitor(tmp_path / "samples.jsonl", pages=[{"url": silent, "copy": 0, "requested": False}])
    assert monitor.say("mark") == "marked"
    samples = monitor.end()
    assert any(one.series.source == "host" for one in samples.tracks)
    (note,) = samples.notes
    assert note.source == f"metrics page {silent}"
    assert "has not answered for" in note.text


def test_what_is_missing_is_told_once_and_only_where_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monitor = Monitor(tmp_path / "samples.jsonl", neuron="yes", nvidia="auto", machine=None)
    monitor.say("mark")
    samples = monitor.end()
    assert [note.text for note in samples.notes if note.source == "neuron"] == [
        "there is no neuron-monitor on this machine"
    ]
    assert {one.series.source for one in samples.tracks} >= {"monitor"}
    assert "host" not in {one.series.source for one in samples.tracks}
