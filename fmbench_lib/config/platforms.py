"""Platforms (where an experiment is served) and protocols (what its endpoint speaks): one row each.

One file because a platform or protocol is told from others by its name only here. A new platform is its folder in
`deploy/` and a row here; a new protocol is a codec, a wire and a row here. FMBench 2.x's script names, which mean a
platform and a protocol, stand here too.
"""

from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.config.installed import installed_names, load_installed
from fmbench_lib.config.platform_rules import (
    aws_credentials,
    cluster_credentials,
    counted_by_neuron_settings,
    embedded_model,
    priced_by_model,
)
from fmbench_lib.config.platform_types import ModelList, PlatformFacts, ProtocolFacts, Requirement
from fmbench_lib.errors import InputError

LOCAL, ENDPOINT, SAGEMAKER, BEDROCK, EC2, EKS = "local", "endpoint", "sagemaker", "bedrock", "ec2", "eks"
"""Names of platforms for their own modules; SageMaker, Bedrock and EKS are protocols too."""
OPENAI, TGI, DJL, TRITON, OLLAMA, LLAMA_CPP = "openai", "tgi", "djl", "triton", "ollama", "llama_cpp"
"""Names of protocols for the serving stacks that speak them."""
SKYPILOT = "skypilot"
"""What makes the machines of a fleet; no experiment names it."""
USER_SCRIPT = "user_script"
"""Platform and protocol of experiments that a user's script deploys or sends requests to."""

CONTAINER_TYPES = ("djl", "vllm", "vllm_gpu", "triton", "ollama", "sglang", "llama_server", "huggingface")

PLATFORMS_GROUP = "fmbench.platforms"
"""Entry point group of the platforms that installed packages add."""
PROTOCOLS_GROUP = "fmbench.predictors"
"""Entry point group of the protocols that installed packages add."""

_DEPLOY, _CODECS, _WIRES = "fmbench_lib.deploy", "fmbench_lib.predictors", "fmbench_lib.emulator.wires"

_PLATFORMS = (
    PlatformFacts(
        LOCAL,
        f"{_DEPLOY}.local.platform",
        section="local",
        section_only_here=True,
        deployed_by_default=True,
        defaults=embedded_model,
        model_has_tokenizer=True,
        on_this_machine=True,
        extra="local",
        machine="this machine's CPU",
        instances="never",
    ),
    PlatformFacts(
        ENDPOINT,
        f"{_DEPLOY}.existing.platform",
        ep_name_is_address=True,
        requires=Requirement(("ep_name",), "write the endpoint's address, http://127.0.0.1:8000/v1/chat/completions"),
        machine="an endpoint that exists",
        instances="never",
    ),
    PlatformFacts(
        SAGEMAKER,
        f"{_DEPLOY}.sagemaker.platform",
        protocol=SAGEMAKER,
        section="sagemaker",
        names_endpoints=True,
        defaults=counted_by_neuron_settings,
        metrics_page=False,
        cloudwatch="variant",
        extra_without_image="sagemaker",  # its catalogue says what the endpoint is made of
        credentials=aws_credentials,
        instances="deployed",
        fetches_models=True,
    ),
    PlatformFacts(
        BEDROCK,
        f"{_DEPLOY}.bedrock.platform",
        protocol=BEDROCK,
        section="bedrock",
        names_endpoints=True,
        ep_name_is_model=True,
        requires=Requirement(("model_id", "ep_name"), "write the id of a Bedrock model"),
        defaults=priced_by_model,
        metrics_page=False,
        cloudwatch="model",
        priced_by="model",
        whole_hours=True,
        credentials=aws_credentials,
        instances="never",
    ),
    PlatformFacts(
        EC2,
        f"{_DEPLOY}.ec2.platform",
        container_types=True,
        section="ec2",
        on_this_machine=True,
        extra="ec2",
        machine="Docker on this machine",
        fetches_models=True,
    ),
    PlatformFacts(
        EKS,
        f"{_DEPLOY}.eks.platform",
        protocol=EKS,
        section="eks",
        extra="eks",
        credentials=cluster_credentials,
        fetches_models=True,
    ),
    PlatformFacts(USER_SCRIPT, f"{_DEPLOY}.user_script.platform", names_endpoints=True, by_script=True),
    PlatformFacts(SKYPILOT, f"{_DEPLOY}.skypilot.platform", makes_machines=True, extra="skypilot"),
)

