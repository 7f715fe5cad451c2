"""The metrics page of a serving stack, fetched over HTTP."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Mapping
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

from fmbench_lib.monitors.prometheus_page import is_page, readings_of
from fmbench_lib.monitors.samples import Reading
from fmbench_lib.monitors.source import NotThereError

TIMEOUT_S = 10.0
"""A server that works on a long prompt answers between two steps of its own only."""
_MOST_BYTES = 8_000_000
_HERE = ("127.0.0.1", "localhost", "::1")


class Page:
    """The page at one address. A server that has none is not asked again."""

    paced = True

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str],
        *,
        asked_for: bool = False,
        ca_file: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        """`asked_for`: the config names the address, so that it is to be said where nothing is there."""
        self.name = f"metrics page {shown(url)}"
        self._url, self._labels, self._asked_for, self._timeout = url, labels, asked_for, timeout
        handlers = [HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))] if url.startswith("https") else []
        direct = [ProxyHandler({})] if urlsplit(url).hostname in _HERE else []
        self._opener = build_opener(*handlers, *direct)
        self._answered = False

    def read(self) -> list[Reading]:
        text = self._fetch()
        if not self._answered and not is_page(text):
            raise NotThereError("what is there is no Prometheus page", expected=not self._asked_for)
        readings = readings_of(text, self._labels)
        if not self._answered and not readings:
            raise ValueError("no metric of a serving stack that we know is on it")  # some come with the first request
        self._answered = True
        return readings

    def close(self) -> None:
        """Each look is a connection of its own."""

    def _fetch(self) -> str:
        request = Request(self._url, headers={"Accept": "text/plain;version=0.0.4"})
        deadline = time.monotonic() + self._timeout
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _body(response, deadline)
        except HTTPError as error:
            with error:
                said = f"HTTP {error.code}"
            if error.code in (400, 401, 403, 404, 405, 501) and not self._answered:
                raise NotThereError(said, expected=not self._asked_for) from None
            raise OSError(said) from None
        except URLError as error:
            raise OSError(f"{error.reason}") from None
        except TimeoutError:
            raise OSError(f"no answer within {self._timeout:g} s") from None
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from None


def _body(response: http.client.HTTPResponse, deadline: float) -> str:
    """The whole page; raises TimeoutError for one that comes too slowly, OSError for one without an end."""
    chunks, size = [], 0
    while chunk := response.read1(65536):
        chunks.append(chunk)
        size += len(chunk)
        if size > _MOST_BYTES:
            raise OSError(f"the page is longer than {_MOST_BYTES} bytes")
        if time.monotonic() > deadline:
            raise TimeoutError
    return b"".join(chunks).decode("utf-8", errors="replace")


def page_beside(url: str) -> str:
    """Where the server that answers at `url` has its metrics page, as far as is usual: `/metrics` on the same port."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "/metrics", "", ""))


def shown(url: str) -> str:
    """An address without what may be secret in it."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
