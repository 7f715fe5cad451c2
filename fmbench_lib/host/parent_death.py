"""A process that ends when the one that started it does, however that ends and whatever this one does by then."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_ORPHANED = 1


def end_with(parent: int) -> None:
    """Have this process killed when `parent`, the process that started it, ends; at once where it has ended already.

    On Linux the system kills it, also where it hangs or is stopped, as soon as the *thread* ends that started it: that
    thread must last. Elsewhere only a parent that has ended by now is noticed.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it ended before this process could ask to end with it
        os._exit(_ORPHANED)


if __name__ == "__main__":  # PARENT COMMAND…: a command of others, which does not ask for that itself
    end_with(int(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])
