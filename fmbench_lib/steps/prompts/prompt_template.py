"""The template that a run's prompts are made with: the config's own, else the text column that the rows have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fmbench_lib.config.schema.sections import SHIPPED_TEMPLATE
from fmbench_lib.data.conversations import COLUMNS, is_conversation
from fmbench_lib.data.sources.base import Source
from fmbench_lib.data.sources.synthetic_prompts import TEMPLATE
from fmbench_lib.data.templates import fields_of, read_template
from fmbench_lib.data.text_column import text_column
from fmbench_lib.errors import InputError
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import file_of

_CONVERSATIONS = "conversations (of ShareGPT's the first turn, else all up to the last that is not the assistant's)"
_INSTRUCTION, _SUBJECTS = "instruction", ("input", "context")
"""The columns of data sets of instructions, such as Alpaca and Dolly; what an instruction is about may be empty."""
_CHANGED = "datasets.prompt_template changes it"


@dataclass(frozen=True, slots=True)
class ChosenTemplate:
    """A template's text, and what to tell the user about the choice; empty where they made it.

    `keys` are the columns in it where its text alone does not tell, as a column's name may have spaces.
    """

    text: str
    notice: str = ""
    keys: tuple[str, ...] | None = None


def template_path(run: Run) -> Path | None:
    """The file of the prompt template that the config names; None where it names none.

    Raises InputError where it is not found.
    """
    reading = run.config.s3_read_data
    name = reading.prompt_template_file
    if name is None and run.config.datasets.prompt_template_keys and run.config.datasets.prompt_template is None:
        name = SHIPPED_TEMPLATE
    return None if name is None else file_of(run, name, "prompt template", reading.prompt_template_dir)


def choose_template(run: Run, sources: Sequence[Source]) -> ChosenTemplate:
    """The text of `datasets.prompt_template`, of the file that the config names, or one made for the rows' columns.

    Rows with all columns of the template that ships get that one, others their text column alone. Raises InputError
    where the file is not found, or no column can be told to be the text.
    """
    if run.config.datasets.synthetic:
        return ChosenTemplate(TEMPLATE)
    inline = run.config.datasets.prompt_template
    if inline is not None:
        return ChosenTemplate(inline)
    path = template_path(run)
    if path is not None:
        return ChosenTemplate(read_template(path))
    location, row = next((first for source in sources for first in source.read()), (_names(sources), {}))
    folder = run.config.s3_read_data.prompt_template_dir
    shipped = read_template(file_of(run, SHIPPED_TEMPLATE, "prompt template", folder))
    if set(fields_of(shipped)) <= row.keys():
        return ChosenTemplate(shipped)
    column = text_column(row, location)
    subject = next((name for name in _SUBJECTS if name in row), "")
    if subject and _INSTRUCTION in row and column in (_INSTRUCTION, subject):
        notice = f"prompts are the texts in column {_INSTRUCTION}, each with that in column {subject} behind it"
        return ChosenTemplate(f"{{{_INSTRUCTION}}}\n{{{subject}}}", f"{notice}; {_CHANGED}", (_INSTRUCTION, subject))
    if isinstance(row[column], Mapping):
        names = ", ".join(map(str, row[column]))
        raise InputError(
            f"{location}, column {column}: holds an object with {names} in place of a text; make its text a column, or "
            f'write datasets.prompt_template: "{{{column}}}" to send it as JSON'
        )
    what = _CONVERSATIONS if column in COLUMNS or is_conversation(row[column]) else "texts"
    notice = f"prompts are the {what} in column {column}; {_CHANGED}"
    return ChosenTemplate(f"{{{column}}}", notice, (column,))


def _names(sources: Sequence[Source]) -> str:
    return ", ".join(source.origin for source in sources)
