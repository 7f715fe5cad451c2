"""Answers that should be JSON or a number."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

_FENCED = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(
    r"(?<![\w.])([-+−](?=\s?[$€£¥₹]))?(?:(?<=[-+−])\s?[$€£¥₹]\s?)?"
    r"([-+−]?)(\d{1,3}(?:,\d{3})+(?![\d,])|\d[\d_]*|(?=\.\d))((?:\.\d+)?(?:[eE][-+−]?\d+)?)"
)
"""A sign before a sign of currency or before the digits, the digits, and a fraction and an exponent."""
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


def matches_schema(text: str, schema: Mapping[str, Any]) -> bool | None:
    """Whether an answer is JSON that satisfies a JSON Schema; None where the schema cannot be applied to it, as it
    refers to nothing, or to itself for ever. Raises ImportError where jsonschema is not installed."""
    from referencing.exceptions import Unresolvable

    is_json, value = parsed_json(text)
    try:
        return is_json and bool(_validator(json.dumps(schema, sort_keys=True)).is_valid(value))
    except (Unresolvable, RecursionError):
        return None


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
    references = list(_references(schema))
    if outside := next((each for each in references if not each.startswith("#")), None):
        return f"refers to {outside}; write all of it in this file"
    nowhere = next((each for each in references if not _leads_somewhere(each, schema)), None)
    return None if nowhere is None else f"refers to {nowhere}, which is not in it; write what it stands for"


def _leads_somewhere(reference: str, schema: Mapping[str, Any]) -> bool:
    """Whether a JSON pointer (RFC 6901) leads to a place in the schema; a name of an anchor is taken to, and so is one
    that may count from a part with an address of its own."""
    if '"$id"' in json.dumps([value for key, value in schema.items() if key != "$id"]):
        return True
    place: Any = schema
    for part in unquote(reference[1:]).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(place, list) and key.isdecimal() and int(key) < len(place):
            place = place[int(key)]
        elif isinstance(place, dict) and key in place:
            place = place[key]
        else:
            return False
    return True


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
    """The numbers in a text, in order. Commas between groups of three digits are separators of thousands, other commas
    stand between numbers; a sign may stand before a sign of currency; 5% is 5. One that is too large is left out."""
    found = []
    for match in _NUMBER.finditer(text):
        before, sign, digits, rest = match.groups()
        number = f"{before or sign}{digits.replace(',', '').replace('_', '') or '0'}{rest}".replace("−", "-")
        found.append(float(number))
    return [number for number in found if math.isfinite(number)]
