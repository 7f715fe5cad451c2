"""The command line: parses, calls the library, prints."""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from fmbench_lib.cli.check_commands import plan_command, validate_command
from fmbench_lib.cli.cleaning_up import cleanup_command, list_standing
from fmbench_lib.cli.comparing_runs import compare_command
from fmbench_lib.cli.completion import complete, completion_command
from fmbench_lib.cli.config_commands import configs_command, init_command
from fmbench_lib.cli.evaluating_run import evaluate_command
from fmbench_lib.cli.exit_codes import BAD_INPUT, INTERRUPTED
from fmbench_lib.cli.export_command import export_command
from fmbench_lib.cli.fetching import fetch_command
from fmbench_lib.cli.fleet_command import fleet_command
from fmbench_lib.cli.following_runs import pause_command, status_command, stop_command
from fmbench_lib.cli.import_command import import_command
from fmbench_lib.cli.kept_runs import report_command, sync_command
from fmbench_lib.cli.output import lasting_output
from fmbench_lib.cli.parser import parser, value_options
from fmbench_lib.cli.run_command import run_command
from fmbench_lib.cli.runs_command import runs_command
from fmbench_lib.cli.site_command import site_command
from fmbench_lib.cli.sizing_fleets import size_command
from fmbench_lib.cli.terminal import (
    check_current_folder,
    emit,
    hide,
    print_anything,
    say,
    say_lines,
    set_output,
    short_path,
)
from fmbench_lib.config.near_files import nearest_file
from fmbench_lib.config.problems import ConfigError
from fmbench_lib.config.secrets import redactor_of_process
from fmbench_lib.config.shipped.files import find_config, shipped_configs
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import FmbenchError, InputError, explained
from fmbench_lib.host.disk_space import disk_full, is_full
from fmbench_lib.host.memory_limits import shortage, spare_memory

