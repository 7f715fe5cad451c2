"""Reads a config: text, placeholders, YAML, keys, values, and whether they fit together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from fmbench_lib.config.problems import ConfigError, Notice, Problem, shown
from fmbench_lib.config.reading.argument_names import unknown_arguments
from fmbench_lib.config.reading.checks import check
from fmbench_lib.config.reading.evaluation_file import FILE_KEY, checked_values
from fmbench_lib.config.reading.keys import Findings, Raw, clean
from fmbench_lib.config.reading.longest_prompts import with_longest_prompts
from fmbench_lib.config.reading.overrides import override, overrides_in, placeholders_in
from fmbench_lib.config.reading.resolution import resolve
from fmbench_lib.config.reading.substitution import fill_file, known_values, restore
from fmbench_lib.config.reading.value_problems import problems_of
from fmbench_lib.config.reading.yaml_document import Document, parse
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.secret_forms import values_of_secrets
from fmbench_lib.config.shipped.files import find_config
from fmbench_lib.errors import InputError, explained

_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid config and its origin."""

    config: Config
    path: Path
    folder: Path
    """The config file's own folder."""
    text: str
    """The file's text with placeholders filled in, and a comment for each `--set`."""
    notices: tuple[Notice, ...] = field(default=())
    open_placeholders: tuple[str, ...] = field(default=())
    """Standard placeholders without a value, which stay in the config as text."""
    read_folder: Path | None = None
    """The user's folder of everything that a run reads, laid out as a read bucket; None where they have none."""

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where files that the config names are looked for, in this order."""
        named = () if self.read_folder is None else (self.read_folder,)
        return tuple(dict.fromkeys((*named, self.folder, Path.cwd())))


class Checked(NamedTuple):
    """The result of checking one file; it is valid if there are no problems."""

    path: Path
    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...]


def load_config(
    source: str | Path, *, arguments: Mapping[str, str] | None = None, standard: Mapping[str, str] | None = None
) -> LoadedConfig:
    """Load the config at a path, or the shipped config of that name.

    :param arguments: values of placeholders, as given by `-A key=value`, and of keys, as `overrides_in` reads them.
        Placeholders that the config does not have are ignored.
    :param standard: values of those standard placeholders (region, role_arn, …) that are known.
    :raises ConfigError: the config has mistakes; all of them are listed.
    """
    path = find_config(source)
    try:
        text = _text_of(path)
    except UnicodeDecodeError as error:
        raise ConfigError([Problem("", f"not a text file in UTF-8 (byte {error.start}); save it as UTF-8")]) from None
    except OSError as error:
        raise ConfigError([Problem("", f"cannot be read: {error.strerror}")]) from None
    return parse_config(text, path=path, arguments=arguments, standard=standard)


def _text_of(path: Path) -> str:
    """A config's text. Raises ConfigError where it is longer than any config; OSError, UnicodeDecodeError."""
    with path.open("rb") as file:
        data = file.read(_MOST_BYTES + 1)
    if len(data) > _MOST_BYTES:
        most = _MOST_BYTES >> 20
        raise ConfigError([Problem("", f"has more than {most} MiB; put prompts into files that the config names")])
    return data.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")


def parse_config(
    text: str,
    *,
    path: Path,
    arguments: Mapping[str, str] | None = None,
    standard: Mapping[str, str] | None = None,
) -> LoadedConfig:
    """Load a config from its text, which was read from `path`.

    :raises ConfigError: the config has mistakes; all of them are listed.
    """
    known = known_values(placeholders_in(arguments or {}), standard or {})
    overrides = overrides_in(arguments or {})
    filled = fill_file(text, known)
    document = parse(filled)
    findings = Findings(notices=list(document.duplicates))
    read = _top_level(document.value, Findings(document.problems()))
    raw = override(read, overrides, known, document, findings)
    findings.problems += document.problems()
    config = _config(raw, findings)
    if config is None or findings.problems:
        raise ConfigError(_without_secrets_of(raw, _reported(findings.problems, document)))
    return LoadedConfig(
        config=config,
        path=path,
        folder=path.parent,
        text=restore(filled) + "".join(f"\n# --set {path}={value}" for path, value in sorted(overrides.items())),
        notices=tuple(dict.fromkeys(findings.notices)),
        open_placeholders=tuple(document.open_placeholders),
        read_folder=_read_folder(config, standard or {}),
    )


def _read_folder(config: Config, standard: Mapping[str, str]) -> Path | None:
    """`s3_read_data.local_file_system_path`, else the one that `--tmp-dir` stands for."""
    named = config.s3_read_data.local_file_system_path or standard.get("read_tmpdir")
    return None if not named or "{" in named else Path(named).expanduser()


def _top_level(value: Any, findings: Findings) -> Raw:
    if isinstance(value, dict):
        return value
    what = "the file is empty" if value is None else f"the file is {shown(value)}, not a config"
    raise ConfigError([*findings.problems, Problem("", f"{what}; write sections: general, datasets, experiments")])


