"""1_generate_data: the prompts, sorted into payload files by length."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from fmbench_lib.config import Experiment
from fmbench_lib.data.prompts import PayloadSet, Source, generate_payloads, read_template
from fmbench_lib.data.tokenizers import Tokenizer, load_tokenizer
from fmbench_lib.errors import InputError, RunStateError, TokenizerError
from fmbench_lib.kept import earlier_kept
from fmbench_lib.load.levels import deal_prompts, sharing_servers
from fmbench_lib.run import Run
from fmbench_lib.steps.files import file_of, tokenizer_place
from fmbench_lib.steps.step import step
from fmbench_lib.workspace import Workspace, read_json, read_rows, runs_of, write_json, write_rows


@step("1_generate_data")
def generate_data(run: Run) -> pd.DataFrame:
    """Make the payload files, or take those of an earlier run where the config says so.

    Returns a table of payload files with their numbers of prompts and tokens. Raises a DataError when the sources do
    not give what the config asks for, and an InputError when there are too few prompts for its levels
    or the same ones in two files.
    """
    table_file = run.workspace.prompts / "payloads.json"
    if not table_file.exists():
        if run.config.run_steps.get("1_generate_data", True):
            _generate(run)
        else:
            _take_over(run)
    table = payload_table(run)
    deal_prompts(run.config, dict(zip(table["payload_file"], table["prompts"], strict=True)))
    if run.config.load.prompt_reuse == "never":
        _check_once(run, set(table["payload_file"]))
    return table


def _check_once(run: Run, payload_files: set[str]) -> None:
    """Raise InputError where two payload files that go to one server hold the same prompt."""
    for group in sharing_servers(run.config.experiments):
        held: dict[str, str] = {}
        names = {name: None for experiment in group for name in experiment.payload_files if name in payload_files}
        for name in names:
            ids = [prompt["prompt_id"] for prompt in _rows(run, name)]
            twice = [held[one] for one in ids if one in held]
            if twice:
                raise InputError(
                    f"{twice[0]} and {name} hold {len(twice)} prompts in common, and load.prompt_reuse `never` sends "
                    f"none twice: write filters that do not overlap, or prompt_reuse: across_levels"
                )
            held |= dict.fromkeys(ids, name)


def prompt_lengths(run: Run) -> pd.DataFrame:
    """Quantiles of the prompt lengths in tokens, one row per payload file."""
    lengths = {
        row["payload_file"]: pd.Series([prompt["prompt_tokens"] for prompt in _rows(run, row["payload_file"])])
        for row in payload_table(run).to_dict("records")
    }
    quantiles = {0.0: "min", 0.25: "25%", 0.5: "50%", 0.75: "75%", 0.95: "95%", 1.0: "max"}
    table = pd.DataFrame({name: series.quantile(list(quantiles)) for name, series in lengths.items()}).T
    return table.rename(columns=quantiles).rename_axis("payload_file")


def sample_prompts(run: Run) -> pd.DataFrame:
    """The first prompt of each payload file."""
    rows = [next(iter(_rows(run, name))) for name in payload_table(run)["payload_file"]]
    return pd.DataFrame(rows)[["prompt_id", "prompt_tokens", "prompt", "ground_truth"]]


def _rows(run: Run, payload_file: str) -> Iterator[dict[str, Any]]:
    return read_rows(run.workspace.payload(payload_file))


def make_payloads(run: Run) -> PayloadSet:
    """The payload files that the config's sources give, without keeping them."""
    config = run.config
    return generate_payloads(
        sources(run),
        template=read_template(template_path(run)),
        template_keys=config.datasets.prompt_template_keys,
        filters=config.datasets.filters,
        tokenizer=tokenizer_of(run, config.experiments[0]),
        seed=config.general.seed,
        question_column=config.datasets.question_col_key,
        ground_truth_column=config.datasets.ground_truth_col_key,
        image_column=config.datasets.image_col,
    )


def _generate(run: Run) -> None:
    payloads = make_payloads(run)
    for payload_file, rows in payloads.files.items():
        write_rows(run.workspace.payload(payload_file), iter(rows))
    facts = {
        "source": "generated",
        "tokenizer": payloads.tokenizer,
        "tokenizer_is_estimate": payloads.is_estimate,
        "payloads": [{**count, "sha256": _content_hash(run, count["payload_file"])} for count in payloads.counts],
        "sources": payloads.sources,
        "notices": payloads.notices,
    }
    write_json(run.workspace.prompts / "payloads.json", {**facts, **_dataset_facts(run)})


