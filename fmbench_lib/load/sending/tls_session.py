"""TLS over memory: bytes go in and come out, and the connection keeps its socket, so that reads keep their stamps."""

from __future__ import annotations

import ssl

_READ_BYTES = 1 << 16


class TlsSession:
    """One TLS client. `receive` takes what the peer sent, `outgoing` gives what is to be sent to it."""

    __slots__ = ("_object", "_outgoing", "outgoing", "receive")

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(incoming, self._outgoing, server_hostname=host)
        self.receive = incoming.write
        self.outgoing = self._outgoing.read

    @property
    def has_outgoing(self) -> bool:
        """Whether there is something to send to the peer."""
        return self._outgoing.pending > 0

    def handshake(self) -> bool:
        """Go on with the handshake; True once it is complete. Raises ssl.SSLError where it fails."""
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def encrypt(self, plain: bytes) -> bytes:
        """The records for these bytes; raises ssl.SSLError."""
        self._object.write(plain)
        return self._outgoing.read()

    def decrypt(self) -> tuple[bytes, bool]:
        """All plain bytes that the records received so far give, and whether the peer said that it is done.

        Raises ssl.SSLError for records that are broken.
        """
        pieces = []
        ended = False
        try:
            while piece := self._object.read(_READ_BYTES):
                pieces.append(piece)
            ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            ended = True
        return b"".join(pieces), ended


def tls_message(error: ssl.SSLError) -> str:
    """What an error of TLS says in a record."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the server's certificate is not trusted: {error.verify_message}"
    return f"TLS: {error.reason or error}"
