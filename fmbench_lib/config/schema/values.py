"""The kinds of values that keys take: each checks one value, and its error says what to write instead."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NoReturn

from pydantic import BeforeValidator, PlainValidator
from pydantic_core import PydanticCustomError

from fmbench_lib.config.plain_text import fault_of_line, fault_of_path, fault_of_text
from fmbench_lib.config.precision import parse_precision
from fmbench_lib.config.problems import alternatives, shown
from fmbench_lib.config.spelling import nearest
from fmbench_lib.pricing.price_list import CHOICE_KEYS, SECTIONS, PriceEntryError, PriceList

_NUMBER_TEXT = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*\Z")
_MOST_DEPTH = 50
MOST_SECONDS = 365 * 86_400.0
MOST_CONCURRENCY = 100_000
MOST_REQUESTS = 2_000_000
MOST_LIMIT = 10**12
"""Greater than any number that a key takes."""
_MOST_WORKERS = 256  # processes
_MOST_COPIES = 10_000
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
    return _without_fault(text, fault_of_text)


def _without_fault(text: str, fault_of: Callable[[str], str | None]) -> str:
    fault = fault_of(text)
    if fault is not None:
        reject(fault)
    return text


def _line(value: Any) -> str:
    return _without_fault(_text(value), fault_of_line)


def _path(value: Any) -> str:
    return _without_fault(_text(value), fault_of_path)


def _block(value: Any) -> str:
    if not isinstance(value, str):
        reject(f"is {shown(value)}; write text")
    return _without_fault(value, fault_of_text)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _TRUTH:
        return _TRUTH[value.strip().lower()]
    reject(f"is {shown(value)}; write yes or no")


@dataclass(frozen=True, slots=True)
class _Range:
    """The numbers that a key takes. `least` and `most` guard what later code can hold: only values beyond them are
    told of it."""

    minimum: float
    maximum: float = math.inf
    most: float = MOST_LIMIT
    least: float = -math.inf
    above: bool = False
    loose: bool = False
    whole: bool = False

    def checked(self, value: Any) -> float:
        """The value if it is in range."""
        expected = _expected(self.minimum, self.maximum, self.above, self.whole)
        if isinstance(value, str) and self.loose and _NUMBER_TEXT.match(value):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            given = f"the text {shown(value)}" if isinstance(value, str) else shown(value)
            reject(f"is {given}; write {expected}{_without_unit(value)}")
        if value != value or value < self.minimum or value > self.maximum or (self.above and value == self.minimum):
            reject(f"is {shown(value)}; write {expected}")
        if value > self.most or value == math.inf:
            known = f"{expected}, at most {int(self.most):,}" if value != math.inf else expected
            reject(f"is {shown(value)}; write {known}")
        if value < self.least:
            reject(f"is {shown(value)}; write {expected}, at least {self.least:g}")
        if self.whole and value != int(value):
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


def whole(minimum: int = 0, *, most: int = 10**9, loose: bool = False) -> Callable[[Any], int]:
    """A check for whole numbers from `minimum` on; `loose` also accepts a number in quotes, as in older configs."""
    accepted = _Range(minimum, most=most, loose=loose, whole=True)
    return lambda value: int(accepted.checked(value))


def number(
    minimum: float = 0,
    maximum: float = math.inf,
    *,
    most: float = MOST_LIMIT,
    least: float = -math.inf,
    above: bool = False,
    loose: bool = False,
) -> Callable[[Any], float]:
    """A check for numbers from `minimum` to `maximum`; `above` excludes the minimum, `loose` accepts quotes. `least`
    and `most` are bounds that nobody should meet, and that later code relies on."""
    accepted = _Range(minimum, maximum, most, least, above, loose)
    return lambda value: float(accepted.checked(value))


def _port(value: Any) -> int:
    return int(_Range(1, 65_535, whole=True).checked(value))


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
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_WORKERS:
        reject(f"is {shown(value)}; write auto or a whole number, 1 or more" + _at_most(value, _MOST_WORKERS))
    return value


def _copies(value: Any) -> int | str:
    if value in ("auto", "max"):
        return str(value)
    if isinstance(value, str) and re.fullmatch(r"\s*[0-9]{1,9}\s*", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _MOST_COPIES:
        reject(f"is {shown(value)}; write max, auto or a whole number, 1 or more" + _at_most(value, _MOST_COPIES))
    return value


def _at_most(value: Any, most: int) -> str:
    return f", at most {most:,}" if isinstance(value, int) and value > most else ""


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
        if key not in CHOICE_KEYS and nearest(str(key), ("discount",), within=2):
            reject(f"has the unknown key {key}; did you mean discount?")
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
    check_json(value)
    return value


def check_json(value: Any, depth: int = 0) -> None:
    """Refuse what no JSON message can carry: numbers that are none or have too many digits, half characters, and
    values nested too deeply.

    :raises PydanticCustomError: with what is wrong.
    """
    if depth > _MOST_DEPTH:
        reject(f"is nested more than {_MOST_DEPTH} deep; write it flatter")
    if isinstance(value, dict):
        for key, inner in value.items():
            _without_fault(f"{key}", lambda text: (fault := fault_of_line(text)) and f"has a key that {fault}")
            check_json(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            check_json(inner, depth + 1)
    elif isinstance(value, str):
        _without_fault(value, lambda text: (fault := fault_of_text(text)) and f"has a text that {fault}")
    elif isinstance(value, float) and not math.isfinite(value):
        reject(f"has the number {value}, which no request can carry; write a finite one")
    elif isinstance(value, int) and abs(value) >= 2**63:
        reject(f"has the number {shown(value)}; write one of at most 18 digits")


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
Line = Annotated[str, PlainValidator(_line), _TEXT]
Location = Annotated[str, PlainValidator(_path), _TEXT]
Block = Annotated[str, PlainValidator(_block), Kind("text block")]
Name = Annotated[str, PlainValidator(_line), _NAME]
FileName = Annotated[str, PlainValidator(_path), _FILE]
Flag = Annotated[bool, PlainValidator(_flag), Kind("yes/no")]
Count = Annotated[int, PlainValidator(whole(1)), Kind("whole number ≥ 1")]
CountFromZero = Annotated[int, PlainValidator(whole(0)), Kind("whole number ≥ 0")]
LooseCount = Annotated[int, PlainValidator(whole(1, loose=True)), Kind("whole number ≥ 1")]
Requests = Annotated[int, PlainValidator(whole(1, most=MOST_REQUESTS)), Kind("1 to 2,000,000")]
Repeats = Annotated[int, PlainValidator(whole(1, most=100)), Kind("1 to 100")]
Retries = Annotated[int, PlainValidator(whole(0, most=100)), Kind("0 to 100")]
WarmUp = Annotated[int, PlainValidator(whole(0, most=MOST_REQUESTS)), Kind("0 to 2,000,000")]
Concurrency = Annotated[int, PlainValidator(whole(1, most=MOST_CONCURRENCY)), Kind("1 to 100,000")]
Levels = Annotated[int, PlainValidator(whole(1, most=1000)), Kind("1 to 1,000")]
ResponseBytes = Annotated[int, PlainValidator(whole(1024, most=1 << 30)), Kind("bytes ≥ 1,024")]
Tokens = Annotated[int, PlainValidator(whole(0)), Kind("tokens")]
Port = Annotated[int, PlainValidator(_port), Kind("port number")]
Seed = Annotated[int, PlainValidator(whole(0, most=2**63 - 1)), Kind("whole number ≥ 0")]
Seconds = Annotated[float, PlainValidator(number(above=True, most=MOST_SECONDS)), Kind("seconds > 0")]
LooseSeconds = Annotated[float, PlainValidator(number(above=True, most=MOST_SECONDS, loose=True)), Kind("seconds > 0")]
NoSeconds = Annotated[float, PlainValidator(number(most=MOST_SECONDS)), Kind("seconds ≥ 0")]
Burstiness = Annotated[float, PlainValidator(number(above=True, least=0.001, most=1000)), Kind("number > 0")]
Until = Annotated[str, PlainValidator(_until), Kind("`ci_p95 < 5%`")]
Dollars = Annotated[float, PlainValidator(number(above=True)), Kind("USD > 0")]
Fraction = Annotated[float, PlainValidator(number(0, 1)), Kind("fraction 0…1")]
Ratio = Annotated[float, PlainValidator(number()), Kind("number ≥ 0")]
Rate = Annotated[float, PlainValidator(number(above=True, least=1e-6, most=1_000_000)), Kind("requests/s > 0")]
FreeKeys = Annotated[dict[str, Any], PlainValidator(_mapping), Kind("free keys")]
Prices = Annotated[str | dict[str, Any], PlainValidator(_prices), Kind("file, or prices by instance type")]
Workers = Annotated[int | str, PlainValidator(_workers), Kind("`auto` or whole number ≥ 1")]
Copies = Annotated[int | str, PlainValidator(_copies), Kind("`max`, `auto` or whole number ≥ 1")]
EnvironmentName = Annotated[str, PlainValidator(_environment_name), Kind("environment variable")]
Texts = Annotated[list[Text], BeforeValidator(list_of("texts")), Kind("list of texts")]
FileNames = Annotated[list[FileName], BeforeValidator(list_of("file names")), Kind("list of files")]
Counts = Annotated[list[Concurrency], BeforeValidator(list_of("whole numbers")), Kind("list of whole numbers ≥ 1")]
Ticks = Annotated[
    list[Annotated[float, PlainValidator(number())]], BeforeValidator(list_of("numbers")), Kind("list of numbers ≥ 0")
]
Rates = Annotated[list[Rate], BeforeValidator(list_of("numbers")), Kind("list of requests/s")]
section_list = BeforeValidator(_section_list)
