"""Where a Ray cluster is, and what of it a run uses. Plain values, as `load_settings` has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RaySettings:
    """The section `load.ray`, resolved: None for `auto` of `nodes` (all there are) and `workers_per_node`."""

    address: str = "auto"
    nodes: int | None = None
    workers_per_node: int | None = None
    placement: str = "spread"
