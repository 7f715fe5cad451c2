"""Levels that are sent through a script of the user's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fmbench_lib.errors import WorkerError
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.script_call import UserScript, answer_to
from fmbench_lib.predictors.user_script import NOWHERE, UserScriptPredictor
from fmbench_lib.user_scripts.fmbench2_names import count_tokens
from fmbench_lib.workspace import LevelKey
from tests.load.level_builder import make_level

SCRIPT = """
import threading
from fmbench.scripts.fmbench_predictor import FMBenchPredictionResponse

together = threading.Barrier(2)

class Throttled(Exception):
    response = {"Error": {"Code": "ThrottlingException"}, "ResponseMetadata": {"HTTPStatusCode": 400}}

class Predictor:
    def __init__(self, *given):
        self.given = given
        print("this is not for the engine")

    def get_prediction(self, payload):
        prompt = payload["inputs"]
        if prompt == "two":
            together.wait(10)  # passes only when two calls are under way at once
        if prompt == "never":
            threading.Event().wait()
        if prompt == "throttled":
            raise Throttled("slow down")
        if prompt == "broken":
            raise ValueError("no such thing")
        if prompt == "refused":
            raise ConnectionRefusedError("nobody there")
        if prompt == "exit":
            raise SystemExit(4)
        return FMBenchPredictionResponse(
            response_json={"generated_text": repr((prompt, sorted(payload), *self.given))},
            latency=99.0, time_to_first_token=1e-6, prompt_tokens=3, completion_tokens=2,
        )

def create_predictor(endpoint_name, inference_spec=None, metadata=None):
    return Predictor(endpoint_name, inference_spec["parameters"], metadata["name"])
"""
Rows = list[dict[str, Any]]
Send = Callable[..., Rows]


@pytest.fixture
def send(tmp_path: Path) -> Send:
    """Sends prompts through a script and returns their records in the order of sending."""

    def sent(prompts: list[str], text: str = SCRIPT, **settings: Any) -> Rows:
        path = tmp_path / "mine.py"
        path.write_text(text)
        script = UserScript(str(path), "my-endpoint", {"parameters": {"top_k": 5}}, {"name": "exp"})
        codec = UserScriptPredictor({"top_k": 5})
        given = {"seed": "1", "timeout": 20.0, "workers": 1, "requests": len(prompts), **settings}
        level = make_level((NOWHERE,), (), range(len(prompts)), script=script, **given)
        folder = tmp_path / "level"
        folder.mkdir()
        run = run_level(level, map(codec.encode, prompts), folder)
        recorder = Recorder(
            codec, [SentPrompt(p, None) for p in prompts], ("my-endpoint",), LevelKey("exp", "p.jsonl", "load"), None
        )
        kept = [path.read_bytes() for path in folder.iterdir()]
        assert not any(b'"top_k"' in content for content in kept), "what a script is given may hold keys"
        return sorted(recorder.rows(run), key=lambda row: int(row["request_id"].rpartition("-")[2]))

    return sent


def test_a_script_is_given_what_it_wants_and_its_answers_are_records(send: Send) -> None:
    (row,) = send(["hello"], concurrency=1)
    assert row["completion"] == "('hello', ['inputs'], 'my-endpoint', {'top_k': 5}, 'exp')"
    assert (row["error"], row["status"], row["endpoint"], row["phase"]) == (None, 200, "my-endpoint", "measured")
    assert (row["prompt_tokens"], row["completion_tokens"], row["token_source"]) == (3, 2, "server")
    assert row["stamp_source"] == "user"
    assert row["due"] <= row["sent"] < row["first"] < row["last"] < row["sent"] + 20
    assert row["first"] - row["sent"] == pytest.approx(1e-6, abs=5e-7)
    assert (row["streamed"], row["event_times"], row["connect_s"]) == (True, [], None)


@pytest.mark.parametrize("load", [{"concurrency": 2}, {"request_rate": 100.0}])
def test_requests_are_in_flight_side_by_side(send: Send, load: dict[str, Any]) -> None:
    rows = send(["two", "two"], **load)
    assert [row["error"] for row in rows] == [None, None]
    assert max(row["sent"] for row in rows) < min(row["last"] for row in rows)


def test_an_open_loop_follows_its_schedule(send: Send) -> None:
    rows = send(["a", "b", "c"], request_rate=50.0)
    dues = [row["due"] for row in rows]
    assert [due - dues[0] for due in dues] == pytest.approx([0.0, 0.02, 0.04], abs=1e-6)
    assert all(row["sent"] >= row["due"] for row in rows)


def test_whatever_a_script_raises_is_an_error_of_its_request(send: Send) -> None:
    rows = send(["throttled", "broken", "refused", "exit", "fine"], concurrency=1)
    assert [row["error"] for row in rows] == ["http_429", "endpoint", "connect", "endpoint", None]
    assert [row["status"] for row in rows] == [429, 200, None, 200, 200]
    assert rows[1]["error_message"] == "ValueError: no such thing"
    assert rows[2]["error_message"] == "ConnectionRefusedError: nobody there"


def test_a_call_that_does_not_return_is_given_up(send: Send) -> None:
    slow, fine = send(["never", "fine"], concurrency=1, timeout=0.3)
    assert (slow["error"], slow["last"], fine["error"]) == ("timeout", None, None)
    assert slow["end"] - slow["due"] >= 0.3


def test_an_early_script_finds_the_parameters_in_the_payload_and_may_return_a_dictionary(send: Send) -> None:
    early = """
