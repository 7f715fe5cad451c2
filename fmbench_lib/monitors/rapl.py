"""The energy that this machine's processors and memory took, by RAPL: the counters of Linux's powercap.

A zone is a folder with `name`, `energy_uj` and `max_energy_range_uj`, at which its counter begins again at 0. A package
holds its cores (`core`) and graphics (`uncore`), so these are not read beside it; `dram` is beside a package and is.
`psys` is the whole platform, packages included: it is read only where there is no package. Zones of the same hardware
under other control types (`intel-rapl-mmio`) are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.monitors.samples import Reading, reading_of
from fmbench_lib.monitors.source import SourceUnavailableError

POWERCAP = Path("/sys/class/powercap")
Read = Callable[[Path], str]


@dataclass(slots=True)
class _Zone:
    """A zone with its counter as it was last, and the microjoules counted since the first reading."""

    folder: Path
    name: str
    wraps_at: int
    last: int | None = None
    counted: int = 0

    def take(self, counter: int) -> float:
        """The joules since the first reading, now that the counter shows this."""
        if self.last is not None:
            self.counted += grown(self.last, counter, self.wraps_at)
        self.last = counter
        return self.counted / 1e6


def grown(before: int, after: int, wraps_at: int) -> int:
    """By how much a counter grew that begins again at 0 when it reaches `wraps_at`; it did so once at most."""
    return after - before if after >= before else after + wraps_at - before


class Rapl:
    """The energy counters of this machine, each from 0 on. `labels` say whose machine it is, as `Host` does."""

    name, paced = "rapl", True

    def __init__(
        self, labels: dict[str, str], *, requested: bool = False, folder: Path = POWERCAP, read: Read = Path.read_text
    ) -> None:
        """`requested`: the config asks for this source, so its absence is worth a note."""
        self._labels, self._requested = labels, requested
        self._folder, self._read_file = folder, read
        self._zones: list[_Zone] = []

    def read(self) -> list[Reading]:
        """The joules of each zone since the first reading. Raises SourceUnavailableError without RAPL, or where its
        counters may not be read: a part of them would not be the machine's energy."""
        zones = self._zones or self._begin()
        return [
            reading_of("rapl", "energy", "counter", "J", zone.take(self._counter(zone)), self._labels | _named(zone))
            for zone in zones
        ]

    def close(self) -> None:
        """Nothing to release."""

    def _begin(self) -> list[_Zone]:
        known = list(self._known())
        if not known:
            reason = f"RAPL: no zone of energy counters in {self._folder}"
            raise SourceUnavailableError(reason, expected=not self._requested)
        packages = [zone for zone in known if zone.name.startswith("package")]
        platform = [zone for zone in known if zone.name == "psys"]
        self._zones = [*packages, *(zone for zone in known if packages and zone.name == "dram")] or platform[:1]
        if not self._zones:
            raise SourceUnavailableError("RAPL: memory alone has a counter, the processors have none")
        return self._zones

    def _known(self) -> Iterator[_Zone]:
        """The zones that may count, in order: packages and memory, and the platform."""
        for folder in sorted(self._folder.glob("intel-rapl:*")):
            name = self._text(folder / "name").strip()
            if name.startswith("package") or name in ("dram", "psys"):
                yield _Zone(folder, name, self._count(folder / "max_energy_range_uj"))

    def _counter(self, zone: _Zone) -> int:
        return self._count(zone.folder / "energy_uj")

    def _count(self, path: Path) -> int:
        """The microjoules in a file of a zone. Raises ValueError, with the file, for what is no such number."""
        said = self._text(path).strip()
        if not said.isdecimal():
            raise ValueError(f"RAPL: {path} holds no number of microjoules: {said[:40]!r}")
        return int(said)

    def _text(self, path: Path) -> str:
        try:
            return self._read_file(path)
        except PermissionError:
            remedy = f"let fmbench read it (chmod a+r {path}, as root), or write monitors.energy: no"
            raise SourceUnavailableError(f"RAPL: no permission to read {path}: {remedy}") from None


def _named(zone: _Zone) -> dict[str, str]:
    return {"zone": zone.folder.name, "domain": zone.name}
