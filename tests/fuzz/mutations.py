"""Configs as people break them: texts with a value replaced, a line lost, repeated or moved, a character too many;
values of another shape, keys that only look right, files that are no text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml

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


# -- values of another shape -----------------------------------------------------------------------------------------

HOSTILE_SHAPES: tuple[Callable[[Any], Any], ...] = (
    lambda value: [value], lambda value: [value, value], lambda value: {"a": value}, lambda value: [[[value]]],
    lambda value: None, lambda value: str(value), lambda value: "", lambda value: " ", lambda value: [],
    lambda value: {},
    lambda value: -value if isinstance(value, int | float) else -1, lambda value: float("inf"),
    lambda value: float("nan"),
    lambda value: 10**400, lambda value: 1e308, lambda value: 5e-324, lambda value: 0, lambda value: True,
    lambda value: "/etc/passwd", lambda value: "../../../x", lambda value: "/", lambda value: ".", lambda value: "~",
    lambda value: f"{value}\n", lambda value: f"\u202e{value}", lambda value: f"{value}\u200b",
    lambda value: list(value) if isinstance(value, str) else value, lambda value: [None], lambda value: {None: value},
    lambda value: {1: value, "1": value}, lambda value: [value] * 1000,
)  # fmt: skip
"""What a value becomes."""

_LOOKALIKE = str.maketrans("aeopcxi", "\u0430\u0435\u043e\u0440\u0441\u0445\u0456")


def restructured(text: str, seed: str) -> str:
    """A config's text with the shape of one to three of its values changed, or a key by one that looks alike."""
    chance = random.Random(seed)
    config = yaml.safe_load(re.sub(r"\{(\w+)\}", r"\1", text))
    for _ in range(chance.choice((1, 1, 2, 3))):
        places = list(_places(config))
        if places:
            _change(*chance.choice(places), chance)
    return str(yaml.safe_dump(config, allow_unicode=True, sort_keys=False))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each container with each of its keys."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield value, key
            yield from _places(item)


def _change(container: Any, key: Any, chance: random.Random) -> None:
    if isinstance(container, dict) and isinstance(key, str) and chance.random() < 0.15:
        look = (
            str.upper,
            lambda name: name.translate(_LOOKALIKE),
            lambda name: name + " ",
            lambda name: f"\ufeff{name}",
        )
        container[chance.choice(look)(key)] = container.pop(key)
    else:
        container[key] = chance.choice(HOSTILE_SHAPES)(container[key])


# -- files -----------------------------------------------------------------------------------------------------------


def odd_files(config: str) -> dict[str, bytes]:
    """Files that are no configs, or hold one in an odd way."""
    text = config.encode()
    anchors = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    return {
        "nothing": b"", "a comment": b"# nothing\n", "zero bytes": b"\0" * 1000, "UTF-16": config.encode("utf-16"),
        "not UTF-8": text + b"\nextra: \xff\n", "a mark of bytes": b"\xef\xbb\xbf" + text,
        "two documents": text + b"---\n" + text, "sections given twice": text + b"\n" + text,
        "tabs": text.replace(b"  ", b"\t"), "a word": b"hello", "a list": b"[1, 2]",
        "many anchors": b"a0: &a0 [x, x]\n" + anchors.encode() + text,
        "an anchor in itself": text + b"\nextra: &e [*e]\n",
        "a section in itself": text + b"\nload: &e {requests: *e}\n",
        "merged with itself": text + b"\nload: &e\n  <<: *e\n",
        "experiments in themselves": b"experiments: &e [*e]\n",
        "deep lists": text + b"\nextra: " + b"[" * 20_000 + b"]" * 20_000,
        "deep sections": text + b"\nextra: " + b"{a: " * 3000 + b"}" * 3000,
        "deep lines": text + b"\nextra:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, 1500)),
        "ten megabytes": text + b"\n" + b"# x" * 3_500_000,
        "many keys": text + b"\nextra:\n" + b"".join(b"  k%d: v\n" % n for n in range(220_000)),
        "a tag": b"!!python/object/apply:os.system ['echo hi']", "a set": b"general: !!set {a, b}\n",
        "no key": b"~: 1\n", "a list as a key": b"? [a, b]\n: c\n",
        "sections that are dates": b"general: 2026-01-01\nexperiments: 12:30:45\n",
    }  # fmt: skip