def _config(raw: Raw, findings: Findings) -> Config | None:
    cleaned = clean(raw, Config, "", findings)
    resolved = resolve(cleaned, findings, has_load_section="load" in raw)
    try:
        config = Config.model_validate(resolved)
    except ValidationError as error:
        findings.problems.extend(problems_of(error, Config))
        return None
    return with_longest_prompts(check(config, findings))


def _reported(problems: list[Problem], document: Document) -> list[Problem]:
    """Each problem once, without those that only follow from a placeholder without a value."""
    without_value = {key for keys in document.missing.values() for key in keys}
    placeholders = document.problems()
    others = (problem for problem in problems if problem.key not in without_value)
    return list(dict.fromkeys([*placeholders, *others]))


def _without_secrets_of(raw: Raw, problems: Iterable[Problem]) -> list[Problem]:
    redactor = Redactor.of(values_of_secrets(raw))
    return [replace(problem, message=redactor.in_content(problem.message)) for problem in problems]


_CONFIG_SECTIONS = ("general", "datasets", "experiments")
"""A YAML file with none of them is not a config."""


def validate_paths(
    paths: Iterable[str | Path],
    arguments: Mapping[str, str] | None = None,
    standard: Mapping[str, str] | None = None,
) -> list[Checked]:
    """Check each config and evaluation file; in a folder, every `.yml` and `.yaml` file below it that is one.

    Placeholders without a value are notices here, not problems: `-A` gives them when the config is run. A `-A`
    that none of the configs has a placeholder for is a problem of the first. `standard` has the standard
    placeholders that are known (region, role_arn, …), as `load_config` takes them.
    """
    files = list(_files(paths))
    results = [_checked(path, arguments, standard, in_folder) for path, in_folder in files]
    found = [file for path, _ in files if (file := _found(path)) is not None]
    unknown = unknown_arguments(found, arguments or {}) if found else []
    if unknown:
        results[0] = results[0]._replace(problems=(*unknown, *results[0].problems))
    return results


def _found(path: str | Path) -> Path | None:
    try:
        return find_config(path)
    except ConfigError:  # reported for the file
        return None


def _files(paths: Iterable[str | Path]) -> Iterable[tuple[str | Path, bool]]:
    for path in paths:
        if _is_folder(path):
            files = (file for file in Path(path).rglob("*") if file.suffix in (".yml", ".yaml") and file.is_file())
            yield from ((file, True) for file in sorted(files))
        else:
            yield path, False


def _is_folder(path: str | Path) -> bool:
    try:
        return Path(path).is_dir()
    except OSError:  # such as a name that is too long, which reading the file reports
        return False


def _checked(
    path: str | Path, arguments: Mapping[str, str] | None, standard: Mapping[str, str] | None, in_folder: bool
) -> Checked:
    evaluation = _evaluation_file(Path(path))
    if evaluation is not None:
        found = Findings()
        checked_values(evaluation, found)
        return Checked(Path(path), tuple(found.problems), tuple(found.notices))
    try:
        loaded = load_config(path, arguments=arguments, standard=standard)
    except ConfigError as error:
        if in_folder and _is_another_file(Path(path)):
            return Checked(Path(path), (), (Notice("", "not checked: it has none of general, datasets, experiments"),))
        wrong = tuple(problem for problem in error.problems if problem.asks_for is None)
        missing = [f"-A {problem.asks_for}=VALUE" for problem in error.problems if problem.asks_for is not None]
        needs = Notice("", f"needs {' '.join(missing)} to run; what depends on them is not checked")
        return Checked(Path(path), wrong, (needs,) if missing else ())
    except InputError as error:
        return Checked(Path(path), (Problem("", str(error)),), ())
    except Exception as error:  # noqa: BLE001 - the other files are still to be checked
        return Checked(Path(path), (Problem("", f"cannot be checked: {explained(error)}"),), ())
    return Checked(Path(path), (), loaded.notices)


def _evaluation_file(path: Path) -> Raw | None:
    """The content of an evaluation file of FMBench 2.x, None of any other file."""
    try:
        text = _text_of(path) if path.is_file() else ""  # reading a pipe would wait for whoever writes to it
        value = yaml.safe_load(text) if FILE_KEY in text else None
    except (OSError, ValueError, RecursionError, yaml.YAMLError, ConfigError):
        return None
    is_one = (
        isinstance(value, dict) and isinstance(value.get(FILE_KEY), dict) and not set(_CONFIG_SECTIONS) & set(value)
    )
    return value if is_one else None


def _is_another_file(path: Path) -> bool:
    """Whether a YAML file is not a config: a price file, a manifest."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return False
    try:
        value = parse(fill_file(text, {})).value
    except ConfigError:  # such as several documents in one file, which are not a config
        return re.search(rf"^({'|'.join(_CONFIG_SECTIONS)})\s*:", text, re.MULTILINE) is None
    return isinstance(value, dict) and not set(_CONFIG_SECTIONS) & set(value)
