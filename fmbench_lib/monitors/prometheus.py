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
from fmbench_lib.monitors.source import SourceUnavailableError

TIMEOUT_S = 10.0
"""A server that processes a long prompt answers only between two of its steps."""
_MOST_BYTES = 8_000_000
_HERE = ("127.0.0.1", "localhost", "::1")


class Page:
    """The metrics page at one address. A server that has none is not queried again."""

    paced = True

    def __init__(
        self,
        url: str,
        labels: Mapping[str, str],
        *,
        requested: bool = False,
        ca_file: str | None = None,
        timeout: float = TIMEOUT_S,
    ) -> None:
        """`requested`: the config names the address, so its absence is worth a note."""
        self.name = f"metrics page {shown(url)}"
        self._url, self._labels, self._requested, self._timeout = url, labels, requested, timeout
        handlers = [HTTPSHandler(context=ssl.create_default_context(cafile=ca_file))] if url.startswith("https") else []
        direct = [ProxyHandler({})] if urlsplit(url).hostname in _HERE else []
        self._opener = build_opener(*handlers, *direct)
        self._answered = False

    def read(self) -> list[Reading]:
        """The values of the page.

        Raises SourceUnavailableError if the server has no such page, OSError or ValueError if reading it fails.
        """
        text = self._fetch()
        if not self._answered and not is_page(text):
            raise SourceUnavailableError("this is not a Prometheus page", expected=not self._requested)
        readings = readings_of(text, self._labels)
        if not self._answered and not readings:
            raise ValueError("the page has no metric of a known serving stack")  # some come with the first request
        self._answered = True
        return readings

    def close(self) -> None:
        """Nothing to release: each read opens its own connection."""

    def _fetch(self) -> str:
        request = Request(self._url, headers={"Accept": "text/plain;version=0.0.4"})
        deadline = time.monotonic() + self._timeout
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return _body(response, deadline)
        except HTTPError as error:
            with error:
                message = f"HTTP {error.code}"
            if error.code in (400, 401, 403, 404, 405, 501) and not self._answered:
                raise SourceUnavailableError(message, expected=not self._requested) from None
            raise OSError(message) from None
        except URLError as error:
            raise OSError(f"{error.reason}") from None
        except TimeoutError:
            raise OSError(f"no answer within {self._timeout:g} s") from None
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__}: {error}") from None


def _body(response: http.client.HTTPResponse, deadline: float) -> str:
    """The whole page. Raises TimeoutError if it arrives too slowly, OSError if it is too long."""
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
    """The usual address of the metrics page of the server at `url`: `/metrics` on the same port."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "/metrics", "", ""))


def shown(url: str) -> str:
    """The address without user, password and query, which may hold secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
