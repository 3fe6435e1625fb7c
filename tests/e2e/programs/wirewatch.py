# SPDX-License-Identifier: Apache-2.0
"""Searches everything that passes an interface, as it passes: nothing is kept unless asked."""

import re
import signal
import subprocess

from remote import ready

CHUNK = 1 << 20


def watch(interface, canaries, keep):
    """Until SIGTERM. Answers how often each canary was seen, and how much there was."""
    tcpdump = subprocess.Popen(["tcpdump", "-i", interface, "-U", "-n", "-s", "0", "-B", "65536",
                                "-Z", "root", "-w", "-", "tcp or ip6 proto 6"],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    signal.signal(signal.SIGTERM, lambda *_: tcpdump.send_signal(signal.SIGINT))
    while b"listening on" not in (line := tcpdump.stderr.readline()):
        if not line:
            raise RuntimeError("tcpdump ended at once")
    ready()
    patterns = {canary: canary.encode() for canary in canaries}
    longest = max(map(len, patterns.values()))
    seen, total, rest = dict.fromkeys(canaries, 0), 0, b""
    copy = open(keep, "wb") if keep else None
    while chunk := tcpdump.stdout.read1(CHUNK):
        total += len(chunk)
        if copy:
            copy.write(chunk)
        window = rest + chunk
        for canary, pattern in patterns.items():
            seen[canary] += window.count(pattern)
        rest = window[len(window) - longest + 1:]
    if copy:
        copy.close()
    said = tcpdump.stderr.read().decode(errors="replace")
    tcpdump.wait()

    def number(what):
        found = re.search(rf"(\d+) packets? {what}", said)
        return int(found[1]) if found else 0
    return {"bytes": total, "packets": number("captured"), "dropped": number("dropped by kernel"),
            "canaries": seen}
