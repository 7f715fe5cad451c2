"""What a level sends, laid out before its clock starts: the requests' bytes, and the order and times of sending."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from fmbench_lib.aws.signing import BODY_HASH_HEADER, Signing, body_hash
from fmbench_lib.errors import InputError
from fmbench_lib.load.levels.arrivals.exact_spans import Span, count_in
from fmbench_lib.load.levels.arrivals.schedule import level_offsets
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.prebuilt import INDEX_ENTRY
from fmbench_lib.load.sending.proxies import proxy_for
from fmbench_lib.load.sending.schedule_reader import SEQUENCE_ENTRY
from fmbench_lib.load.sending.worker_protocol import Address
from fmbench_lib.predictors.base import HttpRequest

# Bounds for the sequence of a level that only time ends: no endpoint answers faster, no machine sends more.
_SHORTEST_REQUEST_S = 0.0001
_MOST_PER_SECOND = 30_000
_MOST_ENTRIES = 2_000_000
_NO_PROMPTS = "a level without prompts cannot be measured"


@dataclass(frozen=True, slots=True)
class Order:
    """The order of sending, as files of `SEQUENCE_ENTRY`s: one shared by all workers (closed loop), or one each.

    `reason` is why it ends where it ends: `requests`, `prompts`, or `duration` (which ends an open loop's schedule).
    `horizon` is when an open loop stops sending, in seconds after its beginning.
    """

    files: tuple[Path, ...]
    reason: str
    horizon: float | None = None


def address(url: str) -> Address:
    """Where to connect to for a URL. Raises InputError for one that cannot be used."""
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InputError(
            f"not an address: {url!r}; an IPv6 address is written in brackets, http://[::1]:8000/"
        ) from None
    try:
        port = parts.port
    except ValueError:
        raise InputError(f"not an address: {url!r}; its port must be a number up to 65535") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(f"not an address: {url!r}; write http://host:port/path")
    if "@" in parts.netloc:
        host = parts.netloc.rpartition("@")[2]
        raise InputError(f"the address of {host} holds a user name or password; give api_key_env or headers instead")
    return {
        "host": parts.hostname,
        "port": port or (443 if parts.scheme == "https" else 80),
        "tls": parts.scheme == "https",
        "authority": parts.netloc,
    }


def addresses(urls: Sequence[str]) -> list[Address]:
    """The addresses of an endpoint's copies, which must answer at the same path.

    Raises InputError where they don't, and for a proxy on the way that cannot be used.
    """
    paths = {urlsplit(url).path for url in urls}
    if len(paths) > 1:
        raise InputError(f"the copies of one endpoint must answer at the same path, not at {', '.join(sorted(paths))}")
    parsed = [address(url) for url in urls]
    for entry in parsed:
        proxy_for(entry)
    return parsed


class RequestWriter:
    """Writes the requests of a level as the workers send them: some before the clock starts, the others as they are
    about to be sent. Three offsets each in the index: begin, headers, end; zeros where a request is not written yet.

    `signing` is what the workers must sign them for, None where they need no signature.
    """

    def __init__(self, file: IO[bytes], index_path: Path, requests: Iterable[HttpRequest], count: int) -> None:
        self.signing: Signing | None = None
        self.written = 0
        self._file = file
        self._requests = iter(requests)
        self._index_path = index_path
        with index_path.open("wb") as index:
            index.truncate(count * INDEX_ENTRY.size)

    def write(self, upto: int) -> None:
        """Write requests until there are so many, or no more. Raises InputError for one that cannot be sent."""
        entries = bytearray()
        for request in islice(self._requests, max(upto - self.written, 0)):
            self.signing = request.signing
            line, rest = _wire(request)
            offset = self._file.tell()
            self._file.write(line)
            self._file.write(rest)
            entries += INDEX_ENTRY.pack(offset, offset + len(line), offset + len(line) + len(rest))
        if not entries:
            return
        self._file.flush()  # before the index says that they are there
        with self._index_path.open("r+b") as index:
            index.seek(self.written * INDEX_ENTRY.size)
            index.write(entries)
        self.written += len(entries) // INDEX_ENTRY.size


def write_requests(file: IO[bytes], index_path: Path, requests: Iterable[HttpRequest]) -> Signing | None:
    """Write all of these requests, and return what the workers must sign them for.

    Raises InputError for a request that cannot be sent.
    """
    writer = RequestWriter(file, index_path, requests, 0)
    writer.write(_MOST_ENTRIES)
    if not writer.written:
        raise InputError(_NO_PROMPTS)
    return writer.signing


def check_request(request: HttpRequest) -> None:
    """Raise InputError for a request that cannot be sent."""
    _wire(request)


def prompt_count(level: Level) -> int:
    """How many requests a level refers to. Raises InputError where it has none."""
    count = 1 + max(max(level.warmup, default=-1), max(level.measured, default=-1))
    if not count:
        raise InputError(_NO_PROMPTS)
    return count


def _wire(request: HttpRequest) -> tuple[bytes, bytes]:
    """The request line, and the rest without the headers that differ at each sending."""
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not target.isascii() or not target.isprintable() or " " in target:
        raise InputError(
            f"not an address: {request.url!r}; write spaces and characters beyond ASCII percent-encoded, such as %20"
        )
    for name, value in request.headers:
        if not (name + value).isprintable():
            raise InputError(f"the header {name!r} holds a line break or another control character")
    headers = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
    if request.signing is not None:
        headers += f"{BODY_HASH_HEADER}: {body_hash(request.body)}\r\n"
    extra = "" if "accept-encoding" in headers.lower() else "accept-encoding: identity\r\n"
    try:
        rest = f"{headers}{extra}content-length: {len(request.body)}\r\n\r\n".encode("latin-1")
    except UnicodeEncodeError:
        raise InputError("a header of the request holds characters beyond Latin-1") from None
    return f"{request.method} {target} HTTP/1.1\r\n".encode("ascii"), rest + request.body


def prompt_sequence(level: Level) -> Iterator[int]:
    """The prompts in order of sending, warm-up first; endless where the measured ones are repeated."""
    yield from level.warmup
    yield from level.measured
    if level.load.repeats_prompts and level.measured:
        generator = random.Random(level.seed)
        again = list(level.measured)
        while True:
            generator.shuffle(again)
            yield from again


def write_order(level: Level, folder: Path, workers: int) -> Order:
    """Write the order of sending, and in an open loop the times, to files in `folder`."""
    # A level that repeats its prompts never runs out of them, even where `_most_entries` bounds it.
    wanted = [count for count in (level.stop.requests, level.trace and len(level.trace)) if count]
    enough = bool(wanted) and (level.load.repeats_prompts or len(level.measured) >= min(wanted))
    reason = "requests" if enough else "prompts"
    order: Iterator[tuple[int, int]] = enumerate(islice(prompt_sequence(level), _most_entries(level)))
    if level.open_loop:
        return _write_schedule(level, order, folder, workers, reason)
    # What is sent while the slots open, or by each of them first, is in the workers' plans.
    order = islice(order, len(level.warmup) if level.load.ramp else len(level.first_prompts), None)
    order = ((position, prompt) for position, prompt in order if not _was_measured(level, position))
    path = folder / "sequence.bin"
    with path.open("wb") as file:
        file.writelines(SEQUENCE_ENTRY.pack(position, prompt, 0.0) for position, prompt in order)
    return Order((path,), reason)


def _was_measured(level: Level, position: int) -> bool:
    """Whether the measured request at this position was sent before the level was stopped."""
    return len(level.warmup) <= position < level.first_measured


def _write_schedule(level: Level, order: Iterator[tuple[int, int]], folder: Path, workers: int, reason: str) -> Order:
    """Deal one schedule out to the workers. The window begins when the first measured request is due.

    Of a level that was stopped the rest is dealt out, with its gaps: the first request that is left takes the place of
    the first measured one, after the warm-up.
    """
    times = _arrivals(level)
    paths = tuple(folder / f"sequence-{number}.bin" for number in range(workers))
    first = len(level.warmup)
    until = float("inf")
    last = begun = passed = 0.0  # `passed`: what the schedule had used up when the level was stopped
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("wb")) for path in paths]
        for position, prompt in order:
            due = next(times)
            begun = due if position == first else begun
            if position == first and level.stop.duration is not None:
                until = due + level.stop.duration
            passed = due - begun if position == level.first_measured else passed
            if due >= until and position - first >= level.stop.min_requests:
                return Order(paths, "duration", (until if last < until else due) - passed)
            if not _was_measured(level, position):
                files[position % workers].write(SEQUENCE_ENTRY.pack(position, prompt, due - passed))
            last = due
    # The window ends a gap after the last arrival, as n arrivals fill n gaps: the next one drawn, a trace's mean one.
    end = next(times, last + 1 / (level.mean_rate or 1.0))
    if end >= until > last:
        return Order(paths, "duration" if reason == "prompts" else reason, until - passed)
    return Order(paths, reason, end - passed)


def due_offset(order: Order, position: int) -> float | None:
    """When an open loop's request at this position is due, in seconds after the beginning; at the end of the schedule
    for one that is not in it. None where that has no end."""
    entries = chain.from_iterable(SEQUENCE_ENTRY.iter_unpack(path.read_bytes()) for path in order.files)
    return next((due for at, _, due in entries if at == position), order.horizon)


def has_measured(order: Order, level: Level) -> bool:
    """Whether the order has a measured request."""
    entries = chain.from_iterable(SEQUENCE_ENTRY.iter_unpack(path.read_bytes()) for path in order.files)
    timed_out = level.resume_at is not None and not level.open_loop and level.duration_left == 0.0
    return not timed_out and any(position >= level.first_measured for position, _, _ in entries)


def scheduled_rate(order: Order, warmup: int, start: float, stop: float) -> float | None:
    """Measured requests per second in an open loop's schedule from `start` to `stop` (s after its beginning), or to its
    own end where that is sooner, so that what was sent late counts as late; None for an empty span."""
    stop = stop if order.horizon is None else min(stop, order.horizon)
    entries = chain.from_iterable(SEQUENCE_ENTRY.iter_unpack(path.read_bytes()) for path in order.files)
    count = sum(position >= warmup and due <= stop for position, _, due in entries)
    return count / (stop - start) if stop > start else None


def _arrivals(level: Level) -> Iterator[float]:
    """The times of an open loop, warm-up first; the mean rate of the measured ones is exactly the one asked for."""
    return level_offsets(level.load, level.request_rate, level.seed, len(level.warmup), _measured_span(level))


def _measured_span(level: Level) -> Span | None:
    """How many requests an open loop measures, and in how many seconds; None where only the level shows it."""
    rate = level.request_rate
    if rate is None or rate <= 0 or level.load.until is not None:
        return None
    most = max(_most_entries(level) - len(level.warmup), 1)
    duration = math.inf if level.stop.duration is None else level.stop.duration
    if most <= rate * duration:
        return Span(most, most / rate)
    least = min(level.stop.min_requests, most)
    count = count_in(rate, duration)
    return Span(count, duration) if least <= count else Span(least, least / rate)


def _most_entries(level: Level) -> int:
    """How many requests the level sends at most."""
    bounds = [_MOST_ENTRIES]
    if level.stop.requests is not None:
        bounds.append(level.stop.requests)
    if level.trace is not None:
        bounds.append(len(level.trace))
    if not level.load.repeats_prompts:
        bounds.append(len(level.measured))
    if level.stop.duration is not None and level.concurrency is not None:
        rate = min(level.concurrency / _SHORTEST_REQUEST_S, _MOST_PER_SECOND)
        bounds.append(max(int(rate * level.stop.duration), 2 * level.stop.min_requests, 1000))
    return len(level.warmup) + min(bounds)
