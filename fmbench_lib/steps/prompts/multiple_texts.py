"""Whether the experiments can send what is more than one text with a request: batches of texts, documents to rank."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.message_lists import takes_row
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.run import Run

_SOMEWHERE = "http://endpoint"


def check_texts(run: Run, payloads: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """Raise InputError where an experiment cannot send several texts, or documents, with one request."""
    for experiment in run.config.experiments:
        for name in experiment.payload_files:
            row = next((row for row in payloads.get(name, ()) if row.get("texts") or row.get("documents")), None)
            if row is None or takes_row(probable_predictor(run, experiment), row):
                continue
            what = "documents to rank" if row.get("documents") else f"{len(row['texts'])} texts a request"
            remedy = "/v1/embeddings" + (" or /v1/rerank" if row.get("documents") else "")
            raise InputError(
                f"experiment {experiment.name}: {name} has {what}, and {endpoint_words(experiment)} takes one "
                f"text; use an address that ends in {remedy}"
            )


def endpoint_words(experiment: Experiment) -> str:
    """What messages call the endpoint: its address, else its protocol."""
    return experiment.ep_name or f"protocol {experiment.protocol}"


def probable_predictor(run: Run, experiment: Experiment) -> Predictor:
    """The codec of the experiment at its address, or at the one that its endpoint will probably have."""
    is_address = platform_facts(experiment.platform).ep_name_is_address
    url = experiment.ep_name if is_address else None
    model = experiment.model_id if is_address else experiment.model_id or experiment.ep_name
    if not (url or "").startswith(("http://", "https://")):
        url = _SOMEWHERE + (protocol_facts(experiment.protocol).completes_to or "")
    return predictor_for(experiment, (url or "").split(",")[0].strip(), model, run.loaded.folder)
