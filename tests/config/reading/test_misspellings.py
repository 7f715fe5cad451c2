"""The example configs have every key and script name of FMBench 2.x, are valid, and whatever is misspelt in them is
found: each key of each of them in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.config import Config, ConfigError, parse_config
from fmbench_lib.config.platforms import CONTAINER_TYPES, DEPLOYMENT_SCRIPTS, INFERENCE_SCRIPTS
from fmbench_lib.config.reading.keys import section_of, yaml_keys
from fmbench_lib.config.reading.substitution import fill
from fmbench_lib.config.reading.yaml_document import parse
from fmbench_lib.config.schema.section import Section

DATA = sorted((Path(__file__).parents[1] / "data").glob("*.yml"))
ARGUMENTS = {"results_dir": "r", "model_id": "m", "tp_degree": "2", "cli_params": "--x"}
OURS = {
    "Config": {"budgets", "data", "energy", "load", "slo", "monitors"},
    "Datasets": {"prompt_template", "sources", "synthetic"},
    "Aws": {"price_lookup"},
    "General": {"seed"},
    "Experiment": {
        "platform",
        "protocol",
        "request_rates",
        "api_key_env",
        "tokenizer",
        "local",
        "sagemaker",
        "bedrock",
    },
    "InferenceSpec": {"chat_template", "parameters", "rest"},
    "ReportSection": {"budgets", "private", "slo_attainment_budget"},
    "Ec2": {"accelerators", "balancer", "balancer_image", "devices", "listen_address", "model_cache"},
    "Eks": {"context", "manifest_values", "expose", "service", "port", "startup_timeout", "scheduling_timeout"},
}
OURS_ALONE = {
    "LoadSection",
    "Slo",
    "MonitorsSection",
    "EnergySection",
    "LocalSection",
    "RestSection",
    "SageMakerSection",
    "BedrockSection",
    "Synthetic",
}
Keys = set[tuple[str, str]]


def keys_of(raw: Any, model: type[Section]) -> Iterator[tuple[str, str]]:
    """Every (section, key) of a config, but for those of free dictionaries."""
    fields = yaml_keys(model)
    for key, value in raw.items():
        yield model.__name__, key
        info = fields.get(model.older.get(key, key))
        section, many = section_of(info.annotation) if info is not None else (None, False)
        if section is not None and value is not None:
            for item in value if many else [value]:
                yield from keys_of(item, section)


def known(model: type[Section]) -> Iterator[tuple[str, str]]:
    """Every (section, key) that FMBench 2.x knew, also those without effect."""
    if model.__name__ in OURS_ALONE:
        return
    for key, info in yaml_keys(model).items():
        if key in OURS.get(model.__name__, ()):
            continue
        yield model.__name__, key
        section, _ = section_of(info.annotation)
        if section is not None:
            yield from known(section)
    for key in {*model.ignored, *model.older} - OURS.get(model.__name__, set()):
        yield model.__name__, key


def keys_in(path: Path) -> Keys:
    return set(keys_of(parse(fill(path.read_text(), ARGUMENTS)).value, Config))


def test_the_examples_have_every_key_and_every_script() -> None:
    there: Keys = set().union(*map(keys_in, DATA))
    assert set(known(Config)) - there == set()
    text = "\n".join(path.read_text() for path in DATA)
    assert [name for name in (*DEPLOYMENT_SCRIPTS, *INFERENCE_SCRIPTS) if name not in text] == []
    types = set(re.findall(r"container_type: (\w+)", text))
    assert set(CONTAINER_TYPES) - types == set()


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_a_misspelt_key_is_found(path: Path) -> None:
    text = path.read_text()
    parse_config(text, path=path, arguments=ARGUMENTS)
    tried = 0
    for _, key in sorted(keys_in(path)):
        if len(key) < 5:
            continue  # a letter less makes another word of it
        wrong = key[: len(key) // 2] + key[len(key) // 2 + 1 :]
        changed, count = re.subn(rf"(?<![\w.'\"]){re.escape(key)}(?=:( |$))", wrong, text, count=1, flags=re.MULTILINE)
        assert count == 1, key
        with pytest.raises(ConfigError) as raised:
            parse_config(changed, path=path, arguments=ARGUMENTS)
        found = [one.message for one in raised.value.problems if one.key.endswith(wrong)]
        assert found, f"{wrong} was not found, but {raised.value}"
        assert key in found[0], f"{wrong}: {found[0]}"
        tried += 1
    assert tried > 10


@pytest.mark.parametrize("name", [*DEPLOYMENT_SCRIPTS, *INFERENCE_SCRIPTS])
def test_a_misspelt_script_is_found(name: str, minimal: str) -> None:
    key = "deployment_script" if name in DEPLOYMENT_SCRIPTS else "inference_script"
    for wrong in (name.replace("_", "-", 1), name[:2] + name[3:], name.replace(".py", "")[:-1]):
        if wrong == name:
            continue
        text = minimal.replace("  platform: endpoint\n", f"  {key}: {wrong}\n")
        with pytest.raises(ConfigError) as raised:
            parse_config(text, path=Path("x.yml"))
        (found,) = (one.message for one in raised.value.problems if one.key.endswith(key))
        assert f"did you mean {name}?" in found
