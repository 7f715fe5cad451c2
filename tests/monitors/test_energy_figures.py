"""The energy of a level from recorded samples, against joules computed by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from fmbench_lib.monitors.energy_figures import EnergyFigures, energy_figures
from fmbench_lib.monitors.level_spans import Span
from fmbench_lib.monitors.sample_table import Line, lines_of
from fmbench_lib.monitors.samples import Point, Series, Track
from fmbench_lib.workspace import LevelKey

SPAN = Span(LevelKey("a", "p.jsonl", "concurrency-1"), 100.0, 130.0, (105.0, 125.0))
HERE = {"machine": "endpoint", "server": "here"}
NOTHING = {"energy_joules": None, "energy_s": None, "energy_source": None}


def counter(
    source: str, metric: str, labels: Mapping[str, str], points: Mapping[float, float], unit: str = "J"
) -> Line:
    """A counter with its values by time."""
    series = Series(source, metric, "counter", unit, tuple(sorted(labels.items())))
    track = Track(series, [Point(at, None, value) for at, value in points.items()])
    [line] = lines_of([track], [SPAN])
    return line


def package(number: int, points: Mapping[float, float], **labels: str) -> Line:
    """The counter of a package."""
    zone = {"domain": f"package-{number}", "zone": f"intel-rapl:{number}"}
    return counter("rapl", "energy", {**HERE, **zone, **labels}, points)


def gpu(points: Mapping[float, float] | None, index: str = "0") -> list[Line]:
    """A GPU at work, with the counter of its energy where it has one."""
    busy = Series("nvidia", "gpu_utilization", "gauge", "percent", (("gpu", index),))
    lines = lines_of([Track(busy, [Point(110.0, None, 90.0)])], [SPAN])
    return lines if points is None else [*lines, counter("nvidia", "gpu_energy", {**HERE, "gpu": index}, points)]


def figures(lines: Sequence[Line], idle_watts: float | None = None) -> EnergyFigures:
    """Those of the level, between one that ended at 90 and one that begins at 140."""
    return energy_figures(lines, SPAN, 90.0, 140.0, idle_watts)


EDGES = {95.0: 900.0, 99.9: 1000.0, 110.0: 1500.0, 130.1: 2600.0, 135.0: 2700.0}


def test_energy_is_that_between_the_readings_at_the_levels_edges() -> None:
    """From 1,000 J at 99.9 s to 2,600 J at 130.1 s: 1,600 J in 30.2 s; the second package took 302 J."""
    first, second = package(0, EDGES), package(1, {99.9: 0.0, 130.1: 302.0})
    assert figures([first]) == {
        "energy_joules": 1600.0,
        "energy_s": pytest.approx(30.2),
        "energy_source": "RAPL: package-0",
    }
    both = figures([first, second])
    assert (both["energy_joules"], both["energy_source"]) == (1902.0, "RAPL: package-0, package-1")


def test_idling_is_taken_off_only_where_it_is_said() -> None:
    """10 W of idling for 30.2 s are 302 J; a level that took no more than idling cannot be said to have taken 0 J."""
    found = figures([package(0, EDGES)], idle_watts=10.0)
    assert found["energy_joules"] == pytest.approx(1600 - 302)
    assert found["energy_source"] == "RAPL: package-0; less 10 W of idling"
    assert figures([package(0, EDGES)], idle_watts=1000.0) == NOTHING
    assert figures([package(0, {99.0: 0.0, 131.0: 320.0})], idle_watts=10.0) == NOTHING


def test_a_counter_that_stood_still_or_went_back_says_nothing() -> None:
    """Shown in a virtual machine, or updated less often than the level is long: 0 J would be a measurement."""
    still = {99.9: 50.0, 110.0: 50.0, 130.1: 50.0}
    assert figures([package(0, still)]) == NOTHING
    assert figures([package(0, EDGES), package(1, still)]) == NOTHING
    assert figures([package(0, EDGES), package(1, {99.9: 50.0, 130.1: 20.0})]) == NOTHING
    assert figures([package(0, EDGES), *gpu(still)]) == NOTHING


def test_processors_and_gpus_together() -> None:
    lines = [package(0, EDGES), *gpu({99.9: 50.0, 130.1: 4050.0})]
    found = figures(lines)
    assert (found["energy_joules"], found["energy_source"]) == (5600.0, "RAPL: package-0; NVML: GPU 0")
    alone = figures(gpu({99.9: 50.0, 130.1: 4050.0}))
    assert (alone["energy_joules"], alone["energy_source"]) == (4000.0, "NVML: GPU 0")


def test_a_part_is_not_taken_for_the_whole() -> None:
    """A GPU that does not count its energy, Neuron devices, which report none, and a counter without an edge."""
    assert figures([package(0, EDGES), *gpu(None)]) == NOTHING
    assert figures([package(0, EDGES), *gpu({99.9: 0.0, 130.1: 1.0}), *gpu(None, "1")]) == NOTHING
    neuron = Series("neuron", "neuroncore_utilization", "gauge", "percent", (("core", "0"),))
    assert figures([package(0, EDGES), *lines_of([Track(neuron, [Point(110.0, None, 5.0)])], [SPAN])]) == NOTHING
    assert figures([package(0, EDGES), package(1, {99.9: 0.0, 120.0: 3.0})]) == NOTHING
    assert figures([package(0, {80.0: 0.0, 150.0: 9.0})]) == NOTHING  # readings of other levels
    assert figures([]) == NOTHING


def test_the_energy_of_this_machine_is_not_that_of_an_endpoint_elsewhere() -> None:
    assert figures([package(0, EDGES, machine="client")]) == NOTHING
    perhaps = package(0, EDGES, server="perhaps here")
    assert figures([perhaps]) == NOTHING  # the address is here, as that of a tunnel is
    server = counter("host", "cpu_server", {"machine": "endpoint"}, {100.0: 1.0, 101.0: 2.0}, "core-seconds")
    assert figures([perhaps, server])["energy_joules"] == 1600.0


def test_a_monitor_that_was_replaced_counts_from_0_again() -> None:
    """Two files of one series: the level lies in the second."""
    assert figures([package(0, {50.0: 0.0, 89.0: 5.0}), package(0, {99.0: 0.0, 131.0: 64.0})])["energy_joules"] == 64.0
