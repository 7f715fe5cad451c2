"""The rows of platforms and protocols: complete, the only place of their names, and open to installed packages."""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

import fmbench_lib
from fmbench_lib.config import ConfigError, load_config
from fmbench_lib.config.platform_rules import completed_address
from fmbench_lib.config.platforms import (
    PLATFORMS,
    PROTOCOLS,
    known_platforms,
    platform_facts,
    protocol_facts,
    protocol_of,
)
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.deploy import platform, platform_of_existing
from fmbench_lib.errors import DeployError, InputError

PACKAGE = Path(fmbench_lib.__file__).parent
NAMES = frozenset((*PLATFORMS, *PROTOCOLS))

# -- every row is complete -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLATFORMS)
def test_a_platform_names_its_module_and_a_protocol_that_exists(name: str) -> None:
    facts = platform_facts(name)
    assert facts.module is not None
    assert platform(name) is import_module(facts.module).PLATFORM
    assert facts.protocol is None or facts.protocol in PROTOCOLS
    assert facts.section is None or facts.section in Experiment.model_fields
    keys = facts.requires.keys if facts.requires is not None else ()
    assert set(keys) <= set(Experiment.model_fields)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_names_a_codec_and_wires_that_exist(name: str) -> None:
    facts = protocol_facts(name)
    assert facts.codec is not None
    for reference in (facts.codec, *facts.wires):
        module, _, attribute = reference.partition(":")
        assert callable(getattr(import_module(module), attribute))
    assert facts.wires or facts.by_script


def test_an_unknown_name_has_no_facts() -> None:
    assert platform_facts("moon").module is None
    assert (protocol_facts("mine.py").codec, protocol_facts("mine.py").sends_auth) == (None, None)


# -- names are literals in one file ----------------------------------------------------------------------------------

ORDINARY_WORDS = frozenset(("local", "endpoint"))
"""Also words of other things (a store, an error class, a kind of resource): only the second rule looks at them."""

UNUSUAL_WORDS = NAMES - ORDINARY_WORDS

MEANING_SOMETHING_ELSE: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "services of AWS, in clients and signatures": (
        {"sagemaker", "bedrock", "eks"},
        (
            "aws/*",
            "deploy/bedrock/*",
            "deploy/eks/*",
            "deploy/sagemaker/*",
            "emulator/wires/*",
            "monitors/cloudwatch.py",
            "pricing/price_list_api.py",
        ),
    ),
    "sections and keys of a config": (
        {"bedrock", "ec2", "eks", "rest"},
        ("config/platform_rules.py", "config/shipped/requirements.py", "steps/run_inputs/platform_of.py"),
    ),
    "container types, recipes and backends of serving containers": (
        {"djl", "triton", "ollama"},
        ("deploy/ec2/*", "deploy/neuron/*", "deploy/sagemaker/*", "predictors/triton.py"),
    ),
    "FMBench 2.x's mark for an image that is not given": ({"ec2"}, ("deploy/ec2/stacks/*",)),
    "dialects of one codec or wire": ({"tgi", "djl"}, ("predictors/generate.py", "emulator/wires/*")),
    "serving stacks, by the prefix of their metrics": ({"tgi", "triton"}, ("monitors/*", "report/*")),
    "what addresses of requests end with": ({"rerank"}, ("runs/server_at_url.py",)),
    "constants that FMBench 2.x's scripts import": (set(NAMES), ("user_scripts/fmbench2_names.py",)),
}
"""Where a word that is also a platform's or protocol's name means something else, and stands as a literal."""


@cache
def parsed(source: str) -> ast.Module:
    return ast.parse(source)


