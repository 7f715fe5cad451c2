"""The secrets that a run knows, so that they can be taken out of whatever it writes, also where nothing marks them.

A server that repeats in an error what it was sent, or an address in a message, has no key whose name would tell.
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
"""Shorter values are not looked for: they would be found in innocent text, and guessed by anybody."""

_SECRET_VARIABLES = frozenset(("AWS_ACCESS_KEY_ID",))


@dataclass(frozen=True, slots=True)
class Redactor:
    """Takes secrets out of text: those that are known wherever they stand, others by what they look like."""

    known: tuple[str, ...] = ()

    def __call__(self, text: str) -> str:
        return without_secrets(self.without_known(text))

    def without_known(self, text: str) -> str:
        """Only what is known, so that text which merely looks like a secret stays as it is."""
        for secret in self.known:
            if secret in text:
                text = text.replace(secret, REMOVED)
        return text


def redactor_for(
    config: Config, arguments: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> Redactor:
    """A redactor that knows the secrets of a config, of `-A` arguments and of the environment."""
    variables = os.environ if environment is None else environment
    keys = {experiment.api_key_env for experiment in config.experiments} | _SECRET_VARIABLES
    found = [*_removed(resolved(config), redacted(config)), *_sent(config)]
    for name, value in [*variables.items(), *(arguments or {}).items()]:
        if name in keys or (is_secret(name) and not os.path.exists(value)):  # PWD, SSH_AUTH_SOCK
            found.append(value)
        else:
            found += _removed(value, without_secrets(value))
    forms = {
        form for value in found if len(value) >= _SHORTEST for form in (value, quote(value, safe=""), _json(value))
    }
    return Redactor(tuple(sorted(forms, key=lambda form: (-len(form), form))))


def _removed(plain: Any, safe: Any) -> Iterator[str]:
    """What stands in a value and no longer in the same value without its secrets."""
    if isinstance(plain, dict) and isinstance(safe, dict):
        for key, value in plain.items():
            yield from _removed(value, safe.get(key, value))
    elif isinstance(plain, list | tuple) and isinstance(safe, list | tuple):
        for value, other in zip(plain, safe, strict=False):
            yield from _removed(value, other)
    elif safe == REMOVED:
        yield from _spoken(str(plain))
    elif isinstance(plain, str) and isinstance(safe, str) and safe != plain:
        yield from _gaps(plain, safe.split(REMOVED))


def _sent(config: Config) -> Iterator[str]:
    """What stands in no config as it goes over the wire: user names and passwords in the form of HTTP Basic."""
    for experiment in config.experiments:
        yield from _spoken(authorization(experiment.inference_spec.auth) or "")


def _spoken(value: str) -> Iterator[str]:
    """A secret, and what remains of it without the word that says how it is used (`Bearer …`)."""
    yield value
    word, _, rest = value.partition(" ")
    if rest and word.lower() in ("bearer", "basic", "token"):
        yield rest.strip()


def _gaps(plain: str, pieces: list[str]) -> Iterator[str]:
    """The parts of a text that lie between pieces of it, in order; of `user:password` the password alone too."""
    place = len(pieces[0])
    for piece in pieces[1:]:
        end = plain.find(piece, place) if piece else len(plain)
        gap = plain[place : end if end >= 0 else len(plain)]
        yield gap
        if ":" in gap:
            yield gap.partition(":")[2]
        place += len(gap) + len(piece)


def _json(value: str) -> str:
    """As a text in JSON spells it."""
    return json.dumps(value)[1:-1]
