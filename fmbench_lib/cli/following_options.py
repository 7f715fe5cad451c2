"""The options of the commands that reach a run from elsewhere: `status`, `pause` and `stop`."""

from __future__ import annotations

from fmbench_lib.cli.shared_options import Commands, add_command, add_output_options, add_run_dir


def add_status(commands: Commands) -> None:
    """`fmbench status`."""
    status = add_command(
        commands,
        "status",
        "say how far a run is, its figures so far, its processes and its disk, from any terminal",
        "fmbench status latest",
        "fmbench status latest --follow",
    )
    add_run_dir(status)
    status.add_argument(
        "--follow", action="store_true", help="go on until the run has ended, and exit with its exit code"
    )
    add_output_options(status)


def add_pause(commands: Commands) -> None:
    """`fmbench pause`."""
    pause = add_command(
        commands,
        "pause",
        "have a run measure no further level until `fmbench --resume RUN_DIR`; its endpoints stay",
        "fmbench pause latest",
    )
    add_run_dir(pause)
    pause.add_argument(
        "--now", action="store_true", help="also end the level that is being measured; the rest of it is sent later"
    )


def add_stop(commands: Commands) -> None:
    """`fmbench stop`."""
    stop = add_command(
        commands,
        "stop",
        "end a run as Ctrl-C does: what was measured stays, what it deployed is deleted, --resume goes on",
        "fmbench stop latest",
    )
    add_run_dir(stop)
