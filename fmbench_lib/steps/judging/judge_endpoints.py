"""The endpoints of judges: those of the run's experiments, others that serve already, or a local one for the while."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_of
from fmbench_lib.config.schema.evaluation_section import EvaluationSection, JudgeSection
from fmbench_lib.deploy import Endpoint, platform, platform_of_existing
from fmbench_lib.deploy.endpoints_file import endpoints, record
from fmbench_lib.errors import InputError
from fmbench_lib.evaluation.asking.embedding import Embedding, endpoint_embedding, local_embedding
from fmbench_lib.evaluation.asking.embedding_spending import EMBEDDINGS, EmbeddingSpending, embedding_store
from fmbench_lib.evaluation.asking.judge import Judge
from fmbench_lib.evaluation.asking.spending import Ceiling
from fmbench_lib.evaluation.judging.constraints import constraint
from fmbench_lib.evaluation.judging.forms import Form
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.pricing.price_list import PriceList
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.endpoints.deployment_context import deployment_context
from fmbench_lib.steps.endpoints.endpoint_addresses import addresses_of
from fmbench_lib.steps.judging.evaluation_settings import judge_texts
from fmbench_lib.steps.prompts.answer_tokens import limit_of
from fmbench_lib.steps.run_inputs.inputs import ca_bundle

_PARAMETERS = {"temperature": 0, "max_tokens": 300}


def experiment_of_judge(run: Run, judge: JudgeSection) -> Experiment:
    """A judge in the form that platforms and codecs take. Raises InputError where it names nothing to ask."""
    parameters = judge.parameters or _PARAMETERS
    spec = {"parameters": parameters, "stream": False, "timeout": judge.timeout}
    name = f"judge {judge.name}"
    if judge.experiment is not None:
        known = {experiment.name: experiment for experiment in run.config.experiments}
        if judge.experiment not in known:
            raise InputError(
                f"evaluation.judges: {judge.experiment} is not an experiment; there are {', '.join(known)}"
            )
        meant = known[judge.experiment]
        inference = meant.inference_spec.model_copy(update=spec)
        return meant.model_copy(update={"inference_spec": inference})
    facts = platform_facts(judge.platform)
    if facts.requires is not None and not any(getattr(judge, key, None) for key in facts.requires.keys):
        raise InputError(
            f"evaluation.judges: {judge.name} lacks {' or '.join(facts.requires.keys)}; {facts.requires.remedy}"
        )
    values: dict[str, Any] = {
        key: value
        for key in ("ep_name", "model_id", "api_key_env", "instance_type")
        if (value := getattr(judge, key)) is not None
    }
    values |= {"name": name, "platform": judge.platform, "inference_spec": spec}
    values["protocol"] = judge.protocol or protocol_of(facts, None, None, judge.ep_name)
    values["region"] = judge.region or run.config.aws.region
    values["deploy"] = facts.deployed_by_default
    for key, value in facts.defaults(values).items():
        values.setdefault(key, value)
    return Experiment.model_validate({key: value for key, value in values.items() if value is not None})


@contextlib.contextmanager
def deleted_afterwards(run: Run) -> Iterator[list[Endpoint]]:
    """A list of endpoints, empty at first; those that are in it when the block ends are deleted."""
    started: list[Endpoint] = []
    try:
        yield started
    finally:
        for endpoint in started:
            record(run.workspace, platform(endpoint.platform).delete(endpoint))


def judges_of(
    run: Run, section: EvaluationSection, forms: list[Form], prices: PriceList, started: list[Endpoint]
) -> list[Judge]:
    """The judges, their endpoints in service; what is started for them is added to `started`."""
    shared: dict[str, Endpoint] = {}
    return [judge_of(run, section, each, forms, prices, shared, started) for each in section.judges]


def embedding_of(
    run: Run, section: EvaluationSection, prices: PriceList, started: list[Endpoint], ceiling: Ceiling
) -> tuple[Embedding | None, EmbeddingSpending | None]:
    """How texts are embedded, None without embeddings or where what they need is not installed, and what keeps count of
    an endpoint's requests, None without one."""
    asked = section.embeddings
    if asked is None:
        return None, None
    if is_local(asked):
        return local_embedding(str(asked.model_id)), None
    named, bare = named_embeddings(asked), section.model_copy(update={"rules": None})
    endpoint = replace(judge_of(run, bare, named, [], prices, {}, started), max_tokens=None)
    identity = json.dumps([asked.platform, asked.experiment, asked.ep_name, asked.region, endpoint.identity])
    store = embedding_store(run.workspace.evaluation, identity)
    spending = EmbeddingSpending(endpoint, store, ceiling, run.redactor)
    return endpoint_embedding(endpoint, identity, section.attempts, spending), spending


