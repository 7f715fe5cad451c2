"""What serving stacks share: the `Stack` type, and how config values become a container's command and environment."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.secret_names import is_secret
from fmbench_lib.deploy.ec2.container import Container, Mount
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.instance_types import DeviceKind
from fmbench_lib.errors import DeployError
from fmbench_lib.host.paths import expanded
from fmbench_lib.models.hub_token import VARIABLES

_NOT_OPTIONS = ("tp_degree", "batch_size", "serving.properties")
"""Keys of container_params that are not server options."""
SHARED_MEMORY = "12g"
"""Default shared memory of a server that distributes a model over processes."""
MODELS = "/models"
"""The folder where containers see models of the host."""
_HUB_CACHE = "/root/.cache/huggingface"


@dataclass(frozen=True, slots=True)
class Site:
    """Per-copy context: the container's name, the folder for its files, and the folders where models are looked for."""

    name: str
    folder: Path
    model_folders: Sequence[Path]


class Serve(Protocol):
    """Builds the container of one copy."""

    def __call__(self, experiment: Experiment, placement: Placement, site: Site) -> Container: ...


@dataclass(frozen=True, slots=True)
class Stack:
    """A serving stack.

    `kinds` are the accelerators that it can use, the preferred first; `port` is the port its documentation names.
    `tp_degree` reads the tensor parallelism from the stack's own settings, which a config may set beside ours (None:
    not set); `other_parallelism` is the factor by which their other kinds of parallelism multiply the accelerators.
    `uses_all_devices` is True where a server uses all devices that it sees without being told how many, `fills_devices`
    where it starts as many workers as its tensor parallelism leaves devices for, `all_by_default` where one whose
    tensor parallelism nobody sets gets all devices and is told their number.
    """

    serve: Serve
    kinds: tuple[DeviceKind, ...]
    port: int
    tp_degree: Callable[[Experiment], int | None]
    uses_all_devices: bool = False
    fills_devices: bool = False
    all_by_default: bool = False
    other_parallelism: Callable[[Experiment], int] = lambda experiment: 1


