"""From spooled exchanges to request records: raw bytes through the codec, raw stamps through the clocks.

Runs after the level, so that parsing and token counting cost the measurement nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.secret_search import SHORTEST
from fmbench_lib.errors import ProtocolError
from fmbench_lib.host.printable import printable
from fmbench_lib.load.recording.packed_bodies import UnpackedResponse, unpacked_response
from fmbench_lib.load.recording.parsed_response import ParsedResponse, parse_response
from fmbench_lib.load.recording.read_times import Arrivals, arrivals_of
from fmbench_lib.load.recording.records import ExchangeRecord, RecordTimes, RecordTokens, RequestRecord
from fmbench_lib.load.sending.clocks import ClockPair
from fmbench_lib.load.sending.spool import Spooled, read_spool
from fmbench_lib.metrics.plausibility import (
    REMARK_SEPARATOR,
    Counted,
    Judgement,
    OwnCount,
    Seen,
    both_sources,
    judge_response,
)
from fmbench_lib.predictors.base import Completion, HttpResponse, Predictor
from fmbench_lib.predictors.echo import PromptMark, without_prompt
from fmbench_lib.predictors.vector_similarity import similarities

if TYPE_CHECKING:  # every decoding process imports this module, and none needs the engine
    from fmbench_lib.load.sending.engine import LevelRun
    from fmbench_lib.workspace import LevelKey


_LONGEST_MESSAGE = 500
_READ_OF_MESSAGE = 20_000
"""How much of a message is cleaned before it is cut: more than is kept, so that no secret is cut before it is found."""
Response: TypeAlias = ParsedResponse | UnpackedResponse
_END_OFFSET, _TEXT, _REASONING = itemgetter(0), itemgetter(1), itemgetter(2)
"""Fields of an event: three times as fast as by name, and a response has hundreds."""


class TokenCounter(Protocol):
    """The experiment's tokenizer, for responses whose server does not count."""

    @property
    def is_estimate(self) -> bool:
        """Whether it does not count the model's own tokens."""

    def count(self, text: str) -> int:
        """The tokens of a text."""


@dataclass(frozen=True, slots=True)
class SentPrompt:
    """What the records need of a prompt: its id and its length by the experiment's tokenizer.

    `echo` recognises its text, as its answer may begin with it. `documents`: how many it has to rank.
    """

    prompt_id: str
    tokens: int | None
    echo: PromptMark | None = None
    documents: int = 0


