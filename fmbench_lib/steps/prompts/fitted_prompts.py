"""Synthetic prompts as an experiment's server counts them, and answers that are as long as asked for.

`1_generate_data` makes prompts whose text has the tokens asked for: by then there is no server to ask. Before an
experiment's first level its server is asked what it counts, and its prompts are made again, shorter by what the chat
template adds. They are kept in the run as they are sent, so that a resumed run sends the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import protocol_facts
from fmbench_lib.config.schema.synthetic_section import Synthetic
from fmbench_lib.data.prompts import PromptRow, prompt_id
from fmbench_lib.data.server_counts import ServerCount, learn, texts_of, tokens_of_text
from fmbench_lib.data.tokenizers import Tokenizer
from fmbench_lib.errors import RunStateError
from fmbench_lib.host.atomic_files import read_json, write_rows
from fmbench_lib.load.measure import ExperimentLoad
from fmbench_lib.load.probe import is_refused, prompt_counts
from fmbench_lib.predictors.registry import predictor_for
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import ca_bundle
from fmbench_lib.steps.run_inputs.payloads import file_hash, prompt_rows
from fmbench_lib.steps.run_inputs.tokenizers_of_run import tokenizer_of


def prompts_to_send(run: Run, experiment: Experiment, payload_file: str, load: ExperimentLoad) -> Path:
    """The file of the prompts that an experiment sends: the payload file, or the one made from it for its server, or
    for its model's chat template.

    Raises EndpointError where the server does not answer, DataError where its template alone is too long, and
    RunStateError where the file is no longer what it was.
    """
    workspace, entry = run.workspace, _entry(run, payload_file)
    path, record = workspace.sent_prompts(experiment.name, payload_file), workspace.fit(experiment.name, payload_file)
    if entry is not None and load.script is None and not record.exists():
        _fit(run, experiment, payload_file, entry, load)
    if not record.exists():
        return workspace.payload(payload_file)
    fit = read_json(record)
    if fit["sha256"] is None:
        return workspace.payload(payload_file)
    if not path.exists() or file_hash(path) != fit["sha256"]:
        raise RunStateError(f"{path} has changed since run {workspace.run_id} made it: start a new run")
    return path


def with_exact_answers(run: Run, experiment: Experiment, url: str, model: str | None) -> Experiment:
    """The experiment with the parameters that keep its model from ending an answer early, where the config gives the
    lengths of answers and the server takes such parameters; a server is asked once."""
    if not any(entry.output_tokens is not None for entry in run.config.datasets.synthetic):
        return experiment
    record = run.workspace.answer_lengths(experiment.name)
    if not record.exists():
        run.workspace.note(record, _answers(run, experiment, url, model))
    return _with_parameters(experiment, read_json(record)["parameters"])


def fit_notices(run: Run) -> Iterator[str]:
    """Lines for the report on how long synthetic prompts and answers are to each server."""
    if not run.config.datasets.synthetic:
        return
    for experiment in run.config.experiments:
        records = [run.workspace.answer_lengths(experiment.name)]
        records += [run.workspace.fit(experiment.name, name) for name in experiment.payload_files]
        for record in records:
            if record.exists() and (notice := read_json(record)["notice"]):
                yield f"{experiment.name}: {notice}"


def _entry(run: Run, payload_file: str) -> tuple[int, Synthetic] | None:
    """The entry of `datasets.synthetic` that a payload file was made by, with its index."""
    entries = enumerate(run.config.datasets.synthetic)
    return next(((index, entry) for index, entry in entries if entry.payload_file == payload_file), None)


# -- prompts ---------------------------------------------------------------------------------------------------------


def _fit(
    run: Run, experiment: Experiment, payload_file: str, made_by: tuple[int, Synthetic], load: ExperimentLoad
) -> None:
    """Make the experiment's prompts, and note what its server counts."""
    rows = list(prompt_rows(run, payload_file))
    tokenizer = tokenizer_of(run, experiment)
    tokens = [row["prompt_tokens"] for row in rows]
    ask = partial(prompt_counts, load.predictor, ca_file=ca_bundle(run), timeout=load.load.timeout)
    lengths = tuple(dict.fromkeys((min(tokens), max(tokens))))
    counted = learn(ask, tokenizer, str(run.seed), lengths, _earlier(run, experiment))
    content = None
    if counted is not None:
        path = run.workspace.sent_prompts(experiment.name, payload_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, _fitted(rows, counted, tokenizer, f"{run.seed}/{made_by[0]}", made_by[1]))
        content = file_hash(path)
    notice = f"{payload_file}: {_notice(counted, tokenizer)}"
    record = {"notice": notice, "sha256": content, "server": None if counted is None else asdict(counted)}
    run.workspace.note(run.workspace.fit(experiment.name, payload_file), record)
    run.workspace.log_event("prompts fitted", experiment=experiment.name, line=notice)


