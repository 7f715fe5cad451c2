"""Answers that should be JSON or a number."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

_FENCED = re.compile(r"^\s*```(?:json)?\s*\n(.*?)\n?\s*```\s*$", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,_]*(?:\.\d+)?(?:[eE][-+]?\d+)?%?")
_RELATIVE = 1e-6


def parsed_json(text: str) -> tuple[bool, Any]:
    """Whether an answer is JSON as a whole, also within one code fence, and its value.

    NaN and Infinity are no JSON.
    """
    fenced = _FENCED.match(text)
    try:
        return True, json.loads(fenced.group(1) if fenced else text, parse_constant=_no_json)
    except (ValueError, RecursionError):
        return False, None


def _no_json(word: str) -> Any:
    raise ValueError(word)


def matches_schema(text: str, schema: Mapping[str, Any]) -> bool:
    """Whether an answer is JSON that satisfies a JSON Schema. Raises ImportError where jsonschema is not installed."""
    is_json, value = parsed_json(text)
    return is_json and bool(_validator(json.dumps(schema, sort_keys=True)).is_valid(value))


def schema_problem(schema: Mapping[str, Any]) -> str | None:
    """Why no answer can be held against a JSON Schema: it is none, it refers to another document, or the library is not
    installed; None where nothing is wrong."""
    if importlib.util.find_spec("jsonschema") is None:
        return "needs the package jsonschema; pip install 'fmbench-lib[evaluation]'"
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema).check_schema(schema)
    except SchemaError as error:
        where = "/".join(map(str, error.absolute_path))
        return f"not a JSON Schema: {f'at {where}: ' if where else ''}{' '.join(error.message.split())[:200]}"
    outside = next((each for each in _references(schema) if not each.startswith("#")), None)
    return None if outside is None else f"refers to {outside}; write all of it in this file"


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        yield from (each for below in value.values() for each in _references(below))
    elif isinstance(value, list):
        yield from (each for below in value for each in _references(below))


@lru_cache(maxsize=4)
def _validator(schema: str) -> Any:
    from jsonschema.validators import validator_for

    content = json.loads(schema)
    return validator_for(content)(content)


def numeric_match(answer: str, truths: Sequence[str]) -> bool | None:
    """Whether the last number of the answer is that of a truth, to a millionth; None where no truth is a number.

    A truth is a number if it holds just one. An answer without a number does not match.
    """
    wanted = [found[0] for truth in truths if len(found := numbers_in(truth)) == 1]
    if not wanted:
        return None
    found = numbers_in(answer)
    return bool(found) and any(abs(found[-1] - value) <= _RELATIVE * max(abs(value), _RELATIVE) for value in wanted)


def numbers_in(text: str) -> list[float]:
    """The numbers in a text, in order; commas between digits are separators of thousands, 5% is 5."""
    found = (match.group().rstrip("%").replace(",", "").replace("_", "") for match in _NUMBER.finditer(text))
    return [float(number.replace("−", "-")) for number in found]
