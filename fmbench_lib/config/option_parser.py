"""A parser of command lines whose errors name what was probably meant, and repeat no secret."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from fmbench_lib.config.secret_forms import without_secrets
from fmbench_lib.config.spelling import nearest

_CHOICE = re.compile(r"invalid choice: '([^']*)' \(choose from (.*)\)")
_MOST_EDITS = 3


class OptionParser(argparse.ArgumentParser):
    """An `ArgumentParser` that keeps the line breaks of its epilog, and suggests the nearest option or choice."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        settings.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(*arguments, **settings)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse does; an unknown option ends the program with the nearest known one."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self._meant(options).error(_unknown(unknown, self._meant(options)))
        return options

    def _meant(self, options: argparse.Namespace) -> OptionParser:
        """The parser of the command that was given, this one without any."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                chosen = action.choices.get(getattr(options, action.dest, None) or "")
                return chosen if isinstance(chosen, OptionParser) else self
        return self

    def option_names(self) -> list[str]:
        """All long and short options."""
        return [name for action in self._actions for name in action.option_strings]

    def error(self, message: str) -> NoReturn:
        """End the program with 2 and the message on one line, with a suggestion where a choice is close to a known one;
        without the options, among which a line would be lost."""
        found = _CHOICE.search(message)
        if found is not None:
            close = nearest(found[1], (word.strip("' ") for word in found[2].split(",")))
            message += f"; did you mean {close}?" if close else ""
        more = "" if "did you mean" in message or "--help" in message else f"; {self.prog} --help lists the options"
        self.exit(2, f"{self.prog}: error: {without_secrets(message)}{more}\n")


def _unknown(words: Iterable[str], parser: OptionParser) -> str:
    options = [word.partition("=")[0] for word in words if word.startswith("-")]
    if not options:
        return f"unexpected {' '.join(words)}: see {parser.prog} --help"
    known = parser.option_names()
    close = nearest(options[0], known, within=_MOST_EDITS)
    if close is None:
        close = nearest(options[0].lstrip("-"), [name.lstrip("-") for name in known if name.startswith("--")])
        close = close and f"--{close}"
    return f"unknown option {options[0]}; " + (f"did you mean {close}?" if close else f"see {parser.prog} --help")
