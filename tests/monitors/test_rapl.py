"""RAPL's counters, as recorded from powercap, against joules computed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from fmbench_lib.monitors.rapl import Rapl, grown
from fmbench_lib.monitors.source import SourceUnavailableError

RANGE = 262_143_328_850
"""`max_energy_range_uj` of a Xeon: its counters begin again after 262,143.32885 J."""
LABELS = {"machine": "endpoint", "server": "here"}


def zone(folder: Path, place: str, name: str, counter: int, wraps_at: int = RANGE) -> Path:
    """A zone of powercap; returns the file of its counter."""
    path = folder / place
    path.mkdir(parents=True, exist_ok=True)
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{wraps_at}\n")
    (path / "energy_uj").write_text(f"{counter}\n")
    return path / "energy_uj"


def joules(source: Rapl) -> dict[str, float]:
    """What a reading says, by zone."""
    return {str(one.series.label("zone")): float(one.value) for one in source.read()}  # type: ignore[arg-type]


def test_two_packages_with_memory_count_once_and_their_cores_not_beside_them(tmp_path: Path) -> None:
    """Two packages of 30 and 25 J and 4 J of memory; 12 J of a core are within the first package, and the platform's
    80 J hold everything."""
    files = {
        "intel-rapl:0": zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000),
        "intel-rapl:0:0": zone(tmp_path, "intel-rapl:0:0", "core", 500),
        "intel-rapl:0:1": zone(tmp_path, "intel-rapl:0:1", "dram", 7_000_000, 65_712_999_613),
        "intel-rapl:1": zone(tmp_path, "intel-rapl:1", "package-1", 2_000_000),
        "intel-rapl:2": zone(tmp_path, "intel-rapl:2", "psys", 3_000_000),
        "intel-rapl-mmio:0": zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000),
    }
    (tmp_path / "intel-rapl").mkdir()  # the control type, which has no counter
    source = Rapl(LABELS, folder=tmp_path)
    assert joules(source) == {"intel-rapl:0": 0.0, "intel-rapl:0:1": 0.0, "intel-rapl:1": 0.0}
    for name, counter in (("0", 31_000_000), ("0:0", 12_000_500), ("0:1", 11_000_000), ("1", 27_000_000)):
        files[f"intel-rapl:{name}"].write_text(str(counter))
    files["intel-rapl:2"].write_text(str(83_000_000))
    assert joules(source) == {"intel-rapl:0": 30.0, "intel-rapl:0:1": 4.0, "intel-rapl:1": 25.0}
    [first, *_] = source.read()
    assert (first.series.unit, first.series.kind) == ("J", "counter")
    assert dict(first.series.labels) == {**LABELS, "zone": "intel-rapl:0", "domain": "package-0"}


def test_a_counter_that_began_again_has_grown_by_what_was_left_and_what_there_is(tmp_path: Path) -> None:
    """From 262,143,000,000 µJ to the end at 262,143,328,850 are 0.32885 J, and 5 J after it."""
    file = zone(tmp_path, "intel-rapl:0", "package-0", 262_143_000_000)
    source = Rapl(LABELS, folder=tmp_path)
    source.read()
    file.write_text("5000000")
    assert joules(source) == {"intel-rapl:0": pytest.approx(5.32885)}
    file.write_text("6000000")
    assert joules(source) == {"intel-rapl:0": pytest.approx(6.32885)}
    file.write_text("1000000")
    assert joules(source) == {"intel-rapl:0": pytest.approx(6.32885 + 262_143.32885 - 5)}
    assert grown(9, 9, 100) == 0


def test_only_the_platform_counts_where_there_is_no_package(tmp_path: Path) -> None:
    file = zone(tmp_path, "intel-rapl:1", "psys", 0)
    source = Rapl(LABELS, folder=tmp_path)
    source.read()
    file.write_text("2500000")
    assert joules(source) == {"intel-rapl:1": 2.5}


def test_memory_alone_is_not_taken_for_the_machine(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0:0", "dram", 1)
    with pytest.raises(SourceUnavailableError, match="memory alone"):
        Rapl(LABELS, folder=tmp_path).read()
    zone(tmp_path, "intel-rapl:1", "psys", 1)
    assert joules(Rapl(LABELS, folder=tmp_path)) == {"intel-rapl:1": 0.0}


@pytest.mark.parametrize("content", ["", "-5", "nan", "1.5", "x" * 99])
def test_a_counter_that_is_no_number_is_named(tmp_path: Path, content: str) -> None:
    file = zone(tmp_path, "intel-rapl:0", "package-0", 1)
    source = Rapl(LABELS, folder=tmp_path)
    source.read()
    file.write_text(content)
    with pytest.raises(ValueError, match=f"{file} holds no number of microjoules"):
        source.read()
    file.write_text("1000001")
    assert joules(source) == {"intel-rapl:0": 1.0}


def test_one_line_says_that_counters_may_not_be_read_and_what_to_do(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", 1)
    second = zone(tmp_path, "intel-rapl:1", "package-1", 1)

    def refused(path: Path) -> str:
        if path == second:
            raise PermissionError(13, "Permission denied", str(path))
        return path.read_text()

    with pytest.raises(SourceUnavailableError) as caught:
        Rapl(LABELS, folder=tmp_path, read=refused).read()
    remedy = f"let fmbench read it (chmod a+r {second}, as root), or write monitors.energy: no"
    assert str(caught.value) == f"RAPL: no permission to read {second}: {remedy}"
    assert not caught.value.expected


@pytest.mark.parametrize("requested", [True, False])
def test_a_machine_without_counters_is_noted_only_if_they_were_asked_for(tmp_path: Path, requested: bool) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        Rapl(LABELS, requested=requested, folder=tmp_path / "none").read()
    assert caught.value.expected is not requested
