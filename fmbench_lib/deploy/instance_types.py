"""The accelerators of AWS instance types, for planning on another machine. Only types whose device count is certain."""

from __future__ import annotations

from typing import Literal

DeviceKind = Literal["none", "nvidia", "neuron"]

_NVIDIA = {
    "g4dn": {1: "xlarge 2xlarge 4xlarge 8xlarge 16xlarge", 4: "12xlarge", 8: "metal"},
    "g5": {1: "xlarge 2xlarge 4xlarge 8xlarge 16xlarge", 4: "12xlarge 24xlarge", 8: "48xlarge"},
    "g5g": {1: "xlarge 2xlarge 4xlarge 8xlarge", 2: "16xlarge metal"},
    "g6": {1: "xlarge 2xlarge 4xlarge 8xlarge 16xlarge", 4: "12xlarge 24xlarge", 8: "48xlarge"},
    "g6e": {1: "xlarge 2xlarge 4xlarge 8xlarge 16xlarge", 4: "12xlarge 24xlarge", 8: "48xlarge"},
    "gr6": {1: "4xlarge 8xlarge"},
    "p3": {1: "2xlarge", 4: "8xlarge", 8: "16xlarge"},
    "p3dn": {8: "24xlarge"},
    "p4d": {8: "24xlarge"},
    "p4de": {8: "24xlarge"},
    "p5": {8: "48xlarge"},
    "p5e": {8: "48xlarge"},
    "p5en": {8: "48xlarge"},
}
"""By family: number of GPUs, and the sizes that have it."""
_NEURON = {
    "inf1": (4, {1: "xlarge 2xlarge", 4: "6xlarge", 16: "24xlarge"}),
    "inf2": (2, {1: "xlarge 8xlarge", 6: "24xlarge", 12: "48xlarge"}),
    "trn1": (2, {1: "2xlarge", 16: "32xlarge"}),
    "trn1n": (2, {16: "32xlarge"}),
}
"""By family: cores per Neuron device; then number of devices, and the sizes that have it."""


def accelerators_of(instance_type: str | None) -> tuple[DeviceKind, int, int] | None:
    """Kind, number and cores per device of an instance type's accelerators; None for a type without any, or an unknown
    one.

    SageMaker's spelling (`ml.g5.xlarge`) means the same type.
    """
    family, _, size = (instance_type or "").removeprefix("ml.").partition(".")
    cores, sizes = _NEURON.get(family, (1, _NVIDIA.get(family, {})))
    kind: DeviceKind = "neuron" if family in _NEURON else "nvidia"
    count = next((number for number, names in sizes.items() if size in names.split()), None)
    return None if count is None else (kind, count, cores)