def _earlier(run: Run, experiment: Experiment) -> ServerCount | None:
    """What was found of the experiment's server when other prompts of it were made."""
    for name in experiment.payload_files:
        record = run.workspace.fit(experiment.name, name)
        found = read_json(record)["server"] if record.exists() else None
        if found is not None:
            words, beginnings = found["words"], found["beginnings"]
            return ServerCount(found["added"], words and tuple(words), beginnings and tuple(beginnings))
    return None


def _fitted(
    rows: list[PromptRow], counted: ServerCount, tokenizer: Tokenizer, seed: str, entry: Synthetic
) -> Iterator[PromptRow]:
    """The rows with texts that the server counts as it should, in the same order."""
    texts = texts_of(counted, tokenizer, seed, entry.shared_prefix_tokens)
    for row in rows:
        text = texts.text(row["number"], tokens_of_text(row["prompt_tokens"], counted))
        yield {**row, "prompt": text, "prompt_id": prompt_id(text), "prompt_tokens": tokenizer.count(text)}


def _notice(counted: ServerCount | None, tokenizer: Tokenizer) -> str:
    if counted is None:
        by = "estimated from words" if tokenizer.is_estimate else f"those of its text by {tokenizer.name}"
        return f"the server reports no prompt tokens, so a prompt's are {by}; what a chat template adds is not known"
    if not counted.is_exact:
        wrong = ", ".join(f"{said} for {wanted}" for wanted, said in counted.checked if said != wanted)
        return f"prompts are not exactly as long as asked for: the server counts {wrong} tokens"
    by = "" if counted.words is None else "; the prompts are made of words that are one token each to it"
    if counted.words is not None and not tokenizer.is_estimate:
        by += f", since its counts are not those of {tokenizer.name}"
    return f"the server counts exactly the tokens asked for, {counted.added} of which it adds to each prompt{by}"


# -- answers ---------------------------------------------------------------------------------------------------------


class AnswerLengths(TypedDict):
    """The parameters that make a server write answers of the length asked for, and what the user is told of them."""

    parameters: dict[str, Any]
    notice: str


def _answers(run: Run, experiment: Experiment, url: str, model: str | None) -> AnswerLengths:
    """The parameters that the server takes, and what to tell the user where it takes none."""
    facts, spec = protocol_facts(experiment.protocol), experiment.inference_spec
    wanted = facts.full_length or facts.full_length_of.get(spec.backend or spec.container_type or "")
    early = "so answers may end before output_tokens, which are their limit"
    if wanted is None:
        notice = f"protocol {experiment.protocol} has no parameter that keeps a model from stopping, {early}"
        return {"parameters": {}, "notice": notice}
    predictor = predictor_for(_with_parameters(experiment, dict(wanted)), url, model, run.loaded.folder)
    if is_refused(predictor, ca_bundle(run), spec.timeout or run.config.load.timeout):
        return {"parameters": {}, "notice": f"the server refuses {', '.join(wanted)}, {early}"}
    return {"parameters": dict(wanted), "notice": ""}


def _with_parameters(experiment: Experiment, parameters: dict[str, Any]) -> Experiment:
    """The experiment with more parameters; its own come first."""
    spec = experiment.inference_spec
    changed = spec.model_copy(update={"parameters": {**parameters, **spec.parameters}})
    return experiment.model_copy(update={"inference_spec": changed})
