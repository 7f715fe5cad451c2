"""Who uses the cores: the counters of the machine, and the figures of a level made from them."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import psutil
import pytest

from fmbench_lib.monitors.cpu_use import CpuUse, throttled_seconds, waiting_seconds
from fmbench_lib.monitors.host_figures import host_figures
from fmbench_lib.monitors.level_spans import Span
from fmbench_lib.monitors.sample_table import lines_of
from fmbench_lib.monitors.samples import Point, Reading, Series, Track
from fmbench_lib.workspace import LevelKey

HERE = {"pid": os.getpid(), "age": psutil.Process().create_time() - psutil.boot_time()}


def values(readings: list[Reading]) -> dict[str, float]:
    return {reading.series.metric: float(reading.value) for reading in readings if isinstance(reading.value, float)}


def test_a_server_that_is_known_is_told_from_the_others() -> None:
    source = CpuUse("endpoint", os.getpid(), [HERE], [])
    first = values(source.read())
    sum(number * number for number in range(200_000))
    second = values(source.read())
    assert {"cpu_busy", "cpu_client", "cpu_server"} <= set(first)
    assert second["cpu_server"] > first["cpu_server"]
    assert second["cpu_busy"] >= first["cpu_busy"]


def test_a_server_of_another_start_or_none_is_not_known() -> None:
    assert "cpu_server" not in values(CpuUse("endpoint", os.getpid(), [{**HERE, "age": -1e6}], []).read())
    assert "cpu_server" not in values(CpuUse("client", os.getpid(), [], []).read())


def test_a_server_is_found_by_the_port_that_it_listens_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert "cpu_server" in values(CpuUse("endpoint", os.getpid(), [], [port]).read())
        mine = CpuUse("endpoint", os.getppid(), [], [port])  # what the client started forwards to somewhere else
        assert "cpu_server" not in values(mine.read())
    assert "cpu_server" not in values(CpuUse("endpoint", os.getpid(), [], [port]).read())


def test_pressure_and_throttling_as_linux_tells_them(tmp_path: Path) -> None:
    pressure = tmp_path / "cpu"
    pressure.write_text("some avg10=60.82 avg60=30.39 avg300=20.80 total=7479748214\nfull avg10=0.00 total=5\n")
    assert waiting_seconds(pressure) == pytest.approx(7479.748214)
    assert waiting_seconds(tmp_path / "none") is None
    own, groups = tmp_path / "cgroup", tmp_path / "groups"
    (groups / "a").mkdir(parents=True)
    own.write_text("0::/a\n")
    assert throttled_seconds(groups, own) is None
    (groups / "a" / "cpu.stat").write_text("usage_usec 5\nnr_throttled 2\nthrottled_usec 1500000\n")
    assert throttled_seconds(groups, own) == 1.5
    (groups / "cpu").mkdir()
    own.write_text("4:memory:/b\n1:cpu:/b\n")
    (groups / "cpu" / "cpu.stat").write_text("nr_throttled 2\nthrottled_time 2500000000\n")
    assert throttled_seconds(groups, own) == 2.5


# -- the figures of a level ------------------------------------------------------------------------------------------

SPAN = Span(LevelKey("exp", "p", "rate-1"), 0.0, 30.0, (10.0, 30.0))


def counters(machine: str = "endpoint", cores: int = 4, **rates: list[float]) -> list[Track]:
    """Counters read every 5 s from 0 on, which grew by these rates from one reading to the next."""
    tracks = []
    for metric, each in rates.items():
        series = Series("host", metric, "counter", "s", (("cores", str(cores)), ("machine", machine)))
        grown = [sum(each[:count]) * 5.0 for count in range(len(each) + 1)]
        tracks.append(Track(series, [Point(5.0 * index, None, value) for index, value in enumerate(grown)]))
    return tracks


def test_what_is_neither_the_clients_nor_the_servers_is_others() -> None:
    busy, server, client = [4.0, 4.0, 3.0, 3.5, 3.5, 2.0], [0, 0, 1.0, 1.0, 1.0, 1.0], [0.1] * 6
    tracks = counters(cpu_busy=busy, cpu_server=server, cpu_client=client, cpu_waiting=[0.9] * 4 + [0.2] * 2)
    figures = host_figures(lines_of(tracks, [SPAN]), SPAN, 0.4)
    assert (figures["host_machine"], figures["host_cores"]) == ("endpoint", 4)
    assert figures["host_cores_busy"] == pytest.approx(3.0)  # of 10 to 30 s: 3, 3.5, 3.5, 2
    others = [1.5, 2.0, 2.0, 0.5]
    assert figures["host_cores_others"] == pytest.approx(1.5)
    assert figures["host_cores_others_p95"] == pytest.approx(sorted(others)[-1])
    assert figures["host_cpu_waiting"] == pytest.approx((2 * 0.9 + 2 * 0.2) / 4)
    assert figures["host_cpu_stolen"] is None
    assert figures["host_cpu_throttled"] is None


def test_part_of_an_interval_counts_for_that_part() -> None:
    figures = host_figures(
        lines_of(counters(cpu_busy=[0.0] * 2 + [4.0] + [0.0] * 3, cpu_stolen=[0.4] * 6), [SPAN]),
        Span(SPAN.key, 0.0, 30.0, (12.5, 22.5)),
        0.0,
    )
    assert figures["host_cores_busy"] == pytest.approx(4.0 * 2.5 / 10)
    assert figures["host_cpu_stolen"] == pytest.approx(0.1)


def test_on_the_clients_machine_no_server_is_missing() -> None:
    known = {"cpu_busy": [1.0] * 6, "cpu_client": [0.2] * 6}
    there = host_figures(lines_of(counters("client", **known), [SPAN]), SPAN, 0.3)
    assert there["host_cores_others"] == pytest.approx(0.5)
    here = host_figures(lines_of(counters("endpoint", **known), [SPAN]), SPAN, 0.3)
    assert here["host_cores_others"] is None, "it may be the server's"
    assert here["host_cores_busy"] == pytest.approx(1.0)
    unknown = host_figures(lines_of(counters("client", **known), [SPAN]), SPAN, None)
    assert unknown["host_cores_others"] is None, "it may be the load workers'"


def test_others_are_never_less_than_nobody() -> None:
    tracks = counters("client", cpu_busy=[0.5] * 6, cpu_client=[0.6] * 6)
    assert host_figures(lines_of(tracks, [SPAN]), SPAN, 0.0)["host_cores_others"] == 0.0


def test_a_window_that_was_hardly_sampled_has_no_figures() -> None:
    tracks = counters("client", cpu_busy=[0.5] * 3, cpu_client=[0.1] * 3)
    figures = host_figures(lines_of(tracks, [SPAN]), SPAN, 0.0)
    assert (figures["host_cores_busy"], figures["host_cores_others"], figures["host_cores_others_p95"]) == (None,) * 3
    nothing = host_figures([], SPAN, 0.0)
    assert set(nothing.values()) == {None}
