"""The protocols that can be emulated; an emulator speaks all of them, each at its own paths."""

from __future__ import annotations

from collections.abc import Callable

from fmbench_lib.emulator.behaviour import Behaviour
from fmbench_lib.emulator.openai import OpenAI
from fmbench_lib.emulator.wire import Wire

WIRES: dict[str, Callable[[Behaviour], Wire]] = {
    "openai": OpenAI,
}


def make_wires(behaviour: Behaviour) -> list[Wire]:
    """One wire of each protocol."""
    return [make(behaviour) for make in WIRES.values()]
