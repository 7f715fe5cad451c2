"""The sections of a config except its experiments and load: names, sources, prompts, budgets."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import PlainValidator

from fmbench_lib.config.schema.budget_limits import KEYS, BudgetLimits, CriterionBudgets
from fmbench_lib.config.schema.monitors_section import Choice
from fmbench_lib.config.schema.section import Section, described
from fmbench_lib.config.schema.synthetic_section import Synthetic
from fmbench_lib.config.schema.values import (
    Count,
    Dollars,
    FileName,
    FileNames,
    Flag,
    Fraction,
    Kind,
    Line,
    Location,
    Name,
    Ratio,
    Seconds,
    Seed,
    Text,
    Texts,
    Ticks,
    Tokens,
    one_of,
    section_list,
)

STORES = ("local", "s3", "both")

Store = Annotated[Literal["local", "s3", "both"], PlainValidator(one_of(*STORES)), Kind("`local`, `s3` or `both`")]

SHIPPED_SOURCE = "pydoc_qa.jsonl"
"""The question set used when a config names no source files."""

SHIPPED_TEMPLATE = "prompt_template_qa.txt"

ALL_PROMPTS = "prompts.jsonl"
"""The payload file where no filter is given."""
"""The prompt template for that question set."""

_RESULTS_DIR = "results go to --results-dir"


class General(Section):
    """The name of the run."""

    examples: ClassVar[dict[str, str]] = {"name": "my-benchmark"}

    name: Name = described("Names the run's folder under the results directory.")
    model_name: Line = described("Name of the model in titles of the report.", "", shown_default="`general.name`")
    seed: Seed = described(
        "Seed of everything random: the order of prompts, the arrival times, the choice of prompts.", 1
    )


class Aws(Section):
    """Region, role and bucket on AWS. A run that uses nothing on AWS needs none of it."""

    ignored: ClassVar[dict[str, str]] = {"local_file_system_path": _RESULTS_DIR}

    region: Line | None = described("Region of every AWS call; usually `{region}`.", None)
    sagemaker_execution_role: Line | None = described(
        "Role that SageMaker endpoints run under; usually `{role_arn}`.", None
    )
    bucket: Line | None = described(
        "S3 bucket that the run is kept in; usually `{write_bucket}`.",
        None,
        shown_default="`sagemaker-fmbench-write-<region>-<account>` where one is needed",
    )
    s3_and_or_local_file_system: Store | None = described(
        "Where a run is kept: in the bucket, in the results directory, or both. It is always written to the directory "
        "first.",
        None,
        shown_default="`local`; `both` with `--write-bucket`",
    )
    price_lookup: Flag = described(
        "Whether prices that no file lists are looked up in the AWS Price List, for the region of the experiment.",
        False,
    )


class S3ReadData(Section):
    """Where source files, prompt template, tokenizer and scripts are read from. They need not be in S3."""

    ignored: ClassVar[dict[str, str]] = {
        "config_files": "files such as the price file are found by the key that names them",
    }

    read_bucket: Line | None = described(
        "S3 bucket that files are read from; usually `{read_bucket}`.",
        None,
        shown_default="none; with `s3` `sagemaker-fmbench-read-<region>-<account>`",
    )
    local_file_system_path: Text | None = described(
        "Folder on this machine with the same folders as the read bucket; usually `{read_tmpdir}`. It is searched "
        "before the config's folder and the current one.",
        None,
        shown_default="`fmbench-read` in `--tmp-dir`, where that is given",
    )
    scripts_prefix: Location = described("Folder of the script files in the read bucket.", "scripts")
    script_files: FileNames = described(
        "Files of the read bucket that a run needs, such as a Hugging Face token file.", []
    )
    configs_prefix: Location = described("Folder of the config files in the read bucket.", "configs")
    source_data_prefix: Location = described("Folder of the source files.", "source_data")
    source_data_files: FileNames = described(
        "Source files, one JSON object per line, or Hugging Face data sets as `hf:org/name/subset/split`.",
        [SHIPPED_SOURCE],
        shown_default=f"`{SHIPPED_SOURCE}`, which ships with fmbench",
    )
    tokenizer_prefix: Location | None = described(
        "Folder of the tokenizer's files, on this machine or in the read bucket.", None
    )
    prompt_template_dir: Location = described("Folder of the prompt template.", "prompt_template")
    prompt_template_file: FileName | None = described(
        "Prompt template: text with `{column}` for each of `datasets.prompt_template_keys`.",
        None,
        shown_default=f"`{SHIPPED_TEMPLATE}`, which ships, for rows with `input` and `context`; else their text column",
    )
    s3_or_local_file_system: Store | None = described(
        "Where files are read from: `s3` the read bucket, then this machine; `local` only this machine; `both` the "
        "config's folder and the current one, the read bucket, then what ships with fmbench.",
        None,
        shown_default="`both`",
    )


class Filter(Section):
    """One payload file: the prompts of one language whose length is `min ≤ tokens < max`."""

    examples: ClassVar[dict[str, str]] = {"max_length_in_tokens": "500"}

    language: Line = described("Language code of the prompts to keep.", "en")
    min_length_in_tokens: Tokens = described("Shortest prompt, template included.", 1)
    max_length_in_tokens: Tokens = described("Prompts must be shorter than this.")
    payload_file: FileName = described(
        "Name of the payload file.", "", shown_default="`payload_<language>_<min>-<max>.jsonl`"
    )
    texts_per_request: Count = described(
        "How many texts one request has, for endpoints of embeddings: the batch size. What is left over is not sent.", 1
    )


class Datasets(Section):
    """How prompts are made from the source files and sorted into payload files by length."""

    examples: ClassVar[dict[str, str]] = {
        "filters": "[{language: en, min_length_in_tokens: 1, max_length_in_tokens: 500}]"
    }

    sources: FileNames = described(
        "Files of prompts: .jsonl, .json, .csv, .tsv, .parquet, .txt, a folder of text files, or "
        "`hf:org/name/subset/split`. In place of `s3_read_data.source_data_files`.",
        [],
        shown_default="`s3_read_data.source_data_files`",
    )
    synthetic: Annotated[list[Synthetic], section_list] = described(
        "Prompts of exact lengths, made in place of source files: one entry, or a list of them, see below.",
        [],
        shown_default="none: prompts are read",
    )
    prompt_template: Text | None = described(
        "The prompt template itself, such as `Answer: {ticket}`, in place of a file.", None
    )
    filters: Annotated[list[Filter], section_list] = described(
        "One entry per payload file, see below.",
        [],
        shown_default=f"one file of all prompts, `{ALL_PROMPTS}`",
    )
    prompt_template_keys: Texts | None = described(
        "Columns of the source files that the prompt template uses.", None, shown_default="those the template names"
    )
    ground_truth_col_key: Text | None = described("Column with the correct answer, for model evaluations.", None)
    question_col_key: Text | None = described("Column with the question, for model evaluations.", None)
    documents_col_key: Text | None = described(
        "Column with a list of documents, which the endpoint ranks by their relevance to the prompt: for rerank "
        "endpoints, and for the retrieval quality of embeddings.",
        None,
    )
    relevance_col_key: Text | None = described(
        "Column with a list of the documents' relevance, 0 for none; nDCG@10 is computed from it.", None
    )
    image_col: Text | None = described(
        "Column with an image to send with each prompt: bytes, hexadecimal, base64, data URL, path or http(s) address, "
        "alone or in an object such as `{hex_data: …, format: png}`.",
        None,
    )
    ds_N: Count = described("Rows to take from each Hugging Face data set.", 100)  # noqa: N815 (its spelling)
    min_iters_per_combination: Count | None = described(
        "With neither `load.requests` nor `load.duration`: minimum requests of a level, times its concurrency.",
        None,
        shown_default="`5`",
    )
    max_iters_per_combination: Count | None = described(
        "The same for the maximum requests of a level.", None, shown_default="`105`"
    )


class Metrics(Section):
    """What the decision is based on."""

    ignored: ClassVar[dict[str, str]] = {"weights": "the decision is made by budgets and price"}

    dataset_of_interest: Line | None = described(
        "Payload file whose levels decide: its name, or a part of it.",
        None,
        shown_default="the payload file with most levels",
    )


class Slo(Section):
    """Limits for a single request. Goodput counts the requests that meet all that are set."""

    strict: ClassVar[bool] = True

    ttft: Seconds | None = described("Maximum time to the first token.", None)
    tpot: Seconds | None = described("Maximum time per output token after the first, on average.", None)
    latency: Seconds | None = described("Maximum time to the last token.", None)


class Chart(Section):
    """The chart of latency against prompt length."""

    title: Text | None = described("Title of the chart.", None)
    y_ticks: Ticks | None = described("Ticks of its latency axis.", None)


class ReportSection(Section):
    """The budgets that levels must meet, and the report's title. What has no budget is not judged."""

    ignored: ClassVar[dict[str, str]] = {
        "generate_html_report": "report.html is written beside report.md in every run",
        "per_inference_request_file": "file names are fixed",
        "all_metrics_file": "file names are fixed",
        "v_shift_w_single_instance": "labels are placed by the chart",
        "v_shift_w_gt_one_instance": "labels are placed by the chart",
    }
    older: ClassVar[dict[str, str]] = {"cosine_similarity_budget": "similarity_budget"}

    private: Flag = described(
        "Keep other users of the machine from the run's directory, with prompts and answers: mode 0700, files 0600.",
        False,
    )
    title: Text | None = described("Title of the report.", None, shown_default="made from `general.model_name`")
    budgets: BudgetLimits = described(
        "Limits of a level, by [measure](#what-can-have-a-budget): times, rates, shares, costs, quality of answers. "
        "The keys below that end in `_budget` are other spellings of some of them.",
        {},
        shown_default="none",
    )
    latency_budget: Seconds | None = described("Maximum p95 latency of a level.", None)
    latency_latitude: Ratio = described("How far the latency budget may be exceeded, as a fraction of it.", 0.0)
    cost_per_10k_txn_budget: Dollars | None = described("Maximum cost of 10,000 transactions.", None)
    slo_attainment_budget: Fraction | None = described(
        "Minimum share of a level's requests that must meet the objectives of `slo`.", None
    )
    accuracy_budget: Fraction | None = described(
        "Minimum share of answers that the judges find correct. It is judged where answers are evaluated.", None
    )
    accuracy_error_rate_budget: Fraction | None = described(
        "Maximum share of answers that are not found correct: 1 less `accuracy_budget`.", None
    )
    ndcg_budget: Fraction | None = described("Minimum mean nDCG@10 of rankings, where the data has relevance.", None)
    similarity_budget: Fraction | None = described("Minimum mean cosine similarity of answers.", None)
    criterion_budgets: CriterionBudgets = described(
        "Minimum mean scores, 1 to 5, by criterion of the form `rubric`.", {}
    )
    error_rate_budget: Fraction = described("Maximum share of requests that may fail.", 0.0)
    txn_count_for_showing_cost: Count = described("Number of transactions whose cost the charts show.", 10000)
    per_request_csv: Choice = described(
        "Whether `metrics/per_inference_request_results.csv` is written, up to ten times the size of the records; the "
        "same table as Parquet is always written beside it.",
        "auto",
        shown_default="`auto`: up to 1,048,575 requests, the rows of a spreadsheet",
    )
    latency_vs_token_len_chart: Chart | None = described("The chart of latency against prompt length.", None)

    @property
    def limits(self) -> dict[str, float]:
        """Every budget by measure, whichever way it is spelt."""
        spelt = {name: getattr(self, key) for name, key in KEYS.items()}
        return {name: limit for name, limit in (spelt | self.budgets).items() if limit is not None}

    @property
    def contradictions(self) -> dict[str, tuple[str, float, float]]:
        """Measures whose two spellings disagree: the other key, the limit in `budgets` and the limit of that key."""
        given = {name: key for name, key in KEYS.items() if name in self.budgets and key in self.model_fields_set}
        return {
            name: (key, self.budgets[name], getattr(self, key))
            for name, key in given.items()
            if getattr(self, key) != self.budgets[name]
        }
