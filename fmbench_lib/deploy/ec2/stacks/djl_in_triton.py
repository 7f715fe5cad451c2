"""A model for Triton's Python backend that serves DJL's continuous batching on Neuron.

It is written to a model repository as `model.py`, beside a `model.json` with the model's properties, and runs inside
the serving container: only there are `djl_python` and `triton_python_backend_utils` installed.
"""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from typing import Any

_PROPERTIES = {"content-type": "application/json"}


class _ActiveRequest:
    """A request in progress: its body, the text generated so far, and whether its answer is streamed."""

    def __init__(self, request: Any, body: dict[str, Any], stream: bool) -> None:
        self.sender, self.body, self.stream = request.get_response_sender(), body, stream
        self.generated = ""


class TritonPythonModel:
    """The class that Triton loads. It queues requests; one thread advances all of them, token by token."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the model. On an exception Triton does not become ready."""
        from djl_python.transformers_neuronx import TransformersNeuronXService  # type: ignore[import-not-found]

        folder = Path(args["model_repository"]) / args["model_version"]
        self.settings: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        self.service = TransformersNeuronXService()
        self.service.initialize(dict(self.settings))
        self.max_batch_size = int(self.settings.get("max_rolling_batch_size", 1))
        self.waiting: queue.Queue[_ActiveRequest | None] = queue.Queue()
        self.active: list[_ActiveRequest] = []
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()

    def execute(self, requests: list[Any]) -> None:
        """Queue requests; their answers are sent as they are generated."""
        for request in requests:
            self.waiting.put(_read(request))

    def finalize(self) -> None:
        """Stop the thread."""
        self.waiting.put(None)
        self.thread.join(timeout=10)

    def _work(self) -> None:
        while True:
            new = self._arrivals()
            if new is None:
                return
            try:
                self._step(new)
            except Exception as error:  # noqa: BLE001 - no failed step may stop the server
                for request in self.active:
                    _send(request, error=str(error) or type(error).__name__, last=True)
                self.active = []
                self.service.rolling_batch.reset()

    def _arrivals(self) -> list[_ActiveRequest] | None:
        """The requests that join the batch now; blocks while there is nothing to do. None at the end."""
        new: list[_ActiveRequest] = []
        while len(self.active) + len(new) < self.max_batch_size:
            try:
                request = self.waiting.get(block=not self.active and not new)
            except queue.Empty:
                break
            if request is None:
                return None
            new.append(request)
        return new

    def _step(self, new: list[_ActiveRequest]) -> None:
        """Generate one token for each active request. The service identifies earlier requests by their index."""
        from djl_python.test_model import (  # type: ignore[import-not-found]
            create_concurrent_batch_request,
            decode_encoded_output_binary,
        )

        bodies = [*({"inputs": ""} for _ in self.active), *(request.body for request in new)]
        self.active += new
        batch = create_concurrent_batch_request(
            bodies, [dict(_PROPERTIES) for _ in bodies], serving_properties=dict(self.settings)
        )
        content = self.service.inference(batch).content
        unfinished = []
        for index, request in enumerate(self.active):
            result = decode_encoded_output_binary(content.value_at(index))
            last = str(result.get("last", "")).lower() == "true"
            text, error = _text_of(result.get("data", ""))
            request.generated += text
            if error is not None or last or (request.stream and text):
                _send(request, text if request.stream else request.generated, error, last=last or error is not None)
            if not last:
                unfinished.append(request)
        self.active = unfinished


def _read(request: Any) -> _ActiveRequest:
    import triton_python_backend_utils as triton  # type: ignore[import-not-found]

    def value(name: str) -> str | None:
        tensor = triton.get_input_tensor_by_name(request, name)
        if tensor is None:
            return None
        item = tensor.as_numpy().flatten()[0]
        return item.decode() if isinstance(item, bytes) else str(item)

    request_parameters = json.loads(request.parameters() or "{}")
    parameters = json.loads(value("sampling_parameters") or "{}")
    if "max_tokens" in parameters:
        parameters.setdefault("max_new_tokens", parameters.pop("max_tokens"))
    stream = bool(request_parameters.get("stream")) or bool(parameters.pop("stream", False))
    return _ActiveRequest(request, {"inputs": value("text_input") or "", "parameters": parameters}, stream)


def _text_of(data: str) -> tuple[str, str | None]:
    """The text in a step's JSON lines, and the error, if any."""
    text, error = "", None
    for line in filter(None, (line.strip() for line in data.splitlines())):
        message = json.loads(line)
        token, details = message.get("token") or {}, message.get("details") or {}
        if not token.get("special_token"):
            text += token.get("text") or ""
        if details.get("finish_reason") == "error" or message.get("error"):
            error = str(message.get("error") or token.get("error_msg") or "the model ended with an error")
    return text, error


def _send(request: _ActiveRequest, text: str = "", error: str | None = None, *, last: bool) -> None:
    import numpy
    import triton_python_backend_utils as triton

    if error is not None:
        response = triton.InferenceResponse(error=triton.TritonError(error))
    else:
        tensor = triton.Tensor("text_output", numpy.array([text.encode()], dtype=numpy.object_))
        response = triton.InferenceResponse(output_tensors=[tensor])
    request.sender.send(response, flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL if last else 0)
