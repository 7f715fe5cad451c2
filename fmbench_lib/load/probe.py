"""The readiness check of an endpoint: a real request, since a health page does not show whether the model answers.

It is a level of its own. So it is sent as those that are measured are, in a process of its own, with the same
limits: whatever a server answers can neither stop nor hang the run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.errors import EndpointError, ProtocolError, WorkerError
from fmbench_lib.load.recording.recorder import decode
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.spool import read_spool
from fmbench_lib.predictors.base import Completion, HttpRequest, Predictor

_PROMPT = "Say hello."
_MOST_BYTES = 8 << 20
_UNANSWERED = ("dns", "connect", "tls", "timeout", "truncated")


def probe(predictor: Predictor, ca_file: str | None = None, timeout: float = 60.0) -> None:
    """Send one request with the experiment's own codec and parameters and read the whole answer.

    `ca_file` holds the authorities that certificates are checked against, None for the system's; `timeout` (s) is for
    everything, from the connection to the last byte. Raises EndpointError, with the address and the error, where the
    request fails, CredentialsError where it cannot be signed, InputError where it cannot be sent.
    """
    request = predictor.encode(_PROMPT)
    wrong_path: str | None = getattr(predictor, "wrong_path", None)
    if wrong_path is not None:
        raise EndpointError(f"{_where(request)}: {wrong_path}")
    (completion,) = _exchanged(predictor, [request], ca_file, timeout)
    _check(completion, request)


def is_refused(predictor: Predictor, ca_file: str | None = None, timeout: float = 60.0) -> bool:
    """Whether the server refuses the codec's requests as invalid. Raises what `probe` does for any other failure."""
    request = predictor.encode(_PROMPT, 1)
    (completion,) = _exchanged(predictor, [request], ca_file, timeout)
    if completion.error_class not in ("http_4xx", "empty"):
        _check(completion, request)
    return completion.error_class == "http_4xx"


def prompt_counts(
    predictor: Predictor, prompts: Sequence[str], ca_file: str | None = None, timeout: float = 60.0
) -> list[int | None]:
    """The server's own count of the tokens of each prompt, None where it reports none; each is answered by one token.

    The arguments and errors are those of `probe`; an answer without text is none of the errors.
    """
    requests = [predictor.encode(prompt, 1) for prompt in prompts]
    completions = _exchanged(predictor, requests, ca_file, timeout)
    for completion, request in zip(completions, requests, strict=True):
        if completion.error_class != "empty":
            _check(completion, request)
    return [completion.prompt_tokens for completion in completions]


def _exchanged(
    predictor: Predictor, requests: Sequence[HttpRequest], ca_file: str | None, timeout: float
) -> list[Completion]:
    """The answers to requests that are sent one after the other. Raises EndpointError where they cannot be sent."""
    load = LoadSettings(timeout=timeout, workers=1, ca_bundle=ca_file, max_response_bytes=_MOST_BYTES)
    numbers = tuple(range(len(requests)))
    level = Level((requests[0].url,), (), numbers, "probe", load, StopRule(requests=len(requests)), concurrency=1)
    with tempfile.TemporaryDirectory(prefix="fmbench-probe-") as folder:
        try:
            (worker,) = run_level(level, list(requests), Path(folder)).workers
            by_number = {exchange.prompt: exchange for _, exchange in read_spool(worker.spool)}
            return [decode(by_number[number], predictor)[0] for number in numbers]
        except (WorkerError, ProtocolError) as error:
            raise EndpointError(f"{_where(requests[0])}: {error}") from error


def _check(completion: Completion, request: HttpRequest) -> None:
    if completion.error_class in _UNANSWERED:
        raise EndpointError(f"{_where(request)} does not answer: {completion.error_message}")
    if completion.error_class is not None:
        raise EndpointError(f"{_where(request)}: {completion.error_message} ({completion.error_class})")


def _where(request: HttpRequest) -> str:
    return "{0.scheme}://{0.netloc}".format(urlsplit(request.url))