_LMI_FULL_LENGTH = {"ignore_eos_token": True}
"""LMI's with vLLM; other engines of it take no notice of it."""
_PROTOCOLS = (
    ProtocolFacts(
        OPENAI,
        f"{_CODECS}.openai:make",
        wires=(f"{_WIRES}.openai:OpenAI", f"{_WIRES}.embeddings:Embeddings"),
        sends_auth=False,
        full_length={"ignore_eos": True},  # vLLM's, SGLang's, llama.cpp's and others'; OpenAI itself refuses it
        paths=("/v1/chat/completions", "/v1/completions", "/v1/embeddings"),
        counts_tokens=True,
        models=ModelList("/v1/models", "/v1/chat/completions", "id", "data"),
        completes_to="/v1/chat/completions",
    ),
    ProtocolFacts(
        TGI,  # no full_length: ignore_eos_token exists within TGI, and its HTTP interface drops it
        f"{_CODECS}.generate:make_tgi",
        wires=(f"{_WIRES}.generate:Generate",),
        text_only=True,
        sends_auth=False,
        paths=("/generate", "/generate_stream"),
        counts_tokens=True,
        models=ModelList("/info", "/generate_stream", "model_id"),
    ),
    ProtocolFacts(
        DJL,
        f"{_CODECS}.generate:make_djl",
        wires=(f"{_WIRES}.generate:Generate",),
        text_only=True,
        sends_auth=False,
        full_length=_LMI_FULL_LENGTH,
    ),
    ProtocolFacts(
        TRITON,
        f"{_CODECS}.triton:make",
        wires=(f"{_WIRES}.triton:Triton",),
        text_only=True,
        sends_auth=False,
        metrics_port=8002,
        # TensorRT-LLM has no such parameter but min_length, which is a number and differs from request to request
        full_length_of={"vllm": {"ignore_eos": True}, "djl": _LMI_FULL_LENGTH},
        paths=("/generate", "/generate_stream"),
        below="/v2/models/",
    ),
    ProtocolFacts(
        OLLAMA,
        f"{_CODECS}.ollama:make",
        wires=(f"{_WIRES}.ollama:Ollama",),
        sends_auth=False,
        paths=("/api/generate", "/api/chat"),
        models=ModelList("/api/tags", "/api/chat", "name", "models"),
        completes_to="/api/generate",
    ),
    ProtocolFacts(
        LLAMA_CPP,
        f"{_CODECS}.llama_cpp:make",
        wires=(f"{_WIRES}.llama_cpp:LlamaCpp",),
        text_only=True,
        sends_auth=False,
        full_length={"ignore_eos": True},
        paths=("/completion",),
        counts_tokens=True,
        completes_to="/completion",
    ),
    ProtocolFacts(
        "rerank",
        f"{_CODECS}.rerank:make",
        wires=(f"{_WIRES}.rerank:Rerank",),
        text_only=True,
        sends_auth=False,
        paths=("/v1/rerank", "/v2/rerank"),
    ),
    ProtocolFacts(
        "tei",
        f"{_CODECS}.rerank:make_tei",
        wires=(f"{_WIRES}.rerank:TeiRerank",),
        text_only=True,
        sends_auth=False,
        paths=("/rerank",),
    ),
    ProtocolFacts("rest", f"{_CODECS}.rest:make_rest", wires=(f"{_WIRES}.rest:RayServe",), sends_auth=True),
    ProtocolFacts(
        "custom_rest", f"{_CODECS}.rest:make_custom_rest", wires=(f"{_WIRES}.rest:CustomRest",), sends_auth=True
    ),
    ProtocolFacts(
        EKS, f"{_CODECS}.rest:make_ray_serve", wires=(f"{_WIRES}.rest:RayServe",), text_only=True, sends_auth=True
    ),
    ProtocolFacts(
        SAGEMAKER,
        f"{_CODECS}.sagemaker:make",
        wires=(f"{_WIRES}.sagemaker:SageMaker",),
        images_in_messages=True,
        sends_auth=False,
        full_length_of={"djl": _LMI_FULL_LENGTH},
        paths=("/invocations", "/invocations-response-stream"),
        below="/endpoints/",
        signed_for="sagemaker",
    ),
    ProtocolFacts(
        BEDROCK,
        f"{_CODECS}.bedrock:make",
        wires=(f"{_WIRES}.bedrock:Bedrock",),
        sends_auth=False,
        paths=("/converse", "/converse-stream"),
        below="/model/",
        signed_for="bedrock",
    ),
    ProtocolFacts(
        "bedrock_invoke",
        f"{_CODECS}.bedrock_invoke:make",
        wires=(f"{_WIRES}.bedrock:Bedrock",),
        sends_auth=False,
        paths=("/invoke", "/invoke-with-response-stream"),
        below="/model/",
        signed_for="bedrock",
    ),
    ProtocolFacts(USER_SCRIPT, f"{_CODECS}.user_script:make", by_script=True),
)

