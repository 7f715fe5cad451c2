"""What a check of a level has found: how bad it is, and the reason in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["valid", "degraded", "invalid"]
SEVERITY: dict[str, int] = {"valid": 0, "degraded": 1, "invalid": 2}
REASON_SEPARATOR = "; "


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. `client`: the client, not the endpoint, is the reason."""

    verdict: Level
    reason: str
    client: bool = False
