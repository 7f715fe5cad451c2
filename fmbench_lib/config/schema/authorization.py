"""The key `inference_spec.auth`: credentials of a REST endpoint, sent as the header Authorization."""

from __future__ import annotations

import base64
from typing import Annotated, Any

from fmbench_lib.config.schema.values import Kind

Auth = Annotated[Any, Kind("`{username: …, password: …}`, `[username, password]`, or a text")]


def authorization(auth: Any) -> str | None:
    """The header's value: text as it is, user name and password as HTTP Basic (RFC 7617); None for any other form."""
    if isinstance(auth, str):
        return auth.strip()
    credentials = _credentials(auth)
    return None if credentials is None else "Basic " + base64.b64encode(":".join(credentials).encode()).decode()


def fault_of(auth: Any) -> str | None:
    """What is wrong with a value and what to write instead, without quoting it; None if nothing is."""
    if isinstance(auth, str):
        return None if auth.strip() else "is empty; write the value of the header Authorization, or leave the key out"
    credentials = _credentials(auth)
    if credentials is None:
        return "is not in a known form; write {username: 'me', password: 'mine'}, ['me', 'mine'], or a text, in quotes"
    return "has a colon in the user name, which HTTP Basic cannot send; leave it out" if ":" in credentials[0] else None


def _credentials(auth: Any) -> tuple[str, str] | None:
    """User name and password, if the value holds them in one of its two forms."""
    if isinstance(auth, dict) and auth.keys() == {"username", "password"}:
        auth = [auth["username"], auth["password"]]
    if not isinstance(auth, list) or len(auth) != 2 or not all(isinstance(part, str) for part in auth):
        return None
    return auth[0], auth[1]