EMULATE = "emulate"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, by default that of the process; returns the exit code."""
    complete(parser)
    print_anything()
    words = with_command(sys.argv[1:] if argv is None else argv)
    set_output()
    hide(redactor_of_process(word.removeprefix("--set=").partition("=")[::2] for word in words if "=" in word))
    if words[:1] == [EMULATE]:  # it has a parser of its own
        from fmbench_lib import emulator

        with lasting_output(EMULATE):
            return emulator.main(words[1:], say)
    if words[:1] == ["cleanup"] and set(words[1:]) <= {"--verbose"}:
        return list_standing()
    if words and not words[0].startswith("-") and words[0] not in COMMANDS:
        say(_unknown_command(words[0]), error=True)
        return BAD_INPUT
    options = parser().parse_args(words)
    if options.command is None:
        parser().print_help()
        return BAD_INPUT
    if hasattr(options, "quiet"):  # its command has add_output_options
        set_output(quiet=options.quiet, as_json=options.json)
    spare_memory()
    with lasting_output(options.command):
        return _run_one(options)


def _run_one(options: argparse.Namespace) -> int:
    """Run a command; an error of the user's or the system's is a line, not a traceback."""
    try:
        check_current_folder()
        return COMMANDS[options.command](options)
    except FmbenchError as error:
        if options.verbose:
            say_lines(traceback.format_exc(), error=True)
        printed = say_lines if isinstance(error, ConfigError) else say  # a line for each mistake
        printed(f"fmbench: {error}", error=True)
        return _failed(str(error), BAD_INPUT if isinstance(error, InputError) else 1)
    except KeyboardInterrupt:
        say("fmbench: interrupted", error=True)
        return _failed("interrupted", INTERRUPTED)
    except OSError as error:
        if options.verbose:
            say_lines(traceback.format_exc(), error=True)
        say(f"fmbench: {_os_error_text(error)}", error=True)
        return _failed(_os_error_text(error), 1)
    except Exception as error:  # noqa: BLE001 - a mistake of ours; a traceback would help nobody but us
        if options.verbose:
            say_lines(traceback.format_exc(), error=True)
        if short := shortage(f"{type(error).__name__}: {error}"):
            say(f"fmbench: {short}", error=True)
            return _failed(short, 1)
        say(f"fmbench: unexpected {explained(error)}; --verbose shows where it arose", error=True)
        return _failed(explained(error), 1)


def _failed(message: str, code: int) -> int:
    """Report an error and the end to whoever reads JSON; the exit code."""
    for line in message.splitlines() or [""]:
        emit("error", message=line)
    emit("end", exit_code=code)
    return code


def _os_error_text(error: OSError) -> str:
    """What the system refused, in a line."""
    if is_full(error):
        return str(disk_full(Path(error.filename or "."), 0, error.errno or 0))
    if short := shortage(error.strerror or ""):
        return short
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or type(error).__name__}{where}"


def with_command(words: Sequence[str]) -> list[str]:
    """The words of a command line with its command first.

    Options before the command move behind it: `--verbose validate x.yml`. `run` is put before words that mean a run
    without it: a config, or options alone.
    """
    if not words or words[0] in ("-h", "--help", "--version", EMULATE, *COMMANDS):
        return list(words)
    first = _first_name(words)
    if first is None or _is_config(words[first]):
        return ["run", *words]
    return [words[first], *words[:first], *words[first + 1 :]]


def _first_name(words: Sequence[str]) -> int | None:
    """The place of the first word that is neither an option nor the value of one; None where an option before it may
    have no value, or is unknown."""
    takes_value = value_options()
    place = 0
    while place < len(words) and words[place].startswith("-"):
        option, has_value, _ = words[place].partition("=")
        if option not in takes_value:
            return None
        place += 1 + (takes_value[option] and not has_value)
    return place if place < len(words) else None


def _unknown_command(word: str) -> str:
    """What a first word that is neither command nor config may have meant."""
    commands, configs = [*COMMANDS, EMULATE], [name for name, _, _ in shipped_configs()]
    file = nearest_file(Path(word)) if "." in word else None
    close = nearest(word, commands) or file or nearest(word, configs)
    meant = f"did you mean {close}?" if close else f"the commands are {', '.join(commands)}"
    return f"fmbench: {word} is neither a command nor a config; {meant}"


def _is_config(word: str) -> bool:
    """Whether a first word, which is no command, names a config."""
    if word.endswith((".yml", ".yaml")):
        return True
    try:
        find_config(word)
    except ConfigError:
        return False
    return True


def calibrate_command(options: argparse.Namespace) -> int:
    """Measure endpoints of known latency, print the measurement errors, and save them for later runs to refer to."""
    from fmbench_lib.config.schema.ray_section import ray_settings
    from fmbench_lib.steps.client_calibration import calibrate_cluster, calibrate_machine

    def print_line(line: str) -> None:
        say(line)

    if options.executor == "ray":
        path = calibrate_cluster(
            ray_settings(options.ray_address, options.ray_nodes),
            options.streams,
            options.event_rates,
            quick=options.quick,
            say=print_line,
        )
        say(f"saved to {short_path(path)}")
        return 0
    path = calibrate_machine(options.streams, options.event_rates, quick=options.quick, say=print_line)
    say(f"saved to {short_path(path)}; runs on this machine refer to it")
    return 0


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "run": run_command,
    "fleet": fleet_command,
    "validate": validate_command,
    "plan": plan_command,
    "status": status_command,
    "pause": pause_command,
    "stop": stop_command,
    "report": report_command,
    "evaluate": evaluate_command,
    "import": import_command,
    "export": export_command,
    "cleanup": cleanup_command,
    "sync": sync_command,
    "compare": compare_command,
    "size": size_command,
    "runs": runs_command,
    "site": site_command,
    "configs": configs_command,
    "fetch": fetch_command,
    "init": init_command,
    "completion": completion_command,
    "calibrate": calibrate_command,
}
"""What each command of the parser calls; `emulate` is passed on unparsed."""
