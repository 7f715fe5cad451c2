"""`fmbench calibrate`: this machine calibrated, shown line by line, and the result kept for the user."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from fmbench_lib.calibration.calibration_document import CalibrationRow
from fmbench_lib.calibration.measurement import EVENT_RATES, QUICK_SECONDS, SECONDS, STREAMS, calibrate
from fmbench_lib.calibration.printed_table import TITLE, node_lines, row_line
from fmbench_lib.calibration.result_file import store
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
from fmbench_lib.metrics.decision.wording import reach_sentence


def calibrate_machine(
    streams: Sequence[int] | None, event_rates: Sequence[float] | None, *, quick: bool, say: Callable[[str], None]
) -> Path:
    """Calibrate, `say` the table and its result line by line, and write the file; returns its path.

    `streams` and `event_rates` are None for the defaults. Raises EndpointError where the emulator cannot be started,
    InputError where the file cannot be written.
    """
    say(TITLE)
    document = calibrate(
        STREAMS if streams is None else streams,
        EVENT_RATES if event_rates is None else event_rates,
        QUICK_SECONDS if quick else SECONDS,
        on_row=lambda row: say(row_line(row)),
    )
    say(reach_sentence(document["within"]))
    return store(document)


def calibrate_cluster(
    settings: RaySettings,
    streams: Sequence[int] | None,
    event_rates: Sequence[float] | None,
    *,
    quick: bool,
    say: Callable[[str], None],
) -> Path:
    """Calibrate a Ray cluster, as `calibrate_machine` does this machine; the emulator, which all its machines send to,
    runs here. A line for each machine follows that of the level. Raises InputError where there is no cluster."""

    def show(row: CalibrationRow) -> None:
        for line in (row_line(row), *node_lines(row)):
            say(line)

    with ray_cluster(settings) as cluster:
        say(TITLE)
        document = calibrate(
            STREAMS if streams is None else streams,
            EVENT_RATES if event_rates is None else event_rates,
            QUICK_SECONDS if quick else SECONDS,
            on_row=show,
            executor=ClusterExecutor(cluster),
            host=cluster.driver_host(),
        )
    say(reach_sentence(document["within"]).replace("This machine", "This cluster"))
    return store(document, cluster=True)
