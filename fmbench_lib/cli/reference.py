"""The reference of the command line, `docs/cli.md`, generated from its parser.

python -m fmbench_lib.cli.reference              # print it
python -m fmbench_lib.cli.reference docs/cli.md  # write it
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from fmbench_lib.cli.parser import parser

REGENERATE = "python -m fmbench_lib.cli.reference docs/cli.md"


def reference() -> str:
    """The whole page, in Markdown. It depends neither on the width of the terminal nor on the version of Python."""
    top = parser()
    blocks = [
        f"<!-- Generated from the parser: edit fmbench_lib/cli/parser.py, then run {REGENERATE} -->\n# Command line",
        _text(top.description, top),
        "\n".join(_overview(top)),
    ]
    for name, command, meaning in commands(top):
        blocks.append("\n\n".join(_command(f"{top.prog} {name}", command, meaning)))
    blocks += ["## Exit codes", "\n".join(_exit_codes(top))]
    return "\n\n".join(block for block in blocks if block) + "\n"


def commands(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser, str]]:
    """Name, parser and meaning of every subcommand, in the order of the help page."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for choice in action._choices_actions:
                yield choice.dest, action.choices[choice.dest], _text(choice.help, top)


def arguments_of(command: argparse.ArgumentParser) -> list[argparse.Action]:
    """The arguments of a command, without `--help`."""
    return [action for action in command._actions if not isinstance(action, argparse._HelpAction)]


def _overview(top: argparse.ArgumentParser) -> Iterator[str]:
    yield "| command | meaning |"
    yield "|---|---|"
    for name, _, meaning in commands(top):
        yield f"| [`{top.prog} {name}`](#{top.prog}-{name}) | {_cell(meaning)} |"
    yield f"| `{top.prog} --version` | print the version |"
    yield f"| `{top.prog} --help`, `{top.prog} COMMAND --help` | print the help |"


def _command(title: str, command: argparse.ArgumentParser, meaning: str) -> Iterator[str]:
    yield f"## {title}"
    yield f"{meaning[:1].upper()}{meaning[1:]}."
    accepted = arguments_of(command)
    yield f"```\n{_usage(title, accepted)}\n```"
    if accepted:
        yield "\n".join(
            [
                "| argument | meaning |",
                "|---|---|",
                *(f"| `{_cell(_spelling(action))}` | {_cell(_meaning(action, command))} |" for action in accepted),
            ]
        )


def _usage(title: str, accepted: list[argparse.Action]) -> str:
    positional = [_positional(action) for action in accepted if not action.option_strings]
    options = ["[OPTIONS]"] if any(action.option_strings for action in accepted) else []
    return " ".join([title, *options, *positional])


def _positional(action: argparse.Action) -> str:
    return {"?": "[{}]", "*": "[{}…]", "+": "{}…"}.get(str(action.nargs), "{}").format(_metavar(action))


def _spelling(action: argparse.Action) -> str:
    """An argument as it is typed: `-A KEY=VALUE`, `--verbose`, `RUN_DIR`."""
    if not action.option_strings:
        return _metavar(action)
    names = ", ".join(action.option_strings)
    return names if action.nargs == 0 else f"{names} {_metavar(action)}"


def _metavar(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(str(choice) for choice in action.choices)
    return action.dest.upper()


def _meaning(action: argparse.Action, command: argparse.ArgumentParser) -> str:
    meaning = _text(action.help, command, action)
    many = isinstance(action, argparse._AppendAction)
    return "; ".join(filter(None, [meaning, "may be repeated" if many else ""]))


def _exit_codes(top: argparse.ArgumentParser) -> Iterator[str]:
    """The parser's epilog, `Exit codes: 0 what it means · 1 …`, as a table."""
    yield "| code | meaning |"
    yield "|---|---|"
    for entry in _text(top.epilog, top).partition(":")[2].split(" · "):
        code, _, meaning = entry.strip().rstrip(".").partition(" ")
        yield f"| {code} | {_cell(meaning)} |"


def _text(text: str | None, command: argparse.ArgumentParser, action: argparse.Action | None = None) -> str:
    """A text of the parser on one line, with `%(default)s` and the like filled in as argparse does."""
    values = {**(vars(action) if action is not None else {}), "prog": command.prog}
    return " ".join(((text or "") % values).split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main(arguments: list[str]) -> None:
    """Print the reference, or write it to the file given as the first argument."""
    if arguments:
        Path(arguments[0]).write_text(reference(), encoding="utf-8")
    else:
        sys.stdout.write(reference())


if __name__ == "__main__":
    main(sys.argv[1:])
