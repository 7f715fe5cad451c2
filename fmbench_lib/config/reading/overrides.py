"""Values that the command line gives to keys of a config, `--set load.requests=20`, and how their paths are read.

Among the arguments of a run they stand beside the `-A` values, under the name `--set PATH`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fmbench_lib.config.problems import ConfigError, alternatives, joined, shown
from fmbench_lib.config.reading.fmbench2 import bare_step
from fmbench_lib.config.reading.keys import Findings, Raw, section_of, yaml_keys
from fmbench_lib.config.reading.substitution import fill
from fmbench_lib.config.reading.yaml_document import Document, parse
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.section import Section
from fmbench_lib.config.spelling import nearest

OVERRIDE = "--set "
"""What the name of such an argument begins with; no placeholder's name has a space."""

_PART = re.compile(r"""\.?(?:\[(?:"([^"]*)"|'([^']*)'|([^\]"']+))\]|"([^"]*)"|'([^']*)'|([^.\[\]"']+))""")
_EVERY = "*"
_TEMPLATE = "prompt_template"
_STEPS = "run_steps"
_NAMES = ("name", "payload_file")
_NAMES_OF_MODELS = ("model_name", "model_id")


class _MisplacedError(Exception):
    """A path that leads nowhere in this config, with what to write instead."""


class _Part(NamedTuple):
    text: str
    whole: bool
    """Whether it is in quotes or brackets: it is not joined with what follows it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A position on the way through a config; `model` is None where any key may stand."""

    path: str
    model: type[Section] | None
    reached: list[str]
    """Where values have been put, to which each is added."""
    many: bool = False

    def below(self, key: str | int, model: type[Section] | None, many: bool = False) -> _Place:
        """The place of a key or of an entry."""
        return _Place(joined(self.path, key), model, self.reached, many)


def overrides_in(arguments: Mapping[str, str]) -> dict[str, str]:
    """The values given by `--set`, by path, in the order given."""
    return {name.removeprefix(OVERRIDE): text for name, text in arguments.items() if name.startswith(OVERRIDE)}


def placeholders_in(arguments: Mapping[str, str]) -> dict[str, str]:
    """The values given by `-A`, by the name of the placeholder."""
    return {name: text for name, text in arguments.items() if not name.startswith(OVERRIDE)}


def override(
    raw: Raw, given: Mapping[str, str], known: Mapping[str, str], document: Document, findings: Findings
) -> Raw:
    """A config as it is read, with these values in place of its own; it is not changed itself.

    A path leads by keys, indices and names of list entries: `experiments[0].concurrency_levels`,
    `experiments.mine.ep_name`, `experiments[*].deploy`. A value is YAML, in which the `known` placeholders are filled.
    Paths that lead nowhere are problems; placeholders left in values are added to the document's.
    """
    has_load = "load" in raw
    for path, text in given.items():
        try:
            value = parse(fill(_yaml(path, text), known))
            reached: list[str] = []
            raw = _with(raw, _parts(path), value.value, _Place("", Config, reached))
        except ConfigError as error:
            for problem in error.problems:
                findings.problem(f"{OVERRIDE}{path}", f"the value is {problem.message}")
        except _MisplacedError as error:
            findings.problem(f"{OVERRIDE}{path}", str(error))
        else:
            _note_placeholders(document, value, reached)
    load = raw.get("load")
    if not has_load and isinstance(load, dict):  # one key is given, and the others stay as they are without the section
        raw = {**raw, "load": {"prompt_reuse": "allowed", **load}}
    return raw


def _yaml(path: str, text: str) -> str:
    """A value as YAML: of a template, whose braces are the data's columns, without quotes too."""
    is_template = _parts(path)[-1].text == _TEMPLATE and text[:1] not in ("'", '"')
    return json.dumps(text, ensure_ascii=False) if is_template else text


def _note_placeholders(document: Document, value: Document, reached: Iterable[str]) -> None:
    """Bring a document's placeholders up to date with a value that has been put at these places."""
    for path in reached:
        for name, keys in list(document.missing.items()):
            document.missing[name] = [
                key for key in keys if key != path and not key.startswith((f"{path}.", f"{path}["))
            ]
            if not document.missing[name]:
                del document.missing[name]
        for name in value.missing:
            document.missing.setdefault(name, []).append(path)
    document.open_placeholders += [name for name in value.open_placeholders if name not in document.open_placeholders]


def _parts(path: str) -> list[_Part]:
    parts, position = [], 0
    while position < len(path):
        match = _PART.match(path, position)
        if match is None or (position == 0 and path[0] in ".["):
            break
        texts = [text for text in match.groups() if text is not None]
        parts.append(_Part(texts[0].strip(), match.group(6) is None))
        position = match.end()
    if position < len(path) or not parts:
        raise _MisplacedError(
            "is not the path of a key; write it as load.requests or experiments[0].concurrency_levels"
        )
    return parts


