"""A person's first config: with comments, from a few answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlunsplit

import yaml

from fmbench_lib.config.platform_rules import completed_address
from fmbench_lib.config.platforms import ENDPOINT, OPENAI, PLATFORMS, platform_facts, protocol_facts
from fmbench_lib.config.problems import alternatives
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError, ModelChoiceError
from fmbench_lib.runs.server_at_url import Server, server_at
from fmbench_lib.runs.typed_address import typed_address
from fmbench_lib.runs.url_config import DEFAULT_CONCURRENCY, DEFAULT_REQUESTS, existing_data

_MOST_TOKENS = 4000
Ask = Callable[[str, str], str]
"""Puts a question with the answer to an empty line, and returns what was answered."""
Tell = Callable[[str], None]
"""Says what is wrong with an answer."""
_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Answers:
    """What is to be measured; None and empty where it was not said. `latency_budget` is of the p95, in seconds."""

    url: str | None = None
    platform: str | None = None
    model: str | None = None
    instance_type: str | None = None
    data: str | None = None
    concurrency: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    requests: int | None = None
    latency_budget: float | None = None


def questions(answers: Answers, ask: Ask, tell: Tell) -> Answers:
    """The answers, with those that are missing asked for; a question whose answer cannot be used is put again."""

    def answer(question: str, default: str, read: Callable[[str], _Read]) -> _Read:
        while True:
            text = ask(question, default)
            try:
                return read(text)
            except InputError as error:
                tell(str(error))

    platform = answer(f"Where does the model run ({', '.join(PLATFORMS)})", ENDPOINT, _platform)
    answers = replace(answers, platform=platform)
    if _is_server(platform):
        answers = replace(answers, url=answer("Address of the server", "http://localhost:8000/v1", _address))
        model = partial(_model_of_server, answers.url or "")
        given = answers.model or answer("Model (empty: the server's only one)", "", model)
    else:
        given = answers.model or answer("Model", "", _model)
    answers = replace(answers, model=given)
    if platform_facts(platform).deployed_by_default and answers.instance_type is None:
        answers = replace(answers, instance_type=ask("Instance type, for the price (may be empty)", "") or None)
    answers = replace(answers, data=answers.data or answer("File of prompts (empty: those that ship)", "", _data))
    if not answers.concurrency and not answers.rates:
        usual = ",".join(map(str, DEFAULT_CONCURRENCY))
        answers = replace(answers, concurrency=answer("Requests in flight, by level", usual, _numbers))
    if answers.latency_budget is None:
        budget = "Longest acceptable p95 latency in seconds (empty: none)"
        answers = replace(answers, latency_budget=answer(budget, "", _seconds))
    return answers


def first_config(answers: Answers) -> tuple[str, list[str]]:
    """The text of a config, and what its user should know. Raises InputError for an answer that cannot be used."""
    notices: list[str] = []
    platform = _platform(answers.platform or ENDPOINT)
    experiment: dict[str, str] = {"platform": platform}
    if _is_server(platform):
        experiment |= _server_keys(answers, notices)
    elif not answers.model:
        raise InputError(f"platform {platform}: name the model with --model")
    elif platform_facts(platform).ep_name_is_model:
        experiment["ep_name"] = answers.model
    else:
        experiment["model_id"] = answers.model
    if answers.instance_type:
        experiment["instance_type"] = answers.instance_type
    name = str(answers.model or experiment.get("model_id") or platform).rstrip("/").rsplit("/", 1)[-1]
    return "\n".join([*_head(name, answers), *_experiment(name, experiment, answers)]) + "\n", notices


def _is_server(platform: str) -> bool:
    """Whether the model runs already, at an address."""
    facts = platform_facts(platform)
    return facts.ep_name_is_address and not facts.deployed_by_default


def _server_keys(answers: Answers, notices: list[str]) -> dict[str, str]:
    """Address, protocol and model of a server that runs, or as they will be where it does not answer yet."""
    if not answers.url:
        raise InputError("platform endpoint: give the address with --url http://host:8000/v1")
    try:
        server = server_at(answers.url, answers.model)
    except ModelChoiceError:
        raise
    except InputError as error:
        typed_address(answers.url)  # what is no address stays an error
        notices += [str(error), "the config is written for a server of OpenAI's protocol at this address"]
        base = urlunsplit(typed_address(answers.url))
        server = Server(completed_address(base, protocol_facts(OPENAI)), OPENAI, answers.model)
    keys: dict[str, str] = {"protocol": server.protocol, "ep_name": server.address}
    return keys | ({"model_id": server.model} if server.model else {"tokenizer": "words"})


def _head(name: str, answers: Answers) -> list[str]:
    prompts = [f"  filters: [{{max_length_in_tokens: {_MOST_TOKENS}}}]  # the prompts that ship, up to this length"]
    if answers.data is not None:
        source = existing_data(answers.data)
        prompts = [f"  sources: [{_value(source)}]  # .jsonl, .json, .csv, .tsv, .parquet or .txt"]
    budget = [
        f"report:\n  latency_budget: {answers.latency_budget}  # of the p95, in seconds: what the winner must meet"
    ]
    return [
        "# What is measured, and how; docs/configuration.md describes every key.",
        "general:",
        f"  name: {_value(name)}",
        "",
        "data:",
        *prompts,
        "",
        "load:",
        f"  requests: {answers.requests or DEFAULT_REQUESTS}  # of each level, after the warm-up",
        "  prompt_reuse: allowed  # `never`, where the server caches prompts and there are enough of them",
        "",
        *(budget if answers.latency_budget else ["# report:", "#   latency_budget: 2.0  # of the p95, in seconds"]),
        "",
        "# inference_parameters: {max_tokens: 200, temperature: 0}  # sent with each request",
        "",
    ]


def _experiment(name: str, keys: dict[str, str], answers: Answers) -> list[str]:
    comments = {
        "platform": "where the model runs",
        "ep_name": "what is measured",
        "instance_type": "key in the price file",
        "tokenizer": "an estimate, 750 words = 1000 tokens: name a folder or a Hugging Face id instead",
    }
    lines = ["experiments:  # what is compared, one entry each", f"- name: {_value(name)}"]
    for key, value in keys.items():
        lines.append(f"  {key}: {_value(value)}" + (f"  # {comments[key]}" if key in comments else ""))
    if "instance_type" not in keys:
        lines.append("  # instance_type: g5.2xlarge  # key in the price file; without it there is no price")
    if answers.rates:
        lines.append(f"  request_rates: {_value(list(answers.rates))}  # requests/s, one level each")
    if answers.concurrency or not answers.rates:
        levels = list(answers.concurrency or DEFAULT_CONCURRENCY)
        lines.append(f"  concurrency_levels: {_value(levels)}  # requests in flight, one level each")
    return lines


def _value(value: Any) -> str:
    """A value as YAML on one line."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _platform(platform: str) -> str:
    if platform not in PLATFORMS:
        close = nearest(platform, PLATFORMS)
        raise InputError(
            f"there is no platform {platform}; " + (f"did you mean {close}?" if close else alternatives(PLATFORMS))
        )
    return platform


def _address(url: str) -> str:
    typed_address(url)
    return url


def _model_of_server(url: str, model: str) -> str | None:
    """The model, or None for the server's only one. Raises InputError where it has several, or not this one; one that
    does not answer yet may have any."""
    try:
        server_at(url, model or None)
    except ModelChoiceError:
        raise
    except InputError:
        pass
    return model or None


def _model(model: str) -> str:
    if not model:
        raise InputError("name a model: an id of the platform or of the Hugging Face Hub, or a file")
    return model


def _data(data: str) -> str | None:
    return existing_data(data) if data else None


def _numbers(text: str) -> tuple[int, ...]:
    words: Iterable[str] = (word.strip() for word in text.split(","))
    try:
        numbers = tuple(int(word) for word in words)
    except ValueError:
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise InputError(f"{text}: write whole numbers above 0 with commas between them: 1,4,16")
    return numbers


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text) if text else None
    except ValueError:
        seconds = -1.0
    if seconds is not None and not 0 < seconds < math.inf:
        raise InputError(f"{text}: write a number of seconds above 0, such as 2.5")
    return seconds
