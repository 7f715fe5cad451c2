"""Kernels for the notebooks of a run that need not import everything anew.

A process imports what every notebook needs, once, and then forks a kernel of itself for each: a notebook still has a
process, and a namespace, of its own. `python -m fmbench_lib.pipeline.kernels FD` is that process; requests and answers
are lines of JSON on the socket FD. Its kernels end when it does, and it ends when the socket closes. Where there is no
fork that can be trusted, kernels are started as ever.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Mapping, Sequence
from io import BufferedRWPair
from typing import Any

import psutil

_WARM = ("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "scrapbook", "fmbench_lib.steps")
_LAUNCHER = "ipykernel_launcher"
_POLL_S = 0.02


class Kernels:
    """Where the kernels of a run come from."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: BufferedRWPair | None = None

    def __enter__(self) -> Kernels:
        if sys.platform == "linux":  # it imports what kernels need while we import what runs notebooks
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the process that forks, and with it what it has forked."""
        if self._socket is not None:
            self._socket.close()
        if self._server is not None:
            self._server.wait()

    def manager(self) -> type[Any]:
        """What starts kernels of the very interpreter that runs this, whatever is registered as `python3`."""
        from ipykernel.kernelspec import get_kernel_dict
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_client.provisioning.local_provisioner import LocalProvisioner

        kernels = self

        class Forked(LocalProvisioner):
            process: Any

            async def launch_kernel(self, cmd: list[str], **given: Any) -> Any:
                self.process = kernels.fork(cmd[cmd.index(_LAUNCHER) + 1 :], given["env"], given.get("cwd"))
                self.pid = self.pgid = self.process.pid
                return self.connection_info

        class OwnKernel(AsyncKernelManager):
            @property
            def kernel_spec(self) -> KernelSpec:
                return KernelSpec(**get_kernel_dict())

            async def _async_pre_start_kernel(self, **given: Any) -> Any:
                if sys.platform == "linux":
                    self.kernel_id = self.kernel_id or str(uuid.uuid4())
                    self.provisioner = Forked(kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self)
                return await super()._async_pre_start_kernel(**given)

        return OwnKernel

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the kernels that run; whether there was one. They live in sessions of their own and hear no
        Ctrl-C."""
        parent = psutil.Process(os.getpid() if self._server is None else self._server.pid)
        found = []
        with contextlib.suppress(psutil.NoSuchProcess):
            found = parent.children()
        for kernel in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                kernel.send_signal(number)
        return bool(found)

    def fork(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str | None) -> ForkedKernel:
        """A kernel with these arguments and this environment; raises OSError where there cannot be one."""
        return ForkedKernel(self.ask(start=list(arguments), env=dict(env), cwd=cwd)["pid"], self)

    def ask(self, **request: Any) -> dict[str, Any]:
        """The answer to a request; raises OSError where the process is gone."""
        assert self._socket is not None
        self._socket.write(json.dumps(request).encode() + b"\n")
        self._socket.flush()
        answer = self._socket.readline()
        if not answer:
            raise OSError("the process that kernels are forked from is gone")
        answered: dict[str, Any] = json.loads(answer)
        return answered

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            self._server = subprocess.Popen(
                [sys.executable, "-m", "fmbench_lib.pipeline.kernels", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
            self._socket = ours.makefile("rwb")


class ForkedKernel:
    """A kernel as what waits for it wants to see it: as a `Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, kernels: Kernels) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._kernels = kernels

    def poll(self) -> int | None:
        """The exit code, minus the signal that killed it; None while it runs."""
        if self.returncode is None:
            try:
                self.returncode = self._kernels.ask(ended=self.pid)["code"]
            except (OSError, ValueError):  # a kernel without the process that it was forked from ends itself
                self.returncode = None if psutil.pid_exists(self.pid) else -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended; raises TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
            time.sleep(_POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def main(descriptor: int) -> None:
    """Fork kernels as they are asked for. In a fork this returns when it has become a kernel, and has been one."""
    started_in = os.getcwd()
    for name in _WARM:
        importlib.import_module(name)
    warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)  # numpy's, at rest
    gc.freeze()
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as requests:
        for line in requests:
            request = json.loads(line)
            if "ended" in request:
                answer: dict[str, Any] = {"code": _exit_code(request["ended"])}
            elif pid := os.fork():
                answer = {"pid": pid}
            else:
                break
            requests.write(json.dumps(answer).encode() + b"\n")
            requests.flush()
        else:
            return
    sys.path = [path for path in sys.path if path not in ("", started_in)]  # as a kernel's launcher does
    _be_kernel(request["start"], request["env"], request["cwd"])


def _exit_code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _be_kernel(arguments: Sequence[str], env: Mapping[str, str], cwd: str | None) -> None:
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    os.environ.clear()
    os.environ.update(env, JPY_PARENT_PID=str(os.getppid()))
    if cwd:
        os.chdir(cwd)
    # Its class has read who its parent is long ago, of another process.
    sys.argv = [_LAUNCHER, *arguments, f"--IPKernelApp.parent_handle={os.getppid()}"]
    IPKernelApp.launch_instance()


if __name__ == "__main__":
    main(int(sys.argv[1]))
