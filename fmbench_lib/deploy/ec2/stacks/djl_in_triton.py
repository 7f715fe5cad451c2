"""A model for Triton's Python backend that serves DJL's continuous batching on Neuron.

It is written into a model repository as `model.py`, beside a `model.json` with the properties of the model, and runs
inside the serving container: only there do `djl_python` and `triton_python_backend_utils` exist.
"""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from typing import Any

_PROPERTIES = {"content-type": "application/json"}


class _Asked:
    """A request under way: what was asked, what has come, and whether it is wanted in pieces."""

    def __init__(self, request: Any, body: dict[str, Any], stream: bool) -> None:
        self.sender, self.body, self.stream = request.get_response_sender(), body, stream
        self.said = ""


class TritonPythonModel:
    """What Triton loads: it takes requests, and a thread of its own moves all of them on, token by token."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model. Triton is told of an exception, and does not become ready."""
        from djl_python.transformers_neuronx import TransformersNeuronXService  # type: ignore[import-not-found]

        folder = Path(args["model_repository"]) / args["model_version"]
        self.settings: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.service = TransformersNeuronXService()
        self.service.initialize(dict(self.settings))
        self.most = int(self.settings.get("max_rolling_batch_size", 1))
        self.waiting: queue.Queue[_Asked | None] = queue.Queue()
        self.active: list[_Asked] = []
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def execute(self, requests: list[Any]) -> None:
        """Take requests; their answers are sent as they come."""
        for request in requests:
            self.waiting.put(_read(request))

    def finalize(self) -> None:
        """Let the thread end."""
        self.waiting.put(None)
        self.thread.join(timeout=10)

    def _work(self) -> None:
        while True:
            new = self._arrived()
            if new is None:
                return
            try:
                self._step(new)
            except Exception as error:  # noqa: BLE001 - a bad step of any kind must not end the server
                for asked in self.active:
                    _send(asked, error=str(error) or type(error).__name__, last=True)
                self.active = []
                self.service.rolling_batch.reset()

    def _arrived(self) -> list[_Asked] | None:
        """What joins the batch now; waits where there is nothing to do. None at the end."""
        new: list[_Asked] = []
        while len(self.active) + len(new) < self.most:
            try:
                asked = self.waiting.get(block=not self.active and not new)
            except queue.Empty:
                break
            if asked is None:
                return None
            new.append(asked)
        return new

    def _step(self, new: list[_Asked]) -> None:
        """One token for each active request. The service knows the earlier ones by their place."""
        from djl_python.test_model import (  # type: ignore[import-not-found]
            create_concurrent_batch_request,
            decode_encoded_output_binary,
        )

        bodies = [*({"inputs": ""} for _ in self.active), *(asked.body for asked in new)]
        self.active += new
        batch = create_concurrent_batch_request(
            bodies, [dict(_PROPERTIES) for _ in bodies], serving_properties=dict(self.settings)
        )
        content = self.service.inference(batch).content
        going_on = []
        for index, asked in enumerate(self.active):
            result = decode_encoded_output_binary(content.value_at(index))
            last = str(result.get("last", "")).lower() == "true"
            text, error = _text_of(result.get("data", ""))
            asked.said += text
            if error is not None or last or (asked.stream and text):
                _send(asked, text if asked.stream else asked.said, error, last=last or error is not None)
            if not last:
                going_on.append(asked)
        self.active = going_on


def _read(request: Any) -> _Asked:
    import triton_python_backend_utils as triton  # type: ignore[import-not-found]

    def value(name: str) -> str | None:
        tensor = triton.get_input_tensor_by_name(request, name)
        if tensor is None:
            return None
        found = tensor.as_numpy().flatten()[0]
        return found.decode() if isinstance(found, bytes) else str(found)

    beside = json.loads(request.parameters() or "{}")
    parameters = json.loads(value("sampling_parameters") or "{}")
    if "max_tokens" in parameters:
        parameters.setdefault("max_new_tokens", parameters.pop("max_tokens"))
    stream = bool(beside.get("stream")) or bool(parameters.pop("stream", False))
    return _Asked(request, {"inputs": value("text_input") or "", "parameters": parameters}, stream)


def _text_of(data: str) -> tuple[str, str | None]:
    """The text in a step's JSON lines, and what went wrong."""
    text, error = "", None
    for line in filter(None, (line.strip() for line in data.splitlines())):
        message = json.loads(line)
        token, details = message.get("token") or {}, message.get("details") or {}
        if not token.get("special_token"):
            text += token.get("text") or ""
        if details.get("finish_reason") == "error" or message.get("error"):
            error = str(message.get("error") or token.get("error_msg") or "the model ended with an error")
    return text, error


def _send(asked: _Asked, text: str = "", error: str | None = None, *, last: bool) -> None:
    import numpy
    import triton_python_backend_utils as triton

    if error is not None:
        response = triton.InferenceResponse(error=triton.TritonError(error))
    else:
        tensor = triton.Tensor("text_output", numpy.array([text.encode()], dtype=numpy.object_))
        response = triton.InferenceResponse(output_tensors=[tensor])
    asked.sender.send(response, flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL if last else 0)
