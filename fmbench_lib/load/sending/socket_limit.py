"""Whether the system allows as many sockets as a level needs, found out before anything is sent."""

from __future__ import annotations

from fmbench_lib.errors import WorkerError
from fmbench_lib.host.process_limits import most_open_files

_OTHER_FILES = 32  # of a load worker: its spool, its prompts, its channel to the engine, what the interpreter has open


def check_sockets(in_flight: int | None, workers: int) -> None:
    """Raise WorkerError where a load worker may not open as many sockets as it has requests in flight.

    `in_flight` are those of all workers; None where nothing caps them, as then nobody knows.
    """
    if in_flight is None:
        return
    needed, allowed = -(-in_flight // workers) + _OTHER_FILES, most_open_files()
    if needed > allowed:
        each = "a load worker" if workers == 1 else f"each of {workers} load workers"
        raise WorkerError(
            f"{in_flight:,} requests in flight need {needed:,} open files in {each}, and the system allows "
            f"{allowed:,}: raise the limit (ulimit -Hn {needed}; of a container --ulimit nofile={needed}), or lower "
            "the concurrency"
        )
