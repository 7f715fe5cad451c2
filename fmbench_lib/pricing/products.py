"""Products of the AWS Price List API: from their JSON to one price, or the reason why there is none.

A product has attributes and on-demand terms; a term has price dimensions with a unit and an amount in USD. The API's
filters compare one attribute each and let variants pass (other licences, reservations, service tiers), so the rest is
filtered here; if two products of different price remain, neither is used.
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
"""By the unit of a token price: the factor that makes it USD per 1,000 tokens."""


@dataclass(frozen=True, slots=True)
class Product:
    """A product: its attributes, and each of its on-demand prices as (unit in lower case, USD)."""

    attributes: Mapping[str, str]
    amounts: tuple[tuple[str, float], ...]

    @classmethod
    def from_json(cls, text: str) -> Product:
        """An entry of the API's `PriceList`. Raises PriceLookupError if it does not have the expected form."""
        try:
            content = json.loads(text)
            terms = content.get("terms", {}).get("OnDemand", {}).values()
            dimensions = [dimension for term in terms for dimension in term["priceDimensions"].values()]
            amounts = tuple(_amount(dimension) for dimension in dimensions if "USD" in dimension["pricePerUnit"])
            return cls(dict(content["product"]["attributes"]), amounts)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise PriceLookupError(f"the answer is not in the form of a price list: {error!r}") from error

    def has(self, **attributes: str) -> bool:
        """Whether each of these attributes has this value, ignoring case; one that is not given matches."""
        return all(self.attributes.get(name, value).lower() == value.lower() for name, value in attributes.items())


def hourly_price(products: Iterable[Product]) -> float:
    """The hourly price (USD) that the products agree on. Raises PriceLookupError if there is none or several."""
    return _agreed({usd for product in products for unit, usd in product.amounts if unit == HOURS}, "hourly price")


def token_price(products: Iterable[Product], inference_type: str) -> float:
    """USD per 1,000 tokens of an `inferenceType`, such as `Input tokens`.

    Raises PriceLookupError if there is no such price or more than one.
    """
    prices = {
        usd * PER_1K_TOKENS[unit]
        for product in products
        if product.attributes.get("inferenceType", "").lower() == inference_type.lower()
        for unit, usd in product.amounts
        if unit in PER_1K_TOKENS
    }
    return _agreed(prices, f"price for {inference_type.lower()}")


def accelerators_of(products: Iterable[Product]) -> int | None:
    """The number of GPUs that the products state; None if none does or they differ."""
    stated = {product.attributes.get("gpu", "") for product in products}
    number = stated.pop() if len(stated) == 1 else ""
    return int(number) if number.isdigit() else None


def _amount(dimension: Mapping[str, Any]) -> tuple[str, float]:
    usd = float(dimension["pricePerUnit"]["USD"])
    if not math.isfinite(usd) or usd < 0:
        raise ValueError(f"{usd} is not a price")
    return str(dimension["unit"]).lower(), usd


def _agreed(prices: set[float], what: str) -> float:
    charged = {usd for usd in prices if usd > 0}  # prepaid reservations are listed at 0
    if not charged:
        raise PriceLookupError(f"the list has no {what} for it")
    if len(charged) > 1:
        several = ", ".join(f"{usd:g}" for usd in sorted(charged))
        raise PriceLookupError(
            f"the list has several {what}s for it ({several} USD), and it is not clear which applies"
        )
    return charged.pop()