class Predictor:
    def get_prediction(self, payload):
        return {"response_json": [{"generated_text": str(payload)}], "latency": 1.0}

def create_predictor(endpoint_name):
    return Predictor()
"""
    (row,) = send(["hello"], early, concurrency=1)
    assert row["completion"] == "{'inputs': 'hello', 'parameters': {'top_k': 5}}"
    assert (row["streamed"], row["first"], row["completion_tokens"]) == (False, None, None)


def test_a_script_that_cannot_begin_ends_the_level_with_its_reason(send: Send) -> None:
    said = r"^/\S+\.py: cannot be loaded: ModuleNotFoundError: No module named 'no_such_thing'$"
    with pytest.raises(WorkerError, match=said):
        send(["hello"], "import no_such_thing\n", concurrency=1)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('no such endpoint')", r"create_predictor\(\) raised ValueError: no such endpoint$"),
        ("raise SystemExit('no licence')", r"create_predictor\(\) raised SystemExit: no licence$"),
        ("return None", r"create_predictor\(\) raised AttributeError: 'NoneType' .*get_prediction"),
        ("import os; os._exit(3)", r"load worker 0 ended with exit code 3$"),
    ],
)
def test_a_predictor_that_cannot_be_made_ends_the_level_with_its_reason(send: Send, body: str, said: str) -> None:
    with pytest.raises(WorkerError, match=rf"^/\S+\.py: {said}"):
        send(["hello"], f"def create_predictor(endpoint_name):\n    {body}\n", concurrency=1)


class Status(Exception):  # noqa: N818 - as client libraries name theirs
    def __init__(self, **attributes: Any) -> None:
        super().__init__("no")
        vars(self).update(attributes)


class ReadTimeoutError(Exception):
    """Of a client library, no kin of Python's own."""


class Answer:
    status_code = 503


@pytest.mark.parametrize(
    ("error", "status", "error_class"),
    [
        (Status(status_code=404), 404, None),
        (Status(code=500), 500, None),
        (Status(code="invalid"), 200, None),
        (Status(status_code=302), 200, None),
        (Status(response=Answer()), 503, None),
        (Status(response={"ResponseMetadata": {"HTTPStatusCode": 424}}), 424, None),
        (TimeoutError("slow"), None, "timeout"),
        (ReadTimeoutError("slow"), None, "timeout"),
        (BrokenPipeError("gone"), None, "connect"),
    ],
)
def test_errors_of_client_libraries_keep_what_they_say(
    error: Exception, status: int | None, error_class: str | None
) -> None:
    def predict(_: Any) -> Any:
        raise error

    found = answer_to(predict, {})()
    assert (found.error, found.first_token_s) == (error_class, None)
    assert [int(piece.split()[1]) for piece in found.pieces] == ([] if status is None else [status])


class Number:
    """As numpy's are: no number of Python's, but it holds one."""

    def item(self) -> int:
        return 12


