"""Files that ship with fmbench, and where a file that a config names is looked for."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import fmbench_lib
from fmbench_lib.config.near_files import nearest_file
from fmbench_lib.config.plain_text import fault_of_path
from fmbench_lib.config.problems import ConfigError, Problem, shown
from fmbench_lib.config.spelling import nearest
from fmbench_lib.host.paths import expanded

_FOLDERS = {"prompt template": "prompt_templates"}
"""The folder below `configs` that has the shipped files of a kind, where it is not `source_data`."""
_NEAR_EDITS = 2
_SUFFIXES = (".yml", ".yaml")


def shipped_root() -> Path:
    """The folder that holds configs, notebooks and pricing.yml: inside an installed package, or a checkout's root."""
    package = Path(fmbench_lib.__file__).resolve().parent
    installed = package / "shipped"
    return installed if installed.is_dir() else package.parent


def shipped_path(relative: str) -> Path | None:
    """A shipped file or folder, such as `configs/quickstart.yml`; None if it does not exist."""
    path = shipped_root() / relative
    return path if path.exists() else None


def shipped_configs() -> list[tuple[str, Path, str]]:
    """Name (`quickstart`, `openai/chat`), path and description of each shipped config, sorted by path.

    The description is the first line of the file, if it is a comment.
    """
    folder = shipped_path("configs")
    if folder is None:
        return []
    configs = []
    for path in sorted(path for suffix in _SUFFIXES for path in folder.rglob(f"*{suffix}")):
        text = path.read_text(encoding="utf-8")
        if re.search(r"^experiments\s*:", text, re.MULTILINE):
            configs.append((path.relative_to(folder).with_suffix("").as_posix(), path, _description(text)))
    return configs


def _description(text: str) -> str:
    first = next((line for line in text.splitlines() if line.strip()), "")
    return first.lstrip("# ").strip() if first.startswith("#") else ""


def find_config(source: str | Path) -> Path:
    """The config at a path, or the shipped one of that name, with or without its suffix.

    :raises ConfigError: neither exists.
    """
    path = expanded(source)
    fault = fault_of_path(str(source))
    if fault is not None:
        raise ConfigError([Problem("", f"{shown(str(source))} {fault}")])
    if path.is_file():
        return path.resolve()
    for candidate in (str(source), *(f"{source}{suffix}" for suffix in _SUFFIXES)):
        shipped = shipped_path(f"configs/{candidate}")
        if shipped is not None and shipped.is_file() and not path.is_absolute():
            return shipped
    if not path.is_dir() and os.path.lexists(path):
        what = "is a link to nothing" if path.is_symlink() and not path.exists() else "is a pipe or a device"
        raise ConfigError([Problem("", f"{shown(str(source))} {what}; name a file")])
    what = "is a folder; name a file in it" if path.is_dir() else "is neither a file nor a shipped config"
    near = None if path.is_dir() else _near_config(str(source), path)
    meant = f"did you mean {near}?" if near else "`fmbench configs` lists the shipped ones"
    raise ConfigError([Problem("", f"{shown(str(source))} {what}; {meant}")])


def shipped_config(name: str) -> Path:
    """The shipped config of a name, with or without its suffix. Raises ConfigError with the nearest one."""
    configs = {known: path for known, path, _ in shipped_configs()}
    found = configs.get(name) or configs.get(name.removesuffix(".yml").removesuffix(".yaml"))
    if found is None:
        near = _near_shipped(name)
        meant = f"did you mean {near}?" if near else "`fmbench configs` lists them"
        raise ConfigError([Problem("", f"{shown(name)} is not a shipped config; {meant}")])
    return found


def _near_config(source: str, path: Path) -> str | None:
    """The nearest file beside one that does not exist, else the nearest shipped config."""
    file = nearest_file(path) if path.parent.is_dir() and path.suffix else None
    return str(file) if file is not None and file.suffix in _SUFFIXES else _near_shipped(source)


def _near_shipped(name: str) -> str | None:
    names = [known for known, _, _ in shipped_configs()]
    bare = name.removesuffix(".yml").removesuffix(".yaml")
    whole = nearest(bare, names)
    if whole is not None:
        return whole
    last = [known for known in names if known.rpartition("/")[2] == bare]  # `chat` for `openai/chat`
    return last[0] if last else None


def _near_shipped_file(path: Path, kind: str) -> str:
    """The question whether a shipped file that begins like it, or is nearly called so, was meant; else empty."""
    if path.is_absolute():
        return ""
    folder = shipped_root() / "configs" / _FOLDERS.get(kind, "source_data") / path.parent
    names = sorted(file.name for file in folder.glob(f"*{path.suffix}"))
    longer = [name for name in names if name.lower().startswith(path.stem.lower())]
    near = longer[0] if longer else nearest(path.name, names, within=_NEAR_EDITS)
    return "" if near is None else f"did you mean {near}, which ships?"


def resolve_file(name: str, *, folders: Sequence[Path], kind: str) -> Path:
    """The file or folder that a config names: in one of the `folders`, the current one, or among shipped files.

    :param kind: what it is, as an error calls it: "price file", "prompt template".
    :raises ConfigError: it is in none of these.
    """
    if re.fullmatch(r"<[^<>]+>", name.strip()):
        raise ConfigError([Problem("", f"the {kind} is the placeholder {name}: write the name of yours in its place")])
    path = expanded(name)
    root = shipped_root()
    configs = root / "configs"
    searched = list(dict.fromkeys((*folders, Path.cwd())))
    for folder in (*searched, root, configs, configs / "prompt_templates", configs / "source_data"):
        if (folder / path).exists():
            return folder / path
    near = next(filter(None, (nearest_file(folder / path) for folder in searched)), None)
    meant = f"did you mean {near}?" if near else _near_shipped_file(path, kind)
    if path.is_absolute():
        raise ConfigError([Problem("", f"the {kind} {name} does not exist; {meant or 'correct the path'}")])
    where = f"{', '.join(str(folder.resolve()) for folder in searched)} and what ships with fmbench"
    raise ConfigError(
        [
            Problem(
                "", f"the {kind} {name} was not found in {where}; {meant or 'correct the name or put the file there'}"
            )
        ]
    )
