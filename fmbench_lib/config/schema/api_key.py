"""The header with the key that `api_key_env` names. Standard library only: decoding processes import it."""

from __future__ import annotations

_SCHEMES = ("basic", "bearer")


def key_header(key: str) -> str:
    """The value of the header Authorization: `Bearer KEY`, or the key as it is where it begins with its scheme,
    `Basic …` (a user name and password in Base64) or `Bearer …`."""
    scheme, space, _ = key.partition(" ")
    return key if space and scheme.casefold() in _SCHEMES else f"Bearer {key}"
