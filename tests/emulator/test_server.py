"""A running emulator, seen by clients that share no code with it."""

from __future__ import annotations

import http.client
import json
import re
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fmbench_lib.emulator import Behaviour, Constant, Emulator, Exponential, LedgerEntry, Tls, launch

TTFT, ITL, TOKENS = 0.02, 0.004, 5
TIMED = Behaviour(ttft=Constant(TTFT), itl=Constant(ITL), tokens=Constant(TOKENS), echo=True)
MS = 1_000_000


@pytest.fixture(scope="module")
def timed() -> Iterator[Emulator]:
    with launch(TIMED) as emulator:
        yield emulator


def entries_of(emulator: Emulator, *request_ids: str) -> list[LedgerEntry]:
    return [entry for entry in emulator.ledger() if entry.request_id in request_ids]


def test_a_streamed_chat(timed: Emulator, connect: Callable[..., Any]) -> None:
    reply = connect(timed.base_url).ask(
        "one two three [[echo:marker]]", model="my-model", request_id="chat", stream_options={"include_usage": True}
    )
    assert reply.status == 200
    assert reply.headers["transfer-encoding"] == "chunked"
    assert reply.headers["x-request-id"] == "chat"
    texts = reply.texts()
    assert len(texts) == TOKENS
    assert texts[0] == "marker"
    assert len({event["id"] for event in reply.events}) == 1
    assert {event["model"] for event in reply.events} == {"my-model"}
    assert [event["choices"][0]["finish_reason"] for event in reply.events if event["choices"]][-1] == "stop"
    usage = reply.usage()
    assert usage is not None
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (4, TOKENS, 4 + TOKENS)


def test_usage_is_sent_when_requested(timed: Emulator, connect: Callable[..., Any]) -> None:
    assert connect(timed.base_url).ask().usage() is None


def test_an_unstreamed_answer_has_the_same_content(timed: Emulator, connect: Callable[..., Any]) -> None:
    client = connect(timed.base_url)
    streamed = client.ask("same prompt", request_id="same")
    whole = json.loads(client.ask("same prompt", request_id="same", stream=False).body)
    assert whole["object"] == "chat.completion"
    assert whole["choices"][0]["message"]["content"] == "".join(streamed.texts())
    assert whole["usage"]["completion_tokens"] == TOKENS
    assert [entry.events for entry in entries_of(timed, "same")] == [TOKENS, 1]


def test_text_completions(timed: Emulator, connect: Callable[..., Any]) -> None:
    client = connect(timed.base_url)
    reply = client.ask("hello [[echo:X]]", path="/v1/completions", request_id="text")
    texts = [choice["text"] for event in reply.events for choice in event["choices"]]
    assert texts[0] == "X"
    assert len([text for text in texts if text]) == TOKENS
    whole = json.loads(client.ask("hello [[echo:X]]", "/v1/completions", request_id="text", stream=False).body)
    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", "".join(texts))


def test_max_tokens_truncates(timed: Emulator, connect: Callable[..., Any]) -> None:
    reply = connect(timed.base_url).ask(max_tokens=2)
    assert len(reply.texts()) == 2
    assert reply.events[-1]["choices"][0]["finish_reason"] == "length"


def test_reasoning_comes_first_and_events_hold_several_tokens(connect: Callable[..., Any]) -> None:
    behaviour = Behaviour(
        ttft=Constant(0), itl=Constant(0), tokens=Constant(20), reasoning_tokens=8, tokens_per_event=3, usage="always"
    )
    with launch(behaviour) as emulator:
        client = connect(emulator.base_url)
        reply = client.ask()
        whole = json.loads(client.ask(stream=False).body)["choices"][0]["message"]
    reasoning, texts = reply.texts("reasoning_content"), reply.texts()
    assert [len(text.split()) for text in reasoning] == [3, 3, 2]
    assert [len(text.split()) for text in texts] == [3, 3, 3, 3]
    kinds = ["reasoning_content" in event["choices"][0]["delta"] for event in reply.events if event["choices"]]
    assert kinds.index(True) < kinds.index(False, 1)
    usage = reply.usage()
    assert usage is not None
    assert usage["completion_tokens"] == 20
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 8
    assert (whole["reasoning_content"], whole["content"]) == ("".join(reasoning), "".join(texts))


