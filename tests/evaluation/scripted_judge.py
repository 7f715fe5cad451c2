"""A judge whose every answer is a function of the prompt, behind OpenAI's protocol."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RETRY_AFTER = "3"
"""Seconds, with every 429."""

Script = Callable[[str, int], tuple[int, str]]
"""From a prompt and how often it came before to a status and the judge's words."""


@dataclass
class ScriptedJudge:
    """A running judge: its address, and the prompts that it was asked and that it answered."""

    url: str
    asked: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    bodies: list[dict[str, object]] = field(default_factory=list)


@contextlib.contextmanager
def scripted_judge(script: Script) -> Iterator[ScriptedJudge]:
    """Serve a script until the block ends."""
    judge, lock = ScriptedJudge(""), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            prompt = body["messages"][0]["content"]
            with lock:
                before = judge.asked.count(prompt)
                judge.asked.append(prompt)
                judge.bodies.append(body)
            status, words = script(prompt, before)
            message = {"choices": [{"message": {"content": words}, "finish_reason": "stop"}]}
            usage = {"prompt_tokens": 100, "completion_tokens": 10}
            answer = json.dumps(
                {**message, "usage": usage} if status == 200 else {"error": {"message": words}}
            ).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            if status == 429:
                self.send_header("retry-after", RETRY_AFTER)
            self.end_headers()
            self.wfile.write(answer)
            with lock:
                if status == 200:
                    judge.answered.append(prompt)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    judge.url = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    try:
        yield judge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
