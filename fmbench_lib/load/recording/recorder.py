"""From spooled exchanges to request records: raw bytes through the codec, raw stamps through the clocks.

Runs after the level, so that parsing and token counting cost the measurement nothing.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from operator import sub
from typing import TYPE_CHECKING, Any, Protocol

from fmbench_lib.errors import ProtocolError
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.http import ParsedResponse, parse_response
from fmbench_lib.load.sending.spool import Spooled, read_spool
from fmbench_lib.predictors.base import Completion, HttpResponse, Predictor, without_prompt

if TYPE_CHECKING:  # every decoding process imports this module, and none needs the engine
    from fmbench_lib.load.sending.engine import LevelRun


class TokenCounter(Protocol):
    """The experiment's tokenizer, for responses whose server does not count."""

    @property
    def is_estimate(self) -> bool: ...
    def count(self, text: str) -> int: ...


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """What the records need to know of a prompt: its id and its length by the experiment's tokenizer.

    `echo` is its text, where the answer to it may begin with that.
    """

    prompt_id: str
    tokens: int | None
    echo: str | None = None


@dataclass(frozen=True, slots=True)
class Recorder:
    """Makes the records of one level. `labels` are the columns that are the same for all of them; `redact` takes the
    secrets out of errors, as some servers repeat in them what they were sent."""

    predictor: Predictor
    prompts: Sequence[SentPrompt]
    urls: Sequence[str]
    labels: Mapping[str, str]
    tokenizer: TokenCounter | None
    redact: Callable[[str], str] = str

    def rows(self, run: LevelRun) -> Iterator[dict[str, Any]]:
        """The records of a level, worker by worker, in the columns of `RECORD_SCHEMA`."""
        for number, (worker, clocks) in enumerate(zip(run.workers, run.clocks(), strict=True)):
            for _, exchange in read_spool(worker.spool):
                yield {**self.labels, "worker": number, **self.row(exchange, clocks, run.level_id)}

    def row(self, exchange: Spooled, clocks: ClockPair, level_id: str) -> dict[str, Any]:
        """One record, without the labels."""
        completion, response = decode(exchange, self.predictor)
        prompt = self.prompts[exchange.prompt]
        if prompt.echo is not None:
            completion = without_prompt(completion, prompt.echo)
        arrivals, source, lag = _arrivals(exchange, clocks)
        event_times = _event_times(completion, response, exchange, arrivals, clocks)
        failed = completion.error_class is not None
        last_read = clocks.to_unix(arrivals[-1]) if arrivals else None
        answer = next((t for t, e in zip(event_times, completion.events, strict=False) if not e.reasoning), None)
        streamed = completion.streamed and bool(event_times)
        due = clocks.to_unix(exchange.due_ns)
        sent = None if exchange.sent_ns is None else clocks.to_unix(exchange.sent_ns)
        connect = None if exchange.connect_ns is None else exchange.connect_ns / 1e9
        held = None if exchange.cap_wait_ns is None else exchange.cap_wait_ns / 1e9
        return {
            "request_id": f"{level_id}-{exchange.position}",
            "server_request_id": completion.server_request_id,
            "phase": "measured" if exchange.measured else "warmup",
            "prompt_id": prompt.prompt_id,
            "endpoint": self.urls[exchange.target].partition("?")[0],  # a query may hold a key
            "due": due,
            "cap_wait": held,
            "connect_s": connect,
            "reused": exchange.reused,
            "retried": exchange.retried,
            "sent": sent,
            "first": event_times[0] if streamed else None,
            "first_answer": answer if streamed else None,
            "last": event_times[-1] if event_times else None,
            "end": clocks.to_unix(exchange.end_ns) if failed or last_read is None else last_read,
            "event_times": event_times if streamed and completion.every_event else [],
            "stamp_source": source,
            "client_lag": lag,
            "schedule_lag": None if sent is None else max(sent - due - (connect or 0.0) - (held or 0.0), 0.0),
            "streamed": streamed,
            **self._tokens(completion, prompt),
            "finish_reason": completion.finish_reason,
            "status": None if response is None else response.status,
            "error": completion.error_class,
            "error_message": None if completion.error_message is None else self.redact(completion.error_message),
            "retry_after": None if response is None else dict(response.headers).get("retry-after"),
            "completion": completion.text,
        }

    def _tokens(self, completion: Completion, prompt: SentPrompt) -> dict[str, Any]:
        """Token counts, the server's own first; what nobody counted stays null."""
        given, made = completion.prompt_tokens, completion.completion_tokens
        source = "server"
        if self.tokenizer is not None and (given is None or made is None) and completion.events:
            given = prompt.tokens if given is None else given
            if made is None:
                made = self.tokenizer.count("".join(event.text for event in completion.events))
            source = "words" if self.tokenizer.is_estimate else "tokenizer"
        known = given is not None or made is not None
        return {
            "prompt_tokens": given,
            "completion_tokens": made,
            "cached_tokens": completion.cached_tokens,
            "token_source": source if known else None,
        }


def decode(exchange: Spooled, predictor: Predictor) -> tuple[Completion, ParsedResponse | None]:
    """What an exchange came to. An error of the transport outweighs what the codec makes of the bytes."""
    response: ParsedResponse | None = None
    completion = Completion()
    protocol_error = None
    if exchange.raw:
        try:
            response = parse_response(exchange.raw, closed=exchange.closed)
            whole = response.complete and exchange.error is None
            completion = predictor.decode(HttpResponse(response.status, response.headers, response.body, whole))
        except ProtocolError as error:
            protocol_error = str(error)
    if exchange.error is not None and not _said_so_itself(completion, response):
        return _failed(completion, exchange.error, exchange.message), response
    if protocol_error is not None:
        return _failed(completion, "protocol", protocol_error), response
    return completion, response


def _said_so_itself(completion: Completion, response: ParsedResponse | None) -> bool:
    """An error that the server spelt out before the connection broke says more than that it broke."""
    return response is not None and completion.error_class not in (None, "truncated", "empty", "decode")


def _failed(completion: Completion, error_class: str, message: str) -> Completion:
    """The same, as evidence of what came before the error."""
    return replace(completion, error_class=error_class, error_message=message[:500])


def _arrivals(exchange: Spooled, clocks: ClockPair) -> tuple[Sequence[int], str | None, float | None]:
    """When each read's bytes had arrived (monotonic ns), by which clock, and how late we were at worst in seconds.

    One read without a usable kernel stamp makes the record's stamps `user`: a record never mixes clocks.
    """
    read = exchange.user_ns
    if not read:
        return [], None, None
    offsets = clocks.offsets_at(read) if all(exchange.kernel_ns) else None
    if offsets is None:
        return read, "user", None
    # The two clocks' samples are microseconds apart at best, and bytes of one connection come in order.
    stamped = map(min, map(sub, exchange.kernel_ns, offsets), read)
    arrivals = list(accumulate(stamped, max))
    return arrivals, "kernel", max(map(sub, read, arrivals)) / 1e9


def _event_times(
    completion: Completion,
    response: ParsedResponse | None,
    exchange: Spooled,
    arrivals: Sequence[int],
    clocks: ClockPair,
) -> list[float]:
    """When each content event was complete: the arrival of the read that brought its last byte (Unix seconds)."""
    if response is None or not completion.events:
        return []
    times = list(map(clocks.to_unix, arrivals))
    needed = response.raw_offsets([event.end_offset for event in completion.events])
    last = len(times) - 1
    return [times[bisect_left(exchange.read_ends, offset, 0, last)] for offset in needed]
