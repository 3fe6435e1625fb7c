# SPDX-License-Identifier: Apache-2.0
"""A daemon that is short of something: of descriptors, of a data thread's time, of a kernel module."""

import contextlib
import ctypes
import os
import pathlib
import resource

from .system import LabError, run

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207  # <sys/ptrace.h>
WALL = 0x40000000  # __WALL: threads too
_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def no_descriptors(daemon):
    """It has the descriptors it has and gets no more. (An accept that was under way before knows the
    limit it began with.) Its metrics are out of reach meanwhile."""
    limits = resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE)
    used = {int(number) for number in os.listdir(f"/proc/{daemon.pid}/fd")}
    lowest = next(number for number in range(len(used) + 1) if number not in used)
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, limits)


def _ptrace(request, thread):
    if _libc.ptrace(ctypes.c_long(request), ctypes.c_long(thread), None, None) != 0:
        raise LabError(f"ptrace {request:#x} of thread {thread}: {os.strerror(ctypes.get_errno())}")


def threads(daemon, prefix):
    """Ids of the threads whose name begins so."""
    found = pathlib.Path(f"/proc/{daemon.pid}/task").iterdir()
    return [int(task.name) for task in found if (task / "comm").read_text().startswith(prefix)]


@contextlib.contextmanager
def held(daemon):
    """Its data threads stand still; the control thread goes on. What is sent to a data thread meanwhile
    reaches it at once and in order when it is let go."""
    stopped = []
    try:
        for thread in threads(daemon, "culvert-data-"):
            _ptrace(PTRACE_SEIZE, thread)
            stopped.append(thread)
            _ptrace(PTRACE_INTERRUPT, thread)
            os.waitpid(thread, WALL)
        yield
    finally:
        for thread in stopped:
            _ptrace(PTRACE_DETACH, thread)


def runnable_seconds(daemon):
    """How long its data threads have run or waited for a processor: all the time, if they are busy."""
    spent = 0
    for thread in threads(daemon, "culvert-data-"):
        ran, waited, _ = pathlib.Path(f"/proc/{daemon.pid}/task/{thread}/schedstat").read_text().split()
        spent += int(ran) + int(waited)
    return spent / 1e9


@contextlib.contextmanager
def without_module(name):
    """The kernel has no such module and gets none. For the whole machine."""
    loader = pathlib.Path("/proc/sys/kernel/modprobe")
    saved = loader.read_text()
    loader.write_text("/bin/false\n")
    try:
        run("modprobe", "-r", name)
        yield
    finally:
        loader.write_text(saved)
