"""One request and what came back, as raw as it came."""

from __future__ import annotations

from fmbench_lib.load.http import ResponseEnd
from fmbench_lib.load.targets import Target


class Exchange:
    """One request under way. Times are monotonic nanoseconds; `error` is an error class or None."""

    __slots__ = (
        "closed",
        "complete",
        "connect_ns",
        "deadline_ns",
        "due_ns",
        "end_ns",
        "error",
        "kernel",
        "measured",
        "message",
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
        self, position: int, prompt: int, wire: bytes, target: Target, *, measured: bool, due_ns: int, deadline_ns: int
    ) -> None:
        self.position = position
        self.prompt = prompt
        self.wire = wire
        self.target = target
        self.measured = measured
        self.due_ns = due_ns
        self.deadline_ns = deadline_ns
        self.retried = 0
        self.reset()

    def reset(self) -> None:
        """Forget what a try brought, before another one."""
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
        self.response = ResponseEnd(self.pieces)

    def let_go(self) -> None:
        """Free the bytes once they are spooled: whoever still knows this exchange needs only its times."""
        self.wire = b""
        self.user_ns, self.kernel, self.pieces = [], [], []
        self.response = _NOTHING


_NOTHING = ResponseEnd([])
