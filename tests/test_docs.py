"""The documentation holds: its links lead somewhere, its configs validate, its commands parse, its examples run."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.cli.commands import with_command
from fmbench_lib.cli.parser import parser
from fmbench_lib.config import load_config
from fmbench_lib.emulator.options import build_parser
from fmbench_lib.errors import FmbenchError

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fmbench_lib"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE, EXTENDING = ROOT / "docs" / "architecture.md", ROOT / "docs" / "extending.md"
HAND_WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ARCHITECTURE, EXTENDING]
FENCE = re.compile(r"^ *```(\w*)(?: [^\n]*)?\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language ("" is none)."""
    return [text for spoken, text in FENCE.findall(page.read_text(encoding="utf-8")) if spoken == language]


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    return FENCE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked by, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(ROOT)) for page in pages]


# -- links and paths -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=named(PAGES))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


BUILT = {"build", "dist"}
"""Folders that a build leaves; what a page says of their content need not be there."""


def paths_named(page: Path) -> Iterator[str]:
    """Everything in inline code, and in the picture, that is spelt like a file or folder of the project."""
    code = re.findall(r"`([^`\n]+)`", prose(page)) + re.findall(r"[\w./]+", "\n".join(blocks(page, "")))
    folders = {
        path.name for place in (ROOT, PACKAGE) for path in place.iterdir() if path.is_dir() and path.name[0] != "."
    } - BUILT
    for word in (word for text in code for word in text.split() if re.fullmatch(r"[\w./-]+", word)):
        if word.endswith((".py", ".ipynb", ".md", ".toml")) or ("/" in word and word.split("/")[0] in folders):
            yield word


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=named(HAND_WRITTEN))
def test_every_path_that_is_named_exists(page: Path) -> None:
    of_a_run = {"report.md", "report_appendix.md", "requests/", "prompts/", "metrics/", "figures/"}
    of_a_run.add("results/my-benchmark/RUN")
    of_a_user = set(re.findall(r"^# (\w+\.py)$", page.read_text(encoding="utf-8"), re.MULTILINE))
    stems = {path.name for path in PACKAGE.rglob("*.py")}
    missing = [
        path
        for path in paths_named(page)
        if not any((place / path).exists() for place in (ROOT, ROOT / "docs", PACKAGE, PACKAGE / "steps"))
        and path not in of_a_run | of_a_user | stems
        and not path.startswith("results/")
    ]
    assert not missing


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=named(HAND_WRITTEN))
def test_every_name_that_is_said_to_be_in_a_file_is_there(page: Path) -> None:
    pairs = re.findall(r"`(\w+)` in\s+`((?:fmbench_lib/)?[\w/]+\.py)`", prose(page))
    for name, file in pairs:
        path = ROOT / file if file.startswith("fmbench_lib/") else PACKAGE / file
        assert re.search(rf"\b{name}\b", path.read_text(encoding="utf-8")), f"{name} is not in {file}"


def test_every_room_and_module_at_the_top_stands_on_the_map() -> None:
    page = ARCHITECTURE.read_text(encoding="utf-8")
    rooms = [path for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()]
    modules = [path for path in PACKAGE.glob("*.py") if not path.name.startswith("__")]
    assert [path.name for path in rooms if f"`{path.name}/`" not in page] == []
    assert [path.name for path in modules if f"`{path.name}`" not in page] == []


def test_the_map_is_one_page_and_says_only_what_folders_cannot() -> None:
    page = ARCHITECTURE.read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\|$", page.partition("## Where is")[2], re.MULTILINE)
    assert 0 < len(rows) - 2 <= 15
    assert page.count("\n") <= 130


def test_every_error_stands_in_the_tree() -> None:
    for module in pkgutil.walk_packages([str(PACKAGE)], "fmbench_lib."):
        if not module.name.endswith(("__main__", "llama_server")):
            importlib.import_module(module.name)
    tree = "\n".join(blocks(ARCHITECTURE, ""))
    assert [error.__name__ for error in family(FmbenchError) if error.__name__ not in tree] == []


def family(error: type[Exception]) -> Iterator[type[Exception]]:
    yield error
    for child in error.__subclasses__():
        if child.__module__.startswith("fmbench_lib."):
            yield from family(child)


# -- configs and commands --------------------------------------------------------------------------------------------


def configs() -> list[Any]:
    """Every YAML block that is a whole config."""
    found = [(page, text) for page in PAGES for text in blocks(page, "yaml") if "experiments" in (yaml.safe_load(text))]
    return [pytest.param(text, id=f"{page.name}-{number}") for number, (page, text) in enumerate(found)]


@pytest.mark.parametrize("text", configs())
def test_a_config_is_valid_and_short(text: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    path.write_text(text, encoding="utf-8")
    assert load_config(path).notices == ()
    assert len(text.splitlines()) < 25


def test_there_is_a_config_in_the_readme() -> None:
    assert any("README" in str(param.id) for param in configs())


@pytest.mark.parametrize("page", PAGES, ids=named(PAGES))
def test_a_command_is_one_that_there_is(page: Path) -> None:
    lines = "\n".join(blocks(page, "") + blocks(page, "sh")).splitlines()
    for line in lines:
        words = shlex.split(line, comments=True) if line.startswith(("fmbench ", "make ")) else []
        if words[:1] == ["make"]:
            targets = [word for word in words[1:] if "=" not in word]
            assert all(f"\n{target}:" in (ROOT / "Makefile").read_text() for target in targets), line
        elif words[1:2] == ["emulate"] and "OPTIONS" not in words:
            build_parser().parse_args(words[2:])
        elif words[1:] == ["cleanup"]:
            continue  # lists what stands, before the parser is asked
        elif words and not {"[OPTIONS]", "RUN_DIR"} & set(words) and not line.endswith("…"):
            parser().parse_args(with_command(words[1:]))


@pytest.mark.parametrize("text", blocks(EXTENDING, "python"))
def test_an_example_is_python(text: str) -> None:
    ast.parse(textwrap.dedent(text))
