"""Triton: TensorRT-LLM and vLLM on GPUs, vLLM and DJL on Neuron. Its model repository is written beforehand."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import TRITON
from fmbench_lib.deploy.ec2.container import Container, Mount
from fmbench_lib.deploy.ec2.placement import Place
from fmbench_lib.deploy.ec2.stacks import base
from fmbench_lib.deploy.ec2.stacks import triton_files as triton_texts
from fmbench_lib.deploy.ec2.stacks.base import Site, Stack
from fmbench_lib.errors import DeployError

TENSORRT_IMAGE = "nvcr.io/nvidia/tritonserver:24.08-trtllm-python-py3"
VLLM_IMAGE = "nvcr.io/nvidia/tritonserver:24.08-vllm-python-py3"
PORT = 8000
_PORT_OPTION = "--http-port"
METRICS_PORT = 8002
"""Where Triton has its metrics, unless its options say otherwise."""
BATCH_SIZE = 4
"""Of TensorRT-LLM's engine, where the config does not say: it is built for one."""
_IN_PATH = re.compile(r"/v2/models/([^/]+)/generate")
_FILES = "/fmbench"
_REPOSITORY = f"{_FILES}/repository"
_ENSEMBLE = "ensemble"
_NEURON_CACHE = "/var/cache/neuron"


def _serve(experiment: Experiment, place: Place, site: Site) -> Container:
    kind, backend = place.devices.kind, experiment.inference_spec.backend
    known = {kind: tuple(names) for kind, names in _BACKENDS.items()}[kind]
    make = _BACKENDS[kind].get(backend or known[0])
    if make is None:
        what = "GPUs" if kind == "nvidia" else "Neuron devices"
        raise DeployError(f"backend {backend} is not served by Triton on {what}; write {' or '.join(known)}")
    if base.cli_options(experiment) and make is _tensorrt:
        raise DeployError("TensorRT-LLM takes no cli_params: write container_params, settings of tensorrt_llm's model")
    return make(experiment, place, site)


def _tensorrt(experiment: Experiment, place: Place, site: Site) -> Container:
    """An engine is built from the model's weights when the container starts, and served as an ensemble."""
    image, notes = base.image_of(experiment, TENSORRT_IMAGE)
    model, mounts = base.hub_model(experiment, site, "")
    name = _model_name(experiment, _ENSEMBLE)
    if name != _ENSEMBLE:
        raise DeployError(f"TensorRT-LLM's model is called {_ENSEMBLE}, not {name}: write ep_name with that path")
    script = triton_texts.tensorrt_script(
        model[1],
        tp_degree=place.tp_degree,
        batch_size=experiment.inference_spec.batch_size or BATCH_SIZE,
        stream=experiment.inference_spec.stream,
        port=PORT,
        settings={key: base.text_of(value) for key, value in base.settings_of(experiment).items()},
    )
    notes += ("the engine is built when the container starts, which takes minutes: see model_loading_timeout",)
    files = {triton_texts.START: script}
    return _container(experiment, place, site, image, notes, name, files, mounts, {})


def _vllm(experiment: Experiment, place: Place, site: Site) -> Container:
    image, notes = base.image_of(experiment, VLLM_IMAGE)
    model, mounts = base.hub_model(experiment, site, "")
    files, name = _vllm_files(experiment, model[1], place, {})
    files[triton_texts.START] = _start_script(experiment)
    return _container(experiment, place, site, image, notes, name, files, mounts, {})


def _vllm_files(
    experiment: Experiment, model: str, place: Place, usual: Mapping[str, Any]
) -> tuple[dict[str, str], str]:
    name = _model_name(experiment, _last_part(base.model_of(experiment)))
    batch = experiment.inference_spec.batch_size
    settings = {
        "model": model,
        "tensor_parallel_size": place.tp_degree,
        **({} if batch is None else {"max_num_seqs": batch}),
        **usual,
        **_settings(experiment),
    }
    return {
        f"repository/{name}/config.pbtxt": triton_texts.VLLM_CONFIG,
        f"repository/{name}/1/model.json": json.dumps(settings, indent=2) + "\n",
    }, name


def _vllm_on_neuron(experiment: Experiment, place: Place, site: Site) -> Container:
    model, mounts = base.hub_model(experiment, site, "")
    files, name = _vllm_files(experiment, model[1], place, {"device": "neuron"})
    return _on_neuron(experiment, place, site, name, files, mounts)


