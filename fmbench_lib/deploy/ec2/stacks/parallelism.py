"""How many accelerators a copy of a model needs: from the config's `tp_degree` and the server's own settings."""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.config import Experiment
from fmbench_lib.deploy.ec2.accelerators import Host
from fmbench_lib.deploy.ec2.stacks.stack_table import stack_of


@dataclass(frozen=True, slots=True)
class ServerDegrees:
    """What the server's own settings ask for: tensor parallelism (None: not set), and the product of other kinds."""

    tp_degree: int | None
    others: int

    @property
    def accelerators(self) -> int:
        """The accelerators that these settings need (Neuron: cores)."""
        return (self.tp_degree or 1) * self.others


def server_degrees(experiment: Experiment) -> ServerDegrees:
    """The parallelism in the server's own settings."""
    stack = stack_of(experiment)
    return ServerDegrees(stack.tp_degree(experiment), stack.other_parallelism(experiment))


def parallel_degrees(experiment: Experiment, host: Host) -> tuple[int, int]:
    """Tensor parallelism of a copy, and the factor of other kinds: their product is its devices (Neuron: cores).

    The config's `tp_degree` takes precedence over the server's settings; where those set the tensor parallelism too,
    `tp_degree` is the number of devices for all kinds of parallelism.

    An instance type with fewer devices than the server's settings ask for is planned with all that it has, and a note:
    the run may happen on another machine. On the machine itself that is an error.
    """
    if host.devices.kind == "none":
        return 1, 1
    configured, server = experiment.inference_spec.tp_degree, server_degrees(experiment)
    if configured is not None:
        return configured, server.others if server.tp_degree is None else 1
    available = accelerators_on(host)
    if host.source == "instance type" and server.accelerators > available:
        return (1, available) if server.tp_degree is None else (available, 1)
    return server.tp_degree or 1, server.others


def accelerators_on(host: Host) -> int:
    """The accelerators of a host as `tp_degree` counts them: GPUs, or Neuron cores."""
    return len(host.devices.indices) * host.cores_per_device
