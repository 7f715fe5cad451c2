"""What `recompute.py` reads: the Parquet files of a run, and what its other files say of the config, prices and tables.

pyarrow reads the Parquet files, PyYAML the config and the price lists, the standard library the CSV files. Nothing of
fmbench is imported.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow.parquet as pq
import yaml

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
Flags: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]
Cell: TypeAlias = float | int | str | bool | None
Key: TypeAlias = tuple[str | int, ...]

SHIPPED_PRICES = Path(__file__).parents[1] / "pricing.yml"


class Level:
    """The requests of one level, one array per column, and the measures of docs/metrics.md, "One request"."""

    def __init__(self, path: Path) -> None:
        table = pq.read_table(path)
        self.columns: dict[str, list[Any]] = table.to_pydict()
        self.count: int = table.num_rows
        self.facts: dict[str, Any] = json.loads((table.schema.metadata or {})[b"fmbench"])
        _, mark, number = path.stem.rpartition(".attempt-")
        self._attempt = int(number) if mark else 0
        self.samples = path.parents[3] / "endpoint_metrics" / path.parents[1].name

    def numbers(self, name: str) -> Floats:
        """A column as numbers; NaN where there is none."""
        values = self.columns.get(name) or [None] * self.count
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)

    def texts(self, name: str) -> list[str | None]:
        """A column of texts; None where there is none."""
        return list(self.columns.get(name) or [None] * self.count)

    def fact(self, name: str) -> float | None:
        """A number that the level's facts hold; None where they do not."""
        value = self.facts.get(name)
        return None if value is None else float(value)

    @cached_property
    def ok(self) -> Flags:
        """Which requests succeeded."""
        return np.array([error is None for error in self.texts("error")], dtype=bool)

    @cached_property
    def measured(self) -> Flags:
        """Which requests do not belong to the warm-up."""
        return np.array([phase == "measured" for phase in self.texts("phase")], dtype=bool)

    @cached_property
    def streamed(self) -> Flags:
        """Which responses streamed."""
        return self.numbers("streamed") == 1

    @cached_property
    def due(self) -> Floats:
        """When each request should have started, Unix s."""
        return self.numbers("due")

    @cached_property
    def sent(self) -> Floats:
        """When each was sent, Unix s; one that never got a connection counts at its `due`."""
        sent = self.numbers("sent")
        return np.where(np.isnan(sent), self.due, sent)

    @cached_property
    def ended(self) -> Floats:
        """When each ended or failed, Unix s; after its timeout where that is not known."""
        end, timeout = self.numbers("end"), self.fact("timeout")
        return np.where(np.isnan(end), self.sent + (np.nan if timeout is None else timeout), end)

    @cached_property
    def events(self) -> list[Floats]:
        """The arrivals of the content events of each response, Unix s."""
        return [np.array(times or [], dtype=np.float64) for times in self.texts("event_times")]

    @cached_property
    def attempt(self) -> int:
        """Which attempt at the level this is: by the file's name, else as recorded; the first where nothing says."""
        return self._attempt or int(self.facts.get("attempt") or 1)

    @cached_property
    def seen(self) -> Floats:
        """The completion tokens that were seen; all of them in records without that column."""
        return self.numbers("seen_tokens" if "seen_tokens" in self.columns else "completion_tokens")

    @cached_property
    def choices(self) -> Floats:
        """How many answers each request had; one where that is not recorded."""
        return np.nan_to_num(self.numbers("choices"), nan=1.0)

    @cached_property
    def remarks(self) -> list[list[str]]:
        """What is to be said of each request."""
        return [text.split("+") if text else [] for text in self.texts("remarks")]

    @cached_property
    def timed(self) -> Flags:
        """The successes that streamed and whose content did not come at once: they have TPOT and ITL."""
        spread = self.numbers("last") > self.numbers("first")
        buffered = np.array(["buffered" in remarks for remarks in self.remarks], dtype=bool)
        return self.ok & self.streamed & spread & ~buffered

    @cached_property
    def gaps(self) -> list[Floats]:
        """The gaps between the reads that brought content, in s, of responses that have ITL."""
        shown = self.timed & (self.choices == 1)
        apart = [np.diff(times) if use else np.empty(0) for use, times in zip(shown, self.events, strict=True)]
        return [each[each != 0] for each in apart]

    @cached_property
    def resent(self) -> Flags:
        """Which requests were sent again, as their idle connection had been closed."""
        return self.numbers("retried") > 0

    @cached_property
    def sending_waits(self) -> Floats:
        """How long after it was due each request was sent, without its connection set-up and its wait for the cap."""
        waits = self.numbers("sent") - self.due
        waits = waits - np.nan_to_num(self.numbers("connect_s")) - np.nan_to_num(self.numbers("cap_wait"))
        recorded = self.numbers("schedule_lag")
        return np.where(np.isnan(recorded), np.maximum(waits, 0.0), recorded)

    @cached_property
    def times(self) -> dict[str, Floats]:
        """The measures of each request that are one number, in s; NaN where it has none."""
        first, last, sent = self.numbers("first"), self.numbers("last"), self.numbers("sent")
        tokens = self.seen / self.choices
        with np.errstate(divide="ignore", invalid="ignore"):
            per_token = np.where(tokens >= 2, (last - first) / (tokens - 1), np.nan)
        visible, any_time = self.ok & self.streamed, self.ok
        measures = {
            "TTFT": (visible, first - self.due),
            "TTFT_answer": (visible, self.numbers("first_answer") - self.due),
            "TPOT": (self.timed, per_token),
            "TTFT_from_sent": (visible, first - sent),
            "latency": (any_time, last - self.due),
            "latency_from_sent": (any_time, last - sent),
            "schedule_lag": (~self.resent, self.sending_waits),
        }
        return {name: np.where(use, values, np.nan) for name, (use, values) in measures.items()}


