"""Signing what a worker sends to AWS, just before it is sent, so that signing adds to neither latency nor lag.

The engine has the credentials, renews them, and passes them to its workers through their pipes: they are never written
to disk. The workers make the signatures. Where nothing is to be signed, none of this costs anything.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from importlib import import_module

from fmbench_lib.aws.signing import Credentials, CredentialSource, Signing, signature_headers
from fmbench_lib.load.sending.prebuilt import Prompts
from fmbench_lib.load.sending.worker_protocol import KEYS, SigningScope

_OLDEST_NS = 60_000_000_000  # AWS accepts five minutes, and the two clocks may differ
_NOT_SIGNED = ("accept-encoding", "content-length")

monotonic_ns = time.monotonic_ns


class Keys:
    """The engine's side: the credentials that its workers sign with. Raises CredentialsError where there are none."""

    def __init__(self, signing: Signing | None) -> None:
        self.settings: SigningScope | None = (
            None if signing is None else {"service": signing.service, "region": signing.region}
        )
        self._source = None if signing is None else CredentialSource()
        self._last: Credentials | None = None

    def news(self) -> bytes | None:
        """The line for the workers; None where they have these keys already, or need none.

        Renewing keys can take a while, but no worker waits for it. Raises CredentialsError where they are lost.
        """
        if self._source is None:
            return None
        current = self._source.current()
        if current == self._last:
            return None
        self._last = current
        return KEYS + json.dumps(asdict(current)).encode() + b"\n"


class Signer:
    """The worker's side: the headers that sign a prebuilt request, made ahead of its time where that is known."""

    def __init__(self, signing: Signing, prompts: Prompts) -> None:
        import_module("botocore.auth")  # now, as it takes longer than a hundred signatures
        self._signing = signing
        self._prompts = prompts
        self._keys: Credentials | None = None
        self._ready: dict[tuple[int, str], tuple[int, bytes]] = {}

    def take_keys(self, line: bytes) -> None:
        """Sign with these keys from now on, and again what has been signed ahead."""
        self._keys = Credentials(**json.loads(line.removeprefix(KEYS)))
        self._ready.clear()

    def prepare(self, prompt: int, authority: str) -> None:
        """Sign a request ahead of its time, for `headers` to return when it is sent."""
        self._ready[prompt, authority] = monotonic_ns(), self._sign(prompt, authority)

    def headers(self, prompt: int, authority: str) -> bytes:
        """The headers that sign a request to be sent now."""
        signed_ns, ready = self._ready.pop((prompt, authority), (0, b""))
        if ready and monotonic_ns() - signed_ns < _OLDEST_NS:
            return ready
        return self._sign(prompt, authority)

    def _sign(self, prompt: int, authority: str) -> bytes:
        assert self._keys is not None  # the engine hands them out before it says `go`
        line, rest = self._prompts.wire(prompt)
        method, target, _ = line.decode("ascii").split(" ", 2)
        head = rest[: rest.index(b"\r\n\r\n")].decode("latin-1")
        named = (header.partition(": ")[::2] for header in head.split("\r\n"))
        signed = {name: value for name, value in named if name not in _NOT_SIGNED}
        made = signature_headers(
            self._signing, self._keys, method, f"https://{authority}{target}", {**signed, "host": authority}
        )
        return "".join(f"{name}: {value}\r\n" for name, value in made.items()).encode("latin-1")
