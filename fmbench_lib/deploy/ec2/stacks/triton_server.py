"""Triton: TensorRT-LLM and vLLM on GPUs, vLLM and DJL on Neuron. Its model repository is written before the container
starts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import TRITON
from fmbench_lib.deploy.ec2.container import Container, Mount
from fmbench_lib.deploy.ec2.placement import Placement
from fmbench_lib.deploy.ec2.stacks import base, triton_files
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.errors import DeployError

TENSORRT_IMAGE = "nvcr.io/nvidia/tritonserver:24.08-trtllm-python-py3"
VLLM_IMAGE = "nvcr.io/nvidia/tritonserver:24.08-vllm-python-py3"
PORT = 8000
_PORT_OPTION = "--http-port"
METRICS_PORT = 8002
"""Triton's default metrics port."""
BATCH_SIZE = 4
"""Default batch size that TensorRT-LLM's engine is built for."""
_IN_PATH = re.compile(r"/v2/models/([^/]+)/generate")
_FILES = "/fmbench"
_REPOSITORY = f"{_FILES}/repository"
_ENSEMBLE = "ensemble"
_NEURON_CACHE = "/var/cache/neuron"


def _serve(experiment: Experiment, placement: Placement, site: Site) -> Container:
    kind, backend = placement.devices.kind, experiment.inference_spec.backend
    backends = tuple(_BACKENDS[kind])
    build = _BACKENDS[kind].get(backend or backends[0])
    if build is None:
        devices = "GPUs" if kind == "nvidia" else "Neuron devices"
        raise DeployError(f"Triton has no backend {backend} on {devices}; write {' or '.join(backends)}")
    if base.cli_options(experiment) and build is _tensorrt:
        raise DeployError(
            "TensorRT-LLM takes no cli_params: write container_params, settings of the tensorrt_llm model"
        )
    return build(experiment, placement, site)


def _tensorrt(experiment: Experiment, placement: Placement, site: Site) -> Container:
    """The engine is built from the model's weights when the container starts, and served as an ensemble."""
    image, notes = base.image_of(experiment, TENSORRT_IMAGE)
    model, mounts = base.hub_model(experiment, site, "")
    name = _model_name(experiment, _ENSEMBLE)
    if name != _ENSEMBLE:
        raise DeployError(f"TensorRT-LLM's model is named {_ENSEMBLE}, not {name}: correct the path in ep_name")
    script = triton_files.tensorrt_script(
        model[1],
        tp_degree=placement.tp_degree,
        batch_size=experiment.inference_spec.batch_size or BATCH_SIZE,
        stream=experiment.inference_spec.stream,
        port=PORT,
        settings={key: base.setting_text(value) for key, value in base.settings_of(experiment).items()},
    )
    notes += ("the engine is built when the container starts, which takes minutes: see model_loading_timeout",)
    files = {triton_files.START: script}
    return _container(experiment, placement, site, image, notes, name, files, mounts, {})


def _vllm(experiment: Experiment, placement: Placement, site: Site) -> Container:
    image, notes = base.image_of(experiment, VLLM_IMAGE)
    model, mounts = base.hub_model(experiment, site, "")
    files, name = _vllm_files(experiment, model[1], placement, {})
    files[triton_files.START] = _start_script(experiment)
    return _container(experiment, placement, site, image, notes, name, files, mounts, {})


def _vllm_files(
    experiment: Experiment, model: str, placement: Placement, defaults: Mapping[str, Any]
) -> tuple[dict[str, str], str]:
    name = _model_name(experiment, _last_part(base.model_of(experiment)))
    batch = experiment.inference_spec.batch_size
    settings = {
        "model": model,
        "tensor_parallel_size": placement.tp_degree,
        **({} if batch is None else {"max_num_seqs": batch}),
        **defaults,
        **_settings(experiment),
    }
    return {
        f"repository/{name}/config.pbtxt": triton_files.VLLM_CONFIG,
        f"repository/{name}/1/model.json": json.dumps(settings, indent=2) + "\n",
    }, name


def _vllm_on_neuron(experiment: Experiment, placement: Placement, site: Site) -> Container:
    model, mounts = base.hub_model(experiment, site, "")
    files, name = _vllm_files(experiment, model[1], placement, {"device": "neuron"})
    files[triton_files.START] = _start_script(experiment)
    return _on_neuron(experiment, placement, site, name, files, mounts)


