"""The section `inference_spec.rest`, and paths into JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fmbench_lib.config.schema.json_path import at_path, path_steps

Load = Callable[..., Any]
Mistakes = Callable[..., dict[str, str]]

DOCUMENT = {"choices": [{"text": "a"}, {"text": "b"}], "odd key": {"n": 0}, "none": None}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("$", [DOCUMENT]),
        ("$.choices[0].text", ["a"]),
        ("$.choices[*].text", ["a", "b"]),
        ("$['odd key'].n", [0]),
        ("$.none", [None]),
        ("$.choices[2].text", []),
        ("$.choices.text", []),
        ("$.missing[*].text", []),
        ("$[0]", []),
    ],
)
def test_a_path_leads_to_values(path: str, found: list[Any]) -> None:
    assert list(at_path(DOCUMENT, path_steps(path))) == found


@pytest.mark.parametrize("path", ["", "choices[0].text", "$.", "$.a..b", "$[x]", "$.a[-1]", "$..text", "$.a b"])
def test_a_path_that_is_not_understood_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"write \$\.key"):
        path_steps(path)


def with_rest(minimal: str, rest: str) -> str:
    return minimal + f"  protocol: rest\n  inference_spec: {{rest: {rest}}}\n"


def test_a_template_is_loaded(load: Load, minimal: str) -> None:
    text = with_rest(minimal, "{path: '/{prompt}', method: GET, text: ['$.a', '$.b[0]'], echoes_prompt: yes}")
    (experiment,) = load(text).config.experiments
    rest = experiment.inference_spec.rest
    assert (rest.method, rest.path, rest.text, rest.error, rest.echoes_prompt) == (
        "GET",
        "/{prompt}",
        ("$.a", "$.b[0]"),
        "$.error",
        True,
    )


@pytest.mark.parametrize(
    ("rest", "key", "says"),
    [
        ("{text: choices}", "text", "write $.key"),
        ("{text: 5}", "text", "write a path into the answer"),
        ("{completion_tokens: '$.a[b]'}", "completion_tokens", "write $.key"),
        ("{methud: GET}", "methud", "method"),
        ("{method: FETCH}", "method", "POST, GET or PUT"),
    ],
)
def test_mistakes_in_it_are_named(mistakes: Mistakes, minimal: str, rest: str, key: str, says: str) -> None:
    found = mistakes(with_rest(minimal, rest))
    assert list(found) == [f"experiments[0].inference_spec.rest.{key}"]
    assert says in found[f"experiments[0].inference_spec.rest.{key}"]


def test_a_protocol_may_be_a_python_file(load: Load, minimal: str) -> None:
    (experiment,) = load(minimal + "  protocol: codecs/mine.py\n").config.experiments
    assert experiment.protocol == "codecs/mine.py"


def test_a_misspelt_protocol_is_named(mistakes: Mistakes, minimal: str) -> None:
    found = mistakes(minimal + "  protocol: opneai\n")
    assert "did you mean openai?" in found["experiments[0].protocol"]
