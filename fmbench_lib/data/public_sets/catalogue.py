"""The public data sets that can be fetched, a row each. A new one is a row more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError


@dataclass(frozen=True, slots=True)
class SetFile:
    """A file as configs name it, and where it is in the repository.

    `sources` are patterns of paths: the files of the first that matches any are put together. `member` is the name of
    the file in an archive, without its folders. `subsets` and `split` are what the Hub calls its rows: `default`
    is the subset of a repository that has one only.
    """

    target: str
    sources: tuple[str, ...]
    member: str | None = None
    subsets: tuple[str, ...] = ("default",)
    split: str = "train"


@dataclass(frozen=True, slots=True)
class PublicSet:
    """A data set of the Hugging Face Hub. `licence` is the one that its authors state, where the card in the
    repository does not say it."""

    name: str
    repo: str
    licence: str
    what: str
    files: tuple[SetFile, ...]

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of its files."""
        return tuple(file.target for file in self.files)


_LONGBENCH = ("2wikimqa", "2wikimqa_e", "hotpotqa", "hotpotqa_e", "narrativeqa", "triviaqa", "triviaqa_e")

_SETS = (
    PublicSet(
        "longbench",
        "THUDM/LongBench",
        "MIT",
        "questions on long texts (columns input, context, answers)",
        tuple(SetFile(f"{name}.jsonl", ("data.zip",), f"{name}.jsonl", (name,), "test") for name in _LONGBENCH),
    ),
    PublicSet(
        "openorca",
        "Open-Orca/OpenOrca",
        "MIT",
        "instructions with answers of GPT-4 (system_prompt, question, response)",
        (SetFile("OpenOrca.jsonl", ("1M-GPT4-Augmented.parquet",)),),
    ),
    PublicSet(
        "dolly",
        "databricks/databricks-dolly-15k",
        "CC BY-SA 3.0",
        "instructions written by people (instruction, context, response)",
        (SetFile("databricks-dolly-15k.jsonl", ("databricks-dolly-15k.jsonl",)),),
    ),
    PublicSet(
        "squad",
        "rajpurkar/squad",
        "CC BY-SA 4.0",
        "questions on paragraphs of Wikipedia (context, question, answers)",
        (SetFile("rajpurkar/squad.jsonl", ("plain_text/train-*.parquet",), subsets=("default", "plain_text")),),
    ),
    PublicSet(
        "convfinqa",
        "AdaptLLM/finance-tasks",
        "as its card says",
        "conversations on financial reports (input, label)",
        (SetFile("ConvFinQA.jsonl", ("Conv*FinQA/test.json",), subsets=("ConvFinQA",), split="test"),),
    ),
    PublicSet(
        "scienceqa",
        "derek-thomas/ScienceQA",
        "CC BY-SA 4.0",
        "questions of school science, many with a picture (image, question, choices, answer)",
        tuple(
            SetFile(f"ScienceQA/{split}.jsonl", (f"data/{split}-*.parquet",), split=split)
            for split in ("train", "validation", "test")
        ),
    ),
    PublicSet(
        "banking77",
        "mteb/banking77",
        "CC BY 4.0",
        "customers' questions to a bank (text, label)",
        (SetFile("banking77.jsonl", ("data/train-*.parquet", "train.jsonl", "*/train*.parquet", "train.csv")),),
    ),
    PublicSet(
        "marqo",
        "Marqo/marqo-GS-10M",
        "Apache 2.0",
        "queries with pictures of products: the first of the many files of two splits (query, title, image)",
        tuple(
            SetFile(target, (f"data/{split}-0.parquet", f"data/{split}-00000-of-*.parquet"), split=split)
            for target, split in (
                ("marqo-GS-10M.jsonl", "in_domain"),
                ("marqo-GS-10M/novel_document.jsonl", "novel_document"),
            )
        ),
    ),
)
SETS = {entry.name: entry for entry in _SETS}


def set_named(name: str) -> PublicSet:
    """The set of a name, of its repository or of one of its files.

    Raises InputError for any other, with the nearest or all of them.
    """
    known = {alias.casefold(): entry for entry in _SETS for alias in _aliases(entry)}
    entry = known.get(name.casefold())
    if entry is not None:
        return entry
    near = nearest(name, SETS) or nearest(name, known)
    hint = f"did you mean {known[near.casefold()].name}?" if near else f"there are {', '.join(SETS)}"
    raise InputError(f"no public data set {name}; {hint}")


def set_with(source: str) -> PublicSet | None:
    """The set that a source of a config comes from: the name of a file, or `hf:` with the repository; else None."""
    if source.startswith("hf:"):
        repo = "/".join(source.removeprefix("hf:").split("/")[:2]).casefold()
        return next((entry for entry in _SETS if repo == entry.repo.casefold()), None)
    name = PurePosixPath(source).name.casefold()
    return next((entry for entry in _SETS if name in map(str.casefold, _names(entry.targets))), None)


def file_with_rows_of(source: str) -> SetFile | None:
    """The file of a set that holds the rows of a source `hf:org/set[/subset[/split]]`; None for any other source.

    A source without a split has the first file of its subset; hyphens and underscores in a split are the same.
    """
    wanted = set_with(source) if source.startswith("hf:") else None
    if wanted is None:
        return None
    subset, split = [*source.split("/")[2:], "", ""][:2]
    split = split.replace("-", "_")
    return next(
        (file for file in wanted.files if (subset or "default") in file.subsets and split in ("", file.split)), None
    )


def _aliases(entry: PublicSet) -> Iterable[str]:
    files = [*entry.targets, *_names(entry.targets)]
    stems = [PurePosixPath(file).stem for file in files]
    return [entry.name, entry.repo, entry.repo.partition("/")[2], *files, *stems]


def _names(targets: Iterable[str]) -> list[str]:
    return [PurePosixPath(target).name for target in targets]