@dataclass(frozen=True, slots=True)
class Recorder:
    """Makes the records of one level.

    `redactor` takes the secrets out of what servers say, since some repeat their requests; None leaves all as it is.
    """

    predictor: Predictor
    prompts: Sequence[SentPrompt]
    urls: Sequence[str]
    key: LevelKey
    tokenizer: TokenCounter | None
    redactor: Redactor | None = field(default_factory=Redactor, repr=False)

    def rows(self, run: LevelRun) -> Iterator[RequestRecord]:
        """The records of a level, worker by worker."""
        for number, (worker, clocks) in enumerate(zip(run.workers, run.clocks(), strict=True)):
            for _, exchange in read_spool(worker.spool):
                yield self.record(exchange, clocks, run.level_id, number)

    def record(self, exchange: Spooled, clocks: ClockPair, level_id: str, worker: int) -> RequestRecord:
        """The record of one request."""
        return {
            "experiment_name": self.key.experiment_name,
            "payload_file": self.key.payload_file,
            "load": self.key.load,
            "worker": worker,
            **self.row(exchange, clocks, level_id),
        }

    def row(self, exchange: Spooled, clocks: ClockPair, level_id: str) -> ExchangeRecord:
        """What one exchange came to, without which level and worker it is of."""
        completion, response = self._decoded(exchange)
        prompt = self.prompts[exchange.prompt]
        if prompt.echo is not None:
            completion = without_prompt(completion, prompt.echo)
        times = _times(exchange, completion, response, clocks)
        return {
            "request_id": f"{level_id}-{exchange.position}",
            "server_request_id": self._short(completion.server_request_id),
            "phase": "measured" if exchange.measured else "warmup",
            "prompt_id": prompt.prompt_id,
            # A query may hold a key.
            "endpoint": self._cleaned(self.urls[exchange.target].partition("?")[0]),
            "reused": exchange.reused,
            "retried": exchange.retried,
            **times,
            **self._tokens(completion, prompt, times),
            "finish_reason": self._short(completion.finish_reason),
            "status": None if response is None else response.status,
            "error": completion.error_class,
            "error_message": self._short(completion.error_message),
            "retry_after": None if response is None else self._short(dict(response.headers).get("retry-after")),
            "completion": completion.text if self.redactor is None else self.redactor.in_content(completion.text),
            "texts": _texts(completion, prompt),
            "scores": completion.scores or (similarities(completion.vectors) if prompt.documents else ()),
        }

    def _short(self, text: str | None) -> str | None:
        """A short text of the server or the client in one line: cleaned while it is whole, then cut.

        It is cleaned again where something was removed: characters that nobody sees may have been within a secret.
        """
        if text is None:
            return None
        cleaned = self._cleaned(text[:_READ_OF_MESSAGE])
        if not (cleaned.isascii() and cleaned.isprintable()) and (line := printable(cleaned)) != cleaned:
            cleaned = self._cleaned(line)
        return cleaned[:_LONGEST_MESSAGE]

    def _cleaned(self, text: str) -> str:
        return text if self.redactor is None or len(text) < SHORTEST else _cleaned(self.redactor, text)

    def _decoded(self, exchange: Spooled) -> tuple[Completion, Response | None]:
        """The answer in an exchange. What a codec quotes of an error is quoted from bytes without secrets: one that it
        had cut or escaped could not be found afterwards."""
        completion, response = decode(exchange, self.predictor)
        if completion.error_class is None or self.redactor is None:
            return completion, response
        from fmbench_lib.load.recording.masked_raw import masked_raw  # not above: few levels have an error

        parsed = response if isinstance(response, ParsedResponse) else None
        masked = masked_raw(exchange.raw, self.redactor, parsed=parsed)
        if masked != exchange.raw:
            cleaned = decode(replace(exchange, raw=masked), self.predictor)[0]
            if cleaned.error_class == completion.error_class:  # else what was masked held the answer together
                completion = replace(completion, error_message=cleaned.error_message)
        return completion, response

    def _tokens(self, completion: Completion, prompt: SentPrompt, times: RecordTimes) -> RecordTokens:
        """Token counts as far as they are plausible, the server's own first; what nobody counted stays null."""
        counted = Counted(
            completion.prompt_tokens,
            completion.completion_tokens,
            completion.reasoning_tokens,
            completion.unknown_zeros,
            completion.cached_tokens,
        )
        if not completion.events:
            cached, reasoning = completion.cached_tokens, completion.reasoning_tokens
            nothing = Judgement(counted.prompt, "server", counted.completion, "server", None, (), cached, reasoning)
            return _token_cells(nothing, completion, ())
        own = None
        if self.tokenizer is not None:
            own = OwnCount(
                "words" if self.tokenizer.is_estimate else "tokenizer",
                prompt.tokens,
                partial(_count, self.tokenizer, completion),
            )
        judged = judge_response(_seen(completion, times), counted, own)
        return _token_cells(judged, completion, self._remarks(completion, judged))

    def _remarks(self, completion: Completion, judged: Judgement) -> tuple[str, ...]:
        """What is to be said of a success; of a failure its error says enough."""
        if completion.error_class is not None:
            return ()
        remarks = judged.remarks
        if not completion.streamed and completion.text and getattr(self.predictor, "stream", False) is True:
            remarks += ("not_streamed",)
        remarks += ("cumulative",) if completion.cumulative else ()
        return remarks + (("echo",) if completion.echoed else ())


def _texts(completion: Completion, prompt: SentPrompt) -> int | None:
    """How many texts were embedded, or documents ranked, also those that a server leaves out of its answer."""
    if completion.texts is None or completion.error_class is not None:
        return None
    return prompt.documents or completion.texts


@lru_cache(maxsize=256)
def _cleaned(redactor: Redactor, text: str) -> str:
    """A text without secrets; addresses, reasons and messages are the same in most records of a level."""
    return redactor(text)


def _count(tokenizer: TokenCounter, completion: Completion) -> int:
    return tokenizer.count("".join(map(_TEXT, completion.events)))


def _seen(completion: Completion, times: RecordTimes) -> Seen:
    """What came of a response, and when."""
    events, text, reasoning_size = completion.events, completion.text, 0
    if any(map(_REASONING, events)):
        text = "".join(map(_TEXT, events))
        reasoning_size = sum(len(event.text.encode()) for event in events if event.reasoning)
    first, last, whole = times["first"], times["last"], completion.every_event
    span = 0.0 if first is None or last is None else last - first
    begun = last if first is None else first
    start = times["due"] if times["sent"] is None else times["sent"]
    return Seen(
        events=len(events) if whole else 1,
        wait=0.0 if begun is None else begun - start,
        span=span,
        text=text,
        size=len(text) if text.isascii() else len(text.encode()),
        reasoning_size=reasoning_size,
        media=whole and not all(map(_TEXT, events)),
        answered=not reasoning_size or not all(map(_REASONING, events)),
        streamed=completion.streamed,
        choices=completion.choices,
        times=times["event_times"],
    )