def test_the_ledger_is_consistent_and_no_write_is_early(timed: Emulator, connect: Callable[..., Any]) -> None:
    client = connect(timed.base_url)
    before = time.time_ns()
    for number in range(5):
        client.ask(request_id=f"consistent-{number}")
    after = time.time_ns()
    entries = entries_of(timed, *(f"consistent-{number}" for number in range(5)))
    assert [entry.on_connection for entry in entries] == [1, 2, 3, 4, 5]
    assert len({entry.connection for entry in entries}) == 1
    for entry in entries:
        assert (entry.events, entry.tokens, entry.status, entry.outcome) == (TOKENS, TOKENS, 200, "complete")
        assert entry.stamp_source == "kernel"
        assert before <= entry.received_first_ns <= entry.received_ns == entry.granted_ns
        assert list(entry.writes) == sorted(entry.writes)
        assert entry.writes[-1] <= min(entry.end_ns, after)
        for index, written in enumerate(entry.writes):
            lateness = written - entry.received_ns - round((TTFT + index * ITL) * 1e9)
            assert -0.05 * MS < lateness <= entry.late_max_ns + 0.05 * MS


def test_the_receipt_is_when_the_last_byte_arrived(
    timed: Emulator, connect: Callable[..., Any], connect_raw: Callable[..., Any]
) -> None:
    client = connect_raw(timed.base_url)
    request = client.request(prompt="in two parts", request_id="parts")
    client.socket.sendall(request[:-10])
    connect(timed.base_url).get("/health")  # by now the server has read the first part
    between = time.time_ns()
    client.socket.sendall(request[-10:])
    client.read_until(b"[DONE]")
    (entry,) = entries_of(timed, "parts")
    assert entry.received_first_ns <= between <= entry.received_ns


def test_every_answer_belongs_to_its_prompt(timed: Emulator, connect: Callable[..., Any]) -> None:
    def ask_all(worker: int) -> list[bool]:
        client = connect(timed.base_url)
        markers = [f"{worker}/{number}" for number in range(10)]
        return [
            client.ask(f"[[echo:{marker}]]", request_id=marker).texts()[0] == marker
            and client.ask(f"[[echo:{marker}]]", request_id=marker).headers["x-request-id"] == marker
            for marker in markers
        ]

    with ThreadPoolExecutor(16) as pool:
        assert all(all(right) for right in pool.map(ask_all, range(16)))


def test_requests_sent_at_once_are_answered_in_order(timed: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(timed.base_url)
    client.socket.sendall(b"".join(client.request(prompt=f"[[echo:<{number}>]]") for number in range(3)))
    data = b""
    while data.count(b"[DONE]") < 3:
        data += client.socket.recv(65_536)
    assert re.findall(rb"<(\d)>", data) == [b"0", b"1", b"2"]


def test_pages(timed: Emulator, connect: Callable[..., Any]) -> None:
    client = connect(timed.base_url)
    client.ask(request_id="page")
    assert json.loads(client.get("/v1/models").body)["data"][0]["id"] == "emulated"
    metrics = client.get("/metrics").body.decode()
    assert re.search(r"^emulator:requests_total \d+$", metrics, re.MULTILINE)
    assert "emulator:num_requests_running 0" in metrics
    lines = [json.loads(line) for line in client.get("/ledger").body.splitlines()]
    assert [len(line["writes"]) for line in lines if line["request_id"] == "page"] == [TOKENS]
    assert client.get("/nothing").status == 404
    assert client.get("/health").status == 200  # and the connection is still good


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"not json", "not a request"),
        (b'{"prompt": "of the other kind"}', "messages"),
        (b'{"messages": [{"role": "user", "content": "[[fault:explode]]"}]}', "unknown kind"),
    ],
)
def test_a_bad_request_is_refused_with_the_reason(
    timed: Emulator, connect: Callable[..., Any], body: bytes, says: str
) -> None:
    client = connect(timed.base_url)
    client.connection.request("POST", "/v1/chat/completions", body)
    response = client.connection.getresponse()
    assert response.status == 400
    assert says in json.loads(response.read())["error"]["message"]
    assert client.get("/health").status == 200


def test_a_large_request_is_told_to_continue(timed: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(timed.base_url)
    head, _, body = client.request(prompt="word " * 200_000).partition(b"\r\n\r\n")
    client.socket.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.socket.sendall(body)
    assert b"200 OK" in client.read_until(b"[DONE]")


def test_connection_close_is_respected(timed: Emulator, connect_raw: Callable[..., Any]) -> None:
    client = connect_raw(timed.base_url)
    client.socket.sendall(client.request().replace(b"Host: x", b"Host: x\r\nConnection: close"))
    data, end = client.read_to_end()
    assert data.endswith(b"0\r\n\r\n")
    assert end == "closed"


def test_a_stream_delimited_by_its_connection(connect: Callable[..., Any]) -> None:
    behaviour = Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Constant(4), framing="close", head="first_token")
    with launch(behaviour) as emulator:
        reply = connect(emulator.base_url).ask()
    assert "transfer-encoding" not in reply.headers
    assert "content-length" not in reply.headers
    assert len(reply.texts()) == 4


