"""The wires of an emulator: those that the rows of the protocols name. Each answers at its own paths."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from fmbench_lib.config.platforms import PROTOCOLS, protocol_facts
from fmbench_lib.emulator.behaviour import Behaviour
from fmbench_lib.emulator.wires.base import Wire


def make_wires(behaviour: Behaviour) -> list[Wire]:
    """One wire of each class that a protocol names, in the order of the protocols."""
    classes = dict.fromkeys(name for protocol in PROTOCOLS for name in protocol_facts(protocol).wires)
    return [_class(name)(behaviour) for name in classes]


def _class(name: str) -> Callable[[Behaviour], Wire]:
    """The class that `module:class` names."""
    module, _, attribute = name.partition(":")
    wire: Callable[[Behaviour], Wire] = getattr(import_module(module), attribute)
    return wire