def degree_of(experiment: Experiment, placement: Placement, stack: Stack) -> int:
    """The tensor parallelism to start a server with, for a stack that gets all devices where nobody sets it."""
    if placement.devices.kind == "none" or not gets_all_devices(experiment, stack):
        return placement.tp_degree
    return max(1, placement.device_cores // stack.other_parallelism(experiment))


def gets_all_devices(experiment: Experiment, stack: Stack) -> bool:
    """Whether a server, or all of its copies together, get all devices of the host."""
    if experiment.inference_spec.tp_degree is not None:
        return False
    return stack.uses_all_devices or (stack.all_by_default and stack.tp_degree(experiment) is None)


def no_tp_degree(experiment: Experiment) -> int | None:
    """For stacks that have no tensor parallelism setting of their own."""
    return None


def configured_image(experiment: Experiment) -> str | None:
    """The config's `image_uri`; None where it is empty, or FMBench 2.x's placeholder `ec2`."""
    return None if experiment.image_uri in (None, "", "ec2") else experiment.image_uri


def image_of(experiment: Experiment, default: str) -> tuple[str, tuple[str, ...]]:
    """The image to run, with a note where it is the default or contains a placeholder that is not filled in."""
    image = configured_image(experiment)
    if image is None:
        return default, (f"image_uri is not set: {default} is used",)
    open_placeholder = re.search(r"\{\w+\}", image)
    if open_placeholder is None:
        return image, ()
    return image, (f"{open_placeholder[0]} in image_uri is unknown: set AWS_REGION, or write the full image name",)


def model_of(experiment: Experiment) -> str:
    """The model's id. Raises DeployError where the config has none."""
    if not experiment.model_id:
        raise DeployError("platform ec2 needs model_id, the model to serve")
    return experiment.model_id


def request_path(experiment: Experiment, defaults: Mapping[str, str]) -> str:
    """The path that requests go to: that of `ep_name`, else the stack's default path for the experiment's protocol."""
    name = experiment.ep_name or ""
    path = urlsplit(name).path if "://" in name else ""
    if path.strip("/"):
        return path
    if experiment.protocol not in defaults:
        kind, protocols = experiment.inference_spec.container_type or "djl", " or ".join(defaults)
        raise DeployError(
            f"container_type {kind} takes protocol {protocols}, not {experiment.protocol}; correct the protocol, "
            "or write ep_name with the path that requests go to"
        )
    return defaults[experiment.protocol]


def environment_of(experiment: Experiment, defaults: Mapping[str, str] | None = None) -> dict[str, str]:
    """A container's environment, secrets excluded; the config's values override the defaults."""
    return {
        **(defaults or {}),
        **{name: value for name, value in _env_texts(experiment).items() if not is_secret(name)},
    }


def secrets_of(experiment: Experiment, *, hub: bool = True) -> tuple[str, ...]:
    """Names of the variables whose values must not be recorded: secrets among `env`, and the Hugging Face token where
    the server downloads from the hub."""
    configured = (name for name in _env_texts(experiment) if is_secret(name))
    return tuple(dict.fromkeys((*(VARIABLES if hub else ()), *configured)))


def _env_texts(experiment: Experiment) -> dict[str, str]:
    return {str(name): setting_text(value) for name, value in experiment.env.items() if value is not None}


def setting_text(value: Any) -> str:
    """A value in the spelling that servers expect: booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """`container_params` without fmbench's own keys and without empty values."""
    params = experiment.inference_spec.container_params
    return {str(key): value for key, value in params.items() if key not in _NOT_OPTIONS and value is not None}


def options_of(experiment: Experiment) -> tuple[str, ...]:
    """`container_params` as options (`max_model_len: 4096` is `--max-model-len 4096`, `yes` the option alone), followed
    by `cli_params`."""
    options: list[str] = []
    for key, value in settings_of(experiment).items():
        if value is False:
            continue
        options.append("--" + key.lstrip("-").replace("_", "-"))
        if value is not True:
            options.append(str(value))
    return (*options, *cli_options(experiment))


def cli_options(experiment: Experiment) -> tuple[str, ...]:
    """`cli_params`, split as a shell would. Raises DeployError for an unclosed quote."""
    text = experiment.inference_spec.cli_params or ""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise DeployError(f"cannot split cli_params {text!r} into options: {error}") from error


def option_value(options: Sequence[str], *names: str) -> str | None:
    """The value of an option under any of its names, the last one if it is repeated; None where it is absent.

    `--max_model_len` is the same as `--max-model-len`: vLLM takes both.
    """
    result = None
    for index, option in enumerate(options):
        name, sign, value = option.partition("=")
        if name.replace("_", "-") in names:
            result = value if sign else (options[index + 1] if index + 1 < len(options) else "")
    return result


def whole_number(value: str | None, what: str) -> int | None:
    """A positive whole number, such as a number of devices or a port. Raises DeployError naming `what` for anything
    else."""
    if value is None:
        return None
    if not value.strip().isdecimal() or int(value) < 1:
        raise DeployError(f"{what} is {value!r}; write a whole number, 1 or more")
    return int(value)


def parallelism(options: Sequence[str], *kinds: Sequence[str]) -> int:
    """The product of several kinds of parallelism among options, each under any of its names; 1 where none is set."""
    return math.prod(whole_number(option_value(options, *names), names[0]) or 1 for names in kinds)


def properties(text: str) -> dict[str, str]:
    """The `name=value` lines of a serving.properties."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def port_of(options: Sequence[str], default: int, *names: str) -> int:
    """The port in the container that a server listens on: the one among its options, else the default."""
    return whole_number(option_value(options, *names), names[0]) or default


def defaults_for(options: Sequence[str], *defaults: tuple[str, str | int | None]) -> tuple[str, ...]:
    """Default options with their values, without those already among `options` and those without a value."""
    return tuple(
        text
        for name, value in defaults
        if value is not None and option_value(options, name) is None
        for text in (name, str(value))
    )


def hub_cache(experiment: Experiment, target: str = _HUB_CACHE) -> Mount:
    """The host's Hugging Face cache, mounted so that copies and later runs do not download a model again."""
    configured = experiment.ec2.model_cache if experiment.ec2 is not None else None
    return folder_of(configured or os.environ.get("HF_HOME"), ".cache/huggingface", target)


def folder_of(configured: str | None, default: str, target: str) -> Mount:
    """A folder of the host that containers write to: the configured one, else the default below the home folder."""
    return Mount(expanded(configured).absolute() if configured else Path.home() / default, target, read_only=False)


def local_model(experiment: Experiment, site: Site) -> Path | None:
    """The model's folder or file on this host if `model_id` is a path; None for a hub id. Raises DeployError for an
    absolute path that does not exist."""
    model = expanded(model_of(experiment))
    path = local_path(str(model), site)
    if path is None and model.is_absolute():
        raise DeployError(f"model_id {model} does not exist on this host")
    return path


def local_path(name: str, site: Site) -> Path | None:
    """The folder or file of this host that a name refers to; None where there is none, or the name is empty."""
    path = expanded(name)
    candidates = (folder / path for folder in site.model_folders if name)
    existing = next((candidate for candidate in candidates if candidate.exists()), None)
    return None if existing is None else existing.resolve()


def model_mount(path: Path) -> Mount:
    """A model of this host as a container sees it."""
    return Mount(path, f"{MODELS}/{path.name}")


def hub_model(
    experiment: Experiment, site: Site, option: str, *, cache: str = _HUB_CACHE
) -> tuple[tuple[str, ...], tuple[Mount, ...]]:
    """The option that names a model, and its mounts: the cache, and the model itself if it is on this host."""
    model, mount = model_of(experiment), hub_cache(experiment, cache)
    folder = local_model(experiment, site)
    if folder is None:
        return (option, model), (mount,)
    inside = model_mount(folder)
    return (option, inside.target), (inside, mount)
