# SPDX-License-Identifier: Apache-2.0
"""Running programs in a place (a namespace and a cgroup): pods, nodes, and what is outside both."""

import contextlib
import json
import os
import pathlib
import pwd
import select
import signal
import socket
import subprocess
import time

from .settings import patience
from .system import LabError, enter_command, wait_for

PROGRAMS = pathlib.Path(__file__).resolve().parent.parent / "programs"
PYTHON = "/usr/bin/python3"


class Process:
    """A program started in a place. Its output goes to a file, so that nobody has to read it."""

    def __init__(self, command, name, log, cwd=None, env=None):
        self.name, self.log = name, log
        with open(log, "ab") as output:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output,
                                          stderr=subprocess.STDOUT, cwd=cwd, env=env,
                                          start_new_session=True)
        self.pid = self.popen.pid  # every step on the way is an exec: this is the program itself

    def running(self):
        return self.popen.poll() is None

    def send(self, number):
        if self.running():
            os.kill(self.pid, number)

    def _wait(self, seconds):
        """The exit code, or None: still running."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def output(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines=20):
        return "\n".join(self.output().splitlines()[-lines:])

    def wait(self, timeout=30):
        code = self._wait(timeout * patience())
        if code is None:
            raise LabError(f"{self.name} did not end within {timeout} s:\n{self.tail()}")
        return code

    def stop(self, number=signal.SIGTERM, timeout=20):
        """Ends it and returns its exit code; what does not obey is killed."""
        self.send(number)
        code = self._wait(timeout * patience())
        if code is None:
            self.send(signal.SIGKILL)
            code = self._wait(60)
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)


class Remote(Process):
    """A function of tests/e2e/programs that runs in a place, a child of the place's remote.py."""

    def __init__(self, pid, name, log):
        self.pid, self.name, self.log = pid, name, log
        try:
            self._pidfd = os.pidfd_open(pid)
        except ProcessLookupError:
            self._pidfd = None  # ended already

    def __del__(self):
        if self._pidfd is not None:
            os.close(self._pidfd)

    def running(self):
        return self._pidfd is not None and not select.select([self._pidfd], [], [], 0)[0]

    def send(self, number):
        if self._pidfd is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _wait(self, seconds):
        end = time.monotonic() + seconds
        while self.running():
            left = end - time.monotonic()
            if left <= 0:
                return None
            select.select([self._pidfd], [], [], left)
        return 0 if self._said("result") else 1

    def _said(self, key):
        for line in self.output().splitlines():
            if line.startswith('{"') and line.endswith("}"):
                message = json.loads(line)
                if key in message:
                    return message
        return None

    def ready(self, timeout=15):
        """Waits until the function called ready(), and returns what it said."""
        wait_for(f"{self.name} to be ready", lambda: self._said("ready") or not self.running(),
                 timeout * patience())
        message = self._said("ready")
        if message is None:
            raise LabError(f"{self.name} ended before it was ready:\n{self.tail()}")
        return message["ready"]

    def finish(self, timeout=60):
        """Tells one that goes on until SIGTERM to end, and returns its result."""
        self.send(signal.SIGTERM)
        return self.result(timeout)

    def result(self, timeout=60):
        """What the function returned. The function's exception is a LabError here."""
        self.wait(timeout)
        message = self._said("result")
        if message is None:
            raise LabError(f"{self.name} failed:\n{self.tail()}")
        return message["result"]


class Place:
    """Where programs run: `netns` and `cgroup`, with logs under `directory`."""

    def __init__(self, name, netns, cgroup, directory):
        self.name, self.netns, self.cgroup, self.directory = name, netns, cgroup, directory
        self._started = 0
        self._remote = None

    def command(self, command, user=None):
        if user:
            group = pwd.getpwnam(user).pw_gid
            command = ["setpriv", f"--reuid={user}", f"--regid={group}", "--init-groups", *command]
        return enter_command(self.netns, self.cgroup, command)

    def run(self, *command, check=True, input=None, timeout=60, user=None, cwd=None, binary=False):
        """Runs a program to its end and returns its standard output."""
        done = self.try_run(*command, input=input, timeout=timeout, user=user, cwd=cwd, binary=binary)
        if check and done.returncode != 0:
            error = done.stderr if not binary else done.stderr.decode(errors="replace")
            raise LabError(f"{self.name}: {' '.join(map(str, command))}: exit {done.returncode}: "
                           f"{error.strip()[-2000:]}")
        return done.stdout

    def try_run(self, *command, input=None, timeout=60, user=None, cwd=None, binary=False):
        """As run(), but answers the whole subprocess.CompletedProcess."""
        text = {} if binary else {"text": True, "errors": "replace"}
        try:
            return subprocess.run(self.command(command, user), input=input, cwd=cwd,
                                  timeout=timeout * patience(), stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, **text)
        except subprocess.TimeoutExpired as late:
            raise LabError(f"{self.name}: {' '.join(map(str, command))}: "
                           f"not done within {late.timeout:g} s") from None

    def _next_log(self, word):
        while True:
            self._started += 1
            log = self.directory / f"{self.name}-{self._started}-{word}.log"
            if not log.exists():
                return log

    def start(self, *command, user=None, cwd=None, env=None):
        """Starts a program in the background."""
        word = os.path.basename(str(command[0]))
        return Process(self.command(command, user), f"{self.name}: {word}", self._next_log(word),
                       cwd=cwd, env=env)

    def call(self, function, timeout=60, **arguments):
        """Runs "module.function" of tests/e2e/programs here and returns what it returns."""
        return self.spawn(function, **arguments).result(timeout)

    def spawn(self, function, **arguments):
        """Starts "module.function" of tests/e2e/programs here."""
        log = self._next_log(function)
        request = {"function": function, "arguments": arguments, "log": str(log)}
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.connect(self._remote_socket())
            connection.send(json.dumps(request).encode())
            answer = connection.recv(1 << 16)
        if not answer:
            raise LabError(f"{self.name}: cannot call {function}:\n{self._remote.tail()}")
        return Remote(json.loads(answer)["pid"], f"{self.name}: {function}", log)

    def _remote_socket(self):
        """Where this place's remote.py listens; started when first needed, or when it was killed."""
        path = self.directory / f"{self.name}.socket"
        if self._remote is None or not self._remote.running():
            path.unlink(missing_ok=True)
            self._remote = self.start(PYTHON, "-B", "-u", PROGRAMS / "remote.py", path)
            wait_for(f"remote.py of {self.name}",
                     lambda: "ready" in self._remote.output() or not self._remote.running(),
                     20 * patience())
        return str(path)