@dataclass(frozen=True, slots=True)
class RunFiles:
    """A run directory: its levels by experiment, payload file, load and attempt, its config, its price entries by
    instance type, its published tables."""

    path: Path
    levels: dict[Key, Level]
    config: dict[str, Any]
    prices: dict[str, dict[str, Any]]
    endpoints: dict[str, dict[str, Any]]
    searches: list[dict[str, Any]]

    def table(self, name: str) -> list[dict[str, str]]:
        """The rows of one of its CSV files; none where it is not there."""
        path = self.path / "metrics" / name
        if not path.exists():
            return []
        with path.open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def read_run(path: Path, config_file: Path | None = None) -> RunFiles:
    """A run; `config_file` is read instead of its config.yml, from which what looks like a secret was removed."""
    csv.field_size_limit(2**27)
    levels = [Level(file) for file in sorted((path / "requests").rglob("*.parquet"))]
    config = _yaml(config_file or path / "config.yml")
    endpoints = _json(path / "endpoints.json") or {}
    searches = (_json(path / "summary.json") or {}).get("searches") or []
    keyed = {
        (*(level.facts[name] for name in ("experiment_name", "payload_file", "load")), level.attempt): level
        for level in levels
    }
    return RunFiles(path, keyed, config, _prices(path, config, config_file), endpoints, list(searches))


def _yaml(path: Path) -> dict[str, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return dict(content)


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _prices(path: Path, config: Mapping[str, Any], config_file: Path | None) -> dict[str, dict[str, Any]]:
    """Prices by instance type: those looked up for the run, replaced by those that ship, replaced by the config's."""
    sources: list[tuple[str, Mapping[str, Any]]] = []
    if (path / "prices.json").exists():
        sources.append(("AWS Price List API", _json(path / "prices.json")))
    sources.append((SHIPPED_PRICES.name, _yaml(SHIPPED_PRICES)))
    own = config.get("pricing")
    if isinstance(own, Mapping):
        sources.append(("the config", own))
    elif own and (file := (config_file or path / "config.yml").parent / own).exists():
        sources.append((file.name, _yaml(file)))
    entries: dict[str, dict[str, Any]] = {}
    counts: dict[str, int] = {}
    chosen: dict[str, Any] = {}
    for name, mapping in sources:
        content = mapping.get("pricing", mapping)
        found, accelerators = _entries(name, content)
        entries |= found
        counts |= accelerators
        chosen |= {key: content[key] for key in ("use", "discount") if content.get(key) is not None}
    for key, entry in entries.items():
        entry.setdefault("accelerators", counts.get(key.removeprefix("ml.")))
    paid = {key: _paid(entry, chosen | entry) for key, entry in entries.items()}
    return {key: entry for key, entry in paid.items() if entry is not None}


def _paid(entry: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any] | None:
    """The entry at what is paid: on its terms, and with the discount off; None where it is not offered on those."""
    off, known = chosen.get("discount") or 0.0, dict(entry)
    offered = {"on demand": entry.get("hourly"), **{terms: entry.get(terms) for terms in ("spot", "reserved")}}
    offered = {terms: price for terms, price in offered.items() if price is not None}
    terms = "on demand"
    if offered:
        terms = str(chosen.get("use") or next(iter(offered))).replace("_", " ")
        if terms not in offered:
            return None
        known["hourly"] = offered[terms] * (1 - off)
    for key in [key for key in entry if key.endswith(("-per-1k-tokens", "-per-1m-tokens"))]:
        rate = known.pop(key) * (1 - off)
        known[key.replace("1m", "1k")] = rate / 1000 if "1m" in key else rate
    known["terms"] = f"{terms}, {100 * off:.3g}% off" if off else terms
    return known


def _entries(source: str, content: Mapping[str, Any]) -> tuple[dict[str, dict[str, Any]], dict[str, int]]:
    defaults = content.get("defaults") or {}
    sections = ("token_based", "instance_based", "defaults", "accelerators")
    plain = {key: value for key, value in content.items() if key not in (*sections, "use", "discount")}
    entries: dict[str, dict[str, Any]] = {}
    for section in (content.get("token_based") or {}, content.get("instance_based") or {}, plain):
        for key, value in section.items():
            entry = dict(value) if isinstance(value, Mapping) else {"hourly": value}
            if "accelerator_hourly" in entry:
                entry["hourly"] = entry["accelerators"] * entry["accelerator_hourly"]
            entries[str(key)] = {"source": source, "verified": False} | defaults | entry | {"listed_in": source}
    return entries, dict(content.get("accelerators") or {})


def joined(values: Sequence[str | None]) -> str | None:
    """The distinct texts in order, joined by `+`; None without any."""
    return "+".join(sorted({value for value in values if value is not None})) or None