def _djl_on_neuron(experiment: Experiment, placement: Placement, site: Site) -> Container:
    model, mounts = base.hub_model(experiment, site, "")
    name = _model_name(experiment, _last_part(base.model_of(experiment)))
    batch = experiment.inference_spec.batch_size
    settings = {
        "rolling_batch": "auto",
        **({} if batch is None else {"max_rolling_batch_size": batch}),
        **_settings(experiment),
        "model_id": model[1],
        "tensor_parallel_degree": placement.tp_degree,
        "output_formatter": "jsonlines",  # the format that model.py beside it reads
    }
    files = {
        f"repository/{name}/config.pbtxt": triton_files.DJL_CONFIG,
        f"repository/{name}/1/model.json": json.dumps(settings, indent=2) + "\n",
        f"repository/{name}/1/model.py": triton_files.djl_model(),
        triton_files.START: _start_script(experiment, triton_files.djl_server_script),
    }
    return _on_neuron(experiment, placement, site, name, files, mounts)


def _on_neuron(
    experiment: Experiment,
    placement: Placement,
    site: Site,
    name: str,
    files: dict[str, str],
    mounts: tuple[Mount, ...],
) -> Container:
    image = base.configured_image(experiment)
    if image is None:
        raise DeployError(
            "Triton for Neuron has no published image: set image_uri to one with Triton's Python backend and the "
            "Neuron SDK (for backend vllm also vLLM with Triton's backend for it), see ec2-stacks.md"
        )
    variables = {
        "NEURON_CC_FLAGS": "--model-type transformer",
        "NEURON_COMPILE_CACHE_URL": _NEURON_CACHE,
        "OMP_NUM_THREADS": str(placement.tp_degree),
    }
    mounts += (base.folder_of(None, ".cache/neuron", _NEURON_CACHE),)
    return _container(experiment, placement, site, image, (), name, files, mounts, variables)


def _container(
    experiment: Experiment,
    placement: Placement,
    site: Site,
    image: str,
    notes: tuple[str, ...],
    name: str,
    files: Mapping[str, str],
    mounts: tuple[Mount, ...],
    variables: Mapping[str, str],
) -> Container:
    return Container(
        name=site.name,
        image=image,
        host_port=placement.host_port,
        container_port=base.port_of(base.cli_options(experiment), PORT, _PORT_OPTION),
        path=base.request_path(experiment, {TRITON: f"/v2/models/{name}/generate"}),
        health_path="/v2/health/ready",
        command=("bash", f"{_FILES}/{triton_files.START}"),
        environment=base.environment_of(experiment, variables),
        secrets=base.secrets_of(experiment),
        folder=site.folder,
        files=files,
        mounts=(Mount(site.folder, _FILES), *mounts),
        devices=placement.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
        notes=notes,
        metrics_port=_metrics_port(experiment),
    )


def _start_script(
    experiment: Experiment, script: Callable[[str, Sequence[str]], str] = triton_files.server_script
) -> str:
    options = base.cli_options(experiment)
    defaults = (f"{_PORT_OPTION}={PORT}",) if base.option_value(options, _PORT_OPTION) is None else ()
    return script(_REPOSITORY, (*defaults, *options))


def _metrics_port(experiment: Experiment) -> int:
    option = base.option_value(base.cli_options(experiment), "--metrics-port")
    return base.whole_number(option, "--metrics-port in cli_params") or METRICS_PORT


def _settings(experiment: Experiment) -> dict[str, Any]:
    """The content of model.json: container_params over the options of a serving.properties."""
    text = experiment.inference_spec.container_params.get("serving.properties") or experiment.serving_properties or ""
    lines = base.properties(str(text))
    options = {key.removeprefix("option."): value for key, value in lines.items() if key.startswith("option.")}
    return {**options, **base.settings_of(experiment)}


def _model_name(experiment: Experiment, default: str) -> str:
    """The model name in the request path, which is the model's folder in the repository."""
    name = experiment.ep_name or ""
    match = _IN_PATH.search(urlsplit(name).path if "://" in name else "")
    return match[1] if match is not None else default


def _last_part(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2]


def _tp_degree(experiment: Experiment) -> int | None:
    """The tensor parallelism in the model's own settings, in either backend's spelling."""
    settings = _settings(experiment)
    degree = next(
        (settings[key] for key in ("tensor_parallel_size", "tensor_parallel_degree") if key in settings), None
    )
    return None if degree is None else base.whole_number(str(degree), "container_params.tensor_parallel_size")


_BACKENDS: Mapping[str, Mapping[str, Callable[[Experiment, Placement, Site], Container]]] = {
    "nvidia": {"tensorrt": _tensorrt, "vllm": _vllm},
    "neuron": {"djl": _djl_on_neuron, "vllm": _vllm_on_neuron},
}
"""By accelerator; the first one is the default."""

STACK = Stack(_serve, ("nvidia", "neuron"), PORT, _tp_degree)
