"""Starting an emulator in a separate process, for tests, calibration and benchmarks."""

from __future__ import annotations

import http.client
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from fmbench_lib.emulator.behaviour import Behaviour
from fmbench_lib.emulator.ledger import LedgerEntry, decode_entries
from fmbench_lib.emulator.options import behaviour_arguments
from fmbench_lib.emulator.wires.aws_signature import ACCESS_KEY, SECRET_KEY
from fmbench_lib.errors import EndpointError

_READ_BYTES = 262_144
_STOP_TIMEOUT = 10.0


@dataclass(frozen=True, slots=True)
class Tls:
    """The PEM files that a server needs to speak TLS."""

    certfile: Path
    keyfile: Path | None = None


@dataclass(frozen=True, slots=True)
class Emulator:
    """A running emulator."""

    base_url: str
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        """The address of its chat completions, for `ep_name`."""
        return self.base_url + "/v1/chat/completions"

    @property
    def aws_environment(self) -> dict[str, str]:
        """Environment variables that direct clients of the SageMaker and Bedrock runtimes to it, with keys that it
        accepts."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_ENDPOINT_URL_SAGEMAKER_RUNTIME": self.base_url,
            "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": self.base_url,
        }

    def ledger(self) -> list[LedgerEntry]:
        """Its ledger so far: the requests that have ended, in the order of their ends, then those still open."""
        return list(self.read_ledger())

    def read_ledger(self) -> Iterator[LedgerEntry]:
        """The same as an iterator, for ledgers that should not be in memory as a whole; raises EndpointError."""
        connection = self._connect()
        try:
            connection.request("GET", "/ledger?format=binary")
            response = connection.getresponse()
            yield from decode_entries(iter(lambda: response.read(_READ_BYTES), b""))
        except (OSError, http.client.HTTPException) as error:
            raise EndpointError(f"{self.base_url}: cannot read the emulator's ledger: {error}") from error
        finally:
            connection.close()

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.base_url)
        assert parts.hostname is not None
        if parts.scheme == "http":
            return http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        # Its certificate is a test's, and it is a child of this process.
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)


@contextmanager
def launch(
    behaviour: Behaviour | None = None,
    *,
    tls: Tls | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
    ledger: Path | None = None,
    arguments: Sequence[str] = (),
) -> Iterator[Emulator]:
    """An emulator on a free port: listening when this returns, stopped when the block ends or this process dies.

    `ledger` keeps its ledger in a file that outlives it; `arguments` are additional command line arguments.

    Raises:
        EndpointError: it did not start, or ended before the block did; the message includes its last output.
    """
    command = [sys.executable, "-m", "fmbench_lib.emulator", "--until-stdin-closes", f"--host={host}", f"--port={port}"]
    command += behaviour_arguments(behaviour or Behaviour())
    if tls is not None:
        command += [f"--certfile={tls.certfile}", *([f"--keyfile={tls.keyfile}"] if tls.keyfile else [])]
    if ledger is not None:
        command.append(f"--ledger={ledger}")
    with tempfile.TemporaryFile() as errors, _started([*command, *arguments], errors) as process:
        yield Emulator(_announced_address(process, errors), process)
        if process.poll() is not None:
            raise EndpointError(f"the emulator ended unexpectedly: {_last_output(process, errors)}")


@contextmanager
def _started(command: list[str], errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    # The child must import this same package, wherever the parent found it.
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    # In a separate session: Ctrl-C is for the measuring process, which then stops the emulator.
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(_STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()


def _announced_address(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline().decode()
    if not line.startswith("listening on "):
        process.wait(_STOP_TIMEOUT)
        raise EndpointError(f"the emulator did not start: {_last_output(process, errors)}")
    return line.removeprefix("listening on ").strip()


def _last_output(process: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit code {process.returncode}"
