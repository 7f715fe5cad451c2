"""The secrets of a run, to be removed from everything it writes, even where nothing marks them as secrets.

An error that repeats a request, or an address in a message, has no key whose name gives the secret away.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any
from urllib.parse import unquote, unquote_plus

from fmbench_lib.config.redaction import redacted, resolved
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.schema.authorization import authorization
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.secret_forms import REMOVED, without_secrets
from fmbench_lib.config.secret_names import is_secret

_SECRET_VARIABLES = frozenset(("AWS_ACCESS_KEY_ID",))
_OPEN_VARIABLES = frozenset(("HOME", "USER", "LOGNAME", "HOSTNAME", "PATH", "PWD", "SHELL", "LANG", "TMPDIR"))
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)")


def redactor_for(
    config: Config, arguments: Mapping[str, str] | None = None, environment: Mapping[str, str] | None = None
) -> Redactor:
    """A redactor for the secrets of a config, of `-A` arguments and of the environment (default: this process's)."""
    variables = os.environ if environment is None else environment
    plain = resolved(config)
    keys = {*_variables_named(plain), *_SECRET_VARIABLES} - _OPEN_VARIABLES
    secrets = [*_removed(plain, redacted(config)), *_sent(config)]
    secrets += _named([*_as_variables(variables), *(arguments or {}).items()], keys)
    return Redactor.of(secrets)


def redactor_of_process(arguments: Iterable[tuple[str, str]]) -> Redactor:
    """A redactor for the secrets of the environment and of `-A`, for what is printed while no config is known."""
    return Redactor.of(_named([*_as_variables(os.environ), *arguments], _SECRET_VARIABLES))


def _as_variables(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The variables under their names, and in capitals: a variable in small letters is one all the same."""
    for name, value in variables.items():
        yield name, value
        if name != name.upper():
            yield name.upper(), value


def _named(values: Iterable[tuple[str, str]], keys: AbstractSet[str]) -> Iterator[str]:
    """The secrets among named values: those in `keys` or named like one, and what looks like one in the others."""
    for name, value in values:
        if (name in keys or is_secret(name)) and not os.path.exists(value):  # PWD, SSH_AUTH_SOCK
            yield from _with_and_without_scheme(value)
        yield from _removed(value, without_secrets(value))


def _variables_named(plain: Any) -> Iterator[str]:
    """The environment variables that a config names: below keys such as `api_key_env`, and as `$NAME` in texts."""
    if isinstance(plain, dict):
        for key, value in plain.items():
            if str(key).endswith("_env") and isinstance(value, str):
                yield value
            yield from _variables_named(value)
    elif isinstance(plain, list | tuple):
        for value in plain:
            yield from _variables_named(value)
    elif isinstance(plain, str):
        yield from _VARIABLE.findall(plain)


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
    """The parts of a text between pieces of it, in order; of `user:password` also the password alone. What an address
    spells with `%` is given as it is meant too, as which a server takes it."""
    position = len(pieces[0])
    for piece in pieces[1:]:
        end = plain.find(piece, position) if piece else len(plain)
        gap = plain[position : end if end >= 0 else len(plain)]
        for meant in dict.fromkeys((gap, unquote(gap), unquote_plus(gap))):
            yield meant
            if ":" in meant:
                yield meant.partition(":")[2]
        position += len(gap) + len(piece)
