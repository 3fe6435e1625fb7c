# SPDX-License-Identifier: Apache-2.0
"""A suite: named cases on one lab, one line each, 'N passed, N failed' at the end.

    NAME_suite.py [--plain] [--list] [FILTER...]

FILTER: only cases whose name contains one of them. --plain: without the mesh, which checks the lab
and the applications themselves. The wire is watched from the first case to the last.
"""

import contextlib
import os
import secrets
import signal
import sys
import time
import traceback

from .settings import patience
from .system import LabError, exit_on_signals
from .topology import Lab
from .wire import Wire


class Failed(Exception):
    """A check of a case did not hold."""


def check(condition, text):
    if not condition:
        raise Failed(text() if callable(text) else text)


def equal(actual, expected, what):
    check(actual == expected, f"{what}: {_short(actual)}, expected {_short(expected)}")


def _short(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "…"


def eventually(what, condition, timeout=10.0):
    """The condition holds within this time; its value."""
    end = time.monotonic() + timeout * patience()
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"not within {timeout:g} s: {what}")
        time.sleep(0.1)


class Target:
    """A way to reach a server: by address of the pod or of its Service, of one family."""

    def __init__(self, label, address, pod):
        self.label, self.address, self.pod = label, address, pod
        self.v6 = ":" in address
        self.url = f"[{address}]" if self.v6 else address  # as written in a URL

    def client_address(self, pod):
        return pod.ip6 if self.v6 else pod.ip4


WAYS = ("pod IPv4", "pod IPv6", "service IPv4", "service IPv6")  # Services need the mesh


def target(lab, pod_name, label):
    of = lab.services[pod_name] if "service" in label else lab.pods[pod_name]
    return Target(label, of.ip6 if "IPv6" in label else of.ip4, lab.pods[pod_name])


class Suite:
    def __init__(self, name):
        self.name = name
        self.cases = []  # (name, function, timeout, mesh only)
        self.setup = lambda lab: None
        self.words = sys.argv[1:]
        self.filters = [word for word in self.words if not word.startswith("-")]
        self.plain = "--plain" in self.words
        self.passed = self.failed = 0

    def case(self, name, timeout=120, mesh=False):
        """`mesh`: means nothing without culvertd. Without it a case also passes with --plain."""
        def add(function):
            self.cases.append((name, function, timeout, mesh))
            return function
        return add

    def each_way(self, name, pod, timeout=120):
        """The case once for each way to reach the pod: function(lab, target)."""
        def add(function):
            for label in WAYS:
                def one(lab, label=label):
                    function(lab, target(lab, pod, label))
                self.case(f"{name} [{label}]", timeout, mesh="service" in label)(one)
            return function
        return add

    def main(self):
        chosen = [case for case in self.cases
                  if (not self.filters or any(word in case[0] for word in self.filters))
                  and not (self.plain and case[3])]
        if "--list" in self.words:
            print("\n".join(case[0] for case in chosen))
            return 0
        if not chosen:
            print(f"no case matches {' '.join(self.filters)}", file=sys.stderr)
            return 2
        exit_on_signals()
        began = time.monotonic()
        try:
            self._run(chosen)
        except (LabError, Failed) as error:
            self._report("lab", str(error))
        print(f"{self.name}: {self.passed} passed, {self.failed} failed "
              f"({time.monotonic() - began:.0f} s)", flush=True)
        return 1 if self.failed else 0

    def _run(self, chosen):
        with Lab(f"{self.name}{os.getpid()}", meshed=not self.plain) as lab:
            lab.canary = "canary-" + secrets.token_hex(12)
            lab.canaries = [lab.canary]
            self.setup(lab)
            try:
                lab.start_daemons()
                with Wire(lab, lab.canaries) as lab.wire:
                    for case in chosen:
                        self._one(lab, *case[:3])
                self._judge_wire(lab)
                self._end_daemons(lab)
            finally:
                self._judge_findings(lab)

    def _one(self, lab, name, function, timeout):
        marks = [len(daemon.log_text()) for daemon in lab.daemons]
        began = time.monotonic()
        error = None
        try:
            with _time_limit(timeout * patience()):
                function(lab)
            if lab.meshed:
                for daemon in lab.daemons:
                    check(daemon.running(), lambda: f"culvertd of {daemon.node.node_name} ended "
                                                    f"with {daemon.process.wait()}")
        except (LabError, Failed, OSError, AssertionError) as caught:
            error = str(caught) or type(caught).__name__
        except Exception:
            error = traceback.format_exc()
        self._report(name, error, time.monotonic() - began)
        if error and lab.meshed:
            time.sleep(0.5)  # lines are written a moment after what they tell of
            for daemon, mark in zip(lab.daemons, marks):
                lines = [line for line in daemon.log_text()[mark:].splitlines()
                         if "connection complete" not in line or " error=" in line]
                for line in lines[-8:] + _live(daemon):
                    print(f"       {daemon.node.node_name}: {line[:600]}")
                if not daemon.running():
                    with contextlib.suppress(LabError):
                        daemon.start()

    def _report(self, name, error, seconds=0.0):
        if error is None:
            self.passed += 1
            print(f"ok   {name} ({seconds:.1f} s)", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {name} ({seconds:.1f} s): {error}", flush=True)

    def _judge_wire(self, lab):
        """With the mesh no canary on the wire; without it they must be seen, or the watch is blind."""
        seen = lab.wire.seen
        clear = sum(seen["canaries"].values())
        error = None
        if seen["packets"] == 0 and not self.filters:
            error = "there was no traffic"
        elif lab.meshed and clear:
            error = f"in clear: {seen['canaries']}"
        elif not lab.meshed and not clear:
            error = "the canary was not seen although nothing encrypts"
        name = (f"wire: {seen['bytes'] >> 20} MiB in {seen['packets']} packets, canary seen "
                f"{clear} times ({seen['dropped']} packets not watched)")
        self._report(name, error)

    def _end_daemons(self, lab):
        if lab.meshed:
            codes = [daemon.stop() for daemon in lab.daemons]
            self._report("daemons: end with 0 at SIGTERM", None if codes == [0, 0] else f"{codes}")

    def _judge_findings(self, lab):
        """A sanitizer's, if the build has one: whichever way the daemon that had it ended."""
        for daemon in lab.daemons:
            finding = daemon.finding()
            if finding:
                self._report(f"{daemon.node.node_name}: no finding of a sanitizer", finding)


def _live(daemon, most=10):
    """What the daemon still has open when a case failed."""
    if not daemon.running():
        return []
    return daemon.command("connections", check=False).splitlines()[:most]


@contextlib.contextmanager
def _time_limit(seconds):
    def late(*_):
        raise Failed(f"not done within {seconds:.0f} s")
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(int(seconds))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
