"""The chat template of a server that tells it: llama.cpp's, whose `/props` has the one of its model."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.data.chat_template import ChatTemplate
from fmbench_lib.errors import InputError
from fmbench_lib.predictors.registry import api_key
from fmbench_lib.runs.http_questions import answer_of_post, get_json

_PROPERTIES, _TOKENIZE = "/props", "/tokenize"


def served_template(experiment: Experiment) -> ChatTemplate | None:
    """The template of the server at the experiment's address; None where there is none yet, or it tells none."""
    url = (experiment.ep_name or "").split(",")[0].strip()
    is_address = platform_facts(experiment.platform).ep_name_is_address and url.startswith(("http://", "https://"))
    if not is_address or not protocol_facts(experiment.protocol).counts_tokens:
        return None
    try:
        return _of_server(url, api_key(experiment))
    except InputError:  # it does not answer now, which is said where it is probed
        return None


def _of_server(url: str, key: str | None) -> ChatTemplate | None:
    parts = urlsplit(url)
    told = get_json(parts, _PROPERTIES, key)
    source = told.get("chat_template") if isinstance(told, dict) else None
    if not isinstance(source, str) or not source:
        return None
    tokens = {name: told[name] for name in ("bos_token", "eos_token") if isinstance(told.get(name), str)}
    bare, whole = (_tokens(answer_of_post(parts, _TOKENIZE, _asked(special), key)) for special in (False, True))
    begins = tokens.get("bos_token", "") if len(whole) > len(bare) else ""
    return ChatTemplate(
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{_PROPERTIES}", source, tokens, begins, False
    )


def _asked(special: bool) -> dict[str, Any]:
    return {"content": "a", "add_special": special}


def _tokens(answer: Any) -> list[Any]:
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    return tokens if isinstance(tokens, list) else []
