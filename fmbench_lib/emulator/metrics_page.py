"""The emulator's own pages: health, metrics and the ledger."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fmbench_lib.emulator.event_loop import Stream
from fmbench_lib.emulator.framing import LAST_CHUNK, chunk, head, whole
from fmbench_lib.emulator.ledger import LedgerEntry, LedgerFile, decode_entries
from fmbench_lib.emulator.serving_slots import Slots
from fmbench_lib.emulator.timeline import Script, Step

_LINES_PER_BLOCK = 200


class Counters:
    """Totals since the start."""

    __slots__ = ("generation_tokens", "prompt_tokens", "requests", "succeeded")

    def __init__(self) -> None:
        self.requests = 0
        self.succeeded = 0
        self.prompt_tokens = 0
        self.generation_tokens = 0

    def ended(self, entry: LedgerEntry) -> None:
        """Count a request that has ended."""
        self.prompt_tokens += entry.prompt_tokens
        if entry.outcome == "complete" and entry.status == 200:
            self.succeeded += 1
            self.generation_tokens += entry.tokens

    def page(self, path: str, slots: Slots[Stream]) -> bytes | None:
        """The complete response for `/health` and `/metrics` (Prometheus); None for other paths."""
        if path == "/health":
            return whole(200, "application/json", b'{"status":"ok"}')
        if path != "/metrics":
            return None
        values = (
            ("requests_total", "counter", self.requests),
            ("request_success_total", "counter", self.succeeded),
            ("prompt_tokens_total", "counter", self.prompt_tokens),
            ("generation_tokens_total", "counter", self.generation_tokens),
            ("num_requests_running", "gauge", slots.active),
            ("num_requests_waiting", "gauge", slots.waiting),
        )
        lines = [f"# TYPE emulator:{name} {kind}\nemulator:{name} {value}\n" for name, kind, value in values]
        return whole(200, "text/plain; version=0.0.4; charset=utf-8", "".join(lines).encode())


def ledger_script(ledger: LedgerFile, still_open: Sequence[LedgerEntry], as_json: bool) -> Script:
    """The ledger as a download: JSON lines, or the file's own format."""
    content_type = "application/jsonl" if as_json else "application/octet-stream"
    opening = head(200, {"Content-Type": content_type, "Transfer-Encoding": "chunked"})
    blocks = ledger.blocks(still_open)
    return Script(200, opening, _ledger_steps(_json_blocks(blocks) if as_json else blocks))


def _ledger_steps(blocks: Iterator[bytes]) -> Iterator[Step]:
    for block in blocks:
        yield 0, chunk(block), 0
    yield 0, LAST_CHUNK, 0


def _json_blocks(blocks: Iterator[bytes]) -> Iterator[bytes]:
    lines: list[str] = []
    for entry in decode_entries(blocks):
        lines.append(entry.to_json() + "\n")
        if len(lines) == _LINES_PER_BLOCK:
            yield "".join(lines).encode()
            lines.clear()
    if lines:
        yield "".join(lines).encode()
