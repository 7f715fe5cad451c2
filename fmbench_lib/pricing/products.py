"""Products as the AWS Price List API describes them: from their JSON to one price, or the reason why there is none.

A product has attributes and on-demand terms; a term has price dimensions with a unit and an amount in USD. The API's
filters compare one attribute each and leave variants in (other licences, reservations, service tiers), so what comes
back is sorted out here, and where two products of different price remain, neither is taken.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.errors import PriceLookupError

HOURS = "hrs"
PER_1K_TOKENS: Mapping[str, float] = {"1k tokens": 1.0, "1m tokens": 1e-3, "tokens": 1e3}
"""By the unit of a token price: what it is to be multiplied by to be USD per 1,000 tokens."""


@dataclass(frozen=True, slots=True)
class Product:
    """One product: its attributes, and each of its on-demand prices as (unit in small letters, USD)."""

    attributes: Mapping[str, str]
    amounts: tuple[tuple[str, float], ...]

    @classmethod
    def from_json(cls, text: str) -> Product:
        """One entry of `PriceList`; raises PriceLookupError where it has not the form that entries have."""
        try:
            content = json.loads(text)
            terms = content.get("terms", {}).get("OnDemand", {}).values()
            dimensions = [one for term in terms for one in term["priceDimensions"].values()]
            amounts = tuple(_amount(one) for one in dimensions if "USD" in one["pricePerUnit"])
            return cls(dict(content["product"]["attributes"]), amounts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PriceLookupError(f"the answer is not in the form of a price list: {error!r}") from error

    def has(self, **attributes: str) -> bool:
        """Whether each of these attributes has this value, capitals aside; one that is not given at all counts."""
        return all(self.attributes.get(name, value).lower() == value.lower() for name, value in attributes.items())


def hourly_price(products: Iterable[Product]) -> float:
    """USD per hour, if the products agree on one; raises PriceLookupError where they do not."""
    return _agreed({usd for one in products for unit, usd in one.amounts if unit == HOURS}, "hourly price")


def token_price(products: Iterable[Product], inference_type: str) -> float:
    """USD per 1,000 tokens of an `inferenceType`, such as `Input tokens`; raises PriceLookupError where there is not
    exactly one."""
    found = {
        usd * PER_1K_TOKENS[unit]
        for one in products
        if one.attributes.get("inferenceType", "").lower() == inference_type.lower()
        for unit, usd in one.amounts
        if unit in PER_1K_TOKENS
    }
    return _agreed(found, f"price for {inference_type.lower()}")


def accelerators_of(products: Iterable[Product]) -> int | None:
    """The number of GPUs that the products state; None where none does or they differ."""
    stated = {one.attributes.get("gpu", "") for one in products}
    number = stated.pop() if len(stated) == 1 else ""
    return int(number) if number.isdigit() else None


def _amount(dimension: Mapping[str, Any]) -> tuple[str, float]:
    usd = float(dimension["pricePerUnit"]["USD"])
    if not math.isfinite(usd) or usd < 0:
        raise ValueError(f"{usd} is no price")
    return str(dimension["unit"]).lower(), usd


def _agreed(found: set[float], what: str) -> float:
    charged = {usd for usd in found if usd > 0}  # reservations that were paid for beforehand are listed at 0
    if not charged:
        raise PriceLookupError(f"the list has no {what} for it")
    if len(charged) > 1:
        several = ", ".join(f"{usd:g}" for usd in sorted(charged))
        raise PriceLookupError(f"the list has several {what}s for it ({several} USD), and which one holds is not clear")
    return charged.pop()
