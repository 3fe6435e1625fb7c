# SPDX-License-Identifier: Apache-2.0
"""Taking labs down, also those whose program was killed: only what a lab wrote down, or what carries
its name in a place that is ours, is removed; only processes in its own cgroups are killed."""

import contextlib
import fcntl
import os
import pathlib
import re
import shutil

from .system import LabError, cgroup2_root, end_cgroup, remove_netns

ROOT = pathlib.Path("/var/lib/culvert-lab")
KEPT = "kept"  # owner of a lab that a person brought up


def check_name(name):
    if not re.fullmatch(r"[a-z][a-z0-9]{0,23}", name):
        raise LabError(f"lab name {name!r}: letters a-z and digits, at most 24, a letter first")


@contextlib.contextmanager
def alone():
    """Labs share a few folders, made by the first and removed by the last: one comes or goes at a time."""
    lock = os.open(ROOT.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def claim(name, directories, owned):
    """The lab exists from here on, with these folders, and belongs to this process."""
    owner = f"{os.getpid()} {_start_time(os.getpid())}" if owned else KEPT
    with alone():
        for directory in directories:
            directory.mkdir(parents=True)
        (ROOT / name / "owner").write_text(owner)


def labs():
    """Names of every lab there is a trace of."""
    names = {path.name for path in ROOT.glob("*/")}
    with contextlib.suppress(LabError):
        names |= {path.name for path in (cgroup2_root() / "culvert-lab").glob("*/")}
    return sorted(names)


def down_abandoned():
    """Removes labs whose program is gone; labs of people and of running programs stay."""
    for name in labs():
        if _abandoned(name):
            down(name)


def _abandoned(name):
    try:
        owner = (ROOT / name / "owner").read_text()
    except OSError:
        return False  # being made at this moment, perhaps
    if owner == KEPT:
        return False
    pid, started = owner.split()
    return _start_time(pid) != started


def _start_time(pid):
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return stat.rpartition(")")[2].split()[19]


def down(name):
    """Everything of this lab goes. Does not fail on what is already gone."""
    check_name(name)
    directory = ROOT / name
    end_cgroup(cgroup2_root() / "culvert-lab" / name)
    for letter in "ab":
        shutil.rmtree(f"/sys/fs/bpf/culvert/{name}-{letter}", ignore_errors=True)
        shutil.rmtree(f"/run/culvert/{name}-{letter}", ignore_errors=True)
    notes = directory / "netns"
    for netns in notes.read_text().split() if notes.exists() else []:
        remove_netns(netns)
    with alone():
        shutil.rmtree(directory, ignore_errors=True)
        if not any(ROOT.glob("*/")):
            _remove_shared()


def _remove_shared():
    for shared in (cgroup2_root() / "culvert-lab", ROOT, pathlib.Path("/sys/fs/bpf/culvert"),
                   pathlib.Path("/run/culvert")):
        with contextlib.suppress(OSError):
            shared.rmdir()
