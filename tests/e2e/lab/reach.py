# SPDX-License-Identifier: Apache-2.0
"""Who reaches the server of a suite about policies and modes, and who is reset. It listens on PORT, its
Service on SERVICE_PORT; `place` is a pod's name, or any place."""

from .suite import WAYS, check, target

PORT, SERVICE_PORT = 9001, 8001
POD_WAYS = WAYS[:2]
REFUSED = {"ECONNREFUSED", "ECONNRESET", "EPIPE"}


def outcome(lab, place, to="server", way=WAYS[0], port=PORT):
    port = SERVICE_PORT if "service" in way else port
    where = lab.pods[place] if isinstance(place, str) else place
    return where.call("talk.outcome", host=target(lab, to, way).address, port=port)


def stay(lab, function, pod, way=WAYS[0], **arguments):
    """A program of talk.py, its connection there (or its first one begun) when this returns; it carries
    the canary, unless another is given."""
    process = lab.pods[pod].spawn(f"talk.{function}", host=target(lab, "server", way).address, port=PORT,
                                  **{"canary": lab.canary, **arguments})
    process.ready()
    return process


def gets_in(lab, *places, ways=POD_WAYS, **where):
    for place in places:
        for way in ways:
            seen = outcome(lab, place, way=way, **where)
            check(seen["end"] == "end" and seen["read"] > 0, f"{place} to {way} {where}: {seen}")


def is_reset(lab, *places, ways=POD_WAYS, **where):
    for place in places:
        for way in ways:
            seen = outcome(lab, place, way=way, **where)
            check(seen["read"] == 0 and {seen["connect"], seen["end"]} & REFUSED,
                  f"{place} to {way} {where}: {seen}")
