"""Which Ray cluster sends a run's requests, and with how much of it."""

from __future__ import annotations

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import PlainValidator, ValidationError

from fmbench_lib.config.problems import shown
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.values import Kind, Workers, one_of, reject, whole
from fmbench_lib.errors import InputError

PLACEMENTS = ("spread", "no_head")
_MOST_NODES = 10_000
_ADDRESS = re.compile(r"(ray://)?(\[[0-9A-Fa-f:.]+\]|[\w.-]+):\d{1,5}", re.ASCII)


def _address(value: Any) -> str:
    text = value.strip() if isinstance(value, str) else value
    if text != "auto" and not (isinstance(text, str) and _ADDRESS.fullmatch(text)):
        reject(f"is {shown(value)}; write auto, host:6379 or ray://host:10001")
    return str(text)


def _nodes(value: Any) -> int | str:
    if value == "auto":
        return "auto"
    return int(whole(1, most=_MOST_NODES)(value))


Address = Annotated[str, PlainValidator(_address), Kind("`auto`, `host:port` or `ray://host:port`")]
Nodes = Annotated[int | str, PlainValidator(_nodes), Kind("`auto` or 1 to 10,000")]
Placement = Annotated[Literal["spread", "no_head"], PlainValidator(one_of(*PLACEMENTS)), Kind("`spread` or `no_head`")]


class RaySection(Section):
    """The cluster of `load.executor: ray`, see ray.md."""

    strict: ClassVar[bool] = True

    address: Address = described("Where the cluster is; `auto` is the one that this machine belongs to.", "auto")
    nodes: Nodes = described(
        "Machines that send. With `auto` each level is sent by all that are left, with a number by so many or not at "
        "all.",
        "auto",
    )
    workers_per_node: Workers = described(
        "Client processes on each of them. `auto` is one per free core, but a single one where `load.workers: auto` "
        "would be one.",
        "auto",
    )
    placement: Placement = described(
        "Which machines send: `spread` is any, one agent on each, `no_head` leaves out the cluster's head.", "spread"
    )

    def settings(self) -> RaySettings:
        """The section resolved."""
        return RaySettings(self.address, _number(self.nodes), _number(self.workers_per_node), self.placement)


def ray_settings(address: str, nodes: int | None) -> RaySettings:
    """The settings of a cluster that no config names. Raises InputError for an address that is none."""
    try:
        return RaySection(address=address, nodes="auto" if nodes is None else nodes).settings()
    except ValidationError as error:
        found = error.errors()[0]
        raise InputError(f"--ray-{found['loc'][0]} {found['msg']}") from None


def _number(value: int | str) -> int | None:
    return value if isinstance(value, int) else None
