"""Run a command that is asked to end (SIGTERM) when the process that started it is gone.

Usage: python leash.py <pid of the starter> <command> [arguments…]

Becomes the command, so nothing is left between the two. Linux alone knows such a leash; elsewhere
the command runs without one, and the next start of the stack ends what a killed one left behind.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # Source: Linux, include/uapi/linux/prctl.h


def main() -> None:
    starter, command = int(sys.argv[1]), sys.argv[2:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != starter:  # gone before the leash was on
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - no shell is what we want


if __name__ == "__main__":
    main()