def names_in(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of every string literal that is a platform's or protocol's name."""
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in UNUSUAL_WORDS:
            yield node.lineno, node.value


def modules() -> Iterator[tuple[str, str]]:
    """Path in the package and text of every module but the one that holds the rows."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if name != "config/platforms.py":
            yield name, path.read_text(encoding="utf-8")


def test_names_are_literals_in_one_file() -> None:
    elsewhere = []
    needed = set()
    for file, source in modules():
        for line, word in names_in(source):
            meanings = [
                meaning
                for meaning, (words, files) in MEANING_SOMETHING_ELSE.items()
                if word in words and any(fnmatch(file, pattern) for pattern in files)
            ]
            needed.update(meanings)
            if not meanings:
                elsewhere.append(f"{file}:{line}: {word}")
    assert elsewhere == []
    assert set(MEANING_SOMETHING_ELSE) == needed


@cache
def constants() -> frozenset[str]:
    """The names of the constants that hold one platform's or protocol's name."""
    values = vars(import_module("fmbench_lib.config.platforms"))
    return frozenset(name for name, value in values.items() if name.isupper() and isinstance(value, str))


def decisions_in(source: str) -> Iterator[int]:
    """Lines that tell a platform or protocol from others by its name, whatever room they are in.

    That is a comparison of something called platform or protocol with a name, and a name passed as either.
    """
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            if any(_is_name(part, constants()) for side in sides for part in ast.walk(side)) and any(
                _is_platform_or_protocol(side) for side in sides
            ):
                yield node.lineno
        elif isinstance(node, ast.Call):
            given = [word.value for word in node.keywords if word.arg in ("platform", "protocol")]
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("platform", "platform_facts", "protocol_facts", "platform_of_existing"):
                given += node.args
            if any(_is_name(value, frozenset()) for value in given):
                yield node.lineno


def _is_name(node: ast.AST, constants: frozenset[str]) -> bool:
    if isinstance(node, ast.Name):
        return node.id in constants
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in NAMES


def _is_platform_or_protocol(node: ast.AST) -> bool:
    """Whether an expression reads a platform or protocol: a variable, an attribute, a key of either name."""
    words = {getattr(part, key, None) for part in ast.walk(node) for key in ("id", "attr", "value")}
    return bool({"platform", "protocol"} & {word for word in words if isinstance(word, str)})


def test_no_module_decides_by_a_name() -> None:
    assert [f"{file}:{line}" for file, source in modules() for line in decisions_in(source)] == []


@pytest.mark.parametrize(
    "source",
    [
        'experiment.platform == "local"',
        'platform in ("sagemaker", "bedrock")',
        'entry.get("platform") != "ec2"',
        'entry["protocol"] == "triton"',
        "experiment.platform == BEDROCK",
        'Endpoint("mine", platform="endpoint")',
        'platform_facts("ec2")',
    ],
)
def test_a_decision_by_a_name_is_found(source: str) -> None:
    assert list(decisions_in(source)) == [1]


@pytest.mark.parametrize(
    "source", ['"""bedrock and more."""', 'kind == "endpoint"', "experiment.protocol in PATHS", "platform(name)"]
)
def test_other_lines_are_left_alone(source: str) -> None:
    assert list(decisions_in(source)) == []


def test_a_name_in_a_literal_is_found() -> None:
    assert list(names_in('TABLE = {"ec2": 1}\nother = "local"')) == [(1, "ec2")]


# -- platforms that installed packages add ---------------------------------------------------------------------------

PACKAGE_SOURCE = """
from dataclasses import replace
from types import SimpleNamespace

from fmbench_lib.config.platform_types import PlatformFacts, Requirement
from fmbench_lib.deploy import Endpoint

FACTS = PlatformFacts(
    "moon",
    protocol="tgi",
    deployed_by_default=True,
    requires=Requirement(("image_uri",), "write the image to fly there"),
    defaults=lambda experiment: {"instance_type": "crater", "name": f"moon-{experiment.get('model_id')}"},
)


class Moon:
    def plan(self, experiment):
        return f"lands {experiment.image_uri}"

    def deploy(self, experiment, context):
        return Endpoint(experiment.name, FACTS.name, urls=("http://moon/generate",), owned=True, status="in_service")

    def why_dead(self, endpoint):
        return ""

    def delete(self, endpoint):
        return replace(endpoint, status="deleted")


PLATFORM = Moon()

misnamed = SimpleNamespace(FACTS=FACTS, PLATFORM=PLATFORM)
without_facts = SimpleNamespace(PLATFORM=PLATFORM)
"""
ENTRY_POINTS = """[fmbench.platforms]
moon = moon_platform
ec2 = moon_platform
mars = moon_platform:misnamed
venus = moon_platform:without_facts
pluto = moon_platform:nothing
"""
MOON = "platform: moon\n  image_uri: rocket:1"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package with platforms that is installed as far as Python can tell."""
    (tmp_path / "moon_platform.py").write_text(PACKAGE_SOURCE)
    facts = tmp_path / "moon-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: moon\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    monkeypatch.delitem(sys.modules, "moon_platform", raising=False)


@pytest.fixture
def config(tmp_path: Path, minimal: str) -> Callable[[str], Path]:
    """Writes the least that is a config, with other lines in the place of `platform: endpoint`."""

    def written(lines: str) -> Path:
        path = tmp_path / "config.yml"
        path.write_text(minimal.replace("platform: endpoint", lines))
        return path

    return written


@pytest.mark.usefixtures("installed")
def test_an_installed_package_adds_a_platform(config: Callable[[str], Path]) -> None:
    assert known_platforms() == (*PLATFORMS, "mars", "moon", "pluto", "venus")
    experiment = load_config(config(MOON)).config.experiments[0]
    assert (experiment.platform, experiment.protocol, experiment.deploy) == ("moon", "tgi", True)
    assert experiment.instance_type == "crater"
    assert platform("moon").plan(experiment) == "lands rocket:1"
    assert platform_of_existing("moon") is platform("endpoint")


@pytest.mark.usefixtures("installed")
def test_its_row_says_what_an_experiment_must_have(config: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"experiments\[0\]\.image_uri: is missing; write the image to fly there"):
        load_config(config("platform: moon"))


@pytest.mark.usefixtures("installed")
def test_it_never_takes_the_place_of_ours() -> None:
    assert platform_facts("ec2").extra == "ec2"
    assert platform("ec2") is import_module("fmbench_lib.deploy.ec2.platform").PLATFORM


@pytest.mark.usefixtures("installed")
def test_a_misspelt_name_finds_it(config: Callable[[str], Path]) -> None:
    with pytest.raises(ConfigError, match=r"platform: is 'moom'; .*did you mean moon\?"):
        load_config(config("platform: moom"))


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mars", "platform mars: its FACTS has the name 'moon'; give it that of its entry point"),
        ("venus", "platform venus: .* needs FACTS, a PlatformFacts, and PLATFORM"),
        ("pluto", "platform pluto: moon_platform:nothing cannot be imported: AttributeError"),
    ],
)
def test_one_that_cannot_be_used_is_named(config: Callable[[str], Path], name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        platform_facts(name)
    with pytest.raises(ConfigError, match=message):
        load_config(config(f"platform: {name}"))


@pytest.mark.usefixtures("installed")
def test_what_no_package_adds_is_unknown() -> None:
    with pytest.raises(DeployError, match=r"unknown platform 'sun'; there are: local, .*moon"):
        platform("sun")


@pytest.mark.parametrize(
    ("address", "protocol", "completed"),
    [
        ("http://h:8000/v1", "openai", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/", "openai", "http://h:8000/v1/chat/completions"),
        ("http://h:8000", "openai", "http://h:8000/v1/chat/completions"),
        ("http://h:8000/v1/completions", "openai", "http://h:8000/v1/completions"),
        ("http://h:8000/v1/chat/completions/", "openai", "http://h:8000/v1/chat/completions/"),
        ("http://h:8000/other", "openai", "http://h:8000/other"),
        ("https://h/gateway/v1", "openai", "https://h/gateway/v1/chat/completions"),
        ("https://h/v1/chat", "openai", "https://h/v1/chat/completions"),
        ("http://h:8000/?a=1", "openai", "http://h:8000/?a=1"),
        ("http://h:11434", "ollama", "http://h:11434/api/generate"),
        ("http://h:8000", "tgi", "http://h:8000"),
        ("name-of-an-endpoint", "openai", "name-of-an-endpoint"),
    ],
)
def test_the_base_of_an_address_is_completed(address: str, protocol: str, completed: str) -> None:
    assert completed_address(address, protocol_facts(protocol)) == completed


@pytest.mark.parametrize(
    ("address", "protocol"),
    [
        ("http://h:8080/completion", "llama_cpp"),
        ("http://h:8080/v1/completions", "openai"),
        ("http://h:11434/api/chat?x=1", "ollama"),
        ("http://h:8080/generate", "tgi"),
        ("http://h:8080/generate_stream/", "tgi"),
        ("http://h:11434/api/generate", "ollama"),
        ("http://h:8000/v2/models/m/generate", "triton"),
        ("http://h:8000/v2/models/m/versions/2/generate_stream", "triton"),
        ("http://h:8080/invocations", "openai"),
        (None, "openai"),
    ],
)
def test_the_end_of_an_address_tells_the_protocol(address: str | None, protocol: str) -> None:
    assert protocol_of(platform_facts("endpoint"), None, None, address) == protocol


def test_a_container_tells_the_protocol_rather_than_the_address() -> None:
    ec2 = platform_facts("ec2")
    assert protocol_of(ec2, None, "djl", "http://h:8080/v1/chat/completions") == "djl"
    assert protocol_of(ec2, None, "llama_server", "http://h:8080/v1/chat/completions") == "openai"
    assert protocol_of(ec2, None, "llama_server", "http://h:8080/completion") == "llama_cpp"
