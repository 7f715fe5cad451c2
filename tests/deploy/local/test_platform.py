"""llama.cpp's own server, deployed for real: in service, ended, killed, and what is reported."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fmbench_lib.deploy import Endpoint, platform
from fmbench_lib.deploy.local.platform import default_threads
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host import process
from fmbench_lib.host.process import ProcessMark
from fmbench_lib.models.embedded import EMBEDDED_MODEL

LOCAL = platform("local")


def get(url: str, path: str) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.status == 200, path
        return answer.read()
    finally:
        connection.close()


def marks(endpoint: Endpoint) -> list[ProcessMark]:
    return [ProcessMark(known["pid"], known["started"], known["booted"]) for known in endpoint.resources]


# -- in service -------------------------------------------------------------------------------------------------------


def test_every_copy_is_a_separate_process_that_answers(served: tuple[Endpoint, Any]) -> None:
    endpoint, notes = served
    assert endpoint.status == "in_service"
    assert endpoint.owned
    assert endpoint.model == EMBEDDED_MODEL
    assert endpoint.created_at is not None
    assert endpoint.in_service_at is not None
    assert endpoint.in_service_at > endpoint.created_at
    assert len(set(endpoint.urls)) == len({mark.pid for mark in marks(endpoint)}) == 2
    assert all(url.startswith("http://127.0.0.1:") and url.endswith("/v1/chat/completions") for url in endpoint.urls)
    assert notes.asked == list(endpoint.urls)
    assert [(copy.url, copy.process) for copy in endpoint.copies] == list(
        zip(endpoint.urls, marks(endpoint), strict=True)
    )
    assert [copy.log for copy in endpoint.copies] == list(endpoint.log_files)
    assert LOCAL.why_dead(endpoint) == ""


def test_it_was_recorded_before_it_was_waited_for(served: tuple[Endpoint, Any]) -> None:
    endpoint, notes = served
    first, last = notes.recorded
    assert first.status == "creating"
    assert first.in_service_at is None
    assert first.resources == endpoint.resources
    assert last == endpoint
    assert Endpoint.from_dict(json.loads(json.dumps(endpoint.to_dict()))) == endpoint


def test_logs_are_kept_under_names_a_path_can_have(served: tuple[Endpoint, Any]) -> None:
    endpoint, _ = served
    for log in map(Path, endpoint.log_files):
        assert log.name.startswith("two copies%2F%CE%B1-")
        assert "model loaded" in log.read_text()


def test_the_context_is_per_request_and_the_monitoring_pages_are_there(served: tuple[Endpoint, Any]) -> None:
    endpoint, _ = served
    slots = json.loads(get(endpoint.urls[0], "/slots"))
    assert [slot["n_ctx"] for slot in slots] == [256, 256]
    assert b"llamacpp:" in get(endpoint.urls[0], "/metrics")


def test_another_process_finds_it_alive_and_does_not_mistake_a_stranger_for_it(served: tuple[Endpoint, Any]) -> None:
    endpoint, _ = served
    late = [{**known, "started": known["started"] + 100} for known in endpoint.resources]
    stranger = replace(endpoint, resources=tuple(late))
    assert LOCAL.why_dead(stranger)
    assert LOCAL.delete(stranger).status == "deleted"
    assert LOCAL.why_dead(endpoint) == ""
    root = str(Path(process.__file__).parents[2])
    code = (
        "import json, sys; from fmbench_lib.deploy import Endpoint, platform;"
        "print(platform('local').why_dead(Endpoint.from_dict(json.load(sys.stdin))) == '')"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps(endpoint.to_dict()),
        text=True,
        capture_output=True,
        check=True,
        env={**os.environ, "PYTHONPATH": root},
    )
    assert said.stdout.strip() == "True"


# -- the end of it ----------------------------------------------------------------------------------------------------


def test_a_killed_copy_is_noticed_with_its_reason_and_both_are_deleted(
    experiment: Callable[..., Any], context: Callable[..., Any]
) -> None:
    given, _ = context()
    endpoint = LOCAL.deploy(experiment(inference_spec={"model_copies": 2}), given)
    victim, other = marks(endpoint)
    os.kill(victim.pid, signal.SIGKILL)
    while process.running(victim):
        os.sched_yield()
    reason = LOCAL.why_dead(endpoint)
    assert f"process {victim.pid}) was ended by SIGKILL; its log ends: " in reason
    assert str(other.pid) not in reason
    deleted = LOCAL.delete(endpoint)
    assert not process.running(other)
    assert deleted.status == "deleted"
    assert deleted.deleted_at is not None
    assert LOCAL.delete(deleted) == deleted
    assert LOCAL.why_dead(deleted)


def test_cache_prompt_off_computes_every_prompt_anew(
    experiment: Callable[..., Any], context: Callable[..., Any]
) -> None:
    given, _ = context()
    endpoint = LOCAL.deploy(experiment(local={"cache_prompt": False, "options": {"n_predict": 1}}), given)
    cached = [_cached_tokens(endpoint.urls[0]) for _ in range(2)]
    LOCAL.delete(endpoint)
    assert cached == [0, 0]


def _cached_tokens(url: str) -> int:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        body = {"messages": [{"role": "user", "content": "Count to ten, please."}], "max_tokens": 1}
        connection.request("POST", parts.path, json.dumps(body), {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        cached: int = answer["usage"]["prompt_tokens_details"]["cached_tokens"]
        return cached
    finally:
        connection.close()


# -- what cannot be deployed ------------------------------------------------------------------------------------------


def test_a_taken_port_is_reported_before_anything_is_started(
    experiment: Callable[..., Any], context: Callable[..., Any]
) -> None:
    given, notes = context()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(DeployError, match=f"port {port} is taken"):
            LOCAL.deploy(experiment(local={"port": port}), given)
        with pytest.raises(DeployError, match=f"port {port} is taken"):
            LOCAL.deploy(experiment(ep_name=f"http://127.0.0.1:{port}/v1/chat/completions"), given)
    assert notes.recorded == []


def test_a_server_that_dies_while_loading_says_why(
    experiment: Callable[..., Any], context: Callable[..., Any], tmp_path: Path
) -> None:
    model = tmp_path / "broken.gguf"
    model.write_bytes(b"GGUF" + bytes([3, 0, 0, 0]) + bytes(16))
    given, notes = context()
    with pytest.raises(DeployError, match=r"exited with code 1; its log ends: .*failed to load model"):
        LOCAL.deploy(experiment(model_id=str(model)), given)
    assert [endpoint.status for endpoint in notes.recorded] == ["creating", "failed"]
    assert notes.recorded[-1].deleted_at is not None
    assert "broken.gguf" in str(notes.recorded[-1].error)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"n_btach": 1}, "did you mean 'n_batch'"), ({"n_batch": "many"}, "option 'n_batch' cannot be 'many'")],
)
def test_an_option_that_llama_cpp_does_not_take_is_named(
    experiment: Callable[..., Any], context: Callable[..., Any], options: dict[str, Any], said: str
) -> None:
    given, _ = context()
    with pytest.raises(DeployError, match=said):
        LOCAL.deploy(experiment(local={"options": options}), given)


def test_a_server_that_is_never_ready_is_ended(experiment: Callable[..., Any], context: Callable[..., Any]) -> None:
    given, notes = context()
    with pytest.raises(DeployError, match=r"was not ready within 0\.01 s"):
        LOCAL.deploy(experiment(local={"startup_timeout": 0.01}), given)
    assert not any(process.running(mark) for mark in marks(notes.recorded[-1]))


def test_a_server_that_answers_no_request_is_not_in_service(
    experiment: Callable[..., Any], context: Callable[..., Any]
) -> None:
    def refuse(url: str, model: str | None) -> None:
        raise EndpointError("HTTP 400: no such model")

    given, notes = context(probe=refuse)
    with pytest.raises(DeployError, match="does not answer a request: HTTP 400: no such model"):
        LOCAL.deploy(experiment(), given)
    assert notes.recorded[-1].status == "failed"
    assert not any(process.running(mark) for mark in marks(notes.recorded[-1]))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_id": None}, "needs a model_id"),
        ({"model_id": "none.gguf"}, r"none\.gguf does not exist"),
        ({"deploy": False}, "write platform: endpoint"),
    ],
)
def test_missing_settings_and_files_are_reported(
    experiment: Callable[..., Any], context: Callable[..., Any], changes: dict[str, Any], said: str
) -> None:
    given, notes = context()
    with pytest.raises(DeployError, match=said):
        LOCAL.deploy(experiment(**changes), given)
    assert notes.recorded == []


def test_nothing_is_left_running_when_it_cannot_be_recorded(
    experiment: Callable[..., Any], context: Callable[..., Any]
) -> None:
    def full(endpoint: Endpoint) -> None:
        noted.append(endpoint)
        raise OSError("no space left on device")

    noted: list[Endpoint] = []
    given, _ = context()
    with pytest.raises(OSError, match="no space left"):
        LOCAL.deploy(experiment(), replace(given, record=full))
    assert not any(process.running(mark) for mark in marks(noted[0]))


@pytest.mark.parametrize(("cores", "copies", "threads"), [(8, 1, 7), (8, 2, 3), (2, 1, 1), (1, 1, 1), (4, 8, 1)])
def test_servers_leave_a_core_to_the_client(cores: int, copies: int, threads: int) -> None:
    assert default_threads(cores, copies) == threads