def _take_over(run: Run) -> None:
    earlier = earlier_prompts(run)
    facts = read_json(earlier.prompts / "payloads.json")
    for payload in facts["payloads"]:
        name = payload["payload_file"]
        write_rows(run.workspace.payload(name), read_rows(earlier.payload(name)))
    write_json(run.workspace.prompts / "payloads.json", {**facts, "source": f"run {earlier.run_id}"})
    run.workspace.log_event("prompts taken over", run=earlier.run_id)


def earlier_prompts(run: Run) -> Workspace:
    """The newest other run of this name whose prompts were made from the same `datasets` section: on this machine, else
    in the bucket that the run is kept in."""
    wanted = _dataset_facts(run)["datasets"]

    def fits(earlier: Workspace) -> bool:
        facts = earlier.prompts / "payloads.json"
        return facts.exists() and bool(read_json(facts)["datasets"] == wanted)

    for workspace in runs_of(run.workspace.path.parent.parent, run.config.general.name):
        if workspace.path != run.workspace.path and fits(workspace):
            return workspace
    kept = earlier_kept(run.workspace, fits)
    if kept is not None:
        return kept
    raise RunStateError(
        f"run_steps switches 1_generate_data off, but no earlier run of {run.config.general.name} has prompts of the "
        f"same datasets section: switch it on"
    )


def _dataset_facts(run: Run) -> dict[str, Any]:
    return {"datasets": run.config.datasets.model_dump(mode="json")}


def template_path(run: Run) -> Path:
    reading = run.config.s3_read_data
    name = reading.prompt_template_file or "prompt_template_qa.txt"
    return file_of(run, name, "prompt template", reading.prompt_template_dir)


def sources(run: Run) -> list[Source]:
    reading = run.config.s3_read_data
    return [
        Source.hub(name, run.config.datasets.ds_N)
        if name.startswith("hf:")
        else Source.file(file_of(run, name, "source file", reading.source_data_prefix))
        for name in reading.source_data_files
    ]


def has_payloads(run: Run) -> bool:
    return (run.workspace.prompts / "payloads.json").exists()


def payload_table(run: Run) -> pd.DataFrame:
    """The payload files of the run with their counts. Raises RunStateError before there are any."""
    if not has_payloads(run):
        raise RunStateError(f"{run.workspace.path} has no prompts yet: run the notebook 1_generate_data first")
    return pd.DataFrame(read_json(run.workspace.prompts / "payloads.json")["payloads"]).drop(columns="sha256")


def check_prompts(run: Run) -> None:
    """Raise RunStateError when a payload file is not what it was made: levels of one run share their prompts."""
    for payload in read_json(run.workspace.prompts / "payloads.json")["payloads"]:
        name = payload["payload_file"]
        if not run.workspace.payload(name).exists() or _content_hash(run, name) != payload["sha256"]:
            raise RunStateError(
                f"{run.workspace.payload(name)} has changed since run {run.workspace.run_id} made it: start a new run"
            )


def _content_hash(run: Run, payload_file: str) -> str:
    with run.workspace.payload(payload_file).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tokenizer_of(run: Run, experiment: Experiment) -> Tokenizer:
    """The experiment's tokenizer, as its config names it.

    Raises TokenizerError when it names none: a tokenizer is never chosen in silence.
    """
    spec = tokenizer_spec(run, experiment)
    if spec is None:
        raise TokenizerError(
            f"experiment {experiment.name} names no tokenizer: write `tokenizer:` with a folder, a Hugging Face id, "
            f"a .gguf file, or `words` for an estimate"
        )
    return load_tokenizer(spec, folders=[run.loaded.folder, Path.cwd()], place=tokenizer_place(run, spec))


def tokenizer_spec(run: Run, experiment: Experiment) -> str | None:
    """What an experiment's config says of its tokenizer: its own word, FMBench 2.x's, or what it serves locally."""
    named = experiment.tokenizer or experiment.hf_tokenizer_model_id or run.config.s3_read_data.tokenizer_prefix
    if named is None and experiment.platform == "local":
        return experiment.model_id
    return named
