"""What a config must be given and what it needs to run, all read from the config itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.config.platform_rules import AWS_CREDENTIALS
from fmbench_lib.config.platform_types import PlatformFacts
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.config.reading.keys import Findings, Raw, clean
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
"""What gives a standard placeholder its value: an option or an environment variable."""

_OPEN = re.compile(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})")
_OF_TEMPLATES = ("rest", "prompt_template", "question_template", "inference_url_format")
"""Keys whose values are templates: braces in them are not placeholders."""
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_MODEL_LINE = re.compile(r"^\s*option\.model_id\s*=\s*(\S+)", re.MULTILINE)
_NVIDIA, _NEURON = re.compile(r"(ml\.)?(p\d|g[4-9]|gr\d)\w*\."), re.compile(r"(ml\.)?(inf|trn)\d\w*\.")
_REGISTRY = ".dkr.ecr."
_STACKS = {"vllm": "CPU", "vllm_gpu": "NVIDIA GPU", "sglang": "NVIDIA GPU"}
"""Serving stacks that run on one kind of machine only."""
_IMAGES = {"neuron": "Neuron", "cpu": "CPU", "trtllm": "NVIDIA GPU", "-cu1": "NVIDIA GPU"}
"""Parts of an image's name, each with the kind of machine that the image is made for."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a shipped config is for, and what running it takes."""

    name: str
    """As `--config-file` takes it."""
    description: str
    platforms: tuple[str, ...]
    protocols: tuple[str, ...]
    give: tuple[str, ...]
    """What must be given to fill the placeholders: `-A key`, options, environment variables."""
    extras: tuple[str, ...]
    """Extras of fmbench-lib to install."""
    credentials: tuple[str, ...]
    machines: tuple[str, ...]
    """Instance types, with the kind of their accelerators, or where the server runs."""
    models_from_hub: tuple[str, ...]
    """Models fetched from Hugging Face; gated ones need `HF_TOKEN`."""


def needs_of(name: str, path: Path, description: str = "") -> Needs:
    """What the config at a path needs.

    :raises ConfigError: the file is not YAML.
    """
    document = parse(fill_file(path.read_text(encoding="utf-8"), {}))
    experiments = list(_experiments(document.value))
    return Needs(
        name=name,
        description=description,
        platforms=_once(str(experiment.get("platform")) for experiment in experiments),
        protocols=_once(str(experiment.get("protocol")) for experiment in experiments),
        give=_given(document, experiments),
        extras=_of_all(experiments, _extras),
        credentials=_of_all(experiments, _credentials),
        machines=_of_all(experiments, _machines),
        models_from_hub=_of_all(experiments, _from_hub),
    )


def _of_all(experiments: list[Raw], needs: Callable[[Raw, PlatformFacts], Iterator[str]]) -> tuple[str, ...]:
    """What experiments need by the facts of their platforms, each thing once."""
    rows = [(experiment, platform_facts(str(experiment.get("platform")))) for experiment in experiments]
    return _once(need for experiment, facts in rows for need in needs(experiment, facts))


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def _experiments(value: Any) -> Iterator[Raw]:
    """The experiments with defaults filled in, valid or not."""
    raw = value if isinstance(value, dict) else {}
    findings = Findings()
    resolved = resolve(clean(raw, Config, "", findings), findings, has_load_section="load" in raw)
    listed = resolved.get("experiments")
    for experiment in listed if isinstance(listed, list) else ():
        if isinstance(experiment, dict):
            yield experiment


def _given(document: Document, experiments: list[Raw]) -> tuple[str, ...]:
    standard = [name for name in STANDARD if name in document.open_placeholders]
    open_names = [name for name in _placeholders(experiments) if name not in STANDARD]
    names = dict.fromkeys((*document.missing, *open_names))
    options = [_OPTIONS[name] for name in standard]
    return _once((*(f"-A {name}" for name in names if name not in TEMPLATE_WORDS), *options))


def _placeholders(value: Any) -> Iterator[str]:
    """The names in braces anywhere in a value, except in templates."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if key not in _OF_TEMPLATES:
                yield from _placeholders(part)
    elif isinstance(value, list):
        for part in value:
            yield from _placeholders(part)
    elif isinstance(value, str):
        yield from _OPEN.findall(value)


def _extras(experiment: Raw, facts: PlatformFacts) -> Iterator[str]:
    without_image = experiment.get("deploy") and not experiment.get("image_uri")
    extra = (without_image and facts.extra_without_image) or facts.extra
    if extra:
        yield extra


def _credentials(experiment: Raw, facts: PlatformFacts) -> Iterator[str]:
    key = experiment.get("api_key_env")
    if key:
        yield str(key)
    elif _REGISTRY in str(experiment.get("image_uri")):
        yield AWS_CREDENTIALS
    elif credentials := facts.credentials(experiment):
        yield credentials


def _machines(experiment: Raw, facts: PlatformFacts) -> Iterator[str]:
    if facts.machine is not None:
        yield facts.machine
    if facts.instances == "never":
        return
    if facts.instances == "deployed" and not experiment.get("deploy"):
        yield "an endpoint that exists"
        return
    kind = str(experiment.get("instance_type") or "")
    if _OPEN.search(kind) or not kind:
        yield from _made_for(experiment)
    else:
        yield f"{kind} ({accelerators})" if (accelerators := _accelerators(kind)) else kind


def _made_for(experiment: Raw) -> Iterator[str]:
    """The kind of machine that the server needs when no instance type is given; nothing if that is not known either."""
    spec = experiment.get("inference_spec")
    spec = spec if isinstance(spec, dict) else {}
    image = str(experiment.get("image_uri") or "").lower()
    named = next((kind for part, kind in _IMAGES.items() if part in image), None)
    kind = _STACKS.get(str(spec.get("container_type"))) or named
    if kind is None and spec.get("tp_degree"):
        kind = "accelerators"
    if kind is not None:
        yield kind


def _accelerators(instance_type: str) -> str:
    if _NEURON.match(instance_type):
        return "Neuron"
    return "NVIDIA GPU" if _NVIDIA.match(instance_type) else ""


def _from_hub(experiment: Raw, facts: PlatformFacts) -> Iterator[str]:
    """The model that the serving container, or the run on its behalf, fetches."""
    if not facts.fetches_models or not experiment.get("deploy") or experiment.get("model_data"):
        return
    line = _MODEL_LINE.search(str(experiment.get("serving_properties") or experiment.get("serving.properties") or ""))
    model = line[1] if line else str(experiment.get("model_id") or "")
    if _HUB_ID.fullmatch(model) or model == "{model_id}":
        yield model
