"""Completion in the shell: of commands, options, configs and runs. The package `argcomplete` does it.

It asks the parser itself, at every TAB, so that configs and runs are those of the moment; a script written once, as
`shtab` makes it, would know neither.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from fmbench_lib.cli.terminal import say_lines
from fmbench_lib.config.platforms import PLATFORMS
from fmbench_lib.config.shipped.files import shipped_configs
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError
from fmbench_lib.runs.named_runs import LATEST, run_names
from fmbench_lib.runs.opening import default_results

SHELLS = ("bash", "zsh", "fish")
_RUNS = ("run_dir", "runs", "resume")
_CONFIGS = ("config", "config_file", "copy")


def complete(make_parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Where the shell asks for completions, print them and end the process; else do nothing."""
    if "_ARGCOMPLETE" not in os.environ:
        return
    import argcomplete  # not at the top: nothing else needs it

    parser = make_parser()
    for command in _parsers(parser):
        for action in command._actions:
            if action.dest in _RUNS:
                action.completer = _run_names  # type: ignore[attr-defined]
            elif action.dest in _CONFIGS:
                action.completer = _config_names  # type: ignore[attr-defined]
            elif action.dest in _WORDS:
                action.completer = _one_of(_WORDS[action.dest])  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser)


def completion_command(options: argparse.Namespace) -> int:
    """Print the script that switches completion on in a shell."""
    from argcomplete.shell_integration import shellcode

    if options.shell not in SHELLS:
        close = nearest(options.shell, SHELLS)
        raise InputError(
            f"no shell {options.shell}; " + (f"did you mean {close}?" if close else "write one of bash, zsh, fish")
        )

    say_lines(shellcode(["fmbench"], shell=options.shell).rstrip())
    return 0


def _parsers(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += action.choices.values()
    return found


def _sets() -> Iterable[str]:
    from fmbench_lib.steps.run_inputs.public_data import set_names  # not at the top: only this needs it

    return set_names()


_WORDS: Mapping[str, Callable[[], Iterable[str]]] = {
    "shell": lambda: SHELLS,
    "platform": lambda: PLATFORMS,
    "name": _sets,
}
"""Arguments that are one of a few words."""


def _one_of(words: Callable[[], Iterable[str]]) -> Callable[..., list[str]]:
    return lambda **_: list(words())


def _run_names(parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    folder = getattr(parsed_args, "results_dir", None)
    return [LATEST, *run_names(Path(folder) if folder else default_results())]


def _config_names(prefix: str, **_: Any) -> list[str]:
    folder = Path(prefix).parent if prefix and not prefix.endswith("/") else Path(prefix or ".")
    try:
        here = [path for path in folder.iterdir() if path.is_dir() or path.suffix in (".yml", ".yaml")]
    except OSError:
        here = []
    files = [str(path) + ("/" if path.is_dir() else "") for path in here if not path.name.startswith(".")]
    return [name for name, _path, _text in shipped_configs()] + files
