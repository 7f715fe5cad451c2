"""A config without its secrets, safe to keep in a run directory and to print in a report."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fmbench_lib.config.platforms import platform_sections
from fmbench_lib.config.reading.fmbench2 import EVALUATIONS
from fmbench_lib.config.reading.keys import section_of
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.section import Section, is_derived
from fmbench_lib.config.secret_forms import REMOVED, is_plain, without_secrets
from fmbench_lib.config.secret_names import is_secret

_HARMLESS_HEADERS = frozenset((
    "accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-type", "user-agent",
))  # fmt: skip
"""HTTP headers that may be shown; the values of all others are removed."""


_FEWEST_DIGITS = 8
"""A number below a secret's name is a secret if it has as many digits; a shorter one is a count or a price."""


def redacted(config: Config) -> dict[str, Any]:
    """The resolved config as plain values for YAML, with every secret replaced by `<removed>`.

    A secret is the value of a key named like one (token, password, secret, API key, authorization, …) at any depth, and
    within any text what looks like one: `Bearer …`, `--api-key …`, `HF_TOKEN=…`, a password in an address, the known
    forms of API keys. Prices, short numbers, switches, and what stands below the name of an experiment or model are
    none, whatever that name ends in. Loading the result gives the same config, except for the secrets.
    """
    names = frozenset(_names_given(config))
    return {
        name: _texts_cleaned(value) if name == "pricing" else _without_secrets(value, names)
        for name, value in resolved(config).items()
    }


def _names_given(config: Config) -> Iterator[str]:
    """Names that the config gives to experiments and models: as keys they say nothing of what is below them."""
    for experiment in config.experiments:
        yield experiment.name
        yield from filter(None, (experiment.model_id, experiment.instance_type))


def resolved(config: Config) -> dict[str, Any]:
    """The resolved config as plain values for YAML, secrets included."""
    plain = _plain(config)
    plain["run_steps"] = _steps(config)
    if not config.has_load_section:
        del plain["load"]
    return plain


def _steps(config: Config) -> dict[str, bool]:
    """The steps as `run_steps` accepts them, with the switch of evaluations before the analysis."""
    steps: dict[str, bool] = {}
    for step, switch in config.run_steps.items():
        if step == "4_model_metric_analysis":
            steps[f"4_{EVALUATIONS}"] = config.run_evaluations
        steps[step] = switch
    return steps


def _plain(section: Section) -> dict[str, Any]:
    """A section's keys as a file spells them, without those that are not set and default sections of platforms."""
    plain: dict[str, Any] = {}
    for name, info in type(section).model_fields.items():
        value = getattr(section, name)
        if is_derived(info.json_schema_extra) or value is None:
            continue
        if name in platform_sections() and value == info.default:
            continue
        nested, many = section_of(info.annotation)
        if nested is not None:
            value = [_plain(item) for item in value] if many else _plain(value)
        plain[info.alias or name] = value
    return plain


def _texts_cleaned(value: Any) -> Any:
    """The value with what looks like a secret removed from its texts; keys mean nothing."""
    if isinstance(value, dict):
        return {name: _texts_cleaned(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_texts_cleaned(item) for item in value]
    return without_secrets(value) if isinstance(value, str) else value


def _without_secrets(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _without_secret_of(str(name), item, names) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item, names) for item in value]
    return _texts_cleaned(value)


def _without_secret_of(name: str, value: Any, names: frozenset[str]) -> Any:
    if name == "headers" and isinstance(value, dict):
        return {
            key: header if str(key).lower() in _HARMLESS_HEADERS else _hidden(header) for key, header in value.items()
        }
    return _hidden(value) if is_secret(name) and name not in names else _without_secrets(value, names)


def _hidden(value: Any) -> Any:
    """Everything below a key that holds a secret, except switches, null, short numbers and special tokens."""
    if isinstance(value, dict):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    if isinstance(value, int | float):
        return REMOVED if isinstance(value, int) and len(str(value)) >= _FEWEST_DIGITS else value
    return value if value in (None, "") or (str(value).startswith("<") and is_plain(value)) else REMOVED