def is_local(embeddings: JudgeSection) -> bool:
    """Whether sentence-transformers loads the model of embeddings on this machine."""
    named = embeddings.ep_name is not None or embeddings.experiment is not None
    return not named and "platform" not in embeddings.model_fields_set


def named_embeddings(embeddings: JudgeSection) -> JudgeSection:
    """The endpoint of embeddings, under a name for tables and messages."""
    return embeddings.model_copy(update={"name": EMBEDDINGS})


def judge_of(
    run: Run,
    section: EvaluationSection,
    judge: JudgeSection,
    forms: list[Form],
    prices: PriceList,
    shared: dict[str, Endpoint],
    started: list[Endpoint],
) -> Judge:
    """A judge that can be asked. Judges of one model and address share an endpoint."""
    experiment = experiment_of_judge(run, judge)
    same = json.dumps(
        [experiment.name if judge.experiment else "", experiment.platform, experiment.model_id, experiment.ep_name]
    )
    if same not in shared:
        shared[same] = _endpoint(run, experiment, started)
    endpoint, parameters = shared[same], dict(experiment.inference_spec.parameters)
    urls, model = addresses_of(endpoint, experiment), endpoint.model or experiment.model_id

    def codec(more: Mapping[str, Any]) -> Any:
        spec = experiment.inference_spec.model_copy(update={"parameters": {**parameters, **more}})
        return predictor_for(experiment.model_copy(update={"inference_spec": spec}), urls[0], model, run.loaded.folder)

    constraints = {form.name: constraint(experiment.protocol, form.schema) for form in forms}
    return Judge(
        name=str(judge.name),
        urls=urls,
        plain=codec({}),
        constrained={name: codec(more) for name, more in constraints.items() if more},
        texts=judge_texts(run, section, judge),
        identity=json.dumps([model, experiment.protocol, parameters], sort_keys=True, default=str),
        concurrency=judge.concurrency,
        timeout=judge.timeout,
        max_tokens=limit_of(parameters),
        price=judge_price(prices, judge, experiment),
        ca_bundle=ca_bundle(run),
    )


def judge_price(prices: PriceList, judge: JudgeSection, experiment: Experiment) -> Any:
    """The price of a judge by its `instance_type`, else by its model; None where none is listed."""
    names = (judge.instance_type, experiment.instance_type, judge.model_id, judge.ep_name)
    return next((price for name in names if (price := prices.lookup(name)) is not None), None)


def _endpoint(run: Run, experiment: Experiment, started: list[Endpoint]) -> Endpoint:
    """The experiment's endpoint while that serves, else one that is taken as it is, or deployed on this machine."""
    known = endpoints(run.workspace).get(experiment.name)
    if known is not None and known.status == "in_service" and not platform(known.platform).why_dead(known):
        return known
    facts = platform_facts(experiment.platform)
    if not experiment.deploy:
        existing = experiment.model_copy(update={"deploy": False})
        return platform_of_existing(experiment.platform).deploy(existing, _unprobed(run, existing))
    if not facts.deployed_by_default:
        raise InputError(
            f"evaluation.judges: the endpoint of {experiment.name} no longer serves; name one that does, with platform "
            "and ep_name"
        )
    ours = experiment.model_copy(update={"name": f"judge {experiment.name.removeprefix('judge ')}"})
    endpoint = platform(ours.platform).deploy(ours, deployment_context(run, ours, threading.Event()))
    started.append(endpoint)
    record(run.workspace, endpoint)
    return endpoint


def _unprobed(run: Run, experiment: Experiment) -> Any:
    """A context whose probe asks nothing: the first answer of a judge says what is wrong."""
    return replace(deployment_context(run, experiment, threading.Event()), probe=lambda _url, _model: None)
