"""The base of every section of a config, and how its fields are described."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

UNUSED = "it had no effect in FMBench 2.x either"
"""Why most keys of FMBench 2.x that are ignored are."""


class Section(BaseModel):
    """A frozen group of keys. The configuration reference is made from its docstring and its fields' descriptions."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, protected_namespaces=())

    strict: ClassVar[bool] = False
    """Whether every unknown key is an error; otherwise only one that is close to a known key."""

    ignored: ClassVar[dict[str, str]] = {}
    """Keys that are accepted and have no effect, each with the reason."""

    older: ClassVar[dict[str, str]] = {}
    """Other spellings of keys that are accepted, each with the one that is used."""

    examples: ClassVar[dict[str, str]] = {}
    """What to write for a missing required key, as its error says."""


def described(meaning: str, default: Any = ..., *, shown_default: str = "", alias: str | None = None) -> Any:
    """A field of the schema.

    :param meaning: what the key does, as the reference prints it.
    :param default: the value without the key; `...` when the key is required.
    :param shown_default: the default in words, if the value alone does not explain itself.
    :param alias: the key's spelling in YAML where it cannot be a Python name.
    """
    extra: dict[str, Any] = {"shown_default": shown_default} if shown_default else {}
    if isinstance(default, list | dict):
        original = default
        return Field(default_factory=lambda: original.copy(), description=meaning, alias=alias, json_schema_extra=extra)
    return Field(default=default, description=meaning, alias=alias, json_schema_extra=extra)


def derived(default: Any) -> Any:
    """A field that is computed while a config is loaded; files cannot have it as a key."""
    if isinstance(default, dict):
        return Field(default_factory=dict, json_schema_extra={"derived": True})
    return Field(default=default, json_schema_extra={"derived": True})


def is_derived(extra: Any) -> bool:
    """Whether a field's `json_schema_extra` marks it as `derived`."""
    return isinstance(extra, dict) and bool(extra.get("derived"))