_PLATFORM_FACTS = {facts.name: facts for facts in _PLATFORMS}
_PROTOCOL_FACTS = {facts.name: facts for facts in _PROTOCOLS}
PLATFORMS = tuple(facts.name for facts in _PLATFORMS if not facts.makes_machines)
PROTOCOLS = tuple(_PROTOCOL_FACTS)

_PROTOCOL_OF_CONTAINER = {"djl": DJL, "triton": TRITON, "ollama": OLLAMA, "huggingface": TGI}
"""What the servers of container types speak, if it is not OpenAI's protocol."""
_DEFAULT_CONTAINER = "djl"
CONTAINER_PROTOCOLS = tuple(dict.fromkeys((*_PROTOCOL_OF_CONTAINER.values(), OPENAI)))
"""What serving containers speak."""

DEPLOYMENT_SCRIPTS = {
    "jumpstart.py": SAGEMAKER,
    "deploy_w_djl_serving.py": SAGEMAKER,
    "deploy_w_hf_tgi.py": SAGEMAKER,
    "neuron_deploy.py": SAGEMAKER,
    "sagemaker_deploy.py": SAGEMAKER,
    "ec2_deploy.py": EC2,
    "eks_deploy.py": EKS,
}
"""FMBench 2.x's deployment scripts, each with the platform that it deployed on."""


@dataclass(frozen=True, slots=True)
class InferenceScript:
    """What an inference script of FMBench 2.x means: the platform of the endpoints that it called, when no deployment
    script names another, and their protocol; None: the one of the container type."""

    platform: str
    protocol: str | None


INFERENCE_SCRIPTS = {
    "sagemaker_predictor.py": InferenceScript(SAGEMAKER, SAGEMAKER),
    "bedrock_predictor.py": InferenceScript(BEDROCK, BEDROCK),
    "ec2_predictor.py": InferenceScript(ENDPOINT, None),
    "eks_predictor.py": InferenceScript(EKS, EKS),
    "rest_predictor.py": InferenceScript(ENDPOINT, "rest"),
    "custom_rest_predictor.py": InferenceScript(ENDPOINT, "custom_rest"),
}


def platform_facts(name: str) -> PlatformFacts:
    """The row of a platform: ours, or an installed package's.

    A name that is neither has a row without a module, as the check of values refuses it.

    :raises InputError: the package that adds the platform cannot be imported, or has no such row.
    """
    ours = _PLATFORM_FACTS.get(name)
    return ours if ours is not None else _installed_facts(name) or PlatformFacts(name)


