"""The tokenizer of an experiment: the one that its config names, or the nearest to it that can be had here.

`tokenizer:` is taken as it stands, and an error where it cannot be loaded. A config without it, such as one of FMBench
2.x, names its tokenizer less exactly, so what it names is tried in turn: the files in `tokenizer_prefix`, then
`hf_tokenizer_model_id`, then the model itself, then the server, which may count tokens at `/tokenize`. Where none can
be had, tokens are estimated, with a notice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.config import Experiment
from fmbench_lib.config.platforms import platform_facts, protocol_facts
from fmbench_lib.config.schema.api_key import key_header
from fmbench_lib.data.chat_template import ChatTemplate
from fmbench_lib.data.chat_template_files import chat_template_of, template_beside
from fmbench_lib.data.server_tokenizer import server_tokenizer
from fmbench_lib.data.tokenizers import WORDS, Tokenizer, load_tokenizer
from fmbench_lib.errors import TokenizerError
from fmbench_lib.predictors.registry import api_key
from fmbench_lib.runs.location import filled_in
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import fetched, hf_token_of, read_bucket
from fmbench_lib.storage.bucket import Address, is_address
from fmbench_lib.storage.run_inputs import input_file

_HUB_MODEL = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True, slots=True)
class ChosenTokenizer:
    """A tokenizer, and why it is an estimate that the config did not ask for; empty where it is not."""

    tokenizer: Tokenizer
    notice: str = ""


def tokenizer_of(run: Run, experiment: Experiment) -> Tokenizer:
    """The tokenizer that counts an experiment's answers, as `choose_tokenizer` finds it.

    It is never the server's: the server is measured then, or gone. What it says in its answers counts before this one.
    """
    return choose_tokenizer(run, experiment, ask_server=False).tokenizer


def choose_tokenizer(run: Run, experiment: Experiment, *, ask_server: bool = True) -> ChosenTokenizer:
    """The tokenizer of an experiment, with a notice where tokens are estimated, or counted by the server that is
    there (if `ask_server`), though nobody asked for it.

    Raises TokenizerError where the experiment's own `tokenizer` cannot be loaded, and InputError where the read bucket
    cannot be used.
    """
    if experiment.tokenizer is not None:
        return ChosenTokenizer(_load(run, experiment.tokenizer))
    tried = []
    for spec in dict.fromkeys(_named(run, experiment)):
        try:
            return ChosenTokenizer(_load(run, spec))
        except TokenizerError as error:
            tried.append(str(error))
    advice = (
        [] if tried else ["the config names none, write `tokenizer:` with a folder, a Hugging Face id or a .gguf file"]
    )
    try:
        served = _of_server(experiment) if ask_server else None
    except TokenizerError as error:
        tried.append(str(error))
    else:
        if served is not None:
            notice = f"tokens of {experiment.name} are counted by the server itself, {served.name}"
            return ChosenTokenizer(served, notice)
    why = "; ".join([*tried, *advice])
    return ChosenTokenizer(
        load_tokenizer(WORDS, folders=()),
        f"tokens are estimated, 1,000 for 750 words, as {experiment.name} has no tokenizer that can be loaded: {why}",
    )


def model_template(run: Run, experiment: Experiment) -> ChatTemplate | None:
    """The chat template beside the experiment's tokenizer, or of the first that has one among those that may be its
    tokenizer; None where none has, or none can be had here.

    Raises TemplateError where a file of it is there and cannot be read.
    """
    named = [experiment.tokenizer] if experiment.tokenizer is not None else dict.fromkeys(_named(run, experiment))
    return next(filter(None, (_template_of(run, spec) for spec in named)), None)


def _template_of(run: Run, spec: str) -> ChatTemplate | None:
    if not is_address(spec) and _fetched_prefix(run, spec) is None:
        return chat_template_of(spec, folders=run.loaded.folders, token=hf_token_of(run))
    bucket = read_bucket(run)
    file = _file_of(Address.parse(spec) if is_address(spec) or bucket is None else bucket.below(spec))
    folder = Address(file.bucket, file.key.rpartition("/")[0])
    region = filled_in(run.config.aws.region)
    return template_beside(spec, lambda name: input_file(run.workspace, folder.below(name), "chat template", region))


def _of_server(experiment: Experiment) -> Tokenizer | None:
    """The tokenizer of the experiment's own server; None where its address is not known yet, or it has none.

    Raises TokenizerError where the server counts no tokens.
    """
    url = (experiment.ep_name or "").split(",")[0].strip()
    is_address = platform_facts(experiment.platform).ep_name_is_address and url.startswith(("http://", "https://"))
    if not is_address or not protocol_facts(experiment.protocol).counts_tokens:
        return None
    key = api_key(experiment)
    headers = {name: str(value) for name, value in experiment.inference_spec.headers.items()}
    if key is not None:
        headers.setdefault(*key_header(key, url))
    return server_tokenizer(url, experiment.model_id, headers)


def _named(run: Run, experiment: Experiment) -> Iterator[str]:
    """What may be the tokenizer of an experiment without `tokenizer`, the most certain first."""
    prefix = run.config.s3_read_data.tokenizer_prefix
    if prefix is not None and (is_address(prefix) or _fetched_prefix(run, prefix) or _in_folders(run, prefix)):
        yield prefix
    if experiment.hf_tokenizer_model_id is not None:
        yield experiment.hf_tokenizer_model_id
    model = experiment.model_id
    if model is not None and (platform_facts(experiment.platform).model_has_tokenizer or _HUB_MODEL.fullmatch(model)):
        yield model


def _load(run: Run, spec: str) -> Tokenizer:
    file = fetched(run, _file_of(Address.parse(spec)), "tokenizer") if is_address(spec) else _fetched_prefix(run, spec)
    return load_tokenizer(spec, folders=run.loaded.folders, fetched=file, token=hf_token_of(run))


def _fetched_prefix(run: Run, spec: str) -> Path | None:
    """The file of `tokenizer_prefix` from the read bucket; None for another tokenizer, and where it is not in it.

    The user's own folder of that name comes first, unless the config says `s3`.
    """
    reading = run.config.s3_read_data
    bucket = read_bucket(run) if spec == reading.tokenizer_prefix and not Path(spec).is_absolute() else None
    if bucket is None or (_in_folders(run, spec) and reading.s3_or_local_file_system != "s3"):
        return None
    return input_file(run.workspace, _file_of(bucket.below(spec)), "tokenizer", filled_in(run.config.aws.region))


def _in_folders(run: Run, spec: str) -> bool:
    """Whether one of the user's folders has a tokenizer's file or folder of that name; an empty folder is none."""
    paths = [folder / Path(spec).expanduser() for folder in run.loaded.folders]
    return any(path.is_file() or (path.is_dir() and any(path.iterdir())) for path in paths)


def _file_of(address: Address) -> Address:
    return address if address.key.endswith((".json", ".gguf")) else address.below("tokenizer.json")
