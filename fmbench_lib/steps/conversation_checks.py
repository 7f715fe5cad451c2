"""Whether the experiments can send what is more than one text: conversations, batches of texts, documents to rank."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.message_lists import takes, takes_row
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.run import Run

_SOMEWHERE = "http://endpoint"


def conversation_notices(run: Run, payloads: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[str]:
    """A line for each experiment whose requests hold no messages, and which sends conversations as one text.

    Raises InputError where such a conversation has an image, which would be lost.
    """
    for experiment in run.config.experiments:
        rows = [row for name in experiment.payload_files for row in payloads.get(name, ()) if row.get("messages")]
        if not rows:
            continue
        predictor = probable_predictor(run, experiment)
        flat = [row for row in rows if not takes(predictor, row["messages"])]
        if any(_has_image(row["messages"]) for row in flat):
            raise InputError(
                f"experiment {experiment.name}: {_what(experiment)} takes no messages with images, which the "
                f"conversations have; use {_REMEDY}"
            )
        if flat:
            yield (
                f"{experiment.name}: {len(flat)} conversations are sent as one text, a paragraph for each message with "
                f"its role before it, as {_what(experiment)} takes no such messages; {_REMEDY} does"
            )


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
                f"experiment {experiment.name}: {name} has {what}, and {_what(experiment)} takes one text; use an "
                f"address that ends in {remedy}"
            )


_REMEDY = "protocol openai with an address that ends in /v1/chat/completions"


def _has_image(messages: Sequence[Mapping[str, Any]]) -> bool:
    contents = (message["content"] for message in messages)
    return any(isinstance(content, list) and any(part["type"] != "text" for part in content) for content in contents)


def _what(experiment: Experiment) -> str:
    return experiment.ep_name or f"protocol {experiment.protocol}"


def probable_predictor(run: Run, experiment: Experiment) -> Predictor:
    """The codec of the experiment at its address, or at the one that its endpoint will probably have."""
    is_address = platform_facts(experiment.platform).ep_name_is_address
    url = experiment.ep_name if is_address else None
    model = experiment.model_id if is_address else experiment.model_id or experiment.ep_name
    if not (url or "").startswith(("http://", "https://")):
        url = _SOMEWHERE + (protocol_facts(experiment.protocol).completes_to or "")
    return predictor_for(experiment, (url or "").split(",")[0].strip(), model, run.loaded.folder)
