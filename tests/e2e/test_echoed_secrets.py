"""Eighty secrets of twenty forms, given to a run in fifteen ways, and a server that repeats them in everything it says.

None is found in a file of the run, in a line that it prints, or in the command line of a process that it starts: not
whole, not cut, not in Base64, hexadecimal digits, an address or JSON.
"""

from __future__ import annotations

import base64
import contextlib
import html
import json
import random
import string
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import psutil
import pytest

from fmbench_lib.config.secret_forms import REMOVED
from tests.e2e.conftest import command, environment
from tests.e2e.running import wait_until
from tests.e2e.test_secrets import written

RSA = "RSA PRIVATE KEY-----"
LETTERS = string.ascii_letters + string.digits


def _forms() -> dict[str, Callable[[random.Random], str]]:
    def some(rng: random.Random, count: int, letters: str = LETTERS) -> str:
        return "".join(rng.choices(letters, k=count))

    return {
        "sk-": lambda rng: f"sk-{some(rng, 40)}",
        "sk-proj-": lambda rng: f"sk-proj-{some(rng, 30)}_{some(rng, 20)}",
        "hf_": lambda rng: f"hf_{some(rng, 34)}",
        "gsk_": lambda rng: f"gsk_{some(rng, 48)}",
        "glpat-": lambda rng: f"glpat-{some(rng, 20)}",
        "github_pat_": lambda rng: f"github_pat_{some(rng, 22)}_{some(rng, 40)}",
        "ghp_": lambda rng: f"ghp_{some(rng, 36)}",
        "AKIA": lambda rng: f"AKIA{some(rng, 16, string.ascii_uppercase + string.digits)}",
        "AWS": lambda rng: f"{some(rng, 15)}/{some(rng, 12)}+{some(rng, 11)}",
        "jwt": lambda rng: f"eyJ{some(rng, 30)}.eyJ{some(rng, 40)}.{some(rng, 43)}",
        "xoxb-": lambda rng: f"xoxb-{some(rng, 12)}-{some(rng, 24)}",
        "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "hex": lambda rng: some(rng, 40, "0123456789abcdef"),
        "base64": lambda rng: base64.b64encode(rng.randbytes(30)).decode(),
        "phrase": lambda rng: "-".join(some(rng, 6, string.ascii_lowercase) for _ in range(4)),
        "short": lambda rng: some(rng, 12),
        "symbols": lambda rng: f"{some(rng, 6)}!&c={some(rng, 8)}%40#{some(rng, 6)}",
        "quotes": lambda rng: f"{some(rng, 8)}\"{some(rng, 8)}\\{some(rng, 8)}'x",
        "unicode": lambda rng: f"pä{some(rng, 10)}ß€{some(rng, 10)}",
        "pem": lambda rng: "\n".join((f"-----BEGIN {RSA}", some(rng, 64), some(rng, 30), f"-----END {RSA}")),
    }  # fmt: skip


RNG = random.Random(18)
SECRETS = {f"{name} {number}": make(RNG) for name, make in _forms().items() for number in range(4)}
NOT_IN_A_HEADER = ("unicode", "pem")
FORKED_ONLY = 0x40  # PF_FORKNOEXEC of Linux: "forked but didn't exec"
WORDS = ("KEY", "TOKEN", "SECRET", "PASS", "PWD", "CRED", "PAT", "JWT")


