"""Whether each `-A` has a placeholder of that name in a config."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from fmbench_lib.config.problems import ConfigError, Problem, alternatives
from fmbench_lib.config.reading.overrides import overrides_in, placeholders_in, similar_keys
from fmbench_lib.config.reading.substitution import STANDARD, TEMPLATE_WORDS, fill_file
from fmbench_lib.config.reading.yaml_document import parse
from fmbench_lib.config.spelling import edit_distance, nearest

_FEW = 8
_BARE = re.compile(r"\{([A-Za-z_]\w*)\}")


def placeholders_of(text: str) -> set[str]:
    """The placeholders in a config's text; those in comments are none."""
    try:
        return parse(fill_file(text, {})).placeholders
    except ConfigError:  # loading the config reports it
        return set(_BARE.findall(text))


def check_arguments(config: Path, arguments: Mapping[str, str]) -> None:
    """Raise ConfigError for each `-A` that fills no placeholder of a config, as `unknown_arguments` says."""
    problems = unknown_arguments([config], arguments)
    if problems:
        raise ConfigError(problems)


def unknown_arguments(configs: Sequence[Path], arguments: Mapping[str, str]) -> list[Problem]:
    """A problem for each `-A` that fills no placeholder of any of these configs, with the nearest ones.

    The standard placeholders (region, role, buckets) may always be given. A file that cannot be read has none.
    """
    given = [name for name in placeholders_in(arguments) if name not in STANDARD]
    if not given:
        return []
    texts = [*map(_text, configs), *overrides_in(arguments).values()]
    known = set().union(*map(placeholders_of, texts))
    return [Problem(f"-A {name}", _unknown(name, known, configs)) for name in given if name not in known]


def _text(config: Path) -> str:
    try:
        return config.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ""


def _unknown(name: str, known: set[str], configs: Sequence[Path]) -> str:
    """What to give instead of a name that is no placeholder."""
    own = sorted(known - TEMPLATE_WORDS, key=lambda other: (edit_distance(name.lower(), other.lower()), other))
    where = configs[0].name if len(configs) == 1 else f"any of the {len(configs)} configs"
    near = nearest(name, own)
    if near is not None:
        return f"there is no placeholder {{{name}}} in {where}; did you mean {near}?"
    keys = similar_keys(name)
    key = f"; a key of that name is given with --set {keys[0]}=…" if keys else ""
    if not own:
        return f"there is no placeholder {{{name}}} in {where}, nor any other{key or '; --set KEY=VALUE gives a key'}"
    listed = ", ".join(own[:_FEW]) if len(own) > _FEW else alternatives(own)
    return f"there is no placeholder {{{name}}} in {where}; it has {listed}{key}"
