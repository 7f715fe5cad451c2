"""Price lists in USD, as a file or a config writes them.

There are two kinds of price. An instance costs by the hour, whatever it does; a model behind an API costs by the token.
A price carries its source, its region and its date; a missing price stays missing, with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from fmbench_lib.errors import PriceFileError

INPUT_KEY = "input-per-1k-tokens"
OUTPUT_KEY = "output-per-1k-tokens"
CACHED_KEY = "cached-input-per-1k-tokens"
TOKEN_KEYS = frozenset({INPUT_KEY, OUTPUT_KEY, CACHED_KEY})
HOURLY_KEYS = frozenset({"hourly", "accelerator_hourly", "accelerators"})
ORIGIN_KEYS = frozenset({"region", "source", "date", "verified"})
_MOST = 1e12  # USD, and anything else that a price file counts
SECTIONS = ("instance_based", "token_based")
ACCELERATORS = "accelerators"


class PriceEntryError(PriceFileError):
    """An entry that is not a price: `place` is the path of its key, `problem` what is wrong with it."""

    def __init__(self, source_name: str, place: str, problem: str) -> None:
        super().__init__(f"{source_name}: {place}: {problem}")
        self.place = place
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a price comes from.

    `source`: whose figure it is · `listed_in`: the file or service it was read from · `verified`: it is the provider's
    own figure, or was compared with it, on `date`.
    """

    source: str
    date: str | None = None
    region: str | None = None
    verified: bool = False
    listed_in: str = ""