def installed_platform(name: str) -> object | None:
    """What an installed package offers as a platform, with attributes `FACTS` and `PLATFORM`; None if none does.

    :raises InputError: it cannot be imported, or lacks one of the two.
    """
    if name in _PLATFORM_FACTS:
        return None
    offered: object | None = load_installed(PLATFORMS_GROUP, name, "platform")
    if offered is None:
        return None
    if not isinstance(getattr(offered, "FACTS", None), PlatformFacts) or not hasattr(offered, "PLATFORM"):
        raise InputError(f"platform {name}: {offered!r} needs FACTS, a PlatformFacts, and PLATFORM")
    return offered


def _installed_facts(name: str) -> PlatformFacts | None:
    facts: PlatformFacts | None = getattr(installed_platform(name), "FACTS", None)
    if facts is not None and facts.name != name:
        raise InputError(f"platform {name}: its FACTS has the name {facts.name!r}; give it that of its entry point")
    return facts


def known_platforms() -> tuple[str, ...]:
    """The names that `platform` can have: ours, and those that installed packages add."""
    return tuple(dict.fromkeys((*PLATFORMS, *installed_names(PLATFORMS_GROUP))))


def protocol_facts(name: str) -> ProtocolFacts:
    """The row of a protocol; a codec of an installed package or a Python file has one without facts."""
    return _PROTOCOL_FACTS.get(name) or ProtocolFacts(name)


def model_lists() -> dict[str, ModelList]:
    """Where servers list their models, by protocol, the most usual protocol first."""
    lists = {facts.name: facts.models for facts in _PROTOCOLS if facts.models is not None}
    return {OPENAI: lists[OPENAI], **{name: models for name, models in lists.items() if models.entries}, **lists}


def known_protocols() -> tuple[str, ...]:
    """The names that `protocol` can have: ours, and those that installed packages add."""
    return tuple(dict.fromkeys((*PROTOCOLS, *installed_names(PROTOCOLS_GROUP))))


def platform_of_scripts(deployment_script: str | None, inference_script: str | None) -> str | None:
    """The platform that a pair of script names means; None if neither is known."""
    if deployment_script in DEPLOYMENT_SCRIPTS:
        return DEPLOYMENT_SCRIPTS[deployment_script]
    script = INFERENCE_SCRIPTS.get(inference_script or "")
    return None if script is None else script.platform


def protocol_of(
    platform: PlatformFacts, inference_script: str | None, container_type: str | None, address: str | None = None
) -> str:
    """The protocol that an experiment's endpoint speaks when its config does not name one.

    It is that of the script, the container or the platform, unless the address ends as only those of another one do.
    """
    script = INFERENCE_SCRIPTS.get(inference_script or "")
    if script is not None and script.protocol is not None:
        return script.protocol
    told = protocol_of_address(address or "")
    by_address_alone = platform.ep_name_is_address and script is None
    if told is not None and (by_address_alone or (container_type == "llama_server" and told == LLAMA_CPP)):
        return told
    if script is not None or platform.container_types:
        return _PROTOCOL_OF_CONTAINER.get(container_type or _DEFAULT_CONTAINER, OPENAI)
    return platform.protocol or OPENAI


def protocol_of_address(address: str) -> str | None:
    """The protocol whose addresses alone end like this one; None where there is none."""
    path = address.partition("?")[0].rstrip("/")
    ends = [
        (len(facts.below), len(end), facts.name)
        for facts in _PROTOCOLS
        for end in facts.paths
        if path.endswith(end) and facts.below in path
    ]
    return max(ends)[2] if ends else None


def platform_sections() -> frozenset[str]:
    """The sections of an experiment that hold a platform's settings."""
    return frozenset(facts.section for facts in _PLATFORMS if facts.section is not None)
