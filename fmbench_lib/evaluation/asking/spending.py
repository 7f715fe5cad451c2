"""What judgements cost, and the ceiling that is never exceeded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from fmbench_lib.pricing.price_list import InstancePrice, Price, TokenPrice

_BYTES_PER_TOKEN = 4
_ROUNDING = 1e-9
_MAY_BE_BILLED = frozenset({"timeout", "truncated", "protocol", "decode", "endpoint", "cancelled"})


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


def may_be_billed(error: str | None) -> bool:
    """Whether a request that failed in this way may have to be paid for: the server may have answered it."""
    return error in _MAY_BE_BILLED


def spent_on(error: str | None, cost: float | None, cost_at_most: float | None) -> float | None:
    """USD that a request was paid for, or may have been, from its row; None where that is not known."""
    if error is None:
        return cost
    return cost_at_most if may_be_billed(error) else 0.0


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
    _settled: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def reserve(self, most: Sequence[float | None]) -> int:
        """Reserve for judgements that cost so much at most, one after the other; returns for how many there is room.

        Where there is none because of what is reserved for others, it waits until that is settled: they cost less
        than they might have. One of unknown cost never fits below a limit.
        """
        with self._settled:
            if self.limit is None:
                return len(most)
            while not (count := self._fitting(most)) and self._reserved > 0 and None not in most[:1]:
                self._settled.wait()
            self.reached |= count == 0 and bool(most)
            self._reserved += sum(each or 0.0 for each in most[:count])
            return count

    def settle(self, most: Sequence[float | None], cost: float) -> None:
        """Replace what was reserved for judgements by what they cost."""
        with self._settled:
            if self.limit is not None:
                left = self._reserved - sum(each or 0.0 for each in most)
                self._reserved = left if left > _ROUNDING else 0.0
            self.spent += cost
            self._settled.notify_all()

    def _fitting(self, most: Sequence[float | None]) -> int:
        assert self.limit is not None
        room = self.limit - self.spent - self._reserved
        for count, each in enumerate(most):
            if each is None or each > room:
                return count
            room -= each
        return len(most)
