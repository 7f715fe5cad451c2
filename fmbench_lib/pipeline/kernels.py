"""Kernels that start fast, because the imports of all notebooks are done once.

A fork server imports what every notebook needs and then forks a kernel for each, so that a notebook still has its own
process and namespace. `python -m fmbench_lib.pipeline.kernels FD PARENT` is that server; requests and replies are lines
of JSON on the socket FD. Its kernels end when it does, and it ends when the socket closes; the system kills it when the
process PARENT is gone, even if it hangs or is stopped, or another process still holds the socket. Only Linux forks
reliably: elsewhere kernels are started by jupyter_client as usual.
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
import tempfile
import time
import traceback
import uuid
import warnings
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BufferedRWPair
from typing import IO, Any, TypedDict, Unpack

import psutil

from fmbench_lib.host.parent_death import end_with
from fmbench_lib.pipeline.kernel_liveness import Liveness, activity_of

_STEPS = ("setup", "data_generation", "deployment", "inference", "analysis", "cleanup", "explore.glued_results")
_PRELOADED = (
    *("ipykernel.kernelapp", "ipykernel.ipkernel", "ipykernel.zmqshell", "scrapbook"),
    *(f"fmbench_lib.steps.{module}" for module in _STEPS),
)
_LAUNCHER = "ipykernel_launcher"
_POLL_S = 0.02
_ANSWER_S = 120.0  # the imports of all notebooks, on a machine that has much else to do
_END_S = 10.0


class _Request(TypedDict, total=False):
    """A request to the fork server: to `start` a kernel with these arguments, or how the one with this id `ended`."""

    start: list[str]
    env: dict[str, str]
    cwd: str | None
    ended: int


class _Reply(TypedDict, total=False):
    """Its reply: the id of the kernel, or the exit code of one that has ended (minus the signal that killed it)."""

    pid: int
    code: int | None


class Kernels:
    """Starts the kernels of a run; the fork server runs while it is entered, and is started again where it has died."""

    def __init__(self) -> None:
        self._server: subprocess.Popen[bytes] | None = None
        self._socket: BufferedRWPair | None = None
        self._errors: IO[bytes] | None = None
        self._kernel: tuple[ForkedKernel, Liveness] | None = None
        # The fork server ends with the thread that started it, and a notebook's thread ends with the notebook.
        self._starter = ThreadPoolExecutor(1, "fork server")

    def __enter__(self) -> Kernels:
        if sys.platform == "linux":  # its imports take place while this process imports papermill
            self._start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the fork server and its kernels, however they are."""
        self._drop()
        self._starter.shutdown()

    @property
    def lost(self) -> bool:
        """Whether the fork server has ended, and its kernels with it."""
        return self._server is not None and self._server.poll() is not None

    def last_words(self) -> str:
        """The last line that the fork server or a kernel printed before it had a notebook to print to."""
        if self._errors is None:
            return ""
        with contextlib.suppress(OSError, ValueError):
            size = self._errors.seek(0, os.SEEK_END)
            self._errors.seek(max(0, size - 4096))
            lines = self._errors.read().decode(errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def stuck(self) -> str:
        """Why the running kernel neither works nor ends; empty where it does, or there is none."""
        return "" if self._kernel is None else self._kernel[1].stuck()

    def memory_share(self) -> float | None:
        """The share of its memory limit that the kernel had taken when it was last looked at; None without a limit."""
        return None if self._kernel is None else self._kernel[1].memory_share

    def killed_by(self) -> int | None:
        """The number of the signal that ended the last kernel; None where none did, or that is not known."""
        code = None if self._kernel is None else self._kernel[0].returncode
        return -code if code is not None and code < 0 else None

    def manager(self) -> type[Any]:
        """A kernel manager class that uses the running interpreter, whatever kernel is registered as `python3`."""
        from ipykernel.kernelspec import get_kernel_dict
        from jupyter_client.kernelspec import KernelSpec
        from jupyter_client.manager import AsyncKernelManager
        from jupyter_client.provisioning.local_provisioner import LocalProvisioner

        kernels = self

        class ForkProvisioner(LocalProvisioner):
            process: Any

            async def launch_kernel(self, cmd: list[str], **options: Any) -> Any:
                self.process = kernels.fork(cmd[cmd.index(_LAUNCHER) + 1 :], options["env"], options.get("cwd"))
                self.pid = self.pgid = self.process.pid
                return self.connection_info

        class ForkedKernelManager(AsyncKernelManager):
            @property
            def kernel_spec(self) -> KernelSpec:
                return KernelSpec(**get_kernel_dict())

            async def _async_pre_start_kernel(self, **options: Any) -> Any:
                if sys.platform == "linux":
                    self.kernel_id = self.kernel_id or str(uuid.uuid4())
                    self.provisioner = ForkProvisioner(
                        kernel_id=self.kernel_id, kernel_spec=self.kernel_spec, parent=self
                    )
                return await super()._async_pre_start_kernel(**options)

        return ForkedKernelManager

    def signal(self, number: signal.Signals) -> bool:
        """Send a signal to the running kernels; returns whether there was one.

        They have sessions of their own, so Ctrl-C in the terminal does not reach them.
        """
        running = []
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(os.getpid() if self._server is None else self._server.pid)
            running = parent.children()
        for kernel in running:
            with contextlib.suppress(psutil.NoSuchProcess):
                kernel.send_signal(number)
        return bool(running)

    def kill(self) -> None:
        """Kill the running kernels and the fork server, whoever still waits for them."""
        self.signal(signal.SIGKILL)
        self._kill()

    def fork(self, arguments: Sequence[str], env: Mapping[str, str], cwd: str | None) -> ForkedKernel:
        """Start a kernel with these arguments and this environment; raises OSError where no fork server can run."""
        if self.lost or self._socket is None:
            self._drop()
            self._start()
        kernel = ForkedKernel(self.request(start=list(arguments), env=dict(env), cwd=cwd)["pid"], self)
        self._kernel = (kernel, Liveness(partial(activity_of, kernel.pid)))
        return kernel

    def request(self, **request: Unpack[_Request]) -> _Reply:
        """The fork server's reply to a request; raises OSError where it is gone, or silent for too long."""
        if self._socket is None:
            raise OSError("the fork server of the kernels is not running")
        try:
            self._socket.write(json.dumps(request).encode() + b"\n")
            self._socket.flush()
            line = self._socket.readline()
        except TimeoutError:
            self._kill()
            raise
        except OSError:
            line = b""  # it ended before it had read all that was written
        if not line:
            self._kill()
            said = self.last_words()
            raise OSError(f"the fork server of the kernels has ended{f': {said}' if said else ''}")
        reply: _Reply = json.loads(line)
        return reply

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with contextlib.suppress(OSError):  # without room for its last words it is as good
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the process)
        with ours, theirs:
            self._server = self._starter.submit(
                subprocess.Popen,
                [sys.executable, "-m", "fmbench_lib.pipeline.kernels", str(theirs.fileno()), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stderr=self._errors,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            ).result()
            ours.settimeout(_ANSWER_S)
            self._socket = ours.makefile("rwb")

    def _drop(self) -> None:
        """End the fork server, if it has not ended, and close what leads to it."""
        made, self._socket, self._kernel = self._socket, None, None
        if made is not None:
            with contextlib.suppress(OSError):  # what could not be sent to a dead server
                made.close()
        if self._server is not None:
            try:
                self._server.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._kill()
        if self._errors is not None:
            self._errors.close()
            self._errors = None

    def _kill(self) -> None:
        """Kill the fork server; the system then kills its kernels."""
        if self._server is not None:
            self._server.kill()
            self._server.wait()


class ForkedKernel:
    """A forked kernel with the interface of `subprocess.Popen`, which jupyter_client expects."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, kernels: Kernels) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._kernels = kernels

    def poll(self) -> int | None:
        """The exit code, minus the signal that killed it; None while it runs."""
        if self.returncode is None:
            try:
                self.returncode = self._kernels.request(ended=self.pid)["code"]
            except (OSError, ValueError):  # a kernel without its fork server ends itself
                self.returncode = None if psutil.pid_exists(self.pid) else -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the kernel to end; returns its exit code. Raises TimeoutExpired."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("kernel", timeout or 0.0)
            time.sleep(_POLL_S)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal if the kernel is still running."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the kernel."""
        self.send_signal(signal.SIGKILL)


def main(descriptor: int, parent: int) -> None:
    """Fork kernels on request until the socket closes, or the process `parent` is gone.

    A fork ends here once its kernel has shut down.
    """
    end_with(parent)
    server, started_in = os.getpid(), os.getcwd()
    for name in _PRELOADED:
        importlib.import_module(name)
    warnings.filterwarnings(
        "ignore", "This process .* is multi-threaded", DeprecationWarning
    )  # numpy's threads are idle
    gc.freeze()
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rwb") as requests:
        try:
            request = _served(requests)
        except OSError:  # the other side is gone
            request = None
    if request is None:
        os._exit(0)  # the interpreter's end would wait for threads of libraries
    sys.path = [path for path in sys.path if path not in ("", started_in)]  # as a kernel's launcher does
    code = 1
    try:
        _run_kernel(request["start"], request["env"], request["cwd"], server)
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - printed, as the interpreter would
        traceback.print_exc()
    finally:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)  # libraries would wait at the interpreter's end for threads that a fork does not have


def _served(requests: BufferedRWPair) -> _Request | None:
    """Reply to requests until their end, where it returns None; in a fork, returns the request for its kernel."""
    for line in requests:
        request: _Request = json.loads(line)
        if "ended" in request:
            reply: _Reply = {"code": _exit_code(request["ended"])}
        elif pid := os.fork():
            reply = {"pid": pid}
        else:
            return request
        requests.write(json.dumps(reply).encode() + b"\n")
        requests.flush()
    return None


def _exit_code(pid: int) -> int | None:
    ended, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if ended else None


def _run_kernel(arguments: Sequence[str], env: Mapping[str, str], cwd: str | None, server: int) -> None:
    end_with(server)
    from ipykernel.kernelapp import IPKernelApp

    os.setsid()
    os.environ.clear()
    os.environ.update(env, JPY_PARENT_PID=str(server))
    if cwd:
        os.chdir(cwd)
    # IPKernelApp read its parent's id when it was imported, in another process.
    sys.argv = [_LAUNCHER, *arguments, f"--IPKernelApp.parent_handle={server}"]
    IPKernelApp.launch_instance()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
