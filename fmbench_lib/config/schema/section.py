"""What every section of a config has in common, and how a field of the schema is described."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A frozen group of keys. Its docstring and its fields' descriptions make the configuration reference."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True, protected_namespaces=())

    strict: ClassVar[bool] = False
    """Whether an unknown key is always an error; else only when it comes close to a known one."""

    ignored: ClassVar[dict[str, str]] = {}
    """Keys of FMBench 2.x that are accepted and have no effect, each with the reason."""

    older: ClassVar[dict[str, str]] = {}
    """Older spellings of keys, each with the present one."""

    examples: ClassVar[dict[str, str]] = {}
    """What to write for a required key that is missing."""


def described(meaning: str, default: Any = ..., *, shown_default: str = "", alias: str | None = None) -> Any:
    """A field of the schema.

    :param meaning: what the key does, as the reference says it.
    :param default: the value without the key; `...` when the key is required.
    :param shown_default: the default in words, where the value alone does not tell.
    :param alias: the key's spelling in YAML where it cannot be a Python name.
    """
    extra: dict[str, Any] = {"shown_default": shown_default} if shown_default else {}
    if isinstance(default, list | dict):
        kept = default
        return Field(default_factory=lambda: kept.copy(), description=meaning, alias=alias, json_schema_extra=extra)
    return Field(default=default, description=meaning, alias=alias, json_schema_extra=extra)


def derived(default: Any) -> Any:
    """A field that is worked out while loading and is not a key that a file may have."""
    if isinstance(default, dict):
        return Field(default_factory=dict, json_schema_extra={"derived": True})
    return Field(default=default, json_schema_extra={"derived": True})


def is_derived(extra: Any) -> bool:
    """Whether a field's `json_schema_extra` marks it as `derived`."""
    return isinstance(extra, dict) and bool(extra.get("derived"))