class Places:
    """Where each secret is given to the run: fifteen ways, of which those that cannot hold a form are left out."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {"BACKEND_ACCESS": ""}
        self.arguments: dict[str, str] = {}
        self.headers: dict[str, str] = {}
        self.query: list[str] = []
        self.env: dict[str, str] = {}
        self.properties: list[str] = []
        self.options: list[str] = []
        self.filled: dict[str, str] = {}
        self.count: dict[str, int] = {}
        plain = [value for name, value in SECRETS.items() if name.split()[0] not in NOT_IN_A_HEADER]
        others = [value for name, value in SECRETS.items() if name.split()[0] in NOT_IN_A_HEADER]
        for number, secret in enumerate(others):
            self.variables[f"OTHER_{number}_{WORDS[number % len(WORDS)]}"] = secret
        self.variables["BACKEND_ACCESS"] = plain.pop()
        self.image_password, self.proxy_password, self.password = (self._wordy(plain) for _ in range(3))
        for number, secret in enumerate(plain):
            self._put(number, secret)

    @staticmethod
    def _wordy(plain: list[str]) -> str:
        return plain.pop(next(index for index, secret in enumerate(plain) if secret.isalnum()))

    def _put(self, number: int, secret: str) -> None:
        safe = secret.replace("_", "").replace("-", "").isalnum()
        if number % 15 < 8:
            self.variables[f"GIVEN_{number}_{WORDS[number % 15]}"] = secret
        elif number % 15 == 8:
            self.arguments[f"gate_{number}_token"] = secret
        elif number % 15 == 9 and "\\" not in secret:
            self.filled[f"filled_{number}"] = secret
        elif number % 15 == 10:
            self.headers[f"X-Gate-{number}"] = secret
        elif number % 15 == 11:
            self.query.append(f"part{number}_key={quote(secret, safe='')}")
        elif number % 15 == 12:
            self.env[f"PART_{number}_TOKEN"] = secret
        elif number % 15 == 13 and safe:
            self.properties.append(f"option.part{number}_token={secret}")
        elif safe:
            self.options.append(f"--part{number}-api-key {secret}")
        else:
            self.variables[f"GIVEN_{number}_SECRET"] = secret


def escaped(text: str) -> str:
    return "".join(f"\\u{ord(letter):04x}" for letter in text)


class Echo:
    """What the server says: every answer repeats some of the secrets, in its own way."""

    def __init__(self) -> None:
        self._count = iter(range(1_000_000))
        self._secrets = list(SECRETS.values())

    def answer(self, path: str, headers: list[tuple[str, str]]) -> bytes:
        number = next(self._count)
        few = [self._secrets[(7 * number + index) % len(self._secrets)] for index in range(10)]
        if path.startswith("/refuses"):
            return self.cut(number, few)
        if number < 12:  # the probes
            return self.fine(number, few)
        kinds = (
            self.fine, self.in_pieces, self.cut, self.encoded, self.no_object, self.no_http, self.redirect,
            self.throttled, self.error_in_stream, self.escaped, self.what_was_sent, self.oddly_spelt, self.quoted_twice,
        )  # fmt: skip
        self._sent = "; ".join(f"{name}={value}" for name, value in headers)
        return kinds[number % len(kinds)](number, few)

    def _json(self, status: str, content: Any, *more: str) -> bytes:
        return self._http(status, json.dumps(content).encode(), "application/json", *more)

    def _http(self, status: str, body: bytes, kind: str, *more: str) -> bytes:
        lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *more]
        return "\r\n".join((*lines, "", "")).encode("utf-8") + body

    def fine(self, number: int, few: list[str]) -> bytes:
        line = few[0].partition("\n")[0] if few[0].isascii() else "x"
        content = f"I was given {' and '.join(few)}, Bearer {few[1]}, {json.dumps(few)}, {b64(few[2])}, {quote(few[3])}"
        choice = {"message": {"content": content}, "finish_reason": f"stop at {few[4]}"}
        return self._json(
            "200 OK",
            {"id": few[5], "choices": [choice], "usage": {"completion_tokens": 5, "prompt_tokens": 3}},
            f"x-request-id: {line}",
        )

    def in_pieces(self, number: int, few: list[str]) -> bytes:
        text = " ".join(few)
        pieces = [text[at : at + 3] for at in range(0, len(text), 3)]
        events = [{"id": few[0], "choices": [{"delta": {"content": piece}}]} for piece in pieces]
        events.append(
            {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"completion_tokens": len(pieces)}}
        )
        body = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
        return self._http("200 OK", body.encode(), "text/event-stream")

    def cut(self, number: int, few: list[str]) -> bytes:
        return self._json(
            "401 Unauthorized", {"error": {"message": "x" * (440 + 3 * (number % 20)) + " " + few[0] * 3}}
        )

    def encoded(self, number: int, few: list[str]) -> bytes:
        texts = [b64(few[0]), b64(f"someone:{few[1]}"), few[2].encode().hex(), quote_plus(few[3]), repr(few[4])]
        return self._http("500 Oh", ("seen: " + " , ".join(texts)).encode(), "text/plain")

    def oddly_spelt(self, number: int, few: list[str]) -> bytes:
        wide = [few[5].encode("utf-16-le").hex(), few[6].encode("utf-16-be").hex().upper()]
        texts = [few[0].upper(), few[1].lower(), b32(few[2]), b32(f"user:{few[3]}"), b32(few[4]).lower(), *wide]
        content = " , ".join([*texts, few[7].encode().hex(":"), str(list(few[8].encode())), escaped(few[9])])
        answer = self._json if number % 2 else self._said
        return answer("403 No", {"error": {"message": content}, "choices": [{"message": {"content": content}}]})

    def quoted_twice(self, number: int, few: list[str]) -> bytes:
        deep = json.dumps({"error": json.dumps({"sent": json.dumps({"key": few[0]})})})
        texts = [deep, quote(quote(few[1], safe=""), safe=""), html.escape(html.escape(few[2])), numbered(few[3])]
        texts += [json.dumps(escaped(few[4])), quote(json.dumps([few[5]])), json.dumps(quote(b64(few[6]), safe=""))]
        return self._http("500 Oh" if number % 2 else "200 OK", " | ".join(texts).encode(), "text/plain")

    def _said(self, _: str, content: Any) -> bytes:
        answer: dict[str, Any] = {"choices": content["choices"], "usage": {"completion_tokens": 5}}
        return self._json("200 OK", answer)

    def no_object(self, number: int, few: list[str]) -> bytes:
        return self._json("200 OK", ["x" * (60 + number % 20) + few[0], few[1]])

    def no_http(self, number: int, few: list[str]) -> bytes:
        return ("y" * (30 + number % 30) + few[0] + "\r\n\r\n").encode()

    def redirect(self, number: int, few: list[str]) -> bytes:
        return self._http(
            "302 Found", b"", "text/plain", f"location: http://other.example/?k={quote(few[0])}&{b64(few[1])}"
        )

    def throttled(self, number: int, few: list[str]) -> bytes:
        line = few[0] if few[0].isascii() and "\n" not in few[0] else "5"
        return self._json("429 Later", {"message": f"{few[1]} is used up"}, f"retry-after: {line}")

    def error_in_stream(self, number: int, few: list[str]) -> bytes:
        event = {"error": {"message": f"out of memory at {few[0]}", "code": few[1]}}
        return self._http("200 OK", f"data: {json.dumps(event)}\n\n".encode(), "text/event-stream")

    def escaped(self, number: int, few: list[str]) -> bytes:
        body = f'{{"error": {{"message": "{escaped("no entry for " + few[0] + ", " + few[1])}"}}}}'
        return self._http("403 No", body.encode(), "application/json")

    def what_was_sent(self, number: int, few: list[str]) -> bytes:
        return self._json("400 Bad", {"error": {"message": f"\x1b[31mdenied\x1b]0;{few[0]}\x07 {self._sent}"}})


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def b32(text: str) -> str:
    return base64.b32encode(text.encode()).decode()


def numbered(text: str) -> str:
    return "".join(f"&#{ord(letter)};" for letter in text)


@contextmanager
def echoing() -> Iterator[str]:
    echo = Echo()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.wfile.write(echo.answer(self.path, self.headers.items()))
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


SCRIPT = """
import os, sys

