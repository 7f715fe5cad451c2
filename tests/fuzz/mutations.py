"""Configs as people break them: texts with a value replaced, a line lost, repeated or moved, a character too many."""

from __future__ import annotations

import random
import re

HOSTILE_VALUES = (
    "", "~", "yes", "[]", "{}", "-1", "0", "1e+400", ".inf", "-.inf", ".nan", "9" * 400, "9" * 5000, "1e-320", "'2 s'",
    "100001", "1.5", '"\\0"', '"\\e[31m"', '"a\\nb"', "[1, [2]]", "{a: {b: c}}", "a" * 300, "é" * 60, "../../etc",
    "~nosuchuser/x", ".hidden", "x.part", "x.lock", "payloads.json", "http://[::1", "http://h:99999/v1", "http://a..b/",
    "'{nothing}'", "(a+)+$", "[", "a{99999999999}", "*anchor", "!!python/object:os.system x", "'= 1+1'", "0x10",
    "1_000", "[" * 60 + "]" * 60, "'\u2028'", "null", "2026-01-01", "'http://user:secret@h/v1'", "[yes, no]",
    "'%s%n'", "'\\ud800'",
)  # fmt: skip
"""What takes the place of a value."""

_KEY_LINE = re.compile(r"^(\s*(?:- )?[\w.]+:)\s+\S.*$")


def mutated(text: str, seed: str) -> str:
    """A config's text with one to three changes, always the same for a seed."""
    chance = random.Random(seed)
    lines = text.splitlines()
    for _ in range(chance.choice((1, 1, 2, 3))):
        chance.choice(_CHANGES)(lines, chance)
    return "\n".join(lines) + "\n"


def _any_line(lines: list[str], chance: random.Random) -> int:
    return chance.randrange(len(lines)) if lines else 0


def _value(lines: list[str], chance: random.Random) -> None:
    keyed = [number for number, line in enumerate(lines) if _KEY_LINE.match(line)]
    if keyed:
        number = chance.choice(keyed)
        lines[number] = _KEY_LINE.sub(r"\1 ", lines[number]) + chance.choice(HOSTILE_VALUES)


def _lost(lines: list[str], chance: random.Random) -> None:
    del lines[_any_line(lines, chance) : _any_line(lines, chance) + 1]


def _repeated(lines: list[str], chance: random.Random) -> None:
    number = _any_line(lines, chance)
    lines[number:number] = lines[number : number + 1]


def _indented(lines: list[str], chance: random.Random) -> None:
    number = _any_line(lines, chance)
    lines[number : number + 1] = [chance.choice((" ", "\t", "   ", "- ")) + line for line in lines[number : number + 1]]


def _character(lines: list[str], chance: random.Random) -> None:
    number = _any_line(lines, chance)
    for line in lines[number : number + 1]:
        at = chance.randrange(len(line) + 1)
        lines[number] = line[:at] + chance.choice(":{}[]'\"#&*!|>%@`,\t\x07\ufeff") + line[at:]


def _swapped(lines: list[str], chance: random.Random) -> None:
    one, other = _any_line(lines, chance), _any_line(lines, chance)
    if lines:
        lines[one], lines[other] = lines[other], lines[one]


_CHANGES = (_value, _value, _value, _value, _lost, _repeated, _indented, _character, _swapped)
