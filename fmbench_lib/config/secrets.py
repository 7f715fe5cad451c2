"""The secrets of a run, to be removed from everything it writes, even where nothing marks them as secrets.

An error that repeats a request, or an address in a message, has no key whose name gives the secret away.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fmbench_lib.config.redaction import REMOVED, is_secret, redacted, resolved, without_secrets
from fmbench_lib.config.schema.authorization import authorization
from fmbench_lib.config.schema.config import Config

_SHORTEST = 8
"""Shorter values are not removed: they occur in ordinary text, and are no secret to anyone who guesses."""

_SECRET_VARIABLES = frozenset(("AWS_ACCESS_KEY_ID",))


@dataclass(frozen=True, slots=True)
class Redactor:
    """Removes secrets from text: known ones wherever they occur, others by their form."""

    known: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        """The text with every secret replaced by `<removed>`."""
        return without_secrets(self.without_known(text))

    def without_known(self, text: str) -> str:
        """The text without known secrets; what only looks like a secret stays."""
        for secret in self.known:
            if secret in text:
                text = text.replace(secret, REMOVED)
        return text


def redactor_for(
    config: Config, arguments: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> Redactor:
    """A redactor for the secrets of a config, of `-A` arguments and of the environment (default: this process's)."""
    variables = os.environ if environment is None else environment
    keys = {experiment.api_key_env for experiment in config.experiments} | _SECRET_VARIABLES
    secrets = [*_removed(resolved(config), redacted(config)), *_sent(config)]
    for name, value in [*variables.items(), *(arguments or {}).items()]:
        if name in keys or (is_secret(name) and not os.path.exists(value)):  # PWD, SSH_AUTH_SOCK
            secrets.append(value)
        else:
            secrets += _removed(value, without_secrets(value))
    forms = {
        form for value in secrets if len(value) >= _SHORTEST for form in (value, quote(value, safe=""), _json(value))
    }
    return Redactor(tuple(sorted(forms, key=lambda form: (-len(form), form))))


def _removed(plain: Any, safe: Any) -> Iterator[str]:
    """The parts of a value that its redacted form lacks."""
    if isinstance(plain, dict) and isinstance(safe, dict):
        for key, value in plain.items():
            yield from _removed(value, safe.get(key, value))
    elif isinstance(plain, list | tuple) and isinstance(safe, list | tuple):
        for value, other in zip(plain, safe, strict=False):
            yield from _removed(value, other)
    elif safe == REMOVED:
        yield from _with_and_without_scheme(str(plain))
    elif isinstance(plain, str) and isinstance(safe, str) and safe != plain:
        yield from _gaps(plain, safe.split(REMOVED))


def _sent(config: Config) -> Iterator[str]:
    """Secrets in the form they have on the wire: user names and passwords as HTTP Basic."""
    for experiment in config.experiments:
        yield from _with_and_without_scheme(authorization(experiment.inference_spec.auth) or "")


def _with_and_without_scheme(value: str) -> Iterator[str]:
    """A secret, and the same without its scheme (`Bearer …`)."""
    yield value
    word, _, rest = value.partition(" ")
    if rest and word.lower() in ("bearer", "basic", "token"):
        yield rest.strip()


def _gaps(plain: str, pieces: list[str]) -> Iterator[str]:
    """The parts of a text between pieces of it, in order; of `user:password` also the password alone."""
    position = len(pieces[0])
    for piece in pieces[1:]:
        end = plain.find(piece, position) if piece else len(plain)
        gap = plain[position : end if end >= 0 else len(plain)]
        yield gap
        if ":" in gap:
            yield gap.partition(":")[2]
        position += len(gap) + len(piece)


def _json(value: str) -> str:
    """The text as it is escaped within a JSON string."""
    return json.dumps(value)[1:-1]
