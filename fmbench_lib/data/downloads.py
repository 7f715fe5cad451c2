"""Files of data sets that rows name by their address."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request

_TIMEOUT_S = 30.0
_MOST_BYTES = 64 << 20


def downloaded(url: str) -> bytes:
    """The content at an http(s) address. Raises ValueError where there is none, or it is too large."""
    where = url.partition("?")[0]  # a query may hold a key
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as answer:
            content: bytes = answer.read(_MOST_BYTES + 1)
    except urllib.error.HTTPError as error:
        error.close()
        raise ValueError(f"{where} cannot be downloaded: HTTP {error.code} {error.reason}") from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise ValueError(f"{where} cannot be downloaded: {getattr(error, 'reason', None) or error}") from None
    if len(content) > _MOST_BYTES:
        raise ValueError(f"{where} has more than {_MOST_BYTES >> 20} MB")
    return content
