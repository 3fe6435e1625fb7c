# SPDX-License-Identifier: Apache-2.0
"""A refusal has a counter and a log line that names its reason: checked around what provokes it."""

import contextlib
import re

from .suite import check, eventually


@contextlib.contextmanager
def refused(daemon, *reasons, times=1, direction=None, detail=""):
    """Within the block, refusals for one of these reasons must be counted and logged; `detail`: what
    the line says besides."""
    def count():
        return sum(daemon.refusals(reason, direction) for reason in reasons)

    def logged():
        return any(re.search(rf"\berror={reason}\b", line) and detail in line
                   and f" direction={direction or ''}" in line
                   for line in daemon.log_text()[mark:].splitlines() for reason in reasons)
    before, mark = count(), len(daemon.log_text())
    everything = daemon.refusals()
    yield
    which = f"{' or '.join(reasons)} ({direction or 'either way'})"
    node = daemon.node.node_name
    try:
        eventually(f"culvert_refusals_total of {node} for {which} moves by {times}",
                   lambda: count() >= before + times, 5)
        eventually(f"a log line of {node} names {which} and {detail!r}", logged, 5)
    except Exception as error:
        check(False, f"{error} ({daemon.refusals() - everything:.0f} refusals in all; log: "
                     f"{daemon.log_text()[mark:][-600:]!r})")
