"""No secret that a run is given is found in anything that it writes or prints.

Secrets come in by every door there is: values of the config, arguments of the command line, the environment, addresses
with a password or a key in them, and endpoints that repeat in their errors what they were sent.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.emulator import Behaviour, Constant, launch
from tests.e2e.conftest import command, environment

QUICK = Behaviour(ttft=Constant(0.005), itl=Constant(0.001), tokens=Constant(4))

GIVEN_BY_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAQQPLUM7KESTREL01",
    "AWS_SECRET_ACCESS_KEY": "plumKestrel/aws+secret9Qx7bVt2LmZrWc4HdYs6",
    "AWS_SESSION_TOKEN": "plumKestrelSession//FwoGZXIvYXdzEAoaDKq9==",
    "HF_TOKEN": "hf_plumKestrelFaceTokenAbCdEfGhIj",
    "HUGGING_FACE_HUB_TOKEN": "plumKestrelHubWithoutAForm",
    "MY_ENDPOINT_KEY": "plumKestrelEndpointKey",
    "MY_TALKATIVE_KEY": "plumKestrelTalkativeKey",
    "HTTP_PROXY": "http://proxyuser:plumKestrelProxy@127.0.0.1:9",
}
GIVEN_BY_ARGUMENTS = {
    "gate_token": "plumKestrelGate",
    "where": "http://127.0.0.1:9/v1/chat/completions?key=plumKestrelWhere",
}
GIVEN_BY_CONFIG = [
    "plumKestrelHeader",
    "plumKestrelTenant",
    "plumKestrelAuthorization",
    "plumKestrelContainerToken",
    "plumKestrelOption",
    "plumKestrelProperty",
    "plumKestrelUserinfo",
    "plumKestrelQuery",
    "plumKestrelSignature",
]
SECRETS = [
    *(value for name, value in GIVEN_BY_ENVIRONMENT.items() if name != "HTTP_PROXY"),
    "plumKestrelGate",
    "plumKestrelWhere",
    *GIVEN_BY_CONFIG,
    "plumKestrelProxy",
]


@contextmanager
def talkative_endpoint(healthy: int) -> Iterator[str]:
    """Answers so many requests, and refuses all others with an error that repeats the request's headers."""
    count = iter(range(1_000_000))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if next(count) < healthy:
                self._send(200, {"choices": [{"message": {"content": "yes"}}], "usage": {"completion_tokens": 1}})
            else:
                sent = ", ".join(f"{name}={value}" for name, value in self.headers.items())
                self._send(401, {"error": {"message": f"denied to {self.path} with {sent}"}})

        def _send(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    finally:
        server.shutdown()
        server.server_close()


def experiments(good: str, talkative: str) -> list[dict[str, Any]]:
    spec = {
        "headers": {
            "x-api-key": "plumKestrelHeader",
            "X-Tenant": "plumKestrelTenant",
            "X-Gate": "{gate_token}",
            "Accept": "text/event-stream",
        },
        "cli_params": "--api-key plumKestrelOption --max-model-len 4096",
    }
    secrets = {
        "env": {"HF_TOKEN": "plumKestrelContainerToken"},
        "serving.properties": "option.hf_token=plumKestrelProperty\n",
    }
    authorised = {"headers": {"Authorization": "Bearer plumKestrelAuthorization"}, "stream": False}
    return [
        {"name": "good", "ep_name": good, "api_key_env": "MY_ENDPOINT_KEY", "inference_spec": spec, **secrets},
        {"name": "key-in-address", "ep_name": f"{talkative}?api_key=plumKestrelQuery&sig=plumKestrelSignature"},
        {"name": "address-by-argument", "ep_name": "{where}"},
        {"name": "through-a-proxy", "ep_name": "http://no-such-host.invalid/v1/chat/completions"},
        {"name": "talkative", "ep_name": talkative, "api_key_env": "MY_TALKATIVE_KEY"},
        {"name": "authorised", "ep_name": talkative, "inference_spec": authorised},
    ]  # fmt: skip


def written(path: Path) -> str:
    """All that a file says, in the clear."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return json.dumps(table.to_pylist(), default=str) + str(table.schema.metadata)
    return path.read_bytes().decode("utf-8", errors="replace")


def forms(secret: str) -> set[str]:
    """A secret as it is, in an address, in JSON, and as Basic authorisation spells it."""
    return {
        secret,
        quote(secret, safe=""),
        json.dumps(secret)[1:-1],
        base64.b64encode(f"someone:{secret}".encode()).decode(),
        base64.b64encode(f"proxyuser:{secret}".encode()).decode(),
    }


def found_in(text: str) -> list[str]:
    return [secret for secret in SECRETS if any(form in text for form in forms(secret))]


@pytest.fixture
def fmbench_with_secrets(tmp_path: Path) -> Callable[[Path], tuple[Path, int, str]]:
    """A whole run that is given every secret: its directory, its exit code, and all that it printed."""

    def run(config: Path) -> tuple[Path, int, str]:
        text = config.read_text()
        for name in GIVEN_BY_ARGUMENTS:
            text = text.replace(f"'{{{name}}}'", f"{{{name}}}")
        config.write_text(text)
        given = {name: value for name, value in GIVEN_BY_ARGUMENTS.items() if f"{{{name}}}" in text}
        arguments = [word for name, value in given.items() for word in ("-A", f"{name}={value}")]
        done = subprocess.run(
            command("--config-file", config, "--results-dir", tmp_path / "results", *arguments),
            capture_output=True,
            text=True,
            timeout=240,
            cwd=tmp_path,
            env={**environment(), **GIVEN_BY_ENVIRONMENT, "NO_PROXY": "", "no_proxy": ""},
        )
        directory = next((tmp_path / "results").glob("*/*Z*"), tmp_path / "results")  # a failed set-up leaves no run
        return directory, done.returncode, done.stdout + done.stderr

    return run


def leaks(run: Path) -> dict[str, list[str]]:
    """The secrets found in each file of a run directory, by file."""
    files = [path for path in run.rglob("*") if path.is_file()]
    return {str(path.relative_to(run)): found for path in files if (found := found_in(written(path)))}


@pytest.mark.thorough
def test_no_secret_is_written_or_printed(
    write_config: Callable[..., Path], fmbench_with_secrets: Callable[[Path], tuple[Path, int, str]]
) -> None:
    load = {"requests": 4, "warmup_requests": 1, "timeout": 5, "prompt_reuse": "allowed"}
    with launch(QUICK) as emulator, talkative_endpoint(healthy=4) as talkative:
        config = write_config(experiments(emulator.url, talkative), load=load, aws={"region": "us-west-2"})
        run, code, said = fmbench_with_secrets(config)
        sent = emulator.ledger()
    assert leaks(run) == {}
    assert found_in(said) == []
    # and the run could have leaked them: it measured, it failed, and it says so
    assert code == 1, said
    assert len(sent) > 4
    assert {path.parent.parent.name for path in run.rglob("*.parquet")} >= {"good", "talkative", "key-in-address"}
    assert len(list(run.glob("notebooks/*.ipynb"))) == 6
    assert "denied to" in (run / "metrics" / "per_inference_request_results.csv").read_text()
    assert REMOVED in (run / "endpoints.json").read_text()


def test_an_address_with_a_password_is_refused_without_repeating_it(
    write_config: Callable[..., Path], fmbench_with_secrets: Callable[[Path], tuple[Path, int, str]]
) -> None:
    address = "http://someone:plumKestrelUserinfo@127.0.0.1:9/v1/chat/completions"
    run, code, said = fmbench_with_secrets(write_config([{"name": "password-in-address", "ep_name": address}]))
    assert leaks(run) == {}
    assert found_in(said) == []
    assert code == 2
    assert "holds a user name or password" in said