def test_what_a_script_has_only_estimated_is_left_to_the_tokenizer() -> None:
    estimate = count_tokens("one two") + 1
    found = answer_to(lambda _: {"response_json": "hi", "prompt_tokens": estimate, "completion_tokens": 7}, {})()
    body = json.loads(found.pieces[0].partition(b"\r\n\r\n")[2])
    assert body == {"response_json": "hi", "completion_tokens": 7}


def test_numbers_of_other_libraries_count() -> None:
    found = answer_to(lambda _: {"response_json": "hi", "completion_tokens": Number()}, {})()
    (piece,) = found.pieces
    assert json.loads(piece.partition(b"\r\n\r\n")[2])["completion_tokens"] == 12


class Odd:
    """An answer that cannot be looked at."""

    def __str__(self) -> str:
        raise OverflowError("too much")


def circular() -> dict[str, Any]:
    answer: dict[str, Any] = {}
    answer["again"] = answer
    return answer


@pytest.mark.parametrize(
    "response",
    [{"response_json": Odd()}, {"response_json": circular()}, {"prompt_tokens": 10**5000}, Odd(), 3, None],
)
def test_an_answer_of_any_kind_is_a_response(response: Any) -> None:
    answered = answer_to(lambda _payload: response, {})()
    assert answered.pieces[0].startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("first", [float("inf"), float("nan"), -1.0, 1e300, "soon"])
def test_a_time_to_first_token_that_is_none_is_left_out(first: Any) -> None:
    assert answer_to(lambda _payload: {"time_to_first_token": first}, {})().first_token_s is None


def test_an_error_that_cannot_be_shown_is_an_error() -> None:
    class UnshownError(Exception):
        def __str__(self) -> str:
            raise ValueError

    def predict(_payload: Any) -> Any:
        raise UnshownError

    assert b"UnshownError: it cannot be shown" in answer_to(predict, {})().pieces[0]


def test_a_predictor_that_is_never_made_ends_the_level(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text("import time\n\ndef create_predictor(endpoint_name):\n    time.sleep(600)\n")
    called = UserScript(str(script), "ep", {}, {}, creation_timeout=1.0)
    level = make_level([NOWHERE], (), (0,), requests=1, concurrency=1, script=called)
    (tmp_path / "level").mkdir()
    with pytest.raises(WorkerError, match=r"^/\S+mine\.py: create_predictor\(\) did not return within 1 s"):
        run_level(level, [UserScriptPredictor({}).encode("hi")], tmp_path / "level")


HANGS = """
import subprocess, sys, time
from pathlib import Path

def create_predictor(endpoint_name):
    wait = [sys.executable, "-c", "import time; time.sleep(600)"]
    children = [subprocess.Popen(wait, start_new_session=own) for own in (False, True)]
    started = Path(__file__).with_name("started")
    started.with_suffix(".part").write_text(" ".join(str(child.pid) for child in children))
    started.with_suffix(".part").rename(started)
    time.sleep(600)
"""
ENGINE = """
import sys
from pathlib import Path
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.script_call import UserScript
from fmbench_lib.predictors.user_script import NOWHERE, UserScriptPredictor
from tests.load.level_builder import make_level

script = UserScript("mine.py", "my-endpoint", {}, {"name": "exp"})
level = make_level((NOWHERE,), (), range(1), script=script, seed="1", timeout=5.0, workers=1, requests=1, concurrency=1)
run_level(level, map(UserScriptPredictor({}).encode, ["a"]), Path("level"))
"""


def test_a_script_that_hangs_ends_with_the_engine_and_so_do_its_children(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(HANGS)
    (tmp_path / "level").mkdir()
    root = str(Path(__file__).parents[3])
    with subprocess.Popen(
        [sys.executable, "-c", ENGINE], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}
    ) as engine:
        process = psutil.Process(engine.pid)
        while not (tmp_path / "started").exists():
            assert engine.poll() is None
            time.sleep(0.01)
        started = [psutil.Process(int(pid)) for pid in (tmp_path / "started").read_text().split()]
        started += process.children()
        engine.kill()
        _, left = psutil.wait_procs(started, timeout=30)
        for one in left:
            one.kill()
    assert not left
    assert len(started) == 3
