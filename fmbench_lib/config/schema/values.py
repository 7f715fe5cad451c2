"""The kinds of values that keys take: each checks one value, and its error says what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from fmbench_lib.config.precision import parse_precision
from fmbench_lib.config.problems import alternatives, shown
from fmbench_lib.config.spelling import nearest
from fmbench_lib.pricing.price_list import SECTIONS, PriceEntryError, PriceList

_NUMBER_TEXT = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*\Z")
_TRUTH = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(frozen=True, slots=True)
class Kind:
    """The name of a kind of value in the configuration reference."""

    words: str


def reject(message: str) -> NoReturn:
    """Refuse a value.

    :raises PydanticCustomError: always; the message is shown as it is.
    """
    raise PydanticCustomError("fmbench", "{message}", {"message": message})


def _text(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        reject(f"is {shown(value)}; write text" + (" in quotes" if isinstance(value, bool) else ""))
    text = str(value).strip() if not isinstance(value, str) else value.strip()
    if not text:
        reject("is empty; write text or leave the key out")
    return text


def _block(value: Any) -> str:
    if not isinstance(value, str):
        reject(f"is {shown(value)}; write text")
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    reject(f"is {shown(value)}; write yes or no")


def _number(value: Any, minimum: float, maximum: float, above: bool, loose: bool, whole: bool) -> float:
    expected = _expected(minimum, maximum, above, whole)
    if isinstance(value, str) and loose and _NUMBER_TEXT.match(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        given = f"the text {shown(value)}" if isinstance(value, str) else shown(value)
        reject(f"is {given}; write {expected}{_without_unit(value)}")
    if not math.isfinite(value):
        reject(f"is {shown(value)}; write {expected}")
    if value < minimum or value > maximum or (above and value == minimum):
        reject(f"is {shown(value)}; write {expected}")
    if whole and value != int(value):
        reject(f"is {shown(value)}; write {expected}")
    return value


def _expected(minimum: float, maximum: float, above: bool, whole: bool) -> str:
    noun = "a whole number" if whole else "a number"
    if math.isfinite(maximum):
        return f"{noun} from {minimum:g} to {maximum:g}"
    if not math.isfinite(minimum):
        return noun
    return f"{noun} above {minimum:g}" if above else f"{noun}, {minimum:g} or more"


def _without_unit(value: Any) -> str:
    match = re.match(r"\s*\$?\s*(\d+(?:\.\d+)?)\s*(?:[a-zA-Z%$]*)\s*\Z", value) if isinstance(value, str) else None
    return f", without quotes or unit: {match.group(1)}" if match else ""


def whole(minimum: int = 0, *, loose: bool = False) -> Callable[[Any], int]:
    """A check for whole numbers from `minimum` on; `loose` also accepts a number in quotes, as in older configs."""
    return lambda value: int(_number(value, minimum, math.inf, False, loose, True))


def number(
    minimum: float = 0, maximum: float = math.inf, *, above: bool = False, loose: bool = False
) -> Callable[[Any], float]:
    """A check for numbers from `minimum` to `maximum`; `above` excludes the minimum, `loose` accepts quotes."""
    return lambda value: float(_number(value, minimum, maximum, above, loose, False))


def one_of(*words: str) -> Callable[[Any], str]:
    """A check for one of a few words; its error suggests the nearest."""

    def _checked(value: Any) -> str:
        if isinstance(value, str) and value.strip() in words:
            return value.strip()
        close = nearest(value, words) if isinstance(value, str) else None
        meant = f" (did you mean {close}?)" if close else ""
        reject(f"is {shown(value)}; write {alternatives(words)}{meant}")

    return _checked


def _until(value: Any) -> str:
    text = _text(value)
    try:
        parse_precision(text)
    except ValueError as error:
        reject(f"is {shown(value)}; {error}")
    return text


def _workers(value: Any) -> int | str:
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        reject(f"is {shown(value)}; write auto or a whole number, 1 or more")
    return value


def _copies(value: Any) -> int | str:
    if value in ("auto", "max"):
        return str(value)
    if isinstance(value, str) and value.strip().isdigit():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        reject(f"is {shown(value)}; write max, auto or a whole number, 1 or more")
    return value


def _prices(value: Any) -> str | dict[str, Any]:
    if isinstance(value, str) and value.strip():
        return value.strip()
    if not isinstance(value, dict):
        reject(f"is {shown(value)}; write the name of a price file, or lines of `instance type: USD per hour`")
    prices = _without_outer(value)
    for key, entries in prices.items():
        close = nearest(key, SECTIONS, within=3) if isinstance(entries, dict) and key not in SECTIONS else None
        if close is not None:
            reject(f"has the unknown section {key}; did you mean {close}?")
    try:
        PriceList.from_mapping(prices, "the config")
    except PriceEntryError as error:
        reject(f"has a mistake at {error.place.removeprefix('pricing.')}: {error.problem}")
    return prices


def _without_outer(value: dict[str, Any]) -> dict[str, Any]:
    """The prices without the enclosing `pricing:` of a price file."""
    if "pricing" not in value:
        return value
    inner = value["pricing"]
    if len(value) > 1 or not isinstance(inner, dict):
        reject("has another `pricing` in it; write what is under it directly")
    return inner


def _environment_name(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value.strip()):
        return value.strip()
    reject("takes the name of an environment variable that holds the key, such as MY_API_KEY, never the key itself")


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        reject(f"is {shown(value)}; write `key: value` lines under it")
    return value


def list_of(of: str) -> Callable[[Any], Sequence[Any]]:
    """A check for a list; `of` names its items in the error."""

    def _checked(value: Any) -> Sequence[Any]:
        if not isinstance(value, list):
            example = value if isinstance(value, str | int | float) and not isinstance(value, bool) else "…"
            reject(f"is {shown(value)}; write a list of {of}: [{example}]")
        return value

    return _checked


def _section_list(value: Any) -> Sequence[Any]:
    if not isinstance(value, list):
        reject(f"is {shown(value)}; write a list, each entry of which starts with `- `")
    return value


_TEXT, _NAME, _FILE = TEXT_KINDS = Kind("text"), Kind("name"), Kind("file")
"""Kinds of one-line text: an empty text counts as no value where such a key is optional."""

Text = Annotated[str, PlainValidator(_text), _TEXT]
Block = Annotated[str, PlainValidator(_block), Kind("text block")]
Name = Annotated[str, PlainValidator(_text), _NAME]
FileName = Annotated[str, PlainValidator(_text), _FILE]
Flag = Annotated[bool, PlainValidator(_flag), Kind("yes/no")]
Count = Annotated[int, PlainValidator(whole(1)), Kind("whole number ≥ 1")]
CountFromZero = Annotated[int, PlainValidator(whole(0)), Kind("whole number ≥ 0")]
LooseCount = Annotated[int, PlainValidator(whole(1, loose=True)), Kind("whole number ≥ 1")]
Tokens = Annotated[int, PlainValidator(whole(0)), Kind("tokens")]
Port = Annotated[int, PlainValidator(whole(1)), Kind("port number")]
Seed = Annotated[int, PlainValidator(whole(0)), Kind("whole number ≥ 0")]
Seconds = Annotated[float, PlainValidator(number(above=True)), Kind("seconds > 0")]
LooseSeconds = Annotated[float, PlainValidator(number(above=True, loose=True)), Kind("seconds > 0")]
NoSeconds = Annotated[float, PlainValidator(number()), Kind("seconds ≥ 0")]
Burstiness = Annotated[float, PlainValidator(number(above=True)), Kind("number > 0")]
Until = Annotated[str, PlainValidator(_until), Kind("`ci_p95 < 5%`")]
Dollars = Annotated[float, PlainValidator(number(above=True)), Kind("USD > 0")]
Fraction = Annotated[float, PlainValidator(number(0, 1)), Kind("fraction 0…1")]
Ratio = Annotated[float, PlainValidator(number()), Kind("number ≥ 0")]
Rate = Annotated[float, PlainValidator(number(above=True)), Kind("requests/s > 0")]
FreeKeys = Annotated[dict[str, Any], PlainValidator(_mapping), Kind("free keys")]
Prices = Annotated[str | dict[str, Any], PlainValidator(_prices), Kind("file, or prices by instance type")]
Workers = Annotated[int | str, PlainValidator(_workers), Kind("`auto` or whole number ≥ 1")]
Copies = Annotated[int | str, PlainValidator(_copies), Kind("`max`, `auto` or whole number ≥ 1")]
EnvironmentName = Annotated[str, PlainValidator(_environment_name), Kind("environment variable")]
Texts = Annotated[list[Text], BeforeValidator(list_of("texts")), Kind("list of texts")]
FileNames = Annotated[list[FileName], BeforeValidator(list_of("file names")), Kind("list of files")]
Counts = Annotated[list[Count], BeforeValidator(list_of("whole numbers")), Kind("list of whole numbers ≥ 1")]
Rates = Annotated[list[Rate], BeforeValidator(list_of("numbers")), Kind("list of requests/s")]
section_list = BeforeValidator(_section_list)
