# SPDX-License-Identifier: Apache-2.0
"""Work that leaves nothing behind, however it ends."""

import ctypes
import os
import signal
import sys

from lab import sweep

PR_SET_PDEATHSIG = 1


def guarded(work):
    """Runs work() in a child. Whichever of the two is killed, the other one cleans up."""
    child = os.fork()
    if child == 0:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it was ignored
        try:
            status = work()
        except KeyboardInterrupt:
            status = 130
        sys.stdout.flush()
        sys.exit(status)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to the child too
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
    _, status = os.waitpid(child, 0)
    sweep.down_abandoned()
    return os.waitstatus_to_exitcode(status)
