"""Codecs, one module per wire protocol, registered by the name that an experiment's `protocol` gives."""

from __future__ import annotations

import os
from collections.abc import Callable

from fmbench_lib.config.experiment import Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.openai import OpenAiPredictor


def _openai(experiment: Experiment, url: str, model: str | None, stream: bool) -> Predictor:
    return OpenAiPredictor(
        url=url,
        model=model,
        parameters=experiment.inference_spec.parameters,
        stream=stream,
        api_key=api_key(experiment),
        headers={name: str(value) for name, value in experiment.inference_spec.headers.items()},
    )


_PREDICTORS: dict[str, Callable[[Experiment, str, str | None, bool], Predictor]] = {
    "openai": _openai,
}


def predictor_for(experiment: Experiment, url: str, model: str | None) -> Predictor:
    """The codec of an experiment for one address; `model` is the name to ask for where the protocol has one.

    Raises InputError for a protocol that this version does not speak, or a key that the environment does not hold.
    """
    make = _PREDICTORS.get(experiment.protocol)
    if make is None:
        raise InputError(
            f"experiment {experiment.name}: protocol `{experiment.protocol}` is not spoken by this version; "
            f"it speaks {', '.join(sorted(_PREDICTORS))}"
        )
    return make(experiment, url, model, experiment.inference_spec.stream)


def api_key(experiment: Experiment) -> str | None:
    """The key from the environment variable that the experiment names; None where it names none."""
    name = experiment.api_key_env
    if name is None:
        return None
    key = os.environ.get(name)
    if not key:
        raise InputError(f"experiment {experiment.name}: environment variable {name} is not set (api_key_env names it)")
    return key
