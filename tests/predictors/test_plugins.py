"""Codecs of the user's own: from a Python file, and from an installed package."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from fmbench_lib.config import Experiment, load_config
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import HttpResponse
from fmbench_lib.predictors.registry import predictor_for

MakeExperiment = Callable[..., Experiment]

CODEC = """
from __future__ import annotations

from dataclasses import dataclass

from fmbench_lib.predictors.base import Completion, Event, HttpRequest


@dataclass(frozen=True, slots=True)
class Shouting:
    url: str
    name: str

    def encode(self, prompt, max_tokens=None):
        return HttpRequest("POST", self.url, (), prompt.upper().encode())

    def decode(self, response):
        return Completion(text="!", events=(Event(len(response.body), "!"),))


def make_predictor(experiment, url, model, stream):
    return Shouting(url, experiment.name)
"""


def test_a_python_file_beside_the_config(experiment: MakeExperiment, tmp_path: Path) -> None:
    (tmp_path / "shouting.py").write_text(CODEC)
    made = predictor_for(experiment(protocol="shouting.py"), "http://h/x", None, tmp_path)
    assert made.encode("hi").body == b"HI"
    assert made.decode(HttpResponse(200, (), b"")).text == "!"
    assert "fmbench_user_shouting" not in sys.modules


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, r"the codec mine\.py was not found in"),
        ("x = 1", r"mine\.py: has no function make_predictor"),
        ("import nothing_of_that_name", r"mine\.py: cannot be run: ModuleNotFoundError"),
        ("def make_predictor(", r"mine\.py: cannot be run: SyntaxError"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    experiment: MakeExperiment, tmp_path: Path, source: str | None, says: str
) -> None:
    if source is not None:
        (tmp_path / "mine.py").write_text(source)
    with pytest.raises(InputError, match=f"experiment mine: .*{says}"):
        predictor_for(experiment(protocol="mine.py"), "http://h/x", None, tmp_path)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package `shouting` that is installed as far as Python can tell."""
    (tmp_path / "shouting_codec.py").write_text(CODEC)
    facts = tmp_path / "shouting-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[fmbench.predictors]\nshouting = shouting_codec:make_predictor\nbroken = shouting_codec:nothing\n"
    )
    monkeypatch.syspath_prepend(os.fspath(tmp_path))
    monkeypatch.delitem(sys.modules, "shouting_codec", raising=False)
    return tmp_path


def test_an_installed_package_adds_a_protocol(
    experiment: MakeExperiment, installed: Path, minimal_config: Callable[[str], Path]
) -> None:
    loaded = load_config(minimal_config("shouting"))
    assert loaded.config.experiments[0].protocol == "shouting"
    assert predictor_for(experiment(protocol="shouting"), "http://h/x", None).encode("hi").body == b"HI"


def test_one_that_cannot_be_imported_is_named(experiment: MakeExperiment, installed: Path) -> None:
    with pytest.raises(InputError, match="protocol broken: shouting_codec:nothing cannot be imported"):
        predictor_for(experiment(protocol="broken"), "http://h/x", None)
