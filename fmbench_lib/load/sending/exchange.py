"""One request and its response, as raw as it arrived."""

from __future__ import annotations

from collections.abc import Iterator

from fmbench_lib.load.sending import spool
from fmbench_lib.load.sending.http import ResponseEnd
from fmbench_lib.load.sending.targets import Target

# A connection that was closed while idle shows it within a round trip (estimated by what opening it took) and the time
# that we may need to notice. A server that closes later than that had the request.
_NOTICED_NS = 50_000_000

READ_BYTES = 128
"""What a read counts beside its bytes, against the limit of a response: its stamps take memory too."""

MOST_RESPONSE_BYTES = 64 << 20
_KEPT_BYTES, _KEPT_READS = 1 << 16, 1000  # of a response that was cut, as evidence


class Exchange:
    """One request under way. Times are monotonic nanoseconds; `error` is an error class or None.

    `begun_ns` is when opening a connection for it began, `cap_wait_ns` how long a cap on the requests in flight held it
    back (None where there is no cap). `left` is what its response may still take of `most_bytes`.
    """

    __slots__ = (
        "begun_ns",
        "cap_wait_ns",
        "closed",
        "complete",
        "connect_ns",
        "due_ns",
        "end_ns",
        "error",
        "kernel",
        "left",
        "measured",
        "message",
        "most_bytes",
        "pieces",
        "position",
        "prompt",
        "response",
        "retried",
        "reused",
        "sent_ns",
        "target",
        "user_ns",
        "wire",
    )

    def __init__(
        self,
        position: int,
        prompt: int,
        wire: bytes,
        target: Target,
        *,
        measured: bool,
        due_ns: int,
        cap_wait_ns: int | None = None,
        most_bytes: int = MOST_RESPONSE_BYTES,
    ) -> None:
        self.position = position
        self.prompt = prompt
        self.wire = wire
        self.target = target
        self.measured = measured
        self.due_ns = due_ns
        self.cap_wait_ns = cap_wait_ns
        self.most_bytes = most_bytes
        self.retried = 0
        self.reset()

    def reset(self) -> None:
        """Forget the outcome of an attempt, before another one."""
        self.begun_ns: int | None = None
        self.connect_ns: int | None = None
        self.sent_ns: int | None = None
        self.end_ns = 0
        self.reused = False
        self.complete = False
        self.closed = False
        self.error: str | None = None
        self.message = ""
        self.user_ns: list[int] = []
        self.kernel: list[bytes] = []
        self.pieces: list[bytes] = []
        self.left = self.most_bytes
        self.response = ResponseEnd(self.pieces)

    @property
    def failed(self) -> bool:
        """Whether it failed, as far as transport and status show; only a codec knows what the body says."""
        head = self.response.head
        return self.error is not None or (head is not None and not 200 <= head.status < 300)

    def met_closed_connection(self, round_trip_ns: int) -> bool:
        """Whether the peer had closed the idle connection that this exchange was sent over.

        The server received nothing of the request then, so sending it again does not retry a failed request. It is
        recorded, and done only once.
        """
        return (
            self.error == "truncated"
            and self.reused
            and not self.pieces
            and not self.retried
            and self.sent_ns is not None
            and self.end_ns - self.sent_ns < 2 * round_trip_ns + _NOTICED_NS
        )

    @property
    def held(self) -> int:
        """The bytes that its response takes in memory, about."""
        return self.most_bytes - self.left

    def cut(self) -> str:
        """Keep the beginning of a response that is too long, and return the message of that error."""
        size, reads = 0, 0
        while size <= _KEPT_BYTES and reads < min(len(self.pieces), _KEPT_READS):
            size += len(self.pieces[reads])
            reads += 1
        for kept in (self.user_ns, self.kernel, self.pieces):
            del kept[reads:]
        self.left = self.most_bytes - size - reads * READ_BYTES
        return f"the response was ended: it takes more than {self.most_bytes:,} bytes (load.max_response_bytes)"

    def packed(self) -> bytes:
        """The exchange as a spool holds it."""
        return self._record(self.user_ns, self.kernel, self.pieces)

    def parts(self) -> Iterator[bytes]:
        """The same in parts, where it has so many reads that packing it at once would hold up all others."""
        return spool.cut_up(self._record, (self.user_ns, self.kernel, self.pieces))

    @property
    def is_long(self) -> bool:
        """Whether it has more reads than are packed at once."""
        return len(self.pieces) > spool.READS_IN_A_PART

    def _record(self, user_ns: list[int], kernel: list[bytes], pieces: list[bytes]) -> bytes:
        flags = (
            (spool.REUSED if self.reused else 0)
            | (spool.COMPLETE if self.complete else 0)
            | (spool.CLOSED if self.closed else 0)
            | (spool.MEASURED if self.measured else 0)
        )
        return spool.pack(
            position=self.position,
            prompt=self.prompt,
            target=self.target.number,
            flags=flags,
            retried=self.retried,
            due_ns=self.due_ns,
            cap_wait_ns=self.cap_wait_ns,
            connect_ns=self.connect_ns,
            sent_ns=self.sent_ns,
            end_ns=self.end_ns,
            error=self.error,
            message=self.message,
            user_ns=user_ns,
            kernel=kernel,
            pieces=pieces,
        )

    def let_go(self) -> None:
        """Free the bytes once they are spooled; whatever still refers to the exchange needs only its times."""
        self.wire = b""
        self.user_ns, self.kernel, self.pieces = [], [], []
        self.response = _NOTHING


_NOTHING = ResponseEnd([])
