# SPDX-License-Identifier: Apache-2.0
"""The machine: commands, network namespaces, cgroup2, bpffs, processes. No domain words."""

import contextlib
import ctypes
import os
import pathlib
import resource
import signal
import subprocess
import time

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class LabError(Exception):
    """Something the lab needs did not work; the text names it."""


def run(*command, check=True, input=None, timeout=60, env=None):
    """Runs a command to its end and returns its standard output. A failure is a LabError."""
    done = subprocess.run([str(word) for word in command], input=input, timeout=timeout, env=env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace")
    if check and done.returncode != 0:
        raise LabError(f"{' '.join(map(str, command))}: exit {done.returncode}: "
                       f"{(done.stderr or done.stdout).strip()[-2000:]}")
    return done.stdout


def wait_for(what, condition, timeout=10.0, every=0.05):
    """Calls condition() until it answers something true, and returns that. LabError after timeout."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise LabError(f"waited {timeout:g} s in vain for {what}")
        time.sleep(every)


def raise_file_limit(wanted=524288):
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (wanted, hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, max(limit, hard)))
            return


def exit_on_signals():
    """SIGTERM and SIGHUP end the program as an exception does, so that `with Lab()` cleans up."""
    def leave(number, _frame):
        raise SystemExit(128 + number)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, leave)


# --- network namespaces -----------------------------------------------------------------------

def netns_path(name):
    return pathlib.Path("/run/netns") / name


def make_netns(name):
    run("ip", "netns", "add", name)
    with inside(name):
        for setting in ("ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad"):
            pathlib.Path("/proc/sys/net", setting).write_text("0")
    run("ip", "-n", name, "link", "set", "lo", "up")


def remove_netns(name):
    if netns_path(name).exists():
        run("ip", "netns", "del", name, check=False)


@contextlib.contextmanager
def inside(name):
    """The calling thread is in the namespace: the sockets it makes are there, /proc/sys/net too.
    Its cgroup stays what it is, so no pod's socket is made this way."""
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    target = os.open(netns_path(name), os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(target)
        yield
    finally:
        _setns(before)
        os.close(target)
        os.close(before)


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


# --- cgroup2 and bpffs ------------------------------------------------------------------------

def cgroup2_root():
    """Where cgroup2 is mounted: /sys/fs/cgroup on most machines, .../unified on some."""
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            return pathlib.Path(where)
    raise LabError("no cgroup2 is mounted: mount -t cgroup2 none /sys/fs/cgroup")


def mount_bpffs(where=pathlib.Path("/sys/fs/bpf")):
    mounts = pathlib.Path("/proc/self/mounts").read_text().splitlines()
    if not any(line.split()[1:3] == [str(where), "bpf"] for line in mounts):
        run("mount", "-t", "bpf", "bpf", where)


def cgroup_processes(group):
    """Process ids in this cgroup and below it."""
    found = []
    for procs in group.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in procs.read_text().split()]
    return found


def end_cgroup(group, timeout=10.0):
    """Kills every process below the cgroup and removes it. Processes elsewhere are never touched."""
    if not group.exists():
        return
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    for pid in cgroup_processes(group):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_for(f"the processes of {group} to end", lambda: not cgroup_processes(group), timeout)
    deepest_first = sorted(group.rglob("*/"), key=lambda path: -len(path.parts))
    for directory in [*deepest_first, group]:
        wait_for(f"cgroup {directory} to go", lambda: _rmdir(directory), timeout)


def _rmdir(directory):
    try:
        directory.rmdir()
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True


# --- processes --------------------------------------------------------------------------------

def enter_command(netns, cgroup, command):
    """The command line that runs `command` in the namespace and in the cgroup: the cgroup first,
    since a socket belongs for ever to the cgroup of the process that made it."""
    return ["/bin/sh", "-c", 'echo 0 > "$1/cgroup.procs" && shift && exec "$@"', "enter",
            str(cgroup), "nsenter", f"--net={netns_path(netns)}", "--", *map(str, command)]


def resident_kib(pid, field="VmRSS"):
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    raise LabError(f"process {pid} has no {field}")


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))