def _djl_on_neuron(experiment: Experiment, place: Place, site: Site) -> Container:
    model, mounts = base.hub_model(experiment, site, "")
    name = _model_name(experiment, _last_part(base.model_of(experiment)))
    batch = experiment.inference_spec.batch_size
    settings = {
        "rolling_batch": "auto",
        **({} if batch is None else {"max_rolling_batch_size": batch}),
        **_settings(experiment),
        "model_id": model[1],
        "tensor_parallel_degree": place.tp_degree,
        "output_formatter": "jsonlines",  # what the model.py that is written beside it reads
    }
    files = {
        f"repository/{name}/config.pbtxt": triton_texts.DJL_CONFIG,
        f"repository/{name}/1/model.json": json.dumps(settings, indent=2) + "\n",
        f"repository/{name}/1/model.py": triton_texts.djl_model(),
    }
    return _on_neuron(experiment, place, site, name, files, mounts)


def _on_neuron(
    experiment: Experiment, place: Place, site: Site, name: str, files: dict[str, str], mounts: tuple[Mount, ...]
) -> Container:
    image = base.given(experiment.image_uri)
    if image is None:
        raise DeployError(
            "Triton for Neuron has no published image: write image_uri, one with Triton's Python backend, the Neuron "
            "SDK, and djl_python or vLLM with Triton's backend for it"
        )
    files[triton_texts.START] = _start_script(experiment)
    usual = {
        "NEURON_CC_FLAGS": "--model-type transformer",
        "NEURON_COMPILE_CACHE_URL": _NEURON_CACHE,
        "OMP_NUM_THREADS": str(place.tp_degree),
    }
    mounts += (base.folder_of(None, ".cache/neuron", _NEURON_CACHE),)
    return _container(experiment, place, site, image, (), name, files, mounts, usual)


def _container(
    experiment: Experiment,
    place: Place,
    site: Site,
    image: str,
    notes: tuple[str, ...],
    name: str,
    files: Mapping[str, str],
    mounts: tuple[Mount, ...],
    usual: Mapping[str, str],
) -> Container:
    return Container(
        name=site.name,
        image=image,
        host_port=place.host_port,
        container_port=base.port_of(base.cli_options(experiment), PORT, _PORT_OPTION),
        path=base.request_path(experiment, {TRITON: f"/v2/models/{name}/generate"}),
        health_path="/v2/health/ready",
        command=("bash", f"{_FILES}/{triton_texts.START}"),
        environment=base.environment_of(experiment, usual),
        secrets=base.secrets_of(experiment),
        folder=site.folder,
        files=files,
        mounts=(Mount(site.folder, _FILES), *mounts),
        devices=place.devices,
        shm_size=experiment.inference_spec.shm_size or base.SHARED_MEMORY,
        notes=notes,
        metrics_port=_metrics_port(experiment),
    )


def _start_script(experiment: Experiment) -> str:
    options = base.cli_options(experiment)
    usual = (f"{_PORT_OPTION}={PORT}",) if base.option_value(options, _PORT_OPTION) is None else ()
    return triton_texts.server_script(_REPOSITORY, (*usual, *options))


def _metrics_port(experiment: Experiment) -> int:
    given = base.option_value(base.cli_options(experiment), "--metrics-port")
    return base.whole_number(given, "--metrics-port in cli_params") or METRICS_PORT


def _settings(experiment: Experiment) -> dict[str, Any]:
    """What model.json holds: container_params, over the options of a serving.properties."""
    text = experiment.inference_spec.container_params.get("serving.properties") or experiment.serving_properties or ""
    lines = base.properties(str(text))
    options = {key.removeprefix("option."): value for key, value in lines.items() if key.startswith("option.")}
    return {**options, **base.settings_of(experiment)}


def _model_name(experiment: Experiment, usual: str) -> str:
    """The name that requests ask for, which is the model's folder in the repository."""
    name = experiment.ep_name or ""
    found = _IN_PATH.search(urlsplit(name).path if "://" in name else "")
    return found[1] if found is not None else usual


def _last_part(model: str) -> str:
    return model.rstrip("/").rpartition("/")[2]


def _tp_degree(experiment: Experiment) -> int | None:
    """What the model's own settings ask for, in either backend's spelling."""
    settings = _settings(experiment)
    asked = next((settings[key] for key in ("tensor_parallel_size", "tensor_parallel_degree") if key in settings), None)
    return None if asked is None else base.whole_number(str(asked), "container_params.tensor_parallel_size")


_BACKENDS: Mapping[str, Mapping[str, Callable[[Experiment, Place, Site], Container]]] = {
    "nvidia": {"tensorrt": _tensorrt, "vllm": _vllm},
    "neuron": {"djl": _djl_on_neuron, "vllm": _vllm_on_neuron},
}
"""By accelerator; the first is what a config without `backend` means."""

STACK = Stack(_serve, ("nvidia", "neuron"), PORT, _tp_degree)