@dataclass(frozen=True, slots=True)
class InstancePrice:
    """USD per hour of an instance of a type, with its number of accelerators; None if that is not known."""

    key: str
    hourly: float
    origin: Origin
    accelerators: int | None = None

    @property
    def accelerator_hourly(self) -> float | None:
        """USD for an hour of one accelerator (a GPU-hour); None if their number is not known."""
        return self.hourly / self.accelerators if self.accelerators else None


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD per 1,000 tokens in and out; `cached_per_1k` is for input tokens from the cache, None if not listed."""

    key: str
    input_per_1k: float
    output_per_1k: float
    origin: Origin
    cached_per_1k: float | None = None


Price: TypeAlias = InstancePrice | TokenPrice


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices by instance type or model id. An id that one source lists both ways costs by the hour.

    `accelerators`: the number per instance, by type · `absent`: the reason for a missing price, by type
    """

    entries: Mapping[str, Price] = field(default_factory=dict)
    accelerators: Mapping[str, int] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], source_name: str) -> PriceList:
        """Read a price file's content: `pricing: {instance_based: …, token_based: …}`, or plain `{type: hourly}`.

        An hourly price is a number or `{hourly, region, source, date, verified}`, where `accelerator_hourly` and
        `accelerators` may stand for `hourly`; a token price has `input-per-1k-tokens`, `output-per-1k-tokens`,
        optionally `cached-input-per-1k-tokens` and the same origin keys. A `defaults` block gives the origin of the
        entries that do not say theirs, an `accelerators` block the number that instance types have. Raises
        PriceEntryError, which names `source_name` and the key, for anything that is not a price.
        """
        content = mapping.get("pricing", mapping)
        if not isinstance(content, Mapping):
            raise PriceEntryError(source_name, "pricing", f"expected a mapping of prices, found {content!r}")
        reader = _Reader(source_name)
        sections = {key: content[key] for key in (*SECTIONS, "defaults", ACCELERATORS) if key in content}
        plain = {key: value for key, value in content.items() if key not in sections}
        if sections and plain:
            raise reader.error(next(iter(plain)), "unknown section; prices belong under instance_based or token_based")
        defaults = sections.get("defaults") or {}
        reader.known_keys("pricing.defaults", defaults, ORIGIN_KEYS)
        reader = _Reader(
            source_name, reader.origin("pricing.defaults", defaults, Origin(source_name, listed_in=source_name))
        )
        entries: dict[str, Price] = {}
        for section in reversed(SECTIONS):  # so that the hourly price wins for an id that has both
            entries.update(reader.section(section, sections.get(section) or {}))
        entries.update(reader.section("", plain))
        return cls(entries, reader.counts(sections.get(ACCELERATORS) or {}))

    def overridden_by(self, other: PriceList) -> PriceList:
        """This list with each entry of `other` replacing its own, whichever kind either is."""
        return PriceList(
            {**self.entries, **other.entries},
            {**self.accelerators, **other.accelerators},
            {**self.absent, **other.absent},
        )

    def lookup(self, instance_type: str | None) -> Price | None:
        """The price of an instance type, or of a model id in its place; None if it is not listed.

        A SageMaker type has the accelerators of the EC2 type named after its `ml.`.
        """
        price = self.entries.get(instance_type) if instance_type else None
        if isinstance(price, InstancePrice) and price.accelerators is None:
            return replace(price, accelerators=self.accelerators.get(price.key.removeprefix("ml.")))
        return price

    def why_none(self, instance_type: str | None) -> str:
        """Why `lookup` finds no price for this type, in words."""
        if not instance_type:
            return "no instance_type given"
        reason = self.absent.get(instance_type)
        return f"no price listed for {instance_type}" + (f", and none found: {reason}" if reason else "")


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads entries; its errors name the file and the key."""

    source_name: str
    default: Origin = Origin("")

    def error(self, place: str, problem: str) -> PriceEntryError:
        """The error to raise for the entry at this path."""
        return PriceEntryError(self.source_name, place, problem)

    def section(self, section: str, content: Any) -> dict[str, Price]:
        """The prices of a section by key; the section without a name takes both kinds."""
        if not isinstance(content, Mapping):
            raise self.error(f"pricing.{section}", f"expected a mapping of prices, found {content!r}")
        prefix = f"pricing.{section}." if section else "pricing."
        return {str(key): self.entry(section, prefix + str(key), str(key), value) for key, value in content.items()}

    def entry(self, section: str, place: str, key: str, value: Any) -> Price:
        """The price of one entry."""
        if not isinstance(value, Mapping):
            if section == "token_based":
                raise self.error(place, f"expected {{{INPUT_KEY}: …, {OUTPUT_KEY}: …}}, found {value!r}")
            return InstancePrice(key, self.amount(place, value), self.default)
        if section == "instance_based" or (not section and HOURLY_KEYS & value.keys()):
            return self.hourly_entry(place, key, value)
        if not section and not TOKEN_KEYS & value.keys():
            self.known_keys(place, value, HOURLY_KEYS | TOKEN_KEYS | ORIGIN_KEYS)
            raise self.error(place, f"no price; write hourly, or {INPUT_KEY} and {OUTPUT_KEY}, in USD")
        self.known_keys(place, value, TOKEN_KEYS | ORIGIN_KEYS)
        return TokenPrice(
            key,
            self.amount_at(place, value, INPUT_KEY),
            self.amount_at(place, value, OUTPUT_KEY),
            self.origin(place, value, self.default),
            self.amount_at(place, value, CACHED_KEY) if CACHED_KEY in value else None,
        )

    def hourly_entry(self, place: str, key: str, value: Mapping[str, Any]) -> InstancePrice:
        """The hourly price of a mapping, given per instance or per accelerator."""
        self.known_keys(place, value, HOURLY_KEYS | ORIGIN_KEYS)
        count = self.count(f"{place}.{ACCELERATORS}", value[ACCELERATORS]) if ACCELERATORS in value else None
        if "accelerator_hourly" not in value:
            hourly = self.amount_at(place, value, "hourly")
        elif "hourly" in value or not count:
            raise self.error(place, "accelerator_hourly takes the place of hourly, and needs accelerators: 1 or more")
        else:
            hourly = count * self.amount_at(place, value, "accelerator_hourly")
        return InstancePrice(key, hourly, self.origin(place, value, self.default), count)

    def counts(self, content: Any) -> dict[str, int]:
        """The number of accelerators by instance type."""
        if not isinstance(content, Mapping):
            raise self.error(f"pricing.{ACCELERATORS}", f"expected numbers by instance type, found {content!r}")
        return {str(key): self.count(f"pricing.{ACCELERATORS}.{key}", value) for key, value in content.items()}

    def count(self, place: str, value: Any) -> int:
        """A number of accelerators: a whole number from 0."""
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self.error(place, f"expected how many accelerators an instance has, found {value!r}")
        return value

    def known_keys(self, place: str, value: Mapping[str, Any], known: frozenset[str] | set[str]) -> None:
        """Raise the error for the first unknown key, if there is any."""
        unknown = [str(key) for key in value if key not in known] if isinstance(value, Mapping) else []
        if unknown:
            raise self.error(f"{place}.{unknown[0]}", f"unknown key; known are {', '.join(sorted(known))}")

    def amount_at(self, place: str, value: Mapping[str, Any], key: str) -> float:
        """The amount under a key that must be there."""
        if key not in value:
            raise self.error(place, f"{key} is missing")
        return self.amount(f"{place}.{key}", value[key])

    def amount(self, place: str, value: Any) -> float:
        """An amount in USD: a finite number from 0."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _MOST:
            raise self.error(place, f"expected a price in USD, found {value!r}")
        if value < 0:
            raise self.error(place, f"a price cannot be negative, found {value!r}")
        return float(value)

    def origin(self, place: str, value: Any, default: Origin) -> Origin:
        """The origin in a mapping; what it does not say is that of `default`."""
        if not isinstance(value, Mapping):
            raise self.error(place, f"expected a mapping, found {value!r}")
        verified = value.get("verified", default.verified)
        if not isinstance(verified, bool):
            raise self.error(f"{place}.verified", f"expected true or false, found {verified!r}")
        date = value.get("date", default.date)
        region = value.get("region", default.region)
        return Origin(
            source=str(value.get("source", default.source)),
            date=None if date in (None, "unknown") else str(date),
            region=None if region in (None, "unknown") else str(region),
            verified=verified,
            listed_in=default.listed_in,
        )