def test_a_client_that_leaves_is_recorded_and_affects_no_other(connect: Callable[..., Any], connect_raw: Any) -> None:
    with launch(Behaviour(ttft=Constant(0), itl=Constant(30), tokens=Constant(2), slots=1)) as emulator:
        leaver = connect_raw(emulator.base_url)
        leaver.send()
        leaver.read_until(b'"content":" ')
        stayer = connect_raw(emulator.base_url)
        stayer.send(max_tokens=1)
        stayer.read_until(b"assistant")
        assert b"num_requests_waiting 1" in connect(emulator.base_url).get("/metrics").body
        leaver.socket.close()
        assert b"[DONE]" in stayer.read_until(b"[DONE]")
        first, second = emulator.ledger()
    assert (first.outcome, first.events) == ("client_closed", 1)
    assert second.outcome == "complete"
    assert second.granted_ns >= first.writes[0]


def test_a_slow_reader_gets_everything_and_is_recorded_as_slow(connect_raw: Callable[..., Any]) -> None:
    tokens = 60_000  # 13 MB, more than the kernel keeps for a connection
    with launch(Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Constant(tokens))) as emulator:
        client = connect_raw(emulator.base_url)
        client.send()
        deadline = time.monotonic() + 10
        while not (entries := emulator.ledger()) or not entries[0].blocked:
            assert time.monotonic() < deadline
        data = bytearray()
        while not data.endswith(b"0\r\n\r\n"):
            data += client.socket.recv(1_000_000)
        (entry,) = emulator.ledger()
    assert data.count(b'"content":" ') == tokens
    assert (entry.events, entry.outcome) == (tokens, "complete")
    assert entry.blocked >= 1


def test_a_frozen_server_does_nothing_and_then_continues(connect: Callable[..., Any]) -> None:
    behaviour = Behaviour(ttft=Constant(0.01), itl=Constant(0.01), tokens=Constant(10), stall_at=0.045, stall_for=0.3)
    with launch(behaviour) as emulator:
        client = connect(emulator.base_url)
        client.ask(request_id="frozen")
        client.ask(request_id="thawed")
        frozen, thawed = emulator.ledger()
    gaps = sorted(frozen.itl)
    # Time stood still: the event after the freeze is as far from it as it would have been without.
    assert gaps[-1] >= 0.3
    assert all(gap >= 0.009 - frozen.late_max_ns / 1e9 for gap in gaps)
    assert frozen.latency is not None
    assert frozen.latency >= 0.4 - 0.001
    assert thawed.events == 10


def test_the_same_seed_gives_the_same_answers_in_another_process(connect: Callable[..., Any]) -> None:
    behaviour = Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Exponential(20), seed=5)

    def answers() -> list[bytes]:
        with launch(behaviour) as emulator:
            client = connect(emulator.base_url)
            return [client.ask(request_id=f"r{number}").body for number in range(10)]

    first = answers()
    assert first == answers()
    assert len(set(map(len, first))) > 3


def test_the_same_over_tls(server_tls: Tls, client_tls: ssl.SSLContext, connect: Callable[..., Any]) -> None:
    with launch(TIMED, tls=server_tls) as emulator:
        assert emulator.base_url.startswith("https://")
        client = connect(emulator.base_url, client_tls)
        for number in range(3):
            reply = client.ask(f"[[echo:{number}]] " + "long " * 30_000, request_id=f"tls-{number}")
            assert reply.texts()[0] == str(number)
        with pytest.raises(http.client.IncompleteRead):
            client.ask(fault="truncated:events=1")
        entries = emulator.ledger()
    assert [entry.outcome for entry in entries] == ["complete"] * 3 + ["closed"]
    assert {entry.connection for entry in entries} == {1}
    for entry in entries[:3]:
        assert entry.stamp_source == "kernel"
        assert entry.ttft is not None
        assert entry.ttft >= TTFT - 0.0001


def test_a_client_without_tls_is_dropped(server_tls: Tls, client_tls: ssl.SSLContext, connect: Any) -> None:
    with launch(TIMED, tls=server_tls) as emulator:
        with socket.create_connection(connect(emulator.base_url, client_tls).address, timeout=10) as plain:
            plain.sendall(b"GET /health HTTP/1.1\r\n\r\n")
            assert b"HTTP/1.1 200" not in plain.recv(1000)
        assert connect(emulator.base_url, client_tls).get("/health").status == 200


def test_more_connections_than_the_default_descriptor_limit(connect_raw: Callable[..., Any]) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4096:
        pytest.skip("this machine allows too few descriptors")
    clients: list[Any] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
    try:
        with launch(Behaviour(ttft=Constant(0), itl=Constant(0), tokens=Constant(1))) as emulator:
            resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
            clients = [connect_raw(emulator.base_url) for _ in range(1500)]
            for client in clients:
                client.send()
            assert all(b"[DONE]" in client.read_until(b"0\r\n\r\n") for client in clients)
    finally:
        for client in clients:
            client.socket.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
