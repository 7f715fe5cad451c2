"""A config without its secrets, safe to keep in a run directory and to print in a report."""

from __future__ import annotations

import re
from typing import Any

from fmbench_lib.config.platforms import platform_sections
from fmbench_lib.config.reading.fmbench2 import EVALUATIONS
from fmbench_lib.config.reading.keys import section_of
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.section import Section, is_derived

REMOVED = "<removed>"

_SECRET_WORDS = frozenset((
    "secret", "secrets", "password", "passwd", "passphrase", "pwd", "credential", "credentials", "authorization",
    "auth", "bearer", "cookie", "signature",
))  # fmt: skip
_SECRET_ENDINGS = ("token", "secret", "password", "passwd", "apikey", "accesskey", "secretkey", "privatekey")
_SECRET_KEYS = frozenset(("api", "access", "private", "secret", "subscription", "encryption", "account", "x"))
"""Words that make a key a secret: `api_key`, but not `question_col_key`."""

_TOKENS_OF_TEXT = frozenset((
    "start", "stop", "end", "bos", "eos", "pad", "unk", "sep", "cls", "mask", "special", "added", "per", "each", "max",
    "min", "new", "prompt", "input", "output", "first",
))  # fmt: skip
"""Words of tokens that are pieces of text: `stop_token`, `eos_token`."""

_HARMLESS_ENDINGS = frozenset(("env", "file", "path", "prefix", "id", "ids", "count", "type", "mode", "limit"))
_HARMLESS_HEADERS = frozenset((
    "accept", "accept-encoding", "accept-language", "cache-control", "connection", "content-type", "user-agent",
))  # fmt: skip
"""HTTP headers that may be shown; the values of all others are removed."""

_SECRET_TEXT = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|sk-[A-Za-z0-9_\-]{16,}|gh[pousr]_[A-Za-z0-9]{20,}|(?:AKIA|ASIA)[0-9A-Z]{16}"
    r"|xox[abpr]-[\w\-]{10,}|nvapi-[\w\-]{16,}|AIza[\w\-]{30,}|eyJ[\w\-]{8,}\.[\w\-]{8,}\.[\w\-]*)"
)
"""Forms of API keys: Hugging Face, OpenAI, GitHub, AWS, Slack, NVIDIA, Google, JSON web tokens."""

_SCHEME = re.compile(r"\b(Bearer(?=\s+\S)|Basic(?=\s+(?:[A-Za-z]*[0-9+/=]|[A-Za-z]+[A-Z])))\s+[^\s\"']+")
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@]+(?=@)")
_IN_QUERY = re.compile(r"(?P<name>[?&](?:key|sig|code|subscription-key|[\w.\-]*[_\-]key)=)(?P<value>[^\s&#\"']+)", re.I)
_ASSIGNMENT = re.compile(
    r"""(?P<name>[A-Za-z][\w.\-]*)(?P<sign>["']?\s*(?:=|:(?!//))\s*["']?)"""
    r"""(?P<value>(?:(?:Bearer|Basic|Token)\s+)?[^\s"'&,;]+)"""
)
_OPTION = re.compile(r"""(?P<name>--?[A-Za-z][\w\-]*)(?P<sign>\s+["']?)(?P<value>[^\s"'\-][^\s"']*)""")


def redacted(config: Config) -> dict[str, Any]:
    """The resolved config as plain values for YAML, with every secret replaced by `<removed>`.

    A secret is the value of a key named like one (token, password, secret, API key, authorization, …) at any depth, and
    within any text what looks like one: `Bearer …`, `--api-key …`, `HF_TOKEN=…`, a password in an address, the known
    forms of API keys. Loading the result gives the same config, except for the secrets.
    """
    return {name: _without_secrets(value) for name, value in resolved(config).items()}


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


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secret_of(str(name), item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    return without_secrets(value) if isinstance(value, str) else value


def _without_secret_of(name: str, value: Any) -> Any:
    if name == "headers" and isinstance(value, dict):
        return {
            key: header if str(key).lower() in _HARMLESS_HEADERS else _hidden(header) for key, header in value.items()
        }
    return _hidden(value) if is_secret(name) else _without_secrets(value)


def _hidden(value: Any) -> Any:
    """Everything below a key that holds a secret, except yes, no and null."""
    if isinstance(value, dict):
        return {key: _hidden(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_hidden(item) for item in value]
    return value if value is None or isinstance(value, bool) or value == "" else REMOVED


def is_secret(key: str) -> bool:
    """Whether a key is named like a secret: `HF_TOKEN`, `apiKey`, `x-api-key`, but not `max_tokens`."""
    words = [word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", key)]
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    if _SECRET_WORDS & set(words):
        return True
    if "token" in words:
        return words[-1] == "token" and not _TOKENS_OF_TEXT & set(words[:-1])
    if words[-1] == "key" and _SECRET_KEYS & set(words[:-1]):
        return True
    return any(word.endswith(_SECRET_ENDINGS) for word in words)


def without_secrets(text: str) -> str:
    """The text with everything that looks like a secret replaced by `<removed>`."""
    text = _SCHEME.sub(lambda match: f"{match.group(1)} {REMOVED}", text)
    for pattern in (_ASSIGNMENT, _OPTION):
        text = pattern.sub(_assignment, text)
    text = _IN_ADDRESS.sub(REMOVED, text)
    text = _IN_QUERY.sub(lambda match: f"{match['name']}{REMOVED}", text)
    return _SECRET_TEXT.sub(REMOVED, text)


def _assignment(match: re.Match[str]) -> str:
    if not is_secret(match["name"]) or match["value"].startswith(REMOVED):
        return match.group(0)
    return f"{match['name']}{match['sign']}{REMOVED}"
