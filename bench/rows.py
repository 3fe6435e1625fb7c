# SPDX-License-Identifier: Apache-2.0
"""What is measured: the rows of the table, their metrics, and the marks they are held to."""

import dataclasses

GIB = 1 << 30
TUNNELS = ("warm", "resumed", "full")  # see Row


@dataclasses.dataclass(frozen=True)
class Metric:
    """One figure of a row. `better` says which way is good; the first metric of a row is the one
    that the chart draws."""
    name: str
    unit: str
    better: str = "less"
    digits: int = 2


@dataclasses.dataclass(frozen=True)
class Row:
    """A load (bench_load's words) and the metrics computed from its one line of JSON.

    `tunnels`: which kind of new connection culvert must make: warm (an idle tunnel is used again),
    resumed (a new tunnel, the TLS session resumed), full (a new tunnel, a full handshake).
    """
    name: str
    title: str
    load: tuple  # mode, count, size
    metrics: tuple
    tunnels: str = "warm"


CPU_GIB = Metric("cpu", "CPU s/GiB")
SYSTEM_GIB = Metric("system", "system s/GiB")
CPU_US = Metric("cpu", "CPU us each", digits=1)
SYSTEM_US = Metric("system", "system us each", digits=1)
P50 = Metric("p50", "p50 us", digits=0)
P99 = Metric("p99", "p99 us", digits=0)
RATE = Metric("rate", "a second", "more", digits=0)
SPEED = Metric("speed", "Gbit/s", "more")

BULK = (CPU_GIB, SPEED, SYSTEM_GIB)
SINGLE = (P50, P99, CPU_US)
SATURATED = (CPU_US, RATE, SYSTEM_US)
CONNECT = (CPU_US, RATE, P50, P99, SYSTEM_US)

LOAD_ROWS = (
    Row("bulk1", "1 stream, 128 KiB writes", ("bulk", 1, 131072), BULK),
    Row("bulk8", "8 streams, 128 KiB writes", ("bulk", 8, 131072), BULK),
    Row("small1", "1 stream, 1 KiB writes", ("bulk", 1, 1024), BULK),
    Row("small8", "8 streams, 1 KiB writes", ("bulk", 8, 1024), BULK),
    Row("rpc64", "64 B there and back, 1 connection", ("requests", 1, 64), SINGLE),
    Row("rpc1k", "1 KiB there and back, 1 connection", ("requests", 1, 1024), SINGLE),
    Row("sat64", "64 B, 32 connections, saturated", ("requests", 32, 64), SATURATED),
    Row("sat1k", "1 KiB, 32 connections, saturated", ("requests", 32, 1024), SATURATED),
    Row("conn-warm", "new connection, warm tunnel", ("connects", 8, 1), CONNECT),
    Row("conn-resumed", "new connection, TLS resumed", ("connects", 8, 1), CONNECT, "resumed"),
    Row("conn-full", "new connection, full handshake", ("connects-fresh", 8, 1), CONNECT, "full"),
)
SHORT_ROWS = ("bulk1", "rpc64")

# Memory is read once, before any other load, since allocators keep what a load has touched.
RESIDENT = Metric("resident", "Rss MB, both", digits=1)
LARGEST = Metric("largest", "Rss MB, larger", digits=1)
PROPORTIONAL = Metric("proportional", "Pss MB, both", digits=1)
EACH = Metric("each", "KiB each", digits=2)
REST = Row("rest", "at rest", (), (RESIDENT, LARGEST, PROPORTIONAL))
IDLE_ROWS = (
    Row("idle1k", "1,000 idle connections", ("idle", 1000), (EACH,)),
    Row("idle10k", "10,000 idle connections", ("idle", 10000), (EACH,)),
)
MEMORY_ROWS = (REST, *IDLE_ROWS)
ROWS = LOAD_ROWS + MEMORY_ROWS


def figures(row, sample):
    """The metrics of one measurement. `sample`: bench_load's JSON; its cpu_us begin with the two
    pods', the rest is the mesh's. `system` is the whole busy time here; the report subtracts the
    plain TCP run's of the same round."""
    units = sample["units"]
    if units == 0:
        raise ValueError("nothing got through in the window")
    mesh_us = sum(sample["cpu_us"][2:])
    each = {"cpu": mesh_us / units, "system": sample["busy_us"] / units,
            "rate": units / sample["seconds"],
            "p50": sample.get("p50_us"), "p99": sample.get("p99_us")}
    if row.load[0] == "bulk":
        each["cpu"] *= GIB / 1e6
        each["system"] *= GIB / 1e6
        each["speed"] = units * 8 / sample["seconds"] / 1e9
    return {metric.name: each[metric.name] for metric in row.metrics}


@dataclasses.dataclass(frozen=True)
class Mark:
    """What the userspace engine has to reach: a ratio to a peer, or (peer None) a figure."""
    row: str
    metric: str
    peer: str | None
    most: float


MARKS = (
    *(Mark(row, "cpu", "plain", 1.25) for row in ("bulk1", "bulk8", "small1", "small8")),
    *(Mark(row, "cpu", "plain", 1.0) for row in ("sat64", "sat1k")),
    *(Mark(row, "p50", "plain", 1.0) for row in ("rpc64", "rpc1k")),
    Mark("conn-warm", "cpu", "plain", 0.75),
    Mark("conn-full", "cpu", "tls", 0.3),
    *(Mark(row, "each", None, 6.0) for row in ("idle1k", "idle10k")),
    Mark("rest", "largest", None, 16.0),
)
