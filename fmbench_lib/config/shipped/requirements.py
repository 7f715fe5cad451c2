"""What a config must be given and what it needs around it, read from the config itself: nothing is listed by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.config.reading.keys import Findings, clean
from fmbench_lib.config.reading.resolution import resolve
from fmbench_lib.config.reading.substitution import STANDARD, TEMPLATE_WORDS, fill_file
from fmbench_lib.config.reading.yaml_document import Document, parse
from fmbench_lib.config.schema.config import Config

_OPTIONS = {
    "role_arn": "--role-arn",
    "write_bucket": "--write-bucket",
    "read_tmpdir": "--tmp-dir",
    "write_tmpdir": "--tmp-dir",
    "region": "AWS_REGION",
    "read_bucket": "FMBENCH_READ_BUCKET",
}
"""What gives a standard placeholder its value: an option, else a variable of the environment."""

_EXTRAS = {"local": "local", "ec2": "ec2", "eks": "eks"}
_ON_AWS = ("sagemaker", "bedrock")
_OPEN = re.compile(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})")
_OF_TEMPLATES = ("rest", "prompt_template", "question_template", "inference_url_format")
"""Keys whose values have braces of their own."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_MODEL_LINE = re.compile(r"^\s*option\.model_id\s*=\s*(\S+)", re.MULTILINE)
_NVIDIA, _NEURON = re.compile(r"(ml\.)?(p\d|g[4-9]|gr\d)\w*\."), re.compile(r"(ml\.)?(inf|trn)\d\w*\.")
_REGISTRY = ".dkr.ecr."
_STACKS = {"vllm": "CPU", "vllm_gpu": "NVIDIA GPU", "sglang": "NVIDIA GPU"}
"""Serving stacks that run on one kind of machine alone."""
_IMAGES = {"neuron": "Neuron", "cpu": "CPU", "trtllm": "NVIDIA GPU", "-cu1": "NVIDIA GPU"}
"""What the name of an image says of the machine that it is made for."""

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a config that ships is for, and what it takes to run it."""

    name: str
    """As `--config-file` takes it."""
    description: str
    platforms: tuple[str, ...]
    protocols: tuple[str, ...]
    give: tuple[str, ...]
    """What has no value until it is given: `-A key`, options, and variables of the environment."""
    extras: tuple[str, ...]
    """Extras of fmbench-lib to install."""
    credentials: tuple[str, ...]
    machines: tuple[str, ...]
    """Instance types, with the kind of their accelerators, or where the server runs."""
    models_from_hub: tuple[str, ...]
    """Models that are fetched from Hugging Face, with `HF_TOKEN` where they are gated."""


def needs_of(name: str, path: Path, description: str = "") -> Needs:
    """What the config at a path needs. Raises ConfigError where it is not YAML."""
    document = parse(fill_file(path.read_text(encoding="utf-8"), {}))
    experiments = list(_experiments(document.value))
    return Needs(
        name=name,
        description=description,
        platforms=_once(str(one.get("platform")) for one in experiments),
        protocols=_once(str(one.get("protocol")) for one in experiments),
        give=_given(document, experiments),
        extras=_once(extra for one in experiments for extra in _extras(one)),
        credentials=_once(kind for one in experiments for kind in _credentials(one)),
        machines=_once(machine for one in experiments for machine in _machines(one)),
        models_from_hub=_once(model for one in experiments for model in _from_hub(one)),
    )


def _once(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))


def _experiments(value: Any) -> Iterator[Raw]:
    """The experiments with all that follows from other keys filled in, valid or not."""
    raw = value if isinstance(value, dict) else {}
    findings = Findings()
    resolved = resolve(clean(raw, Config, "", findings), findings, has_load_section="load" in raw)
    listed = resolved.get("experiments")
    yield from (one for one in listed if isinstance(one, dict)) if isinstance(listed, list) else ()


def _given(document: Document, experiments: list[Raw]) -> tuple[str, ...]:
    standard = [name for name in STANDARD if name in document.open_placeholders]
    open_names = [name for name in _placeholders(experiments) if name not in STANDARD]
    asked = dict.fromkeys((*document.missing, *open_names))
    options = [_OPTIONS[name] for name in standard]
    return _once((*(f"-A {name}" for name in asked if name not in TEMPLATE_WORDS), *options))


def _placeholders(value: Any) -> Iterator[str]:
    """The names in braces anywhere in a value, but for those of templates."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key not in _OF_TEMPLATES:
                yield from _placeholders(part)
    elif isinstance(value, list):
        for part in value:
            yield from _placeholders(part)
    elif isinstance(value, str):
        yield from _OPEN.findall(value)


def _extras(experiment: Raw) -> Iterator[str]:
    platform = experiment.get("platform", "")
    if platform == "sagemaker" and experiment.get("deploy") and not experiment.get("image_uri"):
        yield "sagemaker"  # its SDK reads the catalogue, which says what the endpoint is made of
    elif platform in _EXTRAS:
        yield _EXTRAS[platform]


def _credentials(experiment: Raw) -> Iterator[str]:
    platform = experiment.get("platform")
    key = experiment.get("api_key_env")
    if key:
        yield str(key)
    elif platform in _ON_AWS or _REGISTRY in str(experiment.get("image_uri")):
        yield "AWS credentials"
    elif platform == "eks":
        in_eks = (experiment.get("eks") or {}).get("eks_cluster_name")
        yield "AWS credentials" if in_eks else "KUBECONFIG"


def _machines(experiment: Raw) -> Iterator[str]:
    platform, kind = experiment.get("platform"), str(experiment.get("instance_type") or "")
    if platform == "local":
        yield "this machine's CPU"
        return
    if platform == "ec2":
        yield "Docker on this machine"
    if platform == "endpoint" or (platform == "sagemaker" and not experiment.get("deploy")):
        yield "an endpoint that exists"
        return
    if platform == "bedrock":
        return
    if _OPEN.search(kind) or not kind:
        yield from _made_for(experiment)
        return
    yield f"{kind} ({accelerators})" if (accelerators := _accelerators(kind)) else kind


def _made_for(experiment: Raw) -> Iterator[str]:
    """What the server wants of a machine whose type is not said; nothing where that depends on what is given."""
    spec = experiment.get("inference_spec")
    spec = spec if isinstance(spec, dict) else {}
    image = str(experiment.get("image_uri") or "").lower()
    named = next((kind for part, kind in _IMAGES.items() if part in image), None)
    found = _STACKS.get(str(spec.get("container_type"))) or named
    if found is None and spec.get("tp_degree"):
        found = "accelerators"
    if found is not None:
        yield found


def _accelerators(instance_type: str) -> str:
    if _NEURON.match(instance_type):
        return "Neuron"
    return "NVIDIA GPU" if _NVIDIA.match(instance_type) else ""


def _from_hub(experiment: Raw) -> Iterator[str]:
    """Models that the serving container, or the run for it, fetches."""
    if experiment.get("platform") not in ("sagemaker", "ec2", "eks") or not experiment.get("deploy"):
        return
    if experiment.get("model_data"):
        return
    line = _MODEL_LINE.search(str(experiment.get("serving_properties") or experiment.get("serving.properties") or ""))
    model = line[1] if line else str(experiment.get("model_id") or "")
    if _HUB_ID.fullmatch(model) or model == "{model_id}":
        yield model