def deploy(experiment_config, role_arn):
    for name, value in os.environ.items():
        print(name, value, repr(value))
    print(experiment_config, file=sys.stderr)
    return "thing-1"

def delete(endpoint_name):
    print(dict(os.environ))

class Predictor:
    def get_prediction(self, payload):
        given = sorted(os.environ.items())
        if len(payload["inputs"]) % 2:
            raise ValueError(" " * 450 + str(given))
        return {"response_json": {"generated_text": f"I know {given}"}, "completion_tokens": 4}

def create_predictor(endpoint_name, inference_spec):
    print(os.environ)
    return Predictor()
"""


def experiments(server: str, places: Places, folder: Path) -> list[dict[str, Any]]:
    (folder / "mine.py").write_text(SCRIPT)
    headers = {**places.headers, **{f"X-{name}": f"{{{name}}}" for name in (*places.filled, *places.arguments)}}
    spec = {"headers": headers, "cli_params": " ".join(places.options)}
    given = {"env": places.env, "serving.properties": "\n".join(places.properties) + "\n"}
    image = {"image_uri": f"someone:{places.image_password}@registry.example.com/server:1"}
    basic = {"auth": {"username": "someone", "password": places.password}}
    chat = f"{server}/v1/chat/completions"
    return [
        {"name": "echo", "ep_name": chat, "api_key_env": "BACKEND_ACCESS", "inference_spec": spec, **given},
        {"name": "in-the-address", "ep_name": f"{chat}?{'&'.join(places.query)}", **image},
        {"name": "refused", "ep_name": f"{server}/refuses/v1/chat/completions"},
        {"name": "no-proxy", "ep_name": "http://no-such-host.invalid/v1/chat/completions", "inference_spec": basic,
         "protocol": "rest"},
        {"name": "scripted", "deploy": True, "platform": "user_script", "deployment_script": "mine.py",
         "inference_script": "mine.py"},
    ]  # fmt: skip


def spellings(secret: str) -> set[str]:
    """A secret in small letters: whole, in the usual encodings wherever it begins in what was encoded, its two ends."""
    found = {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], secret.encode().hex()}
    found |= {repr(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], escaped(secret), numbered(secret)}
    found |= {json.dumps(json.dumps(secret))[1:-1], quote(quote(secret, safe=""), safe=""), html.escape(secret)}
    found |= {secret.encode(name).hex() for name in ("utf-16-le", "utf-16-be")} | {secret.encode().hex(":")}
    found |= {secret.upper(), secret.lower(), str(list(secret.encode()))[1:-1], json.dumps(escaped(secret))[1:-1]}
    for before in ("", "a", "ab"):
        found.add(b64(before + secret)[4:-4])
    for before in ("", "user:"):
        found.add(b32(before + secret).rstrip("=")[8:-2])
    if len(secret) >= 20 and "BEGIN" not in secret:
        found |= {secret[:16], secret[-12:]}
    found |= {line for line in secret.splitlines() if len(line) > 20 and "-----" not in line}
    return {form.lower() for form in found}


SPELLINGS = {name: spellings(secret) for name, secret in SECRETS.items()}


def found_in(text: str) -> set[str]:
    small = text.lower()
    return {name for name, forms in SPELLINGS.items() if any(form in small for form in forms)}


def command_lines(process: psutil.Process) -> Iterator[str]:
    """Those of all descendants."""
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if child.cmdline() == process.cmdline():
                # The kernel shows the command's own until the child has become another program. It must become one.
                wait_until(partial(_has_executed, child.pid), 60)
            yield " ".join(child.cmdline())


def _has_executed(pid: int) -> bool:
    """Whether a process is the program that it was made for: no longer a mere copy of the one that started it."""
    try:
        flags = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[6])
    except (OSError, IndexError):
        return True
    return not flags & FORKED_ONLY


@pytest.mark.thorough
def test_no_secret_that_is_echoed_is_written_or_printed(tmp_path: Path, write_config: Callable[..., Path]) -> None:
    places = Places()
    assert len(set(SECRETS.values())) == 80
    proxy = {"HTTP_PROXY": f"http://proxyuser:{places.proxy_password}@127.0.0.1:9", "NO_PROXY": "", "no_proxy": ""}
    load = {"requests": 60, "warmup_requests": 1, "timeout": 5, "prompt_reuse": "allowed", "keep_raw": True}
    with echoing() as server:
        config = write_config(experiments(server, places, tmp_path), load=load)
        text = config.read_text()
        for name in (*places.filled, *places.arguments):
            text = text.replace(f"'{{{name}}}'", f"{{{name}}}")
        config.write_text(text)
        given = {**places.arguments, **places.filled}
        arguments = [word for name, value in given.items() for word in ("-A", f"{name}={value}")]
        process = subprocess.Popen(
            command("--config-file", config, "--results-dir", tmp_path / "results", *arguments),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path,
            env={**environment(), **places.variables, **proxy},
        )  # fmt: skip
        lines: set[str] = set()
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(process.communicate()[0]))
        reader.start()
        while reader.is_alive():
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since
                lines.update(command_lines(psutil.Process(process.pid)))
            reader.join(0.05)
    assert process.returncode == 1, said[0]
    (run,) = (tmp_path / "results").glob("*/*Z*")
    files = [path for path in run.rglob("*") if path.is_file()]
    leaks = {str(path.relative_to(run)): names for path in files if (names := found_in(contents(path)))}
    assert leaks == {}
    assert found_in(said[0]) == set(), said[0]
    assert {name for line in lines for name in found_in(line)} == set()
    # and the run could have leaked them: it was answered, refused and cut off, and its processes were seen
    assert len(files) > 40
    assert len(lines) > 3
    table = (run / "metrics" / "per_inference_request_results.csv").read_text()
    assert table.count(REMOVED) > 100
    assert "\x1b" not in said[0]
    assert (
        "*" * 12 in (run / "logs" / "scripted-deploy.log").read_text()
        or REMOVED in (run / "logs" / "scripted-deploy.log").read_text()
    )


def contents(path: Path) -> str:
    """All that a file says, in the clear."""
    if path.name.endswith(".raw.zst"):
        import pyarrow as pa

        with pa.CompressedInputStream(str(path), "zstd") as file:
            return bytes(file.read()).decode("utf-8", errors="replace")
    return written(path)
