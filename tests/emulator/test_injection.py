"""Each fault does what its name says, seen on a raw socket, and the next answer of the same server is intact."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fmbench_lib.emulator import Behaviour, Constant, Emulator, FaultRule, LedgerEntry, launch
from fmbench_lib.emulator.faults import Fault, parse_fault_rule

TOKENS = 6
FAST = Behaviour(ttft=Constant(0.002), itl=Constant(0.001), tokens=Constant(TOKENS), usage="always")
CONTENT = b'"content":" '


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with launch(FAST) as started:
        yield started


@pytest.fixture
def healthy_after(emulator: Emulator, connect: Callable[..., Any]) -> Iterator[None]:
    yield
    assert len(connect(emulator.base_url).ask().texts()) == TOKENS


def last_entry(emulator: Emulator) -> LedgerEntry:
    return max(emulator.ledger(), key=lambda entry: entry.number)


pytestmark = pytest.mark.usefixtures("healthy_after")


@pytest.mark.parametrize("size", [0, 40, 700])
def test_reset_after_bytes(emulator: Emulator, connect_raw: Callable[..., Any], size: int) -> None:
    client = connect_raw(emulator.base_url)
    client.send(f"reset:bytes={size}")
    data, end = client.read_to_end()
    assert end == "reset"
    assert len(data) <= size  # a reset takes with it what was not read
    assert b"HTTP/1.1 200 OK"[:size].startswith(data[:15])
    entry = last_entry(emulator)
    assert (entry.outcome, entry.fault) == ("reset", f"reset:bytes={size}")
    assert entry.events < TOKENS


@pytest.mark.parametrize("stream", [True, False])
def test_reset_after_events(emulator: Emulator, connect_raw: Callable[..., Any], stream: bool) -> None:
    client = connect_raw(emulator.base_url)
    client.send("reset:events=0", stream=stream)
    assert client.read_to_end()[1] == "reset"
    assert last_entry(emulator).events == 0
    client = connect_raw(emulator.base_url)
    client.send("reset:events=3")
    assert client.read_to_end()[1] == "reset"
    assert last_entry(emulator).events == 3


@pytest.mark.parametrize("fault", ["reset:events=3", "stall:events=3"])
def test_an_unstreamed_answer_fails_before_its_first_event(
    emulator: Emulator, connect_raw: Callable[..., Any], fault: str
) -> None:
    client = connect_raw(emulator.base_url)
    client.send(fault, stream=False)
    client.socket.settimeout(0.05)
    with pytest.raises((TimeoutError, ConnectionResetError)):
        client.socket.recv(1)
    assert last_entry(emulator).events == 0


def test_stall_without_a_byte(emulator: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(emulator.base_url)
    client.send("stall")
    client.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    assert (last_entry(emulator).outcome, last_entry(emulator).events) == ("hung", 0)


def test_stall_in_mid_stream(emulator: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(emulator.base_url)
    client.send("stall:events=2")
    data = client.read_until(CONTENT)
    while data.count(CONTENT) < 2:
        data += client.socket.recv(10_000)
    client.socket.settimeout(0.05)
    with pytest.raises(TimeoutError):
        client.socket.recv(1)
    assert (last_entry(emulator).outcome, last_entry(emulator).events) == ("hung", 2)


@pytest.mark.parametrize(
    ("fault", "status", "header"),
    [
        ("rate_limit:seconds=2.5", 429, ("retry-after", "2.5")),
        ("server_error", 500, ("content-type", "application/json")),
        ("server_error:status=503", 503, ("content-type", "application/json")),
        ("redirect", 302, ("location", "http://moved.invalid/")),
    ],
)
def test_error_statuses(
    emulator: Emulator, connect: Callable[..., Any], fault: str, status: int, header: tuple[str, str]
) -> None:
    client = connect(emulator.base_url)
    for stream in (True, False):
        reply = client.ask(fault=fault, stream=stream)
        assert reply.status == status
        assert reply.headers[header[0]] == header[1]
        assert json.loads(reply.body)["error"]["code"] == status
        assert last_entry(emulator).status == status
        assert last_entry(emulator).events == 0
    assert client.ask().status == 200  # on the same connection


def test_malformed_event(emulator: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(emulator.base_url)
    client.send("malformed:events=2")
    blocks = client.read_until(b"\r\n0\r\n\r\n").split(b"data: ")[1:]
    readable = [_is_json(block.split(b"\n\n")[0]) for block in blocks if b"[DONE]" not in block]
    assert readable.count(False) == 1
    assert readable.index(False) == 3  # after the role and two events
    assert last_entry(emulator).events == TOKENS - 1


@pytest.mark.parametrize("behaviour", [FAST, Behaviour(head="first_token"), Behaviour(tail_delay=0.01)])
@pytest.mark.parametrize("at", [0, 99])
def test_a_malformed_first_or_last_event_leaves_the_rest_of_the_stream_intact(
    behaviour: Behaviour, at: int, connect: Callable[..., Any]
) -> None:
    values = {name: getattr(behaviour, name) for name in ("head", "tail_delay")}
    rule = FaultRule(Fault("malformed", events=at))
    spoilt = Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Constant(3), faults=(rule,), **values)
    with launch(spoilt) as emulator, pytest.raises(json.JSONDecodeError):
        connect(emulator.base_url).ask()


def test_malformed_body(emulator: Emulator, connect: Callable[..., Any]) -> None:
    reply = connect(emulator.base_url).ask(fault="malformed", stream=False)
    assert reply.status == 200
    assert not _is_json(reply.body)


@pytest.mark.parametrize("stream", [True, False])
def test_truncated(emulator: Emulator, connect: Callable[..., Any], stream: bool) -> None:
    with pytest.raises(http.client.IncompleteRead):
        connect(emulator.base_url).ask(fault="truncated:events=1", stream=stream)
    assert last_entry(emulator).outcome == "closed"
    assert last_entry(emulator).events == (1 if stream else 0)


def test_truncated_ends_inside_a_chunk(emulator: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(emulator.base_url)
    client.send("truncated:events=1")
    data, end = client.read_to_end()
    assert end == "closed"
    size, rest = data.split(b"\r\n")[-2:]
    assert 0 < len(rest) < int(size, 16)


@pytest.mark.parametrize("stream", [True, False])
def test_a_content_length_that_is_too_long_or_too_short(
    emulator: Emulator, connect_raw: Callable[..., Any], stream: bool
) -> None:
    for offset in (10, -10):
        client = connect_raw(emulator.base_url)
        client.send(f"content_length:bytes={offset}", stream=stream)
        data, end = client.read_to_end()
        head, _, body = data.partition(b"\r\n\r\n")
        (line,) = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        assert int(line.split()[1]) - len(body) == offset
        assert end == "closed"
        assert last_entry(emulator).events == (TOKENS if stream else 1)


def test_drip_sends_the_same_bytes_one_at_a_time(emulator: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(emulator.base_url)
    client.send("drip:seconds=0.00001", max_tokens=2, request_id="same")
    dripped = client.read_until(b"\r\n0\r\n\r\n")
    entry = last_entry(emulator)
    client.send(max_tokens=2, request_id="same")
    whole = client.read_until(b"\r\n0\r\n\r\n")
    assert dripped == whole
    assert dripped.count(CONTENT) == 2
    # The first event's last byte is its write: all before it, one by one, took time.
    assert entry.events == 2
    assert entry.writes[0] - entry.received_ns >= 10_000 * dripped.index(CONTENT)


def test_drip_does_not_outrun_the_plan(connect: Callable[..., Any]) -> None:
    rule = parse_fault_rule("drip:seconds=0")
    with launch(Behaviour(ttft=Constant(0.05), itl=Constant(0.02), tokens=Constant(3), faults=(rule,))) as emulator:
        connect(emulator.base_url).ask()
        (entry,) = emulator.ledger()
    for index, written in enumerate(entry.writes):
        assert written - entry.received_ns >= (0.05 + 0.02 * index - 0.0001) * 1e9


def test_empty(emulator: Emulator, connect: Callable[..., Any]) -> None:
    client = connect(emulator.base_url)
    reply = client.ask(fault="empty")
    assert (reply.status, reply.texts()) == (200, [])
    assert reply.usage() is not None
    assert reply.usage()["completion_tokens"] == 0
    whole = json.loads(client.ask(fault="empty", stream=False).body)
    assert whole["choices"][0]["message"]["content"] == ""


def test_error_inside_a_200(emulator: Emulator, connect: Callable[..., Any]) -> None:
    client = connect(emulator.base_url)
    whole = client.ask(fault="error", stream=False)
    assert whole.status == 200
    assert "message" in json.loads(whole.body)["error"]
    for events in (0, 3):
        reply = client.ask(fault=f"error:events={events}")
        assert reply.status == 200
        assert len(reply.texts()) == events
        assert "error" in reply.events[-1]
        assert last_entry(emulator).events == events


def test_unannounced_close(emulator: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(emulator.base_url)
    client.send("unannounced_close")
    data, end = client.read_to_end()
    assert end == "closed"
    assert data.endswith(b"0\r\n\r\n")
    assert b"connection: close" not in data.lower()
    assert last_entry(emulator).outcome == "complete"


def test_lost_request(emulator: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(emulator.base_url)
    client.send("lost_request")
    assert client.read_until(b"\r\n0\r\n\r\n").startswith(b"HTTP/1.1 200 OK")  # nothing to lose on a new connection
    client.send("lost_request")
    assert client.read_to_end() == (b"", "closed")
    entry = last_entry(emulator)
    assert (entry.outcome, entry.on_connection, entry.events) == ("closed", 2, 0)


def test_refuse_affects_only_new_connections(connect: Callable[..., Any]) -> None:
    with launch(FAST) as emulator:
        client = connect(emulator.base_url)
        assert len(client.ask(fault="refuse:seconds=0.05").texts()) == TOKENS
        refused = 0
        while True:  # until the door is open again, at the same port
            try:
                newcomer = connect(emulator.base_url)
                newcomer.connection.connect()
                break
            except ConnectionRefusedError:
                refused += 1
        assert refused > 0
        assert len(newcomer.ask().texts()) == TOKENS
        assert len(client.ask().texts()) == TOKENS


def test_rules_select_by_number_and_by_marker(connect: Callable[..., Any]) -> None:
    rules = (parse_fault_rule("server_error:numbers=2"), parse_fault_rule("rate_limit:rate=0.5"))
    with launch(Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Constant(1), faults=rules)) as emulator:
        client = connect(emulator.base_url)
        statuses = [client.ask(request_id=f"r{number}").status for number in range(1, 41)]
        assert statuses[1] == 500
        assert 8 < statuses.count(429) < 32
        assert client.ask("[[fault:server_error:status=502]]").status == 502


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True
