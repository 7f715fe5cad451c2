"""The configs that ship, and what each needs, as a table for a terminal and as JSON."""

from __future__ import annotations

import json
import re
import shutil
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from itertools import groupby

from fmbench_lib.config.shipped.files import shipped_configs
from fmbench_lib.config.shipped.requirements import Needs, needs_of

_HEADINGS = ("config", "served by", "give", "needs")
_USAGE = re.compile(r":?\s+-A\s.*$")  # how a description says what the third column says
_WIDEST = 140
_GAP = 2


def shipped_needs() -> list[Needs]:
    """What each shipped config needs: those outside folders first, then folder by folder."""
    needs = [needs_of(name, path, description) for name, path, description in shipped_configs()]
    return sorted(needs, key=lambda config: ("/" in config.name, config.name))


def terminal_width() -> int:
    """The width of the terminal in characters; 120 without one."""
    return shutil.get_terminal_size((120, 24)).columns


def as_json(configs: Iterable[Needs]) -> str:
    """The configs as a JSON list of objects, for programs."""
    return json.dumps([asdict(config) for config in configs], indent=2, ensure_ascii=False)


def as_table(configs: Sequence[Needs], width: int) -> str:
    """One block per folder; for each config a row of four cells and its description. `width` is in characters."""
    if not configs:
        return "no configs ship with this installation"
    rows = {config.name: _cells(config) for config in configs}
    widths = _widths(list(rows.values()), min(width, _WIDEST))
    lines = _lines(_HEADINGS, widths)
    for folder, group in groupby(configs, key=lambda config: config.name.rpartition("/")[0]):
        lines += ["", f"{folder}/"] if folder else [""]
        for config in group:
            lines += _lines(rows[config.name], widths)
            indent = " " * 4
            lines += textwrap.wrap(
                _USAGE.sub("", config.description),
                min(sum(widths) + _GAP * 3, width),
                initial_indent=indent,
                subsequent_indent=indent,
            )
    extras = "[x]: pip install 'fmbench-lib[x]' · run a config: fmbench --config-file CONFIG -A key=value …"
    return "\n".join([*lines, "", extras])


def _cells(config: Needs) -> tuple[str, ...]:
    protocols = [name for name in config.protocols if name not in config.platforms]
    served = ", ".join(config.platforms) + (f" · {', '.join(protocols)}" if protocols else "")
    tokens = ("HF_TOKEN if the model is gated",) if config.models_from_hub else ()
    needs = (*(f"[{extra}]" for extra in config.extras), *config.credentials, *config.machines, *tokens)
    return f"  {config.name}", served, _unbroken(config.give), _unbroken(needs, ", ")


def _unbroken(parts: Sequence[str], between: str = " ") -> str:
    """Parts joined so that lines break between them and never within one."""
    return between.join(part.replace(" ", "\u00a0") for part in parts) or "–"


def _widths(rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """The first two columns are as wide as their contents; the other two share the rest."""
    first = [max(len(row[column]) for row in [_HEADINGS, *rows]) for column in (0, 1)]
    left = max(width - sum(first) - _GAP * 3, 40)
    give = min(max(len(row[2]) for row in rows), left // 2)
    return [*first, give, left - give]


def _lines(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    wrapped = [
        textwrap.wrap(cell, size, break_long_words=False, break_on_hyphens=False, drop_whitespace=index > 0) or [""]
        for index, (cell, size) in enumerate(zip(cells, widths, strict=True))
    ]
    height = max(map(len, wrapped))
    columns = [[*lines, *[""] * (height - len(lines))] for lines in wrapped]
    joined = (
        (" " * _GAP).join(f"{part:{size}}" for part, size in zip(row, widths, strict=True))
        for row in zip(*columns, strict=True)
    )
    return [line.replace("\u00a0", " ").rstrip() for line in joined]
