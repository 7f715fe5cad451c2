"""What serving stacks have in common: what one is, and how config values become a container's texts."""

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
from fmbench_lib.config.redaction import is_secret
from fmbench_lib.deploy.ec2.container import Container, DeviceKind, Mount
from fmbench_lib.deploy.ec2.placement import Place
from fmbench_lib.errors import DeployError
from fmbench_lib.models.hub_token import VARIABLES

_NOT_OPTIONS = ("tp_degree", "batch_size", "serving.properties")
"""Keys of container_params that are no options of a server."""
SHARED_MEMORY = "12g"
"""What a server that spreads a model over processes gets where the config does not say."""
MODELS = "/models"
"""Where containers see models of the host."""
_HUB_CACHE = "/root/.cache/huggingface"


@dataclass(frozen=True, slots=True)
class Site:
    """What surrounds a copy: the name of its container, where its files go, where models are looked for."""

    name: str
    folder: Path
    folders: Sequence[Path]


class Serve(Protocol):
    """Makes the container of one copy."""

    def __call__(self, experiment: Experiment, place: Place, site: Site) -> Container: ...


@dataclass(frozen=True, slots=True)
class Stack:
    """A serving stack.

    `kinds` are the accelerators that it can use, the preferred first; `port` is where its documentation has it listen.
    `tp_degree` reads the tensor parallelism out of the stack's own settings, which a config may hold beside ours (None:
    they say nothing), `times` by how much their other kinds of parallelism multiply the accelerators that it needs.
    `spreads` is True where a server uses all devices that it sees, without being told how many, `fills` where it
    starts as many workers as its tensor parallelism leaves devices for.
    """

    serve: Serve
    kinds: tuple[DeviceKind, ...]
    port: int
    tp_degree: Callable[[Experiment], int | None]
    spreads: bool = False
    fills: bool = False
    times: Callable[[Experiment], int] = lambda experiment: 1


def no_tp_degree(experiment: Experiment) -> int | None:
    """For stacks without a setting of their own."""
    return None


def given(value: str | None) -> str | None:
    """A value that the config gives; FMBench 2.x's `ec2` in an image's place is none."""
    return None if value is None or value in ("", "ec2") else value


def image_of(experiment: Experiment, usual: str) -> tuple[str, tuple[str, ...]]:
    """The image to run, and a note where it is a default, or not known in full."""
    image = given(experiment.image_uri)
    if image is None:
        return usual, (f"no image_uri: {usual} is taken",)
    open_placeholder = re.search(r"\{\w+\}", image)
    if open_placeholder is None:
        return image, ()
    return image, (f"{open_placeholder[0]} in image_uri is not known: set AWS_REGION, or write the image in full",)


def model_of(experiment: Experiment) -> str:
    """The model's id; raises DeployError where there is none."""
    if not experiment.model_id:
        raise DeployError("platform ec2 needs model_id, what the container is to serve")
    return experiment.model_id


def request_path(experiment: Experiment, usual: Mapping[str, str]) -> str:
    """Where requests go: the path of `ep_name`, else the usual one of the experiment's protocol."""
    name = experiment.ep_name or ""
    path = urlsplit(name).path if "://" in name else ""
    if path.strip("/"):
        return path
    if experiment.protocol not in usual:
        kind, spoken = experiment.inference_spec.container_type or "djl", " or ".join(usual)
        raise DeployError(
            f"container_type {kind} is asked by protocol {spoken}, not {experiment.protocol}; "
            "or write ep_name with the path that requests go to"
        )
    return usual[experiment.protocol]


def environment_of(experiment: Experiment, usual: Mapping[str, str] | None = None) -> dict[str, str]:
    """A container's environment, what may be written down of it; the config's own values stand over the usual."""
    return {**(usual or {}), **{name: value for name, value in _spelt(experiment).items() if not is_secret(name)}}


def secrets_of(experiment: Experiment, *, hub: bool = True) -> tuple[str, ...]:
    """Names of variables whose values may not be written down: secrets among `env`, and the Hugging Face token where
    the server fetches from there."""
    own = (name for name in _spelt(experiment) if is_secret(name))
    return tuple(dict.fromkeys((*(VARIABLES if hub else ()), *own)))


def _spelt(experiment: Experiment) -> dict[str, str]:
    return {str(name): text_of(value) for name, value in experiment.env.items() if value is not None}


