"""The documentation holds: its links lead somewhere, its configs validate, its commands parse, its examples run."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import pkgutil
import random
import re
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from fmbench_lib.cli.parser import parser
from fmbench_lib.config import load_config
from fmbench_lib.deploy import Platform
from fmbench_lib.errors import ERROR_CLASSES, FmbenchError
from fmbench_lib.predictors.base import HttpResponse
from fmbench_lib.predictors.registry import predictor_for

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "fmbench_lib"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
ARCHITECTURE, EXTENDING = ROOT / "docs" / "architecture.md", ROOT / "docs" / "extending.md"
HAND_WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ARCHITECTURE, EXTENDING]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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


def paths_named(page: Path) -> Iterator[str]:
    """Everything in inline code, and in the picture, that is spelt like a file or folder of the project."""
    code = re.findall(r"`([^`\n]+)`", prose(page)) + re.findall(r"[\w./]+", "\n".join(blocks(page, "")))
    folders = {
        path.name for place in (ROOT, PACKAGE) for path in place.iterdir() if path.is_dir() and path.name[0] != "."
    }
    for word in (word for text in code for word in text.split() if re.fullmatch(r"[\w./-]+", word)):
        if word.endswith((".py", ".ipynb", ".md", ".toml")) or ("/" in word and word.split("/")[0] in folders):
            yield word


@pytest.mark.parametrize("page", HAND_WRITTEN, ids=named(HAND_WRITTEN))
def test_every_path_that_is_named_exists(page: Path) -> None:
    of_a_run = {"report.md", "requests/", "prompts/", "metrics/", "figures/", "results/my-benchmark/RUN"}
    stems = {path.name for path in PACKAGE.rglob("*.py")}
    missing = [
        path
        for path in paths_named(page)
        if not any((place / path).exists() for place in (ROOT, ROOT / "docs", PACKAGE, PACKAGE / "steps"))
        and path not in of_a_run | stems
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
        elif words and not {"[OPTIONS]", "RUN_DIR"} & set(words) and not line.endswith("…"):
            parser().parse_args(command_of(words))


def command_of(words: list[str]) -> list[str]:
    """The arguments as the parser takes them: without a command it is `run`."""
    return ["run", *words[1:]] if words[1].startswith("-") else words[1:]


# -- examples --------------------------------------------------------------------------------------------------------


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """Imports the module that extending.md shows whole and that begins with these words."""

    def load(start: str) -> ModuleType:
        (text,) = [text for text in blocks(EXTENDING, "python") if text.startswith(f'"""{start}')]
        (tmp_path / "shown_in_docs.py").write_text(text, encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "shown_in_docs", raising=False)
        return importlib.import_module("shown_in_docs")

    return load


@pytest.mark.parametrize("text", blocks(EXTENDING, "python"))
def test_an_example_is_python(text: str) -> None:
    ast.parse(textwrap.dedent(text))


def test_the_example_of_a_platform_has_the_methods_of_one(example: Callable[[str], ModuleType]) -> None:
    platform = example("Platform `docker`").PLATFORM
    for name in ("plan", "deploy", "why_dead", "delete"):
        wanted = [*inspect.signature(getattr(Platform, name)).parameters][1:]
        assert [*inspect.signature(getattr(platform, name)).parameters] == wanted


def test_the_example_of_a_protocol_reads_every_cut_of_an_answer(example: Callable[[str], ModuleType]) -> None:
    predictor = example("Pieces of text").PiecewisePredictor("http://127.0.0.1/pieces", {"heat": 1})
    assert json.loads(predictor.encode("Why?", 9).body) == {"ask": "Why?", "heat": 1, "most": 9}
    lines = [{"piece": "Be"}, {"piece": "cause"}, {"total": 2}]
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    whole = predictor.decode(HttpResponse(200, (), body))
    assert (whole.text, whole.completion_tokens, whole.error_class) == ("Because", 2, None)
    texts = [event.text for event in whole.events]
    for cut in range(len(body)):
        part = predictor.decode(HttpResponse(200, (), body[:cut], complete=False))
        assert part.error_class == "truncated"
        assert [event.text for event in part.events] == texts[: len(part.events)]
    assert predictor.decode(HttpResponse(200, (), b'{"trouble": "none left"}')).error_class == "endpoint"


def test_the_example_of_a_protocol_is_made_from_a_file(example: Callable[[str], ModuleType], tmp_path: Path) -> None:
    example("Pieces of text")
    path = tmp_path / "config.yml"
    path.write_text(
        "general: {name: own}\n"
        "datasets:\n"
        "  filters:\n"
        "  - {language: en, min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: p.jsonl}\n"
        "experiments:\n"
        "- {platform: endpoint, protocol: shown_in_docs.py, ep_name: 'http://h/p', concurrency_levels: [1]}\n"
    )
    loaded = load_config(path)
    made = predictor_for(loaded.config.experiments[0], "http://h/p", None, loaded.folder)
    assert json.loads(made.encode("Why?").body) == {"ask": "Why?"}


@pytest.mark.parametrize(
    ("body", "error"),
    [(b"", "truncated"), (b"\xff\x00", "decode"), (b"[1]", "decode"), (b"[" * 9999, "decode"), (b"null", "decode")],
)
def test_the_example_of_a_protocol_gives_an_error_class_and_never_raises(
    body: bytes, error: str, example: Callable[[str], ModuleType]
) -> None:
    predictor = example("Pieces of text").PiecewisePredictor("http://127.0.0.1/pieces")
    assert predictor.decode(HttpResponse(200, (), body)).error_class == error
    assert error in ERROR_CLASSES


def test_the_example_of_an_arrival_process_has_the_rate_that_it_is_asked_for() -> None:
    (text,) = [text for text in blocks(EXTENDING, "python") if text.startswith("def _uniform")]
    names: dict[str, Any] = {"random": random, "Iterator": Iterator}
    exec(text, names)
    times = list(islice(names["_uniform"](4.0, random.Random(1)), 20_000))
    assert times == sorted(times)
    assert len(times) / times[-1] == pytest.approx(4.0, rel=0.02)
