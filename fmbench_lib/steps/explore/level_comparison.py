"""One measure of the same levels in several runs or experiments, side by side."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError

SIDES = ("run", "experiment_name", "payload_file", "instance_type")
"""What levels can be compared across."""
_KEYS = ("run", "experiment_name", "payload_file", "load")


def compared(levels: pd.DataFrame, measure: str, across: str) -> pd.DataFrame:
    """One row per level that the sides have in common or not, one column per side, in the order they come in.

    Behind each side's measure stand the ends of its 95% interval, where the table has them (empty where there is none),
    and behind every side but the first its ratio to the first. Invalid levels are left out. Raises InputError for a
    measure that is no number of a level, and for what levels cannot be compared across.
    """
    if across not in SIDES:
        raise InputError(f"across {across!r}: write one of {', '.join(SIDES)}")
    check_number(levels, measure)
    valid = levels[levels["verdict"] != "invalid"]
    sides = list(dict.fromkeys(valid[across]))
    keys = [key for key in _KEYS if key != across]
    result: pd.DataFrame | None = None
    for side in sides:
        column = _side(valid[valid[across] == side], keys, measure, str(side))
        result = column if result is None else result.join(column, how="outer", sort=False)
    if result is None:
        return pd.DataFrame(index=pd.MultiIndex.from_tuples([], names=keys))
    for side in sides[1:]:
        result[f"{side} / {sides[0]}"] = result[str(side)] / result[str(sides[0])]
    order = list(dict.fromkeys(valid.set_index(keys).index))
    return result.reindex(pd.MultiIndex.from_tuples(order, names=keys))


def _side(levels: pd.DataFrame, keys: list[str], measure: str, side: str) -> pd.DataFrame:
    """The measure of one side with its interval, by the keys; of levels of one key the last one."""
    columns = {measure: side, f"{measure}_low": f"{side} low", f"{measure}_high": f"{side} high"}
    there = {name: title for name, title in columns.items() if name in levels}
    return levels.drop_duplicates(keys, keep="last").set_index(keys)[list(there)].rename(columns=there)


def check_number(levels: pd.DataFrame, measure: str) -> None:
    """Raise InputError where a column is not there or holds no numbers."""
    if measure not in levels:
        near = nearest(measure, list(levels.columns))
        raise InputError(f"levels have no column {measure!r}" + (f": did you mean {near}?" if near else ""))
    if not pd.api.types.is_numeric_dtype(levels[measure].dtype):
        raise InputError(f"the column {measure!r} of levels holds no numbers")
