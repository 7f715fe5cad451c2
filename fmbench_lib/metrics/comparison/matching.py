"""Which level of one run is compared with which of another: those that are the same thing under the same load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fmbench_lib.config.repeat_names import split_repeat
from fmbench_lib.errors import InputError
from fmbench_lib.metrics.comparison.compared_level import ComparedLevel


@dataclass(frozen=True, slots=True)
class Matched:
    """Pairs of levels, base first, and the names of those that have no partner. `partners`: for each experiment of the
    base, the one that it is compared with."""

    pairs: tuple[tuple[ComparedLevel, ComparedLevel], ...] = ()
    only_base: tuple[str, ...] = field(default=())
    only_new: tuple[str, ...] = field(default=())
    partners: Mapping[str, str] = field(default_factory=dict)


def level_name(row: Mapping[str, Any]) -> str:
    """`experiment · payload file · load`."""
    return " · ".join(str(row[name]) for name in ("experiment_name", "payload_file", "load"))


def matched(
    base: Sequence[ComparedLevel], new: Sequence[ComparedLevel], names: Sequence[tuple[str, str]] = ()
) -> Matched:
    """The levels of two runs that belong together.

    Those of the same experiment name, payload file and load; where each run has a single experiment, or has the same
    model in one experiment each, its name may differ. `names` are pairs of experiments that are compared instead.
    Raises InputError for a name that no level has, and for an experiment of the base that is named twice.
    """
    partners = _partners(base, new, names)
    by_place = {(_text(level, "experiment_name"), *_place(level)): level for level in new}
    pairs, only_base, taken = [], [], set()
    for level in base:
        experiment = partners.get(_text(level, "experiment_name"))
        partner = None if experiment is None else by_place.get((experiment, *_place(level)))
        if partner is None:
            only_base.append(level_name(level.row))
        else:
            pairs.append((level, partner))
            taken.add(id(partner))
    only_new = tuple(level_name(one.row) for one in new if id(one) not in taken)
    return Matched(tuple(pairs), tuple(only_base), only_new, partners)


def _place(level: ComparedLevel) -> tuple[str, str]:
    return _text(level, "payload_file"), split_repeat(_text(level, "load"))[0]


def _partners(
    base: Sequence[ComparedLevel], new: Sequence[ComparedLevel], names: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """For each experiment of the base, the one it is compared with."""
    sides = [list(dict.fromkeys(_text(level, "experiment_name") for level in side)) for side in (base, new)]
    bases = [base for base, _ in names]
    if twice := next((base for base in bases if bases.count(base) > 1), None):
        raise InputError(f"--match: {twice} is paired {bases.count(twice)} times; compare its partners one by one")
    for pair in names:
        for name, side, which in zip(pair, sides, ("base", "new"), strict=True):
            if name not in side:
                raise InputError(
                    f"--match {'='.join(pair)}: the {which} run has no experiment {name}, only {' and '.join(side)}"
                )
    if names:
        return dict(names)
    same = {name: name for name in sides[0] if name in sides[1]}
    if same:
        return same
    if len(sides[0]) == len(sides[1]) == 1:
        return {sides[0][0]: sides[1][0]}
    return _by_model(base, new)


def _by_model(base: Sequence[ComparedLevel], new: Sequence[ComparedLevel]) -> dict[str, str]:
    """Experiments that are the only ones of their model and instance type in both runs."""
    kinds = [_kinds(base), _kinds(new)]
    return {
        kinds[0][kind][0]: kinds[1][kind][0]
        for kind in kinds[0]
        if kind[0] and len(kinds[0][kind]) == len(kinds[1].get(kind, ())) == 1
    }


def _kinds(levels: Sequence[ComparedLevel]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for level in levels:
        names = found.setdefault((level.setup.get("model") or "", _text(level, "instance_type")), [])
        if (name := _text(level, "experiment_name")) not in names:
            names.append(name)
    return found


def _text(level: ComparedLevel, name: str) -> str:
    return str(level.row.get(name) or "")
