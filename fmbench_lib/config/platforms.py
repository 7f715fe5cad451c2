"""Where an experiment is served (platform), what its endpoint speaks (protocol), and FMBench 2.x's script names."""

from __future__ import annotations

from importlib.metadata import entry_points

USER_SCRIPT = "user_script"
"""Platform and protocol of experiments whose script is the user's own."""
PLATFORMS = ("local", "endpoint", "sagemaker", "bedrock", "ec2", "eks", USER_SCRIPT)
PROTOCOLS = (
    "openai",
    "tgi",
    "djl",
    "triton",
    "ollama",
    "llama_cpp",
    "rest",
    "custom_rest",
    "eks",
    "sagemaker",
    "bedrock",
    "bedrock_invoke",
    USER_SCRIPT,
)
OWN_PROTOCOLS_GROUP = "fmbench.predictors"
"""Entry point group of the protocols that installed packages add."""
TEXT_PROTOCOLS = ("tgi", "djl", "triton", "ollama", "llama_cpp", "eks")
"""Protocols whose requests hold text alone."""
CONTAINER_TYPES = ("djl", "vllm", "vllm_gpu", "triton", "ollama", "sglang", "llama_server", "huggingface")

DEPLOYMENT_SCRIPTS = {
    "jumpstart.py": "sagemaker",
    "deploy_w_djl_serving.py": "sagemaker",
    "deploy_w_hf_tgi.py": "sagemaker",
    "neuron_deploy.py": "sagemaker",
    "sagemaker_deploy.py": "sagemaker",
    "ec2_deploy.py": "ec2",
    "eks_deploy.py": "eks",
}
"""Deployment script to the platform that it deployed on."""

INFERENCE_SCRIPTS = {
    "sagemaker_predictor.py": "sagemaker",
    "bedrock_predictor.py": "bedrock",
    "ec2_predictor.py": "ec2",
    "eks_predictor.py": "eks",
    "rest_predictor.py": "endpoint",
    "custom_rest_predictor.py": "endpoint",
}
"""Inference script to the platform of the endpoint that it called."""

_SCRIPT_PROTOCOLS = {
    "sagemaker_predictor.py": "sagemaker",
    "bedrock_predictor.py": "bedrock",
    "eks_predictor.py": "eks",
    "rest_predictor.py": "rest",
    "custom_rest_predictor.py": "custom_rest",
}
_CONTAINER_PROTOCOLS = {"djl": "djl", "triton": "triton", "ollama": "ollama", "huggingface": "tgi"}
_PLATFORM_PROTOCOLS = {"sagemaker": "sagemaker", "bedrock": "bedrock", "eks": "eks"}

DEPLOYED_BY_DEFAULT = ("local",)
"""Platforms that are deployed when an experiment with `platform` does not say `deploy`: what costs nothing."""


def platform_of_scripts(deployment_script: str | None, inference_script: str | None) -> str | None:
    """The platform that a pair of known script names means; None when neither says one.

    An EC2 predictor without a deployment script called an address that existed already.
    """
    if deployment_script in DEPLOYMENT_SCRIPTS:
        return DEPLOYMENT_SCRIPTS[deployment_script]
    if inference_script == "ec2_predictor.py":
        return "endpoint"
    return INFERENCE_SCRIPTS.get(inference_script) if inference_script else None


def protocol_of(platform: str | None, inference_script: str | None, container_type: str | None) -> str:
    """The protocol that an experiment's endpoint speaks when its config does not name one."""
    if inference_script in _SCRIPT_PROTOCOLS:
        return _SCRIPT_PROTOCOLS[inference_script]
    if inference_script == "ec2_predictor.py" or platform == "ec2":
        return _CONTAINER_PROTOCOLS.get(container_type or "djl", "openai")
    return _PLATFORM_PROTOCOLS.get(platform or "", "openai")


def known_protocols() -> tuple[str, ...]:
    """The names that `protocol` can have: ours, and those that installed packages add."""
    return tuple(dict.fromkeys((*PROTOCOLS, *sorted(point.name for point in entry_points(group=OWN_PROTOCOLS_GROUP)))))
