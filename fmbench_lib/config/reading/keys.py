"""Which keys a config may have: unknown keys, ignored keys, older spellings, and keys that are left empty."""

from __future__ import annotations

import types
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from fmbench_lib.config.problems import Notice, Problem, alternatives, joined
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.experiment import Experiment
from fmbench_lib.config.schema.section import Section, is_derived
from fmbench_lib.config.schema.values import TEXT_KINDS, LooseCount
from fmbench_lib.config.spelling import nearest

Raw = dict[str, Any]
"""A section of a config before its values are checked."""

NEAR = 2
"""An unknown key within this many edits of a known one is a mistake in every section."""
_FEW_KEYS = 12
_FEW_PLACES = 3


@dataclass(slots=True)
class Findings:
    """The problems and notices collected while a config is loaded."""

    problems: list[Problem] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def problem(self, key: str, message: str) -> None:
        """Add a mistake in the value at a key's path."""
        self.problems.append(Problem(key, message))

    def notice(self, key: str, message: str) -> None:
        """Add a remark about the value at a key's path."""
        self.notices.append(Notice(key, message))


def yaml_keys(model: type[Section]) -> dict[str, FieldInfo]:
    """The keys of a section as a file spells them."""
    fields = model.model_fields.items()
    return {info.alias or name: info for name, info in fields if not is_derived(info.json_schema_extra)}


def places_text(key: str) -> str:
    """The sections that have a key, as messages name them; empty for a key that none has, or too many to be told."""
    found = _places().get(key, ())
    return alternatives(list(found)) if 0 < len(found) <= _FEW_PLACES else ""


@lru_cache(maxsize=1)
def _places() -> dict[str, tuple[str, ...]]:
    """The paths of the sections that have a key, by key."""
    found: dict[str, list[str]] = {}

    def walk(model: type[Section], path: str) -> None:
        for key, info in yaml_keys(model).items():
            if path:
                found.setdefault(key, []).append(path)
            section, many = section_of(info.annotation)
            if section is not None:
                walk(section, f"{path}{'.' * bool(path)}{key}{'[]' * many}")

    walk(Config, "")
    return {key: tuple(paths) for key, paths in found.items()}


def section_of(annotation: Any) -> tuple[type[Section] | None, bool]:
    """The section type of a field, if its value is a section or a list of sections, and whether it is a list."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation, False
    origin = get_origin(annotation)
    if origin is list:
        return section_of(get_args(annotation)[0])[0], True
    if origin in (Union, types.UnionType, Annotated):
        for part in get_args(annotation):
            section, many = section_of(part)
            if section is not None:
                return section, many
    return None, False


def _is_optional_text(info: FieldInfo) -> bool:
    """Whether a key takes text and may be left out."""
    parts = get_args(info.annotation) if get_origin(info.annotation) in (Union, types.UnionType) else ()
    kinds = chain(info.metadata, *(getattr(part, "__metadata__", ()) for part in parts))
    return not info.is_required() and any(kind in TEXT_KINDS for kind in kinds)


def _is_optional_count(info: FieldInfo) -> bool:
    """Whether a key takes a whole number from 1 up and may be left out."""
    return info.default is None and any(LooseCount in (part, info.annotation) for part in get_args(info.annotation))


def _means_nothing(value: Any, info: FieldInfo, path: str, findings: Findings) -> bool:
    """Whether FMBench 2.x took a value for none: the word None, which YAML reads as text, and 0 where it counts."""
    if info.is_required():
        return False
    a_value_here = "`None`" in (info.description or "")  # SageMaker's own word
    if isinstance(value, str) and value.strip() == "None" and not a_value_here:
        findings.notice(path, "is the word None; taken as if it were left out")
        return True
    if value == 0 and not isinstance(value, bool) and _is_optional_count(info):
        findings.notice(path, "is 0; taken as if it were left out")
        return True
    return False


def _is_left_empty(value: Any, info: FieldInfo, path: str, findings: Findings, strict: bool) -> bool:
    """Whether a key counts as left out: it has no value, or is optional text that is empty, or FMBench 2.x took its
    value for none where the section is not `strict`."""
    if value is None or (not strict and _means_nothing(value, info, path, findings)):
        return True
    if not isinstance(value, str) or value.strip() or not _is_optional_text(info):
        return False
    if info.default:
        findings.notice(path, f"is empty; {info.default} is used, as if it were left out")
    return True


def clean(raw: Raw, model: type[Section], path: str, findings: Findings, strict: bool = False) -> Raw:
    """A section with its keys in their present spelling, without keys that are ignored or empty.

    Mistakes go to `findings`. A misspelt key is reported and its value checked as that of the key that was meant.
    """
    strict = strict or model.strict or (model is Experiment and raw.get("platform") is not None)
    fields = yaml_keys(model)
    cleaned: Raw = {}
    for key, value in raw.items():
        spelling = _spelling(key, model, joined(path, key), findings, strict)
        if spelling is None or _is_left_empty(value, fields[spelling], joined(path, key), findings, strict):
            continue
        if spelling in cleaned and spelling != key:
            findings.notice(joined(path, key), f"ignored: {spelling} is given too")
            continue
        section, many = section_of(fields[spelling].annotation)
        cleaned[spelling] = _cleaned_value(value, section, many, joined(path, key), findings, strict)
    return cleaned


def _cleaned_value(
    value: Any, section: type[Section] | None, many: bool, path: str, findings: Findings, strict: bool
) -> Any:
    if section is None:
        return value
    if many and isinstance(value, list):
        return [_cleaned_value(item, section, False, joined(path, i), findings, strict) for i, item in enumerate(value)]
    return clean(value, section, path, findings, strict) if isinstance(value, dict) else value


def _spelling(key: str, model: type[Section], path: str, findings: Findings, strict: bool) -> str | None:
    """The present spelling of a key; None for a key to leave out."""
    fields = yaml_keys(model)
    present = model.older.get(key, key)
    if present in fields:
        return present
    if key in model.ignored:
        findings.notice(path, f"ignored: {model.ignored[key]}")
        return None
    known = {*fields, *model.ignored, *model.older}
    close = nearest(key, known, within=NEAR)
    elsewhere = "" if close else places_text(key)
    belongs = f"it belongs in {elsewhere}" if elsewhere else ""
    if close is None and not strict:
        findings.notice(path, f"ignored: {belongs or 'no such key is known here'}")
        return None
    close = close or nearest(key, known)
    findings.problem(path, f"unknown key; {belongs or _instead(close, list(fields))}")
    meant = model.older.get(close, close) if close else None
    return meant if meant in fields else None


def _instead(close: str | None, known: list[str]) -> str:
    if close:
        return f"did you mean {close}?"
    if len(known) <= _FEW_KEYS:
        return f"write {alternatives(known)}"
    return "leave it out (the configuration reference lists the keys)"
