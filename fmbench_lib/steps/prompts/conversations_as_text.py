"""Conversations for endpoints whose requests hold one text: in the chat template of the model, or plain.

An endpoint of completions gives the model the text as it is, so the text has to be what a chat endpoint would make of
the messages. Each experiment has a model of its own, and so prompts of its own beside the payload files. Endpoints
that put a template around the text themselves, or of which that is not known, get plain paragraphs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from fmbench_lib.config import Experiment
from fmbench_lib.data.chat_template import ChatTemplate
from fmbench_lib.data.chat_template_files import template_in_file
from fmbench_lib.data.conversations import Message
from fmbench_lib.data.prompts import PromptRow
from fmbench_lib.errors import InputError, TemplateError
from fmbench_lib.host.atomic_files import write_rows
from fmbench_lib.predictors.base import Predictor, needs_chat_template
from fmbench_lib.predictors.message_lists import takes
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.prompts.multiple_texts import endpoint_words, probable_predictor
from fmbench_lib.steps.prompts.served_template import served_template
from fmbench_lib.steps.run_inputs.inputs import file_of
from fmbench_lib.steps.run_inputs.payloads import file_hash
from fmbench_lib.steps.run_inputs.tokenizers_of_run import choose_tokenizer, model_template

MODEL, PLAIN = "model", "plain"
"""The values of `chat_template` that are not files."""
_REMEDY = "protocol openai with an address that ends in /v1/chat/completions"


@dataclass(slots=True)
class ConversationTexts:
    """The prompts of experiments that send a conversation as one text in a chat template, by experiment and payload
    file, and lines for the report."""

    rows: dict[tuple[str, str], list[PromptRow]] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)


def conversation_texts(run: Run, payloads: Mapping[str, Sequence[PromptRow]]) -> ConversationTexts:
    """What the experiments make of conversations whose messages they cannot send.

    Raises InputError where such a conversation has an image, which would be lost, and TemplateError where a chat
    template cannot be read or refuses a conversation.
    """
    texts = ConversationTexts()
    for experiment in run.config.experiments:
        own = {name: payloads[name] for name in experiment.payload_files if name in payloads}
        unchanged = _add(run, experiment, own, texts) == 0
        if unchanged and experiment.inference_spec.chat_template is not None:
            texts.notices.append(
                f"{experiment.name}: inference_spec.chat_template has no effect, as none of its prompts is a "
                f"conversation that is sent as one text"
            )
    return texts


def keep_texts(run: Run, texts: ConversationTexts) -> None:
    """Write the prompts into the run, as files that `sent_prompts` gives, each with its hash."""
    for (experiment, payload_file), rows in texts.rows.items():
        path = run.workspace.sent_prompts(experiment, payload_file)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_rows(path, iter(rows))
        record = {"notice": "", "sha256": file_hash(path), "server": None}
        run.workspace.note(run.workspace.fit(experiment, payload_file), record)


def _is_flat(predictor: Predictor, row: PromptRow) -> bool:
    """Whether a row is a conversation that is not sent as messages."""
    if "messages" in row:
        return not takes(predictor, row["messages"])
    return bool(row.get("single_message")) and needs_chat_template(predictor)


def _add(
    run: Run, experiment: Experiment, payloads: Mapping[str, Sequence[PromptRow]], texts: ConversationTexts
) -> int:
    """Add the texts of an experiment; returns how many of its conversations are not sent as messages."""
    talks = [row for rows in payloads.values() for row in rows if "messages" in row or row.get("single_message")]
    if not talks:
        return 0
    predictor = probable_predictor(run, experiment)
    flat = [row for row in talks if _is_flat(predictor, row)]
    if not flat:
        return 0
    if any(_has_image(row["messages"]) for row in flat if "messages" in row):
        raise InputError(
            f"experiment {experiment.name}: {endpoint_words(experiment)} takes no messages with images, which the "
            f"conversations have; use {_REMEDY}"
        )
    wanted = experiment.inference_spec.chat_template or (MODEL if needs_chat_template(predictor) else PLAIN)
    template = None if wanted == PLAIN else _template(run, experiment, wanted)
    how = _how(experiment, template, wanted)
    texts.notices.append(f"{experiment.name}: {len(flat)} conversations are sent as one text, {how}")
    if template is not None:
        _render(run, experiment, payloads, template, predictor, texts)
    return len(flat)


def _render(
    run: Run,
    experiment: Experiment,
    payloads: Mapping[str, Sequence[PromptRow]],
    template: ChatTemplate,
    predictor: Predictor,
    texts: ConversationTexts,
) -> None:
    """Add the prompts of an experiment with its conversations in the template, counted as they are sent."""
    now = datetime.now()
    rendered = partial(_rendered, experiment, template, lambda: now)
    for name, rows in payloads.items():
        made = [rendered(row) if _is_flat(predictor, row) else row for row in rows]
        counts = choose_tokenizer(run, experiment).tokenizer.count_many([row["prompt"] for row in made])
        for row, again, count in zip(rows, made, counts, strict=True):
            if again is not row:
                again["prompt_tokens"] = count
        texts.rows[experiment.name, name] = made


def _how(experiment: Experiment, template: ChatTemplate | None, wanted: str) -> str:
    if template is not None:
        return f"in the chat template of {template.origin}"
    plain = "a paragraph for each message with its role before it"
    if experiment.inference_spec.chat_template == PLAIN:
        return f"{plain}, as inference_spec.chat_template says"
    if wanted == MODEL:
        return (
            f"{plain}, as no chat template of the model was found beside its tokenizer or told by its server; write "
            f"inference_spec.chat_template with a Jinja file, or use {_REMEDY}"
        )
    return f"{plain}, as {endpoint_words(experiment)} takes no such messages; {_REMEDY} does"


def _template(run: Run, experiment: Experiment, wanted: str) -> ChatTemplate | None:
    """The template that is wanted; None where the model has none."""
    template = model_template(run, experiment) or served_template(experiment)
    if wanted != MODEL:
        folder = run.config.s3_read_data.prompt_template_dir
        template = template_in_file(file_of(run, wanted, "chat template", folder), template)
    bare = experiment.inference_spec.parameters.get("add_special_tokens") is False
    return replace(template, server_begins_with="") if template is not None and bare else template


def _rendered(experiment: Experiment, template: ChatTemplate, now: Callable[[], datetime], row: PromptRow) -> PromptRow:
    """The row with its conversation as one text in the template; its id stays."""
    try:
        text = template.render(row.get("messages") or [{"role": "user", "content": row["prompt"]}], now)
    except TemplateError as error:
        raise TemplateError(
            f"experiment {experiment.name}: {error} ({row['source']}, prompt {row['prompt_id']}); correct the "
            f"conversation, or write inference_spec.chat_template with a Jinja file, or `{PLAIN}`"
        ) from None
    made = PromptRow(**{**row, "prompt": text})
    made.pop("messages", None)
    return made


def _has_image(messages: Sequence[Message]) -> bool:
    contents = (message["content"] for message in messages)
    return any(isinstance(content, list) and any(part["type"] != "text" for part in content) for content in contents)
