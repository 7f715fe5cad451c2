"""Makes the codec of an experiment: ours by the row of its protocol, a user's by entry point or Python file.

Codecs are pure. What they need from outside, keys from the environment and the region to sign for, is read here.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib import import_module
from os import PathLike
from typing import TypeAlias

from fmbench_lib.aws.addresses import region_of_host
from fmbench_lib.aws.session import default_region
from fmbench_lib.aws.signing import Signing
from fmbench_lib.config.platform_types import ProtocolFacts
from fmbench_lib.config.platforms import PROTOCOLS, protocol_facts
from fmbench_lib.config.schema.authorization import authorization
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.errors import InputError
from fmbench_lib.predictors import plugins
from fmbench_lib.predictors.base import Predictor, Sent

MakeCodec: TypeAlias = Callable[[Experiment, str, str | None, bool, Sent], Predictor]
"""Makes a codec of ours from an experiment, an address, the model's name, whether to stream, and what to send."""


def predictor_for(experiment: Experiment, url: str, model: str | None, folder: str | PathLike[str] = ".") -> Predictor:
    """The codec of an experiment for one address.

    :param model: the model's name in requests, where the protocol has one.
    :param folder: the config's; a codec in a Python file is looked for there first.
    :raises InputError: the protocol is unknown, its codec cannot be made, or the environment lacks the API key.
    """
    facts, stream = protocol_facts(experiment.protocol), experiment.inference_spec.stream
    try:
        if facts.codec is None:
            return _users_codec(experiment.protocol, folder)(experiment, url, model, stream)
        return _factory(facts.codec)(experiment, url, model, stream, _sent(experiment, url, facts))
    except InputError as error:
        raise InputError(f"experiment {experiment.name}: {error}") from None


def _factory(codec: str) -> MakeCodec:
    """The function that `module:function` names."""
    module, _, function = codec.partition(":")
    make: MakeCodec = getattr(import_module(module), function)
    return make


def _users_codec(protocol: str, folder: str | PathLike[str]) -> plugins.MakePredictor:
    make = plugins.from_file(protocol, folder) if protocol.endswith(".py") else plugins.installed(protocol)
    if make is None:
        raise InputError(f"unknown protocol `{protocol}`; there are {', '.join(sorted(PROTOCOLS))}")
    return make


def _sent(experiment: Experiment, url: str, facts: ProtocolFacts) -> Sent:
    """What every request of an experiment carries. Headers of the experiment win over `inference_spec.auth`."""
    spec = experiment.inference_spec
    value = authorization(spec.auth) if facts.sends_auth else None
    headers = {} if value is None else {"authorization": value}
    headers |= {name: str(header) for name, header in spec.headers.items()}
    key = None if facts.by_script else api_key(experiment)
    signing = None
    if facts.signed_for is not None and key is None:
        signing = Signing(facts.signed_for, _region(experiment, url))
    return Sent(parameters=spec.parameters, api_key=key, headers=headers, signing=signing)


def _region(experiment: Experiment, url: str) -> str:
    """The region that the address names, else the experiment's, else the environment's."""
    region = region_of_host(url) or experiment.region or default_region()
    if region is None:
        raise InputError("the region to sign requests for is not known: write region, or set AWS_REGION")
    return region


def api_key(experiment: Experiment) -> str | None:
    """The value of the environment variable that `api_key_env` names; None if it names none.

    :raises InputError: the variable is not set.
    """
    name = experiment.api_key_env
    if name is None:
        return None
    key = os.environ.get(name)
    if not key:
        raise InputError(f"environment variable {name} is not set (api_key_env names it)")
    return key