def _token_cells(judged: Judgement, completion: Completion, remarks: Sequence[str]) -> RecordTokens:
    prompt_source = None if judged.prompt is None else judged.prompt_source
    completion_source = None if judged.completion is None else judged.completion_source
    return {
        "prompt_tokens": judged.prompt,
        "completion_tokens": judged.completion,
        "cached_tokens": judged.cached,
        "cache_write_tokens": _written(completion.cache_write_tokens, judged),
        "reasoning_tokens": judged.reasoning,
        "seen_tokens": judged.seen_tokens,
        "choices": completion.choices,
        "prompt_token_source": prompt_source,
        "completion_token_source": completion_source,
        "token_source": both_sources(prompt_source, completion_source),
        "remarks": REMARK_SEPARATOR.join(remarks) or None,
    }


def _written(tokens: int | None, judged: Judgement) -> int | None:
    """The prompt tokens written to a cache, unless the prompt has no room for them beside those read from it."""
    if tokens is None or judged.prompt is None:
        return None
    return tokens if tokens + (judged.cached or 0) <= judged.prompt else None


def _times(exchange: Spooled, completion: Completion, response: Response | None, clocks: ClockPair) -> RecordTimes:
    arrivals = arrivals_of(exchange, clocks)
    event_times = [] if arrivals is None else _event_times(completion, response, exchange.read_ends, arrivals)
    failed = completion.error_class is not None
    last_read = None if arrivals is None else float(arrivals.unix_times[-1])
    answer = next((t for t, e in zip(event_times, completion.events, strict=False) if not e.reasoning), None)
    streamed = completion.streamed and bool(event_times)
    due = clocks.to_unix(exchange.due_ns)
    sent = None if exchange.sent_ns is None else clocks.to_unix(exchange.sent_ns)
    connect = None if exchange.connect_ns is None else exchange.connect_ns / 1e9
    held = None if exchange.cap_wait_ns is None else exchange.cap_wait_ns / 1e9
    schedule_lag = None  # unknown where the request was sent again: the first time of it is not kept
    if sent is not None and not exchange.retried:
        schedule_lag = max(sent - due - (connect or 0.0) - (held or 0.0), 0.0)
    return {
        "due": due,
        "cap_wait": held,
        "connect_s": connect,
        "sent": sent,
        "first": event_times[0] if streamed else None,
        "first_answer": answer if streamed else None,
        "last": event_times[-1] if event_times else None,
        "end": clocks.to_unix(exchange.end_ns) if failed or last_read is None else last_read,
        "event_times": event_times if streamed and completion.every_event else [],
        "stamp_source": None if arrivals is None else arrivals.source,
        "client_lag": None if arrivals is None else arrivals.lag,
        "schedule_lag": schedule_lag,
        "streamed": streamed,
    }


def decode(exchange: Spooled, predictor: Predictor) -> tuple[Completion, Response | None]:
    """The answer in an exchange. An error of the transport outweighs what the codec makes of the bytes."""
    response: Response | None = None
    completion = Completion()
    protocol_error = None
    if exchange.raw:
        try:
            response = unpacked_response(parse_response(exchange.raw, closed=exchange.closed), exchange.read_ends)
            whole = response.complete and exchange.error is None
            completion = predictor.decode(HttpResponse(response.status, response.headers, response.body, whole))
        except ProtocolError as error:
            protocol_error = str(error)
    if exchange.error is not None and not _server_explained(completion, response):
        return _failed(completion, exchange.error, exchange.message), response
    if protocol_error is not None:
        return _failed(completion, "protocol", protocol_error), response
    return completion, response


def _server_explained(completion: Completion, response: Response | None) -> bool:
    """Whether the server sent an error before the connection broke, which says more than that it broke."""
    return response is not None and completion.error_class not in (None, "truncated", "empty", "decode")


def _failed(completion: Completion, error_class: str, message: str) -> Completion:
    """The answer with this error; what came before it is kept as evidence."""
    return replace(completion, error_class=error_class, error_message=message)


def _event_times(
    completion: Completion, response: Response | None, read_ends: Sequence[int], arrivals: Arrivals
) -> list[float]:
    """When each content event was complete: the arrival of the read that brought its last byte (Unix seconds)."""
    if response is None or not completion.events:
        return []
    needed = response.raw_offsets(list(map(_END_OFFSET, completion.events)))
    times: list[float] = arrivals.unix_times[np.searchsorted(np.asarray(read_ends)[:-1], needed)].tolist()
    return times
