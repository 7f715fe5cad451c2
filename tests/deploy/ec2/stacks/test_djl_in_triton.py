"""The model that runs DJL's engine inside Triton, between stand-ins of both: each request gets its own text."""

from __future__ import annotations

import json
import queue
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fmbench_lib.deploy.ec2.stacks.djl_in_triton import TritonPythonModel
from fmbench_lib.deploy.ec2.stacks.triton_files import djl_model

FINAL = 1
LIMIT_S = 10


class Sender:
    """Where Triton takes the answers of one request."""

    def __init__(self) -> None:
        self.sent: queue.Queue[tuple[str | None, str | None, bool]] = queue.Queue()

    def send(self, response: Any, flags: int) -> None:
        self.sent.put((response.text, response.error, flags == FINAL))

    def all(self) -> list[tuple[str | None, str | None, bool]]:
        """Everything up to the last answer."""
        match = [self.sent.get(timeout=LIMIT_S)]
        while not match[-1][2]:
            match.append(self.sent.get(timeout=LIMIT_S))
        return match


class Request:
    def __init__(self, prompt: str, parameters: dict[str, Any], *, stream: bool) -> None:
        self.tensors = {"text_input": prompt, "sampling_parameters": json.dumps(parameters)}
        self.sender, self.beside = Sender(), json.dumps({"stream": stream})

    def get_response_sender(self) -> Sender:
        return self.sender

    def parameters(self) -> str:
        return self.beside


class Service:
    """DJL's service: each step says one more word of each request's prompt; `fail` is a word that breaks it."""

    def __init__(self) -> None:
        self.left: list[list[str]] = []
        self.rolling_batch = self
        self.sizes: list[int] = []
        self.bodies: list[dict[str, Any]] = []

    def initialize(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def reset(self) -> None:
        self.left = []

    def inference(self, bodies: list[dict[str, Any]]) -> Any:
        self.bodies += [body for body in bodies if body["inputs"]]
        self.left += [body["inputs"].split() for body in bodies[len(self.left) :]]
        assert len(bodies) == len(self.left), "each request under way has its place in every step"
        self.sizes.append(len(bodies))
        if any(words[0] == "fail" for words in self.left):
            raise RuntimeError("the device is gone")
        results = []
        for words in self.left:
            word = words.pop(0)
            line = {"token": {"id": 1, "text": f"{word} ", "log_prob": -0.1, "special_token": word == "</s>"}}
            if word == "refused":
                line = {"token": {"text": ""}, "details": {"finish_reason": "error"}}
            results.append({"data": json.dumps(line) + "\n", "last": str(not words)})
        self.left = [words for words in self.left if words]
        content = types.SimpleNamespace(value_at=results.__getitem__)
        return types.SimpleNamespace(content=content)


class Tensor:
    def __init__(self, name: str, value: Any) -> None:
        self.name, self.value = name, value

    def as_numpy(self) -> Any:
        return self.value


class InferenceResponse:
    def __init__(self, output_tensors: list[Tensor] | None = None, error: Any = None) -> None:
        self.error = error
        self.text = None if output_tensors is None else output_tensors[0].value[0].decode()


def _tensor_of(request: Request, name: str) -> Tensor:
    return Tensor(name, np.array([request.tensors[name].encode()], dtype=np.object_))


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TritonPythonModel]:
    triton = types.ModuleType("triton_python_backend_utils")
    vars(triton).update(
        get_input_tensor_by_name=_tensor_of,
        Tensor=Tensor,
        InferenceResponse=InferenceResponse,
        TritonError=str,
        TRITONSERVER_RESPONSE_COMPLETE_FINAL=FINAL,
    )
    neuron = types.ModuleType("djl_python.transformers_neuronx")
    vars(neuron)["TransformersNeuronXService"] = Service
    requests = types.ModuleType("djl_python.test_model")
    vars(requests).update(
        create_concurrent_batch_request=lambda bodies, properties, serving_properties: bodies,
        decode_encoded_output_binary=lambda result: result,
    )
    for module in (triton, types.ModuleType("djl_python"), neuron, requests):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "model.json").write_text(json.dumps({"model_id": "m", "max_rolling_batch_size": 2}))
    container = TritonPythonModel()
    container.initialize({"model_repository": str(tmp_path), "model_version": "1"})
    yield container
    container.finalize()
    assert not container.thread.is_alive()


def test_streamed_answers_are_sent_in_pieces_and_others_at_once(model: TritonPythonModel) -> None:
    streamed, whole = Request("a b c", {}, stream=True), Request("d e", {}, stream=False)
    model.execute([streamed, whole])
    assert streamed.sender.all() == [("a ", None, False), ("b ", None, False), ("c ", None, True)]
    assert whole.sender.all() == [("d e ", None, True)]


def test_requests_beyond_the_batch_size_wait(model: TritonPythonModel) -> None:
    requests = [Request(f"word-{number} end", {}, stream=False) for number in range(7)]
    model.execute(requests)
    assert [request.sender.all() for request in requests] == [
        [(f"word-{number} end ", None, True)] for number in range(7)
    ]
    assert max(model.service.sizes) == 2


def test_parameters_reach_the_engine_under_its_names(model: TritonPythonModel) -> None:
    request = Request("a", {"max_tokens": 5, "top_k": 50}, stream=False)
    model.execute([request])
    request.sender.all()
    assert model.service.bodies == [{"inputs": "a", "parameters": {"top_k": 50, "max_new_tokens": 5}}]


def test_special_tokens_are_not_part_of_the_text(model: TritonPythonModel) -> None:
    request = Request("a </s>", {}, stream=False)
    model.execute([request])
    assert request.sender.all() == [("a ", None, True)]


def test_a_failed_request_does_not_affect_the_others(model: TritonPythonModel) -> None:
    bad, good = Request("refused", {}, stream=True), Request("a b", {}, stream=False)
    model.execute([bad, good])
    assert bad.sender.all() == [(None, "the model ended with an error", True)]
    assert good.sender.all() == [("a b ", None, True)]


def test_after_an_engine_failure_waiting_requests_get_an_error_and_later_ones_are_served(
    model: TritonPythonModel,
) -> None:
    broken, after = Request("fail", {}, stream=False), Request("a", {}, stream=False)
    model.execute([broken])
    assert broken.sender.all() == [(None, "the device is gone", True)]
    model.execute([after])
    assert after.sender.all() == [("a ", None, True)]


def test_the_models_file_in_the_repository_does_not_import_fmbench() -> None:
    assert "class TritonPythonModel" in djl_model()
    assert "fmbench" not in djl_model()
