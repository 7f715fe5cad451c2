"""DJL Serving with LMI, AWS's container for large models: on GPUs, Neuron devices and a CPU."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import DJL, OPENAI
from fmbench_lib.deploy.ec2.container import Container, Mount
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.deploy.instance_types import DeviceKind
from fmbench_lib.errors import DeployError

IMAGES: Mapping[DeviceKind, str] = {
    "nvidia": "deepjavalibrary/djl-serving:0.33.0-lmi",
    "neuron": "deepjavalibrary/djl-serving:0.29.0-pytorch-inf2",
    "none": "deepjavalibrary/djl-serving:0.33.0-cpu-full",
}
PORT = 8080
_PATHS = {DJL: "/invocations", OPENAI: "/v1/chat/completions"}
_MODEL = "/opt/ml/model"
_CACHE = "/opt/models"
_MODEL_LINE = "option.model_id"
_MODEL_VARIABLE = "HF_MODEL_ID"
_TENSOR_LINE = "option.tensor_parallel_degree"
_BATCH_LINE = "option.max_rolling_batch_size"
_TIMEOUT_LINE = "option.model_loading_timeout"
"""In seconds; the server's own default is half an hour."""
_TENSOR_VARIABLES = ("TENSOR_PARALLEL_DEGREE", "OPTION_TENSOR_PARALLEL_DEGREE")
_ALL = "max"


def _tp_degree(experiment: Experiment) -> int | None:
    """The tensor parallelism set in serving.properties, or in an environment variable."""
    for name, value in _tensor_settings(experiment):
        if value.strip() != _ALL:
            return base.whole_number(value, name)
    return None


def _tensor_settings(experiment: Experiment) -> list[tuple[str, str]]:
    line = base.properties(experiment.serving_properties or "").get(_TENSOR_LINE)
    settings = [(_TENSOR_LINE, line)] if line is not None else []
    return settings + [(name, str(experiment.env[name])) for name in _TENSOR_VARIABLES if name in experiment.env]


def _serve(experiment: Experiment, placement: Placement, site: Site) -> Container:
    if base.cli_options(experiment):
        raise DeployError("DJL Serving takes no options: write cli_params as lines of serving.properties")
    image, notes = base.image_of(experiment, IMAGES[placement.devices.kind])
    _check_image(image, placement.devices.kind)
    model, mounts = _model(experiment, site)
    properties = _properties_text(experiment, placement, model)
    variables = {"HF_HOME": _CACHE, **({} if properties is not None else _variables(experiment, placement, model))}
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=PORT,
        path=base.request_path(experiment, _PATHS),
        health_path="/ping",
        environment=base.environment_of(experiment, variables),
        secrets=base.secrets_of(experiment),
        folder=site.folder if properties is not None else None,
        files={} if properties is None else {"model/serving.properties": properties},
        mounts=mounts if properties is None else (Mount(site.folder / "model", _MODEL), *mounts),
        devices=placement.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
        notes=notes,
    )


def _check_image(image: str, kind: DeviceKind) -> None:
    """Raise DeployError for an image built for other accelerators: it would fail only after its pull, with obscure
    errors."""
    name = image.rpartition("/")[2]
    built_for = "neuron" if "neuronx" in name or "inf2" in name else "nvidia" if "-cu1" in name else None
    if built_for is not None and built_for != kind:
        accelerators = {"nvidia": "GPUs", "neuron": "Neuron devices", "none": "no accelerators"}
        raise DeployError(f"image {image} is built for {accelerators[built_for]}; this host has {accelerators[kind]}")


def _model(experiment: Experiment, site: Site) -> tuple[str | None, tuple[Mount, ...]]:
    """The model as the container is told of it, and its mounts; None where the config's own settings name the model and
    it is not a folder of this host."""
    cache = base.hub_cache(experiment, _CACHE)
    configured = base.properties(experiment.serving_properties or "").get(_MODEL_LINE)
    if configured is not None:
        folder = base.local_path(configured, site)
        return (
            (None, (cache,)) if folder is None else (base.model_mount(folder).target, (base.model_mount(folder), cache))
        )
    if _MODEL_VARIABLE in experiment.env or (experiment.serving_properties and not experiment.model_id):
        return None, (cache,)
    (_, model), mounts = base.hub_model(experiment, site, "", cache=_CACHE)
    return model, mounts


def _properties_text(experiment: Experiment, placement: Placement, model: str | None) -> str | None:
    """The config's serving.properties, completed with the lines that it leaves out; None where the config has none."""
    text = (experiment.serving_properties or "").strip()
    if not text:
        return None
    lines = [_line(line.strip(), model) for line in text.splitlines() if line.strip()]
    configured = base.properties(text)
    defaults = {f"option.{key}": base.setting_text(value) for key, value in base.settings_of(experiment).items()}
    if model is not None:
        defaults[_MODEL_LINE] = model
    if not _tensor_settings(experiment):
        defaults[_TENSOR_LINE] = str(placement.tp_degree)
    if experiment.inference_spec.batch_size is not None:
        defaults[_BATCH_LINE] = str(experiment.inference_spec.batch_size)
    if (timeout := _loading_timeout(experiment)) is not None:
        defaults[_TIMEOUT_LINE] = timeout
    return "\n".join([*lines, *(f"{key}={value}" for key, value in defaults.items() if key not in configured)]) + "\n"


def _line(line: str, model: str | None) -> str:
    """A line of serving.properties as the container needs it: a model folder of this host has another path there."""
    names_model = line.partition("=")[0].strip() == _MODEL_LINE
    return f"{_MODEL_LINE}={model}" if names_model and model is not None else line


def _variables(experiment: Experiment, placement: Placement, model: str | None) -> dict[str, str]:
    """The same settings as environment variables, where the config has no serving.properties."""
    variables = {"TENSOR_PARALLEL_DEGREE": str(placement.tp_degree)}
    if model is not None:
        variables = {_MODEL_VARIABLE: model, **variables}
    if "OPTION_TENSOR_PARALLEL_DEGREE" in experiment.env:
        del variables["TENSOR_PARALLEL_DEGREE"]
    if experiment.inference_spec.batch_size is not None:
        variables["OPTION_MAX_ROLLING_BATCH_SIZE"] = str(experiment.inference_spec.batch_size)
    if (timeout := _loading_timeout(experiment)) is not None:
        variables["OPTION_MODEL_LOADING_TIMEOUT"] = timeout
    settings = base.settings_of(experiment)
    return {**variables, **{f"OPTION_{key.upper()}": base.setting_text(value) for key, value in settings.items()}}


def _loading_timeout(experiment: Experiment) -> str | None:
    """How long the model may take to load, in whole seconds, if the config sets it."""
    ec2_timeout = experiment.ec2.model_loading_timeout if experiment.ec2 is not None else None
    timeout = ec2_timeout or experiment.inference_spec.model_loading_timeout
    return None if timeout is None else str(round(timeout))


STACK = Stack(_serve, ("nvidia", "neuron", "none"), PORT, _tp_degree, fills_devices=True)
