"""Levels measured for real against the emulator or a scripted server, and exchanges made by hand."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from fmbench_lib.emulator import Behaviour, Constant, Emulator, Tls, launch
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending import spool
from fmbench_lib.load.sending.engine import LevelRun, Progress, run_level
from fmbench_lib.load.sending.spool import Spooled
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.openai import OpenAiPredictor
from fmbench_lib.workspace import LevelKey
from tests.load.level_builder import make_level

QUICK = Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(5))
PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Measured:
    """A level that was run: its records in the order of sending."""

    run: LevelRun
    rows: list[dict[str, Any]]

    def of(self, phase: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["phase"] == phase]

    @property
    def window(self) -> tuple[float, float]:
        """The window's edges in Unix seconds."""
        assert self.run.window_ns is not None
        clock = self.run.clocks()[0]
        return clock.to_unix(self.run.window_ns[0]), clock.to_unix(self.run.window_ns[1])


Measure = Callable[..., Measured]


@pytest.fixture
def measure(tmp_path: Path) -> Measure:
    """Runs a level that sends `prompts`, the first `warmup` of them as warm-up, and decodes what came."""

    def run(
        urls: str | Sequence[str],
        prompts: Sequence[str],
        *,
        warmup: int = 0,
        parameters: dict[str, Any] | None = None,
        stream: bool = True,
        api_key: str | None = None,
        on_progress: Callable[[Progress], Any] = lambda _: None,
        predictor: Predictor | None = None,
        **level: Any,
    ) -> Measured:
        addresses = (urls,) if isinstance(urls, str) else tuple(urls)
        predictor = predictor or OpenAiPredictor(addresses[0], "m", parameters or {}, stream, api_key)
        settings: dict[str, Any] = {"seed": "1", "timeout": 20.0, "workers": 1, **level}
        if "request_rate" not in settings and "trace" not in settings:
            settings.setdefault("concurrency", 1)
        wanted = make_level(addresses, range(warmup), range(warmup, len(prompts)), **settings)
        folder = tmp_path / f"level-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        done = run_level(wanted, (predictor.encode(prompt) for prompt in prompts), folder, on_progress)
        sent = [SentPrompt(f"p{number}", 3) for number in range(len(prompts))]
        recorder = Recorder(predictor, sent, addresses, LevelKey("exp", "p.jsonl", "load"), None)
        rows = sorted(recorder.rows(done), key=lambda row: int(row["request_id"].rpartition("-")[2]))
        return Measured(done, rows)

    return run


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """A healthy endpoint; its answers take about ten milliseconds."""
    with launch(QUICK) as running:
        yield running


@pytest.fixture
def workers() -> Callable[[], list[psutil.Process]]:
    """The load workers of this process that are alive."""

    def find() -> list[psutil.Process]:
        found = []
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if "fmbench_lib.load.sending.worker" in process.cmdline():
                    found.append(process)
        return found

    return find


@dataclass
class ScriptedServer:
    """A server whose every connection is handled by a function of its own; keeps all that it received."""

    url: str
    received: list[bytes] = field(default_factory=list)


class Peer:
    """One accepted connection, from the server's side."""

    def __init__(self, sock: socket.socket, server: ScriptedServer) -> None:
        self.sock = sock
        self._server = server
        self._buffer = b""

    def request(self) -> bytes:
        """The next whole request; b"" when the client has closed."""
        head = self.head()
        if not head:
            return b""
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
        while len(self._buffer) < length:
            self._buffer += self.sock.recv(65536)
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        self._server.received.append(head + body)
        return head + body

    def head(self) -> bytes:
        """The next request's head alone."""
        while b"\r\n\r\n" not in self._buffer:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        return head + b"\r\n\r\n"

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)


Handler = Callable[[Peer], None]


@pytest.fixture
def scripted() -> Iterator[Callable[[Iterable[Handler]], ScriptedServer]]:
    """Starts a server that treats its first connection by the first handler, and so on, the rest by the last."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, handlers: list[Handler], server: ScriptedServer) -> None:
        with contextlib.suppress(OSError):
            while True:
                sock, _ = listener.accept()
                handler = handlers.pop(0) if len(handlers) > 1 else handlers[0]
                thread = threading.Thread(target=treat, args=(sock, handler, server))
                threads.append(thread)
                thread.start()

    def treat(sock: socket.socket, handler: Handler, server: ScriptedServer) -> None:
        sock.settimeout(20)
        with sock, contextlib.suppress(OSError):
            handler(Peer(sock, server))

    def start(handlers: Iterable[Handler]) -> ScriptedServer:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        server = ScriptedServer(f"http://127.0.0.1:{listener.getsockname()[1]}{PATH}")
        thread = threading.Thread(target=serve, args=(listener, list(handlers), server))
        threads.append(thread)
        thread.start()
        return server

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


BODY = b'{"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}'
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(BODY), BODY)


@pytest.fixture
def answer() -> bytes:
    """A whole answer on a connection that stays open."""
    return ANSWER


MakeSpooled = Callable[..., Spooled]


@pytest.fixture
def spooled(tmp_path: Path) -> MakeSpooled:
    """An exchange as a worker spools it, through the spool's own bytes; times in ms of the monotonic clock.

    `reads` are `(bytes, when we read them, when the kernel had them or None)`.
    """

    def make(
        reads: Sequence[tuple[bytes, float, float | None]] = (),
        *,
        offset_ms: float = 0,
        due: float = 0,
        connect: float | None = None,
        sent: float | None = 0,
        end: float = 0,
        flags: int = spool.COMPLETE | spool.MEASURED,
        **more: Any,
    ) -> Spooled:
        path = tmp_path / "one.spool"
        packed = spool.pack(
            **{
                "position": 0,
                "prompt": 0,
                "target": 0,
                "retried": 0,
                "error": None,
                "message": "",
                "flags": flags,
                "due_ns": ns(due),
                "cap_wait_ns": None,
                "connect_ns": None if connect is None else ns(connect),
                "sent_ns": None if sent is None else ns(sent),
                "end_ns": ns(end),
                "user_ns": [ns(user) for _, user, _ in reads],
                "kernel": [spool.NO_STAMP if at is None else timespecs(ns(at + offset_ms)) for _, _, at in reads],
                "pieces": [piece for piece, _, _ in reads],
                **more,
            }
        )
        path.write_bytes(packed)
        ((_, exchange),) = spool.read_spool(path)
        return exchange

    return make


def ns(milliseconds: float) -> int:
    return round(milliseconds * 1_000_000)


def timespecs(nanoseconds: int) -> bytes:
    """A `struct scm_timestamping` with this software stamp."""
    return b"".join(part.to_bytes(8, "little") for part in divmod(nanoseconds, 10**9)) + bytes(32)


def self_signed(folder: Path, name: str, names: str, days: int = 2) -> Tls:
    """A certificate for `names` (as openssl spells them) that nobody else has signed, valid for so many days."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl here to make a certificate with")
    made = Tls(folder / "cert.pem", folder / "key.pem")
    key, request = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(made.keyfile)], folder / "request.pem"
    extensions = folder / "extensions"
    extensions.write_text(f"subjectAltName={names}\nbasicConstraints=CA:TRUE\n")
    ask = [openssl, "req", "-new", *key, "-subj", f"/CN={name}", "-out", str(request)]
    sign = [openssl, "x509", "-req", "-in", str(request), "-signkey", str(made.keyfile), "-days", str(days)]
    for command in (ask, [*sign, "-extfile", str(extensions), "-out", str(made.certfile)]):
        subprocess.run(command, check=True, capture_output=True)
    return made
