"""Raw samples survive what may happen to a file and to its writer."""

from __future__ import annotations

import math
from pathlib import Path

from fmbench_lib.monitors.samples import Histogram, SampleWriter, read_samples, reading_of

LATENCY = Histogram(2.5, 4, ((0.5, 1), (1.0, 3), (math.inf, 4)))


def write(path: Path) -> None:
    with path.open("w") as file:
        writer = SampleWriter(file)
        writer.write(10.0, 1.0, [reading_of("host", "cpu", "gauge", "percent", 12.5, {"core": "0"})])
        writer.write(11.0, 2.0, [reading_of("host", "cpu", "gauge", "percent", math.nan, {"core": "0"})])
        writer.write(12.0, 3.0, [reading_of("vllm", "latency", "histogram", "s", LATENCY)])
        writer.note(12.5, "nvidia", "there is none")


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    samples = read_samples([tmp_path / "a.jsonl"])
    cpu, latency = samples.tracks
    assert (cpu.series.metric, cpu.series.label("core"), cpu.series.unit) == ("cpu", "0", "percent")
    assert [tuple(point) for point in cpu.points] == [(10.0, 1.0, 12.5)], "what is no number has no value"
    assert latency.points[0].value == LATENCY
    assert [note.text for note in samples.notes] == ["there is none"]


def test_a_line_cut_off_by_a_kill_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    write(path)
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        read = read_samples([path])
        assert all(track.points for track in read.tracks)
    path.write_bytes(whole + b'{"time": 13, "values": {"0"')
    assert len(read_samples([path]).tracks) == 2


def test_every_file_is_a_track_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    write(tmp_path / "b.jsonl")
    assert len(read_samples(sorted(tmp_path.glob("*.jsonl"))).tracks) == 4
