"""Which keys, variables, headers and options are named like secrets."""

from __future__ import annotations

import functools
import re

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_SECRET_WORDS = frozenset((
    "secret", "secrets", "password", "passwords", "passwd", "passphrase", "pwd", "credential", "credentials", "creds",
    "authorization", "auth", "bearer", "cookie", "signature",
))  # fmt: skip
_SECRET_LAST_WORDS = frozenset(("pass", "cred", "pat", "jwt"))
_SECRET_ENDINGS = ("token", "secret", "password", "passwd", "apikey", "accesskey", "secretkey", "privatekey", "authkey")
_SECRET_KEYS = frozenset((
    "api", "access", "private", "secret", "subscription", "encryption", "account", "x", "auth", "master", "signing",
    "ssh", "shared", "license", "org", "endpoint", "gateway", "service",
))  # fmt: skip
"""Words that make a key a secret: `api_key`, but not `question_col_key`."""

_TOKENS_OF_TEXT = frozenset((
    "start", "stop", "end", "bos", "eos", "eot", "eom", "pad", "unk", "sep", "cls", "mask", "special", "added", "per",
    "each", "max", "min", "new", "prompt", "input", "output", "first", "next", "last", "image", "audio", "video",
    "think", "thinking", "reasoning", "tool", "total", "cached", "budget", "price", "cost", "completion", "draft",
))  # fmt: skip
"""Words of tokens that are pieces of text: `stop_token`, `eos_token`."""

_HARMLESS_ENDINGS = frozenset(("env", "file", "path", "prefix", "id", "ids", "count", "type", "mode", "limit"))
_KEYS_OF_NO_SECRET = frozenset(
    ("monkey", "donkey", "turkey", "hockey", "hotkey", "whiskey", "public", "sort", "primary")
)


@functools.lru_cache(maxsize=4096)
def is_secret(key: str) -> bool:
    """Whether a key is named like a secret: `HF_TOKEN`, `apiKey`, `x-api-key`, `DB_PASS`, but not `max_tokens`."""
    words = [word.lower() for word in _WORDS.findall(key)]
    if not words or words[-1] in _HARMLESS_ENDINGS:
        return False
    if _SECRET_WORDS & set(words) or (words[-1] in _SECRET_LAST_WORDS and (len(words) > 1 or key.isupper())):
        return True
    if "token" in words:
        return words[-1] == "token" and not _TOKENS_OF_TEXT & set(words[:-1])
    if words[-1] == "key":
        return bool(_SECRET_KEYS & set(words[:-1])) or _is_variable(key, words)
    return any(word.endswith(_SECRET_ENDINGS) for word in words) or (_is_variable(key, words) and _ends_in_key(words))


def _is_variable(key: str, words: list[str]) -> bool:
    """Whether a name is spelt as environment variables are; of those, any KEY may be a secret."""
    return key.isupper() and not _KEYS_OF_NO_SECRET & set(words)


def _ends_in_key(words: list[str]) -> bool:
    return words[-1].endswith("key")
