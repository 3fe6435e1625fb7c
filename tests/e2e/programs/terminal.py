# SPDX-License-Identifier: Apache-2.0
"""A person at a terminal: runs a command on a pseudo-terminal and types."""

import os
import pty
import select
import time


def session(command, lines, timeout=40):
    """Types the lines, each when the program went quiet; {"output", "exit"}."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp(command[0], command)
    output, typed, end = b"", 0, time.monotonic() + timeout
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.7)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                break  # Linux says EIO when the other side is gone
            if not piece:
                break
            output += piece
        elif output and typed < len(lines):
            os.write(terminal, lines[typed].encode() + b"\r")
            typed += 1
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    return {"output": output.decode(errors="replace"), "exit": os.waitstatus_to_exitcode(status)}
