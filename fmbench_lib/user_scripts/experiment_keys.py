"""An experiment in the form that user scripts expect: dictionaries with the config's keys."""

from __future__ import annotations

from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.config.reading.keys import yaml_keys


def experiment_config(experiment: Experiment) -> dict[str, Any]:
    """The keys that the experiment sets, including derived ones."""
    return experiment.model_dump(mode="json", by_alias=True, exclude_unset=True)


def inference_spec(experiment: Experiment) -> dict[str, Any]:
    """The same for its inference spec, with the parameters of its set under `parameters`."""
    return experiment.inference_spec.model_dump(mode="json", by_alias=True, exclude_unset=True)


def known_keys() -> list[str]:
    """Every key that an experiment may have."""
    return list(yaml_keys(Experiment))
