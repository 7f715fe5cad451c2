"""The codecs by the name that an experiment's `protocol` gives."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from os import PathLike
from typing import Any

from fmbench_lib.config.schema.authorization import authorization
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.config.schema.json_path import Steps, path_steps
from fmbench_lib.errors import InputError
from fmbench_lib.predictors import on_aws
from fmbench_lib.predictors import plugins as own
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.generate import Dialect, GeneratePredictor
from fmbench_lib.predictors.llama_cpp import LlamaCppPredictor
from fmbench_lib.predictors.ollama import OllamaPredictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.predictors.rest import COMPLETIONS, LAST_IN_PATH, SENTENCE, RestPredictor, RestTemplate
from fmbench_lib.predictors.triton import TritonPredictor
from fmbench_lib.predictors.user_script import UserScriptPredictor

MakePredictor = Callable[[Experiment, str, str | None, bool], Predictor]
"""Makes a codec from an experiment, an address, the model's name and whether to stream."""

_NEURON_FAMILIES = ("inf", "trn")


def _openai(experiment: Experiment, url: str, model: str | None, stream: bool) -> Predictor:
    return OpenAiPredictor(url, model, stream=stream, **_sent(experiment))


def _generate(experiment: Experiment, url: str, model: str | None, stream: bool, *, dialect: Dialect) -> Predictor:
    return GeneratePredictor(url, dialect, stream=stream, **_sent(experiment))


def _triton(experiment: Experiment, url: str, model: str | None, stream: bool) -> Predictor:
    backend = experiment.inference_spec.backend
    neuron = (experiment.instance_type or "").startswith(_NEURON_FAMILIES)
    as_text = backend in ("djl", "vllm") or (backend is None and neuron)
    return TritonPredictor(url, "sampling_parameters" if as_text else "beside", stream=stream, **_sent(experiment))


def _ollama(experiment: Experiment, url: str, model: str | None, stream: bool) -> Predictor:
    return OllamaPredictor(url, model, stream=stream, **_sent(experiment))


def _llama_cpp(experiment: Experiment, url: str, model: str | None, stream: bool) -> Predictor:
    return LlamaCppPredictor(url, stream=stream, **_sent(experiment))


def _user_script(experiment: Experiment, url: str, model: str | None, stream: bool) -> Predictor:
    return UserScriptPredictor(experiment.inference_spec.parameters)


def _rest(experiment: Experiment, url: str, model: str | None, stream: bool, *, usual: RestTemplate) -> Predictor:
    model = experiment.inference_spec.model_id or model
    return RestPredictor(url, _template(experiment) or usual, model, stream=stream, **_authorized(experiment))


def _eks(experiment: Experiment, url: str, model: str | None, stream: bool) -> Predictor:
    """The prompt goes where the address ends: behind `?sentence=` as its value, else as the last part of the path."""
    base, sign, query = url.partition("?")
    others, _, name = query.removesuffix("=").rpartition("&")
    if not query.endswith("=") or "=" in name:
        return _rest(experiment, url, model, stream, usual=LAST_IN_PATH)
    usual = replace(SENTENCE, query={name: "{prompt}"})
    return _rest(experiment, f"{base}{sign}{others}".removesuffix("?"), model, stream, usual=usual)


def _on_aws(experiment: Experiment, url: str, model: str | None, stream: bool, *, make: on_aws.Make) -> Predictor:
    return make(experiment, url, model, stream, _sent(experiment))


def _template(experiment: Experiment) -> RestTemplate | None:
    """The experiment's own template, its paths taken apart."""
    section = experiment.inference_spec.rest
    if section is None:
        return None
    return RestTemplate(
        method=section.method,
        path=section.path or "",
        query=section.query,
        body=section.body,
        text=tuple(map(path_steps, section.text)),
        prompt_tokens=_steps(section.prompt_tokens),
        completion_tokens=_steps(section.completion_tokens),
        finish_reason=_steps(section.finish_reason),
        error=path_steps(section.error),
        echoes_prompt=section.echoes_prompt,
    )


def _steps(path: str | None) -> Steps | None:
    return None if path is None else path_steps(path)


PREDICTORS: dict[str, MakePredictor] = {
    "openai": _openai,
    "tgi": partial(_generate, dialect="tgi"),
    "djl": partial(_generate, dialect="djl"),
    "triton": _triton,
    "ollama": _ollama,
    "llama_cpp": _llama_cpp,
    "rest": partial(_rest, usual=SENTENCE),
    "custom_rest": partial(_rest, usual=COMPLETIONS),
    "eks": _eks,
    "sagemaker": partial(_on_aws, make=on_aws.sagemaker),
    "bedrock": partial(_on_aws, make=on_aws.bedrock),
    "bedrock_invoke": partial(_on_aws, make=on_aws.bedrock_invoke),
    "user_script": _user_script,
}


def predictor_for(experiment: Experiment, url: str, model: str | None, folder: str | PathLike[str] = ".") -> Predictor:
    """The codec of an experiment for one address; `model` is the name to ask for where the protocol has one.

    `folder` is that of the config: a codec in a Python file is looked for there first. Raises InputError for a protocol
    that this version does not speak, a codec that cannot be made, or a key that the environment does not hold.
    """
    try:
        return _maker(experiment.protocol, folder)(experiment, url, model, experiment.inference_spec.stream)
    except InputError as error:
        raise InputError(f"experiment {experiment.name}: {error}") from None


def _maker(protocol: str, folder: str | PathLike[str]) -> MakePredictor:
    make = PREDICTORS.get(protocol)
    if make is None:
        make = own.from_file(protocol, folder) if protocol.endswith(".py") else own.installed(protocol)
    if make is None:
        known = ", ".join(sorted(PREDICTORS))
        raise InputError(f"protocol `{protocol}` is not spoken by this version; it speaks {known}")
    return make


def _sent(experiment: Experiment) -> dict[str, Any]:
    """What every codec sends of an experiment."""
    return {
        "parameters": experiment.inference_spec.parameters,
        "api_key": api_key(experiment),
        "headers": {name: str(value) for name, value in experiment.inference_spec.headers.items()},
    }


def _authorized(experiment: Experiment) -> dict[str, Any]:
    """The same with `inference_spec.auth`, which a header of the experiment's own and its key win over."""
    sent = _sent(experiment)
    value = authorization(experiment.inference_spec.auth)
    return sent if value is None else {**sent, "headers": {"authorization": value, **sent["headers"]}}


def api_key(experiment: Experiment) -> str | None:
    """The key from the environment variable that the experiment names; None where it names none."""
    name = experiment.api_key_env
    if name is None:
        return None
    key = os.environ.get(name)
    if not key:
        raise InputError(f"environment variable {name} is not set (api_key_env names it)")
    return key
