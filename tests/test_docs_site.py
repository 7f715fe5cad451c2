"""The documentation as a site: no link is broken, every page has its place, and nothing comes from elsewhere."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs-site` builds it."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(target)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


def test_every_page_is_there_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    built = {path.relative_to(site) for path in site.rglob("*.html")}
    assert pages <= built
    loaded = re.compile(
        r"""<(?:script|img|iframe|source)[^>]+src="([^"]+)|<link[^>]+rel="(?!canonical)[^>]+href="([^"]+)"""
    )
    for path in built:
        found = [a or b for a, b in loaded.findall((site / path).read_text(encoding="utf-8"))]
        assert [address for address in found if address.startswith(("http:", "https:", "//"))] == [], path


@pytest.fixture(scope="module")
def hook() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_links", ROOT / "docs" / "site_links.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        ("", "the notebook, [here](data.md) and [there](../data.md)"),
        (
            "https://example.org/blob/main/",
            "[the notebook](https://example.org/blob/main/notebooks/a.ipynb), [here](data.md) and [there](../data.md)",
        ),
    ],
)
def test_links_out_of_the_docs_lead_to_the_repository_or_are_text(
    hook: ModuleType, repository: str, expected: str
) -> None:
    text = "[the notebook](../../notebooks/a.ipynb), [here](data.md) and [there](../data.md)"
    assert hook.with_links(text, "docs/tutorials", repository) == expected
