from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

import fmbench_lib
from fmbench_lib.config import ConfigError, load_config, resolve_file, shipped_configs, shipped_path, validate_paths
from fmbench_lib.config.platforms import PROTOCOLS
from fmbench_lib.config.shipped import files as module
from fmbench_lib.config.web_address import fault_of_address

_VALUES = {"url": "http://127.0.0.1:8080", "tp_degree": "2", "batch_size": "4"}
ROOT = Path(fmbench_lib.__file__).resolve().parent.parent


@pytest.fixture
def wheel(tmp_path: Path, minimal: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package as a wheel installs it, with one config of its own, and a current folder elsewhere."""
    root = tmp_path / "site" / "fmbench_lib"
    (root / "shipped" / "configs" / "openai").mkdir(parents=True)
    (root / "__init__.py").write_text("")
    (root / "shipped" / "pricing.yml").write_text("pricing: {}\n")
    (root / "shipped" / "configs" / "openai" / "chat.yml").write_text("# A chat server\n" + minimal)
    (root / "shipped" / "configs" / "judges.yml").write_text("model_evaluations: {}\n")
    monkeypatch.setattr(fmbench_lib, "__file__", str(root / "__init__.py"))
    current = tmp_path / "current"
    current.mkdir()
    monkeypatch.chdir(current)
    return root / "shipped"


def test_in_a_checkout_files_ship_from_its_root() -> None:
    assert module.shipped_root() == ROOT
    assert shipped_path("fmbench_lib/errors.py") == ROOT / "fmbench_lib" / "errors.py"
    assert shipped_path("no/such/file") is None


def test_in_a_wheel_files_ship_from_inside_the_package(wheel: Path) -> None:
    assert shipped_path("pricing.yml") == wheel / "pricing.yml"
    assert shipped_configs() == [("openai/chat", wheel / "configs" / "openai" / "chat.yml", "A chat server")]


@pytest.mark.parametrize("name", ["openai/chat", "openai/chat.yml"])
def test_a_config_that_ships_is_loaded_by_its_name(wheel: Path, name: str) -> None:
    assert load_config(name).path == wheel / "configs" / "openai" / "chat.yml"


def test_a_users_file_overrides_a_shipped_one(wheel: Path, minimal: str) -> None:
    (Path.cwd() / "openai").mkdir()
    own = Path.cwd() / "openai" / "chat.yml"
    own.write_text(minimal)
    assert load_config("openai/chat.yml").path == own.resolve()


def test_files_are_looked_for_beside_the_config_then_here_then_among_what_ships(wheel: Path, tmp_path: Path) -> None:
    folder = tmp_path / "configs-of-mine"
    folder.mkdir()

    def found() -> Path:
        return resolve_file("pricing.yml", folders=[folder], kind="price file")

    assert found() == wheel / "pricing.yml"
    (Path.cwd() / "pricing.yml").write_text("")
    assert found() == Path.cwd() / "pricing.yml"
    (folder / "pricing.yml").write_text("")
    assert found() == folder / "pricing.yml"


@pytest.mark.parametrize("name", ["nothing.yml", "/nowhere/nothing.yml"])
def test_a_file_that_is_nowhere_is_named_with_its_kind(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"price file {name}") as raised:
        resolve_file(name, folders=[tmp_path], kind="price file")
    assert "\n" not in str(raised.value)


def test_every_config_that_ships_is_valid() -> None:
    for name, path, description in shipped_configs():
        assert description, f"{name} has no comment on its first line that says what it is"
        (without,) = validate_paths([path])
        asked = {key for notice in without.notices for key in re.findall(r"-A (\w+)=", notice.message)}
        (checked,) = validate_paths([path], {key: _VALUES.get(key, key) for key in asked})
        assert (checked.problems, checked.notices) == ((), ()), name
        if name.startswith(("endpoint/", "ec2/")):
            assert set(re.findall(r"-A (\w+)=", description)) == asked, name


def test_there_is_a_config_for_an_endpoint_of_each_protocol() -> None:
    """But for those of platforms with configs of their own, older spellings, and scripts, which need one."""
    elsewhere = {"sagemaker", "bedrock", "bedrock_invoke", "eks", "custom_rest", "user_script"}
    arguments = {"url": "http://127.0.0.1:8080", "model_id": "m", "tokenizer": "words"}
    shipped = [
        load_config(path, arguments=arguments).config
        for name, path, _ in shipped_configs()
        if name.startswith("endpoint/")
    ]
    spoken = {one.protocol for config in shipped for one in config.experiments if one.platform == "endpoint"}
    assert spoken == set(PROTOCOLS) - elsewhere


def test_the_evaluated_quickstart_is_the_quickstart_with_judges() -> None:
    """Under another name and with a budget; the quickstart itself asks for no evaluation, and stays as quick."""
    names = ("quickstart", "quickstart_evaluated")
    plain, evaluated = (yaml.safe_load((ROOT / "configs" / f"{name}.yml").read_text()) for name in names)
    assert "evaluation" not in plain
    section = evaluated.pop("evaluation")
    assert len(section["judges"]) == 3
    assert len({judge["template"] for judge in section["judges"]}) == 3
    assert evaluated["general"].pop("name") != plain["general"].pop("name")
    assert evaluated["report"].pop("accuracy_budget") > 0
    assert evaluated == plain


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("prompt_template_deepseek.txt", "did you mean prompt_template_deepseek_longbench.txt, which ships?"),
        ("prompt_template_llama3_openorca.txt", "did you mean prompt_template_llama3_OpenOrca.txt, which ships?"),
        ("prompt_template_lama3.txt", "did you mean prompt_template_llama3.txt, which ships?"),
        ("prompt_template_phi.txt", "correct the name or put the file there"),
    ],
)
def test_a_shipped_template_of_nearly_that_name_is_offered(tmp_path: Path, name: str, meant: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolve_file(name, folders=[tmp_path], kind="prompt template")
    assert str(error.value).endswith(f"and what ships with fmbench; {meant}")


def test_a_placeholder_that_is_not_filled_in_is_said(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"the prompt template is the placeholder <your-template\.txt>: write the name"
    ):
        resolve_file("<your-template.txt>", folders=[tmp_path], kind="prompt template")
    fault = fault_of_address("http://<NLB_DNS_NAME>/serve/infer?sentence=")
    assert fault == "has the placeholder <NLB_DNS_NAME>; write your endpoint's own in its place"
    assert fault_of_address("http://host/infer?sentence=<x>") is None
