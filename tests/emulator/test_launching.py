from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch, read_ledger
from fmbench_lib.errors import EndpointError

FAST = Behaviour(ttft=Constant(0.0), itl=Constant(0.0), tokens=Constant(3))


def test_it_listens_inside_the_block_and_is_gone_after_it(connect: Callable[..., Any]) -> None:
    with launch(FAST) as emulator:
        assert emulator.url == f"{emulator.base_url}/v1/chat/completions"
        assert connect(emulator.base_url).get("/health").status == 200
    assert emulator.process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        connect(emulator.base_url).get("/health")


def test_its_ledger_file_outlives_it(connect: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "ledger.bin"
    with launch(FAST, ledger=path) as emulator:
        client = connect(emulator.base_url)
        for number in range(5):
            client.ask(request_id=f"r{number}")
        seen = emulator.ledger()
        client.connection.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            client.ask(request_id="never", fault="stall")
    assert list(read_ledger(path))[:5] == seen
    assert [(entry.request_id, entry.outcome) for entry in read_ledger(path)][5:] == [("never", "hung")]


@pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/proc/self/autogroup").exists(),
    reason="needs the right to go before others, and a Linux that weighs sessions against each other",
)
def test_its_whole_session_gets_priority() -> None:
    with launch(FAST) as emulator:
        process = emulator.process.pid
        assert os.getpriority(os.PRIO_PROCESS, process) == -10
        assert Path(f"/proc/{process}/autogroup").read_text().split()[1:] == ["nice", "-10"]


def test_a_failed_start_gives_the_reason() -> None:
    with pytest.raises(EndpointError, match=r"did not start: .*70000"), launch(FAST, port=70_000):
        pass


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 0), (signal.SIGINT, 0)])
def test_an_emulator_that_ends_early_is_an_error(number: int, code: int) -> None:
    with pytest.raises(EndpointError, match=f"ended unexpectedly: exit code {code}"), launch(FAST) as emulator:
        _end(emulator, number)


def test_it_ends_with_its_parent() -> None:
    with pytest.raises(EndpointError, match="exit code 0"), launch(FAST) as emulator:
        _close_its_pipe(emulator)


def test_a_ledger_that_cannot_be_read_is_an_error() -> None:
    with launch(FAST) as emulator:
        pass
    with pytest.raises(EndpointError, match="cannot read the emulator"):
        emulator.ledger()


def _end(emulator: Emulator, number: int) -> None:
    emulator.process.send_signal(number)
    emulator.process.wait(10)


def _close_its_pipe(emulator: Emulator) -> None:
    """What happens when its parent dies."""
    assert emulator.process.stdin is not None
    emulator.process.stdin.close()
    emulator.process.wait(10)
