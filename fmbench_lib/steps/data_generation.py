"""1_generate_data: the prompts, sorted into payload files by length."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import pandas as pd

from fmbench_lib.data.payload_index import PayloadFile, PayloadIndex, read_payload_index
from fmbench_lib.data.prompts import PayloadSet, generate_payloads
from fmbench_lib.errors import InputError
from fmbench_lib.host.atomic_files import read_rows, replacing, write_rows
from fmbench_lib.host.csv_files import write_rows as write_table
from fmbench_lib.load.levels.specs import deal_prompts, sharing_servers
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.prompts.conversations_as_text import ConversationTexts, conversation_texts, keep_texts
from fmbench_lib.steps.prompts.multiple_texts import check_texts
from fmbench_lib.steps.prompts.prompt_template import choose_template
from fmbench_lib.steps.prompts.synthetic_sources import synthetic_sources
from fmbench_lib.steps.run_inputs.cluster_pool import task_pool
from fmbench_lib.steps.run_inputs.inputs import sources
from fmbench_lib.steps.run_inputs.payloads import (
    content_hash,
    datasets_section,
    earlier_prompts,
    has_payloads,
    payload_index,
    payload_table,
    prompt_rows,
)
from fmbench_lib.steps.run_inputs.tokenizers_of_run import choose_tokenizer
from fmbench_lib.steps.step import step

_TABLE = ["prompt", "prompt_len", "prompt_id", "payload_file", "language", "question", "ground_truth"]


@step("1_generate_data")
def generate_data(run: Run) -> pd.DataFrame:
    """Make the payload files, or copy those of an earlier run where the config says so.

    Returns a table of payload files with their numbers of prompts and tokens. Raises DataError when the sources do not
    have the prompts that the config wants, and InputError when there are too few for its levels, or two payload files
    share some that may be sent only once.
    """
    prepare_prompts(run)
    return payload_table(run)


def prepare_prompts(run: Run) -> None:
    """Do what `generate_data` does, without being a step: with `1_generate_data: no` the prompts are taken over before
    anything needs them."""
    if not has_payloads(run):
        if run.config.run_steps.get("1_generate_data", True):
            _generate(run)
        else:
            _copy_earlier(run)
    counts = payload_index(run).counts
    _write_table(run, counts)
    deal_prompts(run.config, counts)
    if run.config.load.prompt_reuse == "never":
        _check_disjoint(run, set(counts))


def _write_table(run: Run, payload_files: Iterable[str]) -> None:
    """All prompts in one table, without their images; its first columns are those of FMBench 2.x."""
    with replacing(run.workspace.all_prompts) as part, part.open("w", encoding="utf-8", newline="") as file:
        for number, name in enumerate(payload_files):
            prompts = (
                {**row, "prompt_len": row["prompt_tokens"], "payload_file": name} for row in prompt_rows(run, name)
            )
            write_table(pd.DataFrame(prompts).reindex(columns=_TABLE), file, header=number == 0)


def _check_disjoint(run: Run, payload_files: set[str]) -> None:
    """Raise InputError where two payload files that are sent to one server have a prompt in common."""
    for group in sharing_servers(run.config.experiments):
        file_of: dict[str, str] = {}
        names = {name: None for experiment in group for name in experiment.payload_files if name in payload_files}
        for name in names:
            ids = [prompt["prompt_id"] for prompt in prompt_rows(run, name)]
            repeated = [file_of[prompt_id] for prompt_id in ids if prompt_id in file_of]
            if repeated:
                raise InputError(
                    f"{repeated[0]} and {name} have {len(repeated)} prompts in common, and load.prompt_reuse `never` "
                    f"sends none twice: write filters that do not overlap, or prompt_reuse: across_levels"
                )
            file_of |= dict.fromkeys(ids, name)


def prompt_lengths(run: Run) -> pd.DataFrame:
    """Quantiles of the prompt lengths in tokens, one row per payload file."""
    lengths = {
        row["payload_file"]: pd.Series([prompt["prompt_tokens"] for prompt in prompt_rows(run, row["payload_file"])])
        for row in payload_table(run).to_dict("records")
    }
    quantiles = {0.0: "min", 0.25: "25%", 0.5: "50%", 0.75: "75%", 0.95: "95%", 1.0: "max"}
    table = pd.DataFrame({name: series.quantile(list(quantiles)) for name, series in lengths.items()}).T
    return table.rename(columns=quantiles).rename_axis("payload_file")


def sample_prompts(run: Run) -> pd.DataFrame:
    """The first prompt of each payload file."""
    rows = [next(iter(prompt_rows(run, name))) for name in payload_table(run)["payload_file"]]
    return pd.DataFrame(rows)[["prompt_id", "prompt_tokens", "prompt", "ground_truth"]]


@dataclass(frozen=True, slots=True)
class MadePrompts:
    """The payload files, and the prompts of experiments that send conversations as text in a chat template."""

    payloads: PayloadSet
    texts: ConversationTexts

    @property
    def longest(self) -> dict[str, int]:
        """The tokens of the longest prompt of each payload file, as any experiment sends it."""
        sent = [*self.payloads.files.items(), *((name, rows) for (_, name), rows in self.texts.rows.items())]
        longest: dict[str, int] = {}
        for name, rows in sent:
            longest[name] = max([longest.get(name, 0), *(row["prompt_tokens"] for row in rows)])
        return longest


def make_payloads(run: Run) -> MadePrompts:
    """The prompts that the config's sources give, in memory only."""
    config = run.config
    chosen = choose_tokenizer(run, config.experiments[0])
    opened = synthetic_sources(run, chosen.tokenizer) if config.datasets.synthetic else sources(run)
    template = choose_template(run, opened)
    with task_pool(run) as pool:
        payloads = generate_payloads(
            opened,
            template=template.text,
            template_keys=template.keys or config.datasets.prompt_template_keys,
            filters=config.datasets.filters,
            tokenizer=chosen.tokenizer,
            seed=config.general.seed,
            question_column=config.datasets.question_col_key,
            ground_truth_column=config.datasets.ground_truth_col_key,
            image_column=config.datasets.image_col,
            documents_column=config.datasets.documents_col_key,
            relevance_column=config.datasets.relevance_col_key,
            wanted_files={name for experiment in config.experiments for name in experiment.payload_files},
            pool=pool,
        )
    check_texts(run, payloads.files)
    notices = (*filter(None, (template.notice, chosen.notice)), *payloads.notices)
    texts = conversation_texts(run, payloads.files)
    return MadePrompts(replace(payloads, notices=(*notices, *texts.notices)), texts)


