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
CACHE_WRITE_KEY = "cache-write-per-1k-tokens"
_PER_1K, _PER_1M = "per-1k-tokens", "per-1m-tokens"
_BY_1K = (INPUT_KEY, OUTPUT_KEY, CACHED_KEY, CACHE_WRITE_KEY)
_OF_MILLION = {key: key.replace(_PER_1K, _PER_1M) for key in _BY_1K}
TOKEN_KEYS = frozenset((*_BY_1K, *_OF_MILLION.values()))
HOURLY_KEYS = frozenset({"hourly", "accelerator_hourly", "accelerators", "spot", "reserved"})

ON_DEMAND = "on demand"
TERMS = (ON_DEMAND, "spot", "reserved")
"""On which terms an instance is bought. A model that is paid by the token is bought on demand."""
ORIGIN_KEYS = frozenset({"region", "source", "date", "verified"})
_MOST = 1e12  # USD, and anything else that a price file counts
SECTIONS = ("instance_based", "token_based")
CHOICE_KEYS = ("use", "discount")
"""Keys that choose a price, for a whole list or one entry: the terms it is bought on, and the share taken off."""
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
    """USD per hour of an instance of a type, with its number of accelerators; None if that is not known.

    `terms`: what `hourly` is the price of, one of `TERMS` · `offers`: the hourly prices on other terms · `use`: the
    terms that the entry itself asks for · `discount`: the share taken off; None where none is stated. In what
    `PriceList.lookup` returns it is taken off `hourly`, and `offers` are all that are listed.
    """

    key: str
    hourly: float
    origin: Origin
    accelerators: int | None = None
    terms: str = ON_DEMAND
    discount: float | None = None
    offers: Mapping[str, float] = field(default_factory=dict)
    use: str | None = None

    @property
    def accelerator_hourly(self) -> float | None:
        """USD for an hour of one accelerator (a GPU-hour); None if their number is not known."""
        return self.hourly / self.accelerators if self.accelerators else None

    def on(self, terms: str | None, discount: float | None) -> InstancePrice | None:
        """What is paid on these terms (None: those of `hourly`) with this share off; None where it is not offered so.

        What the entry itself says of either goes first.
        """
        wanted = self.use or terms or self.terms
        listed = self.hourly if wanted == self.terms else self.offers.get(wanted)
        if listed is None:
            return None
        off = discount if self.discount is None else self.discount
        offers = {self.terms: self.hourly, **self.offers} if self.offers or off else self.offers
        return replace(self, hourly=listed * (1 - (off or 0.0)), terms=wanted, discount=off, offers=offers)


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """USD per 1,000 tokens in and out; `cached_per_1k` is for input tokens read from the cache, `cache_write_per_1k`
    for those written to it, None if not listed. `discount` as in `InstancePrice`."""

    key: str
    input_per_1k: float
    output_per_1k: float
    origin: Origin
    cached_per_1k: float | None = None
    cache_write_per_1k: float | None = None
    discount: float | None = None

    def less(self, discount: float | None) -> TokenPrice:
        """What is paid with this share off, or with the entry's own."""
        off = discount if self.discount is None else self.discount
        if off is None:
            return self
        read, written = self.cached_per_1k, self.cache_write_per_1k
        return replace(
            self,
            input_per_1k=self.input_per_1k * (1 - off),
            output_per_1k=self.output_per_1k * (1 - off),
            cached_per_1k=None if read is None else read * (1 - off),
            cache_write_per_1k=None if written is None else written * (1 - off),
            discount=off,
        )


Price: TypeAlias = InstancePrice | TokenPrice


