"""The README is short, and its links also work on the page of a package index, which has no files of the project."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import setuptools

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"\]\(([^)\s]+)\)")
MOST_LINES = 230


def described(monkeypatch: pytest.MonkeyPatch, repository: str) -> str:
    """The description that setup.py gives the package."""
    given: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", lambda **options: given.update(options))
    monkeypatch.setenv("FMBENCH_REPOSITORY", repository)
    path = ROOT / "setup.py"
    exec(compile(path.read_text(), str(path), "exec"), {"__file__": str(path), "__name__": "setup"})
    return str(given["long_description"])


def test_it_is_short() -> None:
    assert (ROOT / "README.md").read_text(encoding="utf-8").count("\n") <= MOST_LINES


def test_links_to_files_are_absolute_where_the_address_of_the_files_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://example.org/owner/fmbench/blob/main"
    text = described(monkeypatch, f"{address}/")
    assert f"[docs/data.md]({address}/docs/data.md)" in text
    assert "](https://example.org/owner/fmbench/raw/main/docs/images/" in text
    assert [link for link in LINK.findall(text) if not link.startswith("https://")] == []
    assert "](https://github.com/" in text  # as it was


def test_without_an_address_no_link_leads_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    text = described(monkeypatch, "")
    assert [link for link in LINK.findall(text) if not link.startswith("https://")] == []
    assert "docs/data.md" in text
    assert "![" not in text