def _with(node: Any, parts: list[_Part], value: Any, place: _Place) -> Any:
    """The value at a place, with what the rest of the path leads to replaced."""
    if not parts:
        place.reached.append(place.path)
        return value
    if node is None:
        node = [] if place.many else {}
    if isinstance(node, list):
        return _with_entry(node, parts, value, place)
    if not isinstance(node, dict):
        raise _MisplacedError(f"{place.path} is {shown(node)}: nothing stands below it")
    return _with_key(node, parts, value, place)


def _with_key(node: Raw, parts: list[_Part], value: Any, place: _Place) -> Raw:
    key, count = _key(node, parts, place)
    info = yaml_keys(place.model).get(_present(key, place.model)) if place.model is not None else None
    section, many = section_of(info.annotation) if info is not None else (None, False)
    return {**node, key: _with(node.get(key), parts[count:], value, place.below(key, section, many))}


def _with_entry(entries: list[Any], parts: list[_Part], value: Any, place: _Place) -> list[Any]:
    if parts[0].text == _EVERY:
        return [_with(entry, parts[1:], value, place.below(index, place.model)) for index, entry in enumerate(entries)]
    index, count = _index(entries, parts, place)
    changed = [*entries, *([None] if index == len(entries) else [])]
    changed[index] = _with(changed[index], parts[count:], value, place.below(index, place.model))
    return changed


def _index(entries: list[Any], parts: list[_Part], place: _Place) -> tuple[int, int]:
    """The entry that the path names by number or name, and how many parts of the path its name takes."""
    names = [_name(entry) for entry in entries]
    for count in range(_joinable(parts), 0, -1):
        text = ".".join(part.text for part in parts[:count])
        if text in names:
            return names.index(text), count
    text = parts[0].text
    if text.isdecimal():
        if int(text) <= len(entries):  # the next one is added
            return int(text), 1
        last = f"{place.path}[{len(entries) - 1}]"
        raise _MisplacedError(
            f"{place.path} has {len(entries)} {'entry' if len(entries) == 1 else 'entries'}, up to {last}"
        )
    known = [name for name in names if name]
    close = nearest(text, known)
    if close is not None:
        raise _MisplacedError(f"there is no {text} in {place.path}; did you mean {close}?")
    has = f"it has {alternatives(known)}" if known else f"write a number, such as {place.path}[0]"
    raise _MisplacedError(f"there is no {text} in {place.path}; {has}")


def _name(entry: Any) -> str | None:
    """What an entry of a list is called: its name, else what its name is made from."""
    if not isinstance(entry, dict):
        return None
    for key in _NAMES:
        if isinstance(name := entry.get(key), str):
            return name
    for key in _NAMES_OF_MODELS:
        if isinstance(name := entry.get(key), str):
            return name.rstrip("/").rsplit("/", 1)[-1]
    return None


def _key(node: Raw, parts: list[_Part], place: _Place) -> tuple[str, int]:
    """The key that the path goes on with, as the config spells it, and how many parts of the path it takes."""
    spellings = {_present(key, place.model): key for key in node}
    known = _known(place.model)
    for count in range(_joinable(parts), 0, -1):
        text = ".".join(part.text for part in parts[:count])
        if place.path == _STEPS and (given := _same_step(text, node)) is not None:
            return given, count
        if text in node or text in known:
            return (text if text in node else spellings.get(_present(text, place.model), text)), count
    if place.model is None:
        return parts[0].text, 1
    raise _MisplacedError(_unknown(parts[0].text, place, [*node, *known]))


def _same_step(text: str, steps: Iterable[str]) -> str | None:
    """The key of a step as the config spells it: with another number, or as the name of a notebook."""
    return next((step for step in steps if bare_step(step) == bare_step(text)), None)


def _joinable(parts: Iterable[_Part]) -> int:
    """How many parts may be one name that holds dots, such as `g5.xlarge`."""
    count = 0
    for part in parts:
        if part.whole:
            return max(count, 1)
        count += 1
    return count


def _present(key: str, model: type[Section] | None) -> str:
    return key if model is None else model.older.get(key, key)


def _known(model: type[Section] | None) -> set[str]:
    return set() if model is None else {*yaml_keys(model), *model.older, *model.ignored}


def _unknown(key: str, place: _Place, known: Iterable[str]) -> str:
    path = joined(place.path, key)
    close = nearest(key, known)
    if close is not None:
        return f"unknown key {path}; did you mean {joined(place.path, close)}?"
    elsewhere = similar_keys(key)
    if elsewhere:
        return f"unknown key {path}; did you mean {alternatives(elsewhere[:3])}?"
    return f"unknown key {path}; the configuration reference lists the keys"


def similar_keys(key: str) -> list[str]:
    """The paths of the keys of that name in any section of a config."""
    return [path for path in _every_path() if path.endswith(f".{key}")]


def _every_path() -> Iterator[str]:
    """The paths of all keys of the sections that a config has, experiments as the first of them."""
    for name, info in yaml_keys(Config).items():
        section, many = section_of(info.annotation)
        if section is not None:
            yield from (f"{name}{'[0]' if many else ''}.{key}" for key in yaml_keys(section))
