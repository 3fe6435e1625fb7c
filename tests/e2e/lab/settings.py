# SPDX-License-Identifier: Apache-2.0
"""What the environment decides: which build, which record engine, how many data threads, how
much, how patient."""

import os
import pathlib

SOURCE = pathlib.Path(__file__).resolve().parents[3]


def build_directory():
    return pathlib.Path(os.environ.get("CULVERT_BUILD", SOURCE / "build" / "release")).resolve()


def records(node):
    """CULVERT_RECORDS: auto | kernel | userspace | mixed (node a kernel, node b userspace)."""
    choice = os.environ.get("CULVERT_RECORDS", "auto")
    if choice == "mixed":
        return "kernel" if node == "a" else "userspace"
    return choice


def data_threads():
    """CULVERT_DATA_THREADS: of each daemon; 0, the default: as many as it finds right."""
    return int(os.environ.get("CULVERT_DATA_THREADS", "0"))


def scale():
    return float(os.environ.get("CULVERT_SCALE", "1"))


def scaled(amount, least=1):
    """Amounts (bytes, connections, rounds) are scaled down where the machine is emulated."""
    return max(least, int(amount * scale()))


def patience():
    """Time limits grow where amounts shrink: there the machine is slow, by 5 at the most."""
    return min(5.0, max(1.0, 1 / scale()))
