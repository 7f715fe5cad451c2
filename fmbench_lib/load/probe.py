"""The readiness check of an endpoint: a real request, since a health page does not show whether the model answers.

It is a level of one request. So it is sent as those that are measured are, in a process of its own, with the same
limits: whatever a server answers can neither stop nor hang the run.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.errors import EndpointError, ProtocolError, WorkerError
from fmbench_lib.load.recording.recorder import decode
from fmbench_lib.load.sending.engine import run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.spool import read_spool
from fmbench_lib.predictors.base import Predictor

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
    where = "{0.scheme}://{0.netloc}".format(urlsplit(request.url))
    wrong_path: str | None = getattr(predictor, "wrong_path", None)
    if wrong_path is not None:
        raise EndpointError(f"{where}: {wrong_path}")
    load = LoadSettings(timeout=timeout, workers=1, ca_bundle=ca_file, max_response_bytes=_MOST_BYTES)
    level = Level((request.url,), (), (0,), "probe", load, StopRule(requests=1), concurrency=1)
    with tempfile.TemporaryDirectory(prefix="fmbench-probe-") as folder:
        try:
            (worker,) = run_level(level, [request], Path(folder)).workers
            ((_, exchange),) = read_spool(worker.spool)
        except (WorkerError, ProtocolError) as error:
            raise EndpointError(f"{where}: {error}") from error
    completion, _ = decode(exchange, predictor)
    if completion.error_class in _UNANSWERED:
        raise EndpointError(f"{where} does not answer: {completion.error_message}")
    if completion.error_class is not None:
        raise EndpointError(f"{where}: {completion.error_message} ({completion.error_class})")