def text_of(value: Any) -> str:
    """A value as settings spell it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def settings_of(experiment: Experiment) -> dict[str, Any]:
    """`container_params` without what is ours and what is empty."""
    params = experiment.inference_spec.container_params
    return {str(key): value for key, value in params.items() if key not in _NOT_OPTIONS and value is not None}


def options_of(experiment: Experiment) -> tuple[str, ...]:
    """`container_params` as options (`max_model_len: 4096` is `--max-model-len 4096`, `yes` the option alone), and
    behind them `cli_params`, which so come last."""
    options: list[str] = []
    for key, value in settings_of(experiment).items():
        if value is False:
            continue
        options.append("--" + key.lstrip("-").replace("_", "-"))
        if value is not True:
            options.append(str(value))
    return (*options, *cli_options(experiment))


def cli_options(experiment: Experiment) -> tuple[str, ...]:
    """`cli_params` as a shell would divide them; raises DeployError for an open quote."""
    text = experiment.inference_spec.cli_params or ""
    try:
        return tuple(shlex.split(text))
    except ValueError as error:
        raise DeployError(f"cli_params {text!r} cannot be divided into options: {error}") from error


def option_value(options: Sequence[str], *names: str) -> str | None:
    """The value of an option under any of its names, the last where it occurs again; None where it does not.

    `--max_model_len` is `--max-model-len`: vLLM takes both.
    """
    found = None
    for index, option in enumerate(options):
        name, sign, value = option.partition("=")
        if name.replace("_", "-") in names:
            found = value if sign else (options[index + 1] if index + 1 < len(options) else "")
    return found


def whole_number(value: str | None, what: str) -> int | None:
    """A number of devices, or of a port; raises DeployError for one that is none."""
    if value is None:
        return None
    if not value.strip().isdecimal() or int(value) < 1:
        raise DeployError(f"{what} is {value!r}; write a whole number, 1 or more")
    return int(value)


def parallelism(options: Sequence[str], *kinds: Sequence[str]) -> int:
    """The product of kinds of parallelism among options, each under any of its names; 1 where none is given."""
    return math.prod(whole_number(option_value(options, *names), names[0]) or 1 for names in kinds)


def properties(text: str) -> dict[str, str]:
    """The lines `name=value` of a serving.properties."""
    pairs = (line.partition("=") for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def port_of(options: Sequence[str], usual: int, *names: str) -> int:
    """Where a server listens in its container: the port among the user's options, else the usual one."""
    return whole_number(option_value(options, *names), names[0]) or usual


def unless_given(options: Sequence[str], *defaults: tuple[str, str | int | None]) -> tuple[str, ...]:
    """Options with their values, but for those that stand among `options` already, and those without a value."""
    return tuple(
        text
        for name, value in defaults
        if value is not None and option_value(options, name) is None
        for text in (name, str(value))
    )


def hub_cache(experiment: Experiment, target: str = _HUB_CACHE) -> Mount:
    """The host's folder of models from Hugging Face, so that copies and later runs do not fetch one again."""
    own = experiment.ec2.model_cache if experiment.ec2 is not None else None
    return folder_of(own or os.environ.get("HF_HOME"), ".cache/huggingface", target)


def folder_of(own: str | None, usual: str, target: str) -> Mount:
    """A folder of the host that containers write to: the user's own, else the usual one of their home."""
    return Mount(Path(own).expanduser().absolute() if own else Path.home() / usual, target, read_only=False)


def local_model(experiment: Experiment, site: Site) -> Path | None:
    """The model's folder or file on this host, where `model_id` is a path; None for the id of a hub."""
    model = Path(model_of(experiment)).expanduser()
    found = found_here(str(model), site)
    if found is None and model.is_absolute():
        raise DeployError(f"model_id {model} does not exist on this host")
    return found


def found_here(name: str, site: Site) -> Path | None:
    """The folder or file of this host that a text names; None where there is none, or no text."""
    path = Path(name).expanduser()
    found = next((there for there in (folder / path for folder in site.folders) if name and there.exists()), None)
    return None if found is None else found.resolve()


def seen(path: Path) -> Mount:
    """A model of this host as a container sees it."""
    return Mount(path, f"{MODELS}/{path.name}")


def hub_model(
    experiment: Experiment, site: Site, option: str, *, cache: str = _HUB_CACHE
) -> tuple[tuple[str, ...], tuple[Mount, ...]]:
    """The option that names a model, and what is mounted for it: the cache, and a model that lies on this host."""
    model, mount = model_of(experiment), hub_cache(experiment, cache)
    folder = local_model(experiment, site)
    if folder is None:
        return (option, model), (mount,)
    inside = seen(folder)
    return (option, inside.target), (inside, mount)
