"""What is known of a platform and of a protocol: the types of the rows in `platforms`.

A platform or protocol that does something different from the others has a fact for it here; code elsewhere looks the
fact up and never compares names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Keys = Mapping[str, Any]
"""The keys of one experiment as a config gives them, valid or not."""


def no_defaults(experiment: Keys) -> dict[str, Any]:
    """For platforms where no key's default depends on other keys."""
    return {}


def no_credentials(experiment: Keys) -> str | None:
    """For platforms that need no credentials but those of the endpoint."""
    return None


@dataclass(frozen=True, slots=True)
class Requirement:
    """One of `keys` must be given; a problem is reported at the first of them and says what to write."""

    keys: tuple[str, ...]
    remedy: str


@dataclass(frozen=True, slots=True)
class PlatformFacts:
    """Facts of a platform: where an experiment is served.

    A platform that an installed package adds has its own row, `FACTS`, beside its `PLATFORM`.
    """

    name: str
    module: str | None = None
    """Module with a `PLATFORM`. None for a platform that an installed package adds, or that does not exist."""

    protocol: str | None = None
    """Default protocol; None stands for OpenAI's."""
    container_types: bool = False
    """Whether `inference_spec.container_type` chooses the serving stack, and with it the default protocol."""
    by_script: bool = False
    """Whether a user's script deploys the endpoint."""
    deployed_by_default: bool = False
    """Whether an experiment is deployed when its config does not say `deploy`: only what costs nothing."""

    names_endpoints: bool = False
    """Whether `ep_name` may be a name that the platform resolves, not an address."""
    ep_name_is_address: bool = False
    """Whether `ep_name` must be an http(s) address."""
    ep_name_is_model: bool = False
    """Whether `ep_name` may stand for `model_id`."""
    requires: Requirement | None = None
    """Keys of which an experiment must have one."""
    section: str | None = None
    """The experiment's section with settings of this platform."""
    section_only_here: bool = False
    """Whether that section is an error on another platform."""
    defaults: Callable[[Keys], dict[str, Any]] = no_defaults
    """Defaults that depend on other keys of the experiment."""
    model_has_tokenizer: bool = False
    """Whether `model_id` is the default of `tokenizer`: the file that is served holds one."""

    on_this_machine: bool = False
    """Whether endpoints run on the machine that fmbench runs on."""
    makes_machines: bool = False
    """Whether it makes the machines that a fleet's experiments run on, and serves none itself."""
    metrics_page: bool = True
    """Whether the serving stack's metrics page can be reached."""
    cloudwatch: Literal["variant", "model"] | None = None
    """What CloudWatch counts requests by: the variant of an endpoint, or the model; None: not at all."""

    priced_by: Literal["instance", "model"] = "instance"
    """What a price is looked up for in the AWS Price List."""
    whole_hours: bool = False
    """Whether an hourly price is charged for every hour begun."""

    extra: str | None = None
    """Extra of fmbench-lib that the platform needs."""
    extra_without_image: str | None = None
    """The extra in its place for a deployment without `image_uri`."""
    credentials: Callable[[Keys], str | None] = no_credentials
    """Credentials that an experiment needs apart from an API key, in words."""
    machine: str | None = None
    """Where the server runs, in words, if the platform alone tells."""
    instances: Literal["always", "deployed", "never"] = "always"
    """When `instance_type` names a machine that the config needs."""
    fetches_models: bool = False
    """Whether a deployment may fetch its model from Hugging Face."""


@dataclass(frozen=True, slots=True)
class ModelList:
    """Where servers of a protocol say which models they have, and where those are asked."""

    path: str
    requests: str
    """The path of requests to a server that was found by its list."""
    name: str
    """The key of a model's name."""
    entries: str | None = None
    """The key of the list; None where the answer is about the only model."""


@dataclass(frozen=True, slots=True)
class ProtocolFacts:
    """Facts of a protocol: what an endpoint speaks.

    A codec that an installed package or a Python file adds has no row; `ProtocolFacts(name)` stands for it.
    """

    name: str
    codec: str | None = None
    """`module:function` of the function that makes the codec for an experiment."""
    wires: tuple[str, ...] = ()
    """`module:class` of the emulator's wires that answer it."""

    text_only: bool = False
    """Whether requests cannot hold images."""
    images_in_messages: bool = False
    """Whether images are sent only in the experiment's messages form (`use_messages_api_format`)."""
    sends_auth: bool | None = None
    """Whether `inference_spec.auth` is sent; None where the codec or script decides."""
    signed_for: str | None = None
    """AWS service whose requests are signed when there is no API key."""
    by_script: bool = False
    """Whether a user's script sends the requests."""
    full_length: Keys | None = None
    """Parameters that keep a model from ending an answer before its limit; a server may refuse them. None: none."""
    full_length_of: Mapping[str, Keys] = field(default_factory=dict)
    """The same by the server behind the protocol, `inference_spec.backend` or `container_type`, where that decides."""
    metrics_port: int | None = None
    """Port of the server's metrics page, if it has one of its own."""
    paths: tuple[str, ...] = ()
    """How addresses end that speak this protocol and no other."""
    below: str = ""
    """What such an address also has before its end."""
    counts_tokens: bool = False
    """Whether servers may count tokens, at `/tokenize`."""
    models: ModelList | None = None
    """Where its servers list their models, if they have a list of their own."""
    completes_to: str | None = None
    """The path that an address without one stands for, or with the first part of it only, such as `/v1`."""