@dataclass(frozen=True, slots=True)
class PriceList:
    """Prices by instance type or model id. An id that one source lists both ways costs by the hour.

    `accelerators`: the number per instance, by type · `absent`: the reason for a missing price, by type · `use`: the
    terms on which instances are bought, None for on demand · `discount`: the share taken off every price.
    """

    entries: Mapping[str, Price] = field(default_factory=dict)
    accelerators: Mapping[str, int] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    use: str | None = None
    discount: float | None = None

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, Any], source_name: str) -> PriceList:
        """Read a price file's content: `pricing: {instance_based: …, token_based: …}`, or plain `{type: hourly}`.

        An hourly price is a number or `{hourly, region, source, date, verified}`, where `accelerator_hourly` and
        `accelerators` may stand for `hourly`, and `spot` and `reserved` are prices on other terms; a token price has
        `input-per-1k-tokens`, `output-per-1k-tokens`, optionally `cached-input-per-1k-tokens` and
        `cache-write-per-1k-tokens` (each also `…-per-1m-tokens`) and the same origin keys. `use` and `discount` choose,
        for the list or an entry. A `defaults` block gives the origin of the
        entries that do not say theirs, an `accelerators` block the number that instance types have. Raises
        PriceEntryError, which names `source_name` and the key, for anything that is not a price.
        """
        content = mapping.get("pricing", mapping)
        if not isinstance(content, Mapping):
            raise PriceEntryError(source_name, "pricing", f"expected a mapping of prices, found {content!r}")
        reader = _Reader(source_name)
        sections = {key: content[key] for key in (*SECTIONS, "defaults", ACCELERATORS) if key in content}
        plain = {key: value for key, value in content.items() if key not in (*sections, *CHOICE_KEYS)}
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
        choice = reader.choice("pricing", content)
        return cls(entries, reader.counts(sections.get(ACCELERATORS) or {}), {}, *choice)

    def overridden_by(self, other: PriceList) -> PriceList:
        """This list with each entry of `other` replacing its own, whichever kind either is."""
        return PriceList(
            {**self.entries, **other.entries},
            {**self.accelerators, **other.accelerators},
            {**self.absent, **other.absent},
            other.use or self.use,
            self.discount if other.discount is None else other.discount,
        )

    def lookup(self, instance_type: str | None) -> Price | None:
        """The price of an instance type, or of a model id in its place, on the terms and with the discount chosen; None
        if it is not listed, or not on these terms.

        A SageMaker type has the accelerators of the EC2 type named after its `ml.`.
        """
        price = self.entries.get(instance_type) if instance_type else None
        if isinstance(price, TokenPrice):
            return price.less(self.discount)
        if isinstance(price, InstancePrice) and price.accelerators is None:
            price = replace(price, accelerators=self.accelerators.get(price.key.removeprefix("ml.")))
        return None if price is None else price.on(self.use, self.discount)

    def why_none(self, instance_type: str | None) -> str:
        """Why `lookup` finds no price for this type, in words."""
        if not instance_type:
            return "no instance_type given"
        listed = self.entries.get(instance_type)
        if isinstance(listed, InstancePrice) and listed.on(self.use, None) is None:
            return f"no {listed.use or self.use} price listed for {instance_type}"
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
            self.known_keys(place, value, HOURLY_KEYS | TOKEN_KEYS | ORIGIN_KEYS | {"discount"})
            raise self.error(place, f"no price; write hourly, or {INPUT_KEY} and {OUTPUT_KEY}, in USD")
        self.known_keys(place, value, TOKEN_KEYS | ORIGIN_KEYS | {"discount"})
        rates = {rate: self.rate(place, value, rate) for rate in _BY_1K}
        cost_in, cost_out = rates[INPUT_KEY], rates[OUTPUT_KEY]
        if cost_in is None or cost_out is None:
            raise self.error(place, f"{INPUT_KEY if cost_in is None else OUTPUT_KEY} is missing")
        return TokenPrice(
            key,
            cost_in,
            cost_out,
            self.origin(place, value, self.default),
            rates[CACHED_KEY],
            rates[CACHE_WRITE_KEY],
            self.choice(place, value)[1],
        )

    def rate(self, place: str, value: Mapping[str, Any], key: str) -> float | None:
        """USD per 1,000 tokens under a key, or under the one for 1,000,000; None without either."""
        of_million = _OF_MILLION[key]
        if key in value and of_million in value:
            raise self.error(f"{place}.{of_million}", f"{key} is given too; keep one of the two")
        if of_million in value:
            return self.amount_at(place, value, of_million) / 1000
        return self.amount_at(place, value, key) if key in value else None

    def choice(self, place: str, value: Mapping[str, Any]) -> tuple[str | None, float | None]:
        """The terms and the discount that a list or an entry chooses; None for what it does not say."""
        use, discount = value.get("use"), value.get("discount")
        terms = use.replace("_", " ").replace("-", " ").strip().lower() if isinstance(use, str) else use
        if terms is not None and terms not in TERMS:
            raise self.error(f"{place}.use", f"expected on_demand, spot or reserved, found {use!r}")
        if discount is not None:
            number = discount if isinstance(discount, int | float) and not isinstance(discount, bool) else None
            if number is None or not 0 <= number < 1:
                raise self.error(
                    f"{place}.discount", f"expected a share from 0 to below 1 (0.15 is 15%), found {discount!r}"
                )
            discount = float(number)
        return terms, discount

    def hourly_entry(self, place: str, key: str, value: Mapping[str, Any]) -> InstancePrice:
        """The hourly price of a mapping, given per instance or per accelerator."""
        self.known_keys(place, value, HOURLY_KEYS | ORIGIN_KEYS | set(CHOICE_KEYS))
        count = self.count(f"{place}.{ACCELERATORS}", value[ACCELERATORS]) if ACCELERATORS in value else None
        offers = {terms: self.amount_at(place, value, terms) for terms in TERMS[1:] if terms in value}
        if "accelerator_hourly" not in value:
            if "hourly" in value or not offers:
                offers = {ON_DEMAND: self.amount_at(place, value, "hourly"), **offers}
        elif "hourly" in value or not count:
            raise self.error(place, "accelerator_hourly takes the place of hourly, and needs accelerators: 1 or more")
        else:
            offers = {ON_DEMAND: count * self.amount_at(place, value, "accelerator_hourly"), **offers}
        (terms, hourly), *others = offers.items()
        use, discount = self.choice(place, value)
        origin = self.origin(place, value, self.default)
        return InstancePrice(key, hourly, origin, count, terms, discount, dict(others), use)

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