def _generate(run: Run) -> None:
    made = make_payloads(run)
    payloads = made.payloads
    keep_texts(run, made.texts)
    for payload_file, rows in payloads.files.items():
        write_rows(run.workspace.payload(payload_file), iter(rows))
    files = (PayloadFile(**count, sha256=content_hash(run, count["payload_file"])) for count in payloads.counts)
    index = PayloadIndex(
        source="generated",
        tokenizer=payloads.tokenizer,
        tokenizer_is_estimate=payloads.is_estimate,
        payloads=tuple(files),
        sources=tuple(payloads.sources),
        notices=payloads.notices,
        datasets=datasets_section(run),
    )
    index.write(run.workspace.payload_index)


def _copy_earlier(run: Run) -> None:
    earlier = earlier_prompts(run)
    index = read_payload_index(earlier.payload_index)
    for name in index.counts:
        write_rows(run.workspace.payload(name), read_rows(earlier.payload(name)))
    texts = conversation_texts(run, {name: list(prompt_rows(run, name)) for name in index.counts})
    keep_texts(run, texts)
    notices = tuple(dict.fromkeys((*index.notices, *texts.notices)))
    replace(index, source=f"run {earlier.run_id}", notices=notices).write(run.workspace.payload_index)
    run.workspace.log_event("prompts taken over", run=earlier.run_id)
