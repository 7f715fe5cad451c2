"""What judgements cost, and the ceiling that is never exceeded."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fmbench_lib.pricing.price_list import InstancePrice, Price, TokenPrice

_BYTES_PER_TOKEN = 4


def cost_of(price: Price | None, prompt_tokens: int, completion_tokens: int, seconds: float) -> float | None:
    """USD of one judgement: by its tokens, or by the share of an hour that it took; None without a price."""
    if isinstance(price, TokenPrice):
        return (prompt_tokens * price.input_per_1k + completion_tokens * price.output_per_1k) / 1000
    if isinstance(price, InstancePrice):
        return price.hourly * seconds / 3600
    return None


def most_of(price: Price | None, prompt: str, max_tokens: int | None, timeout: float) -> float | None:
    """The most that a judgement can cost, USD: a token has a byte at least. None where that is not known."""
    if isinstance(price, TokenPrice) and max_tokens is None:
        return None
    return cost_of(price, len(prompt.encode(errors="surrogatepass")) + 64, max_tokens or 0, timeout)


def estimated_tokens(text: str) -> int:
    """About how many tokens a text has, where nobody counted: four bytes each."""
    return -(-len(text.encode(errors="surrogatepass")) // _BYTES_PER_TOKEN)


@dataclass(slots=True)
class Ceiling:
    """The most that judging may cost, USD; None for no limit. What is reserved is held until it is settled."""

    limit: float | None
    spent: float = 0.0
    reached: bool = False
    _reserved: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def reserve(self, most: float | None) -> bool:
        """Whether a judgement that costs `most` at most still fits below the limit; an unknown cost never does."""
        with self._lock:
            if self.limit is None:
                return True
            if most is None or self.spent + self._reserved + most > self.limit:
                self.reached = True
                return False
            self._reserved += most
            return True

    def settle(self, most: float | None, cost: float | None) -> None:
        """Replace what was reserved for a judgement by what it cost."""
        with self._lock:
            self._reserved = max(self._reserved - (most or 0.0), 0.0) if self.limit is not None else 0.0
            self.spent += cost or 0.0
