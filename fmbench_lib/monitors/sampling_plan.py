"""What the monitor is told to sample: the line of JSON that it starts with."""

from __future__ import annotations

from typing import TypedDict


class SampledProcess(TypedDict):
    """A process whose figures are read. `age`: seconds from the machine's boot to its start, by which it is known."""

    pid: int
    age: float
    labels: dict[str, str]


class SampledPage(TypedDict):
    """A page of Prometheus metrics, with the number of its copy; one that was `requested` is missed where it fails."""

    url: str
    copy: int
    requested: bool


class SamplingPlan(TypedDict):
    """What is sampled for an experiment, every `interval` seconds.

    `machine`: what the machine is, `endpoint` or `client`, null where it is not sampled · `energy`: `yes`, `no` or
    `auto`, whether its energy is read · `server_here`: whether the endpoint's processes are known to run here ·
    `client`: the process that measures · `ports`: those of a server that fmbench did not start · `nvidia`, `neuron`:
    `yes`, `no` or `auto`, and the indexes of their devices, null for all.
    """

    interval: float
    machine: str | None
    energy: str
    server_here: bool
    processes: list[SampledProcess]
    client: int
    ports: list[int]
    nvidia: str
    nvidia_devices: list[int] | None
    neuron: str
    neuron_devices: list[int] | None
    pages: list[SampledPage]
    ca_file: str | None


class MonitorPlan(SamplingPlan):
    """The plan with the file that the samples go to."""

    file: str
