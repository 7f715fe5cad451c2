"""What a check of a level found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["valid", "degraded", "invalid"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict that a finding alone would be, its reason, and whether the client is the cause."""

    verdict: Level
    reason: str
    client: bool = False
