"""The image: what it is built from, what it installs, and as whom it runs. Building it takes a registry of images."""

from __future__ import annotations

import json
import re
import runpy
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import setuptools

ROOT = Path(__file__).parents[1]
KNOWN = {"ARG", "FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "STOPSIGNAL", "ENTRYPOINT", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions and what follows each, lines joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in text.splitlines() if line.strip()]


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What setup.py gives to setuptools, and its own names."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", given.update)
    monkeypatch.chdir(ROOT)
    return {**runpy.run_path(str(ROOT / "setup.py")), **given}


def kept(name: str) -> bool:
    """Whether something at the checkout's root goes into the build, as .dockerignore says: the last rule that fits."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    fitting = [rule for rule in rules if fnmatch(name, rule.removeprefix("!").removeprefix("**/"))]
    return not fitting or fitting[-1].startswith("!")


def test_every_instruction_is_one_and_every_argument_is_used() -> None:
    found = instructions()
    assert {name for name, _ in found} <= KNOWN
    text = (ROOT / "Dockerfile").read_text()
    for name, rest in found:
        if name == "ARG":
            assert f"${{{rest.partition('=')[0]}}}" in text
        if name in ("ENTRYPOINT", "CMD"):
            assert isinstance(json.loads(rest), list)


def test_it_runs_as_nobody_special_and_fmbench_is_what_it_runs(packed: dict[str, Any]) -> None:
    last = dict(instructions())
    assert last["USER"].partition(":")[0] not in ("root", "0", "")
    (command,) = json.loads(last["ENTRYPOINT"])
    assert f"{command} = fmbench_lib.cli.commands:main" in packed["entry_points"]["console_scripts"]
    extras = next(rest for name, rest in instructions() if rest.startswith("EXTRAS=")).removeprefix("EXTRAS=")
    assert set(extras.split(",")) <= set(packed["extras_require"])


def test_python_is_one_that_the_package_takes(packed: dict[str, Any]) -> None:
    base = next(rest for name, rest in instructions() if rest.startswith("BASE="))
    minor = re.search(r"python:3\.(\d+)-slim", base)
    least, below = re.findall(r"3\.(\d+)", packed["python_requires"])
    assert minor is not None
    assert int(least) <= int(minor[1]) < int(below)


def test_what_the_package_is_made_of_is_there_and_nothing_else(packed: dict[str, Any]) -> None:
    needed = {"setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "fmbench_lib", *packed["SHIPPED"]}
    assert [name for name in sorted(needed) if not kept(name)] == []
    named = re.findall(r"^!(\S+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert [name for name in named if not (ROOT / name).exists()] == []
    assert not any(map(kept, (".git", ".venv", "results", "tests", "hf_token.txt", ".env", "my.yml", "config.yml")))
