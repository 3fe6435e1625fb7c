# SPDX-License-Identifier: Apache-2.0
"""Clients of peer.py that are cut off, or cut off, in the middle of much data."""

import hashlib
import threading

import pattern
import talk


def reset_behind(host, port, size, canary):
    """Gives `size` bytes to `observe`, then RST."""
    with talk.connect(host, port) as connection:
        connection.sendall(b"observe\n")
        if connection.recv(1) != b".":
            raise RuntimeError("no answer")
        for block in pattern.blocks(size, canary):
            connection.sendall(block)
        connection.setsockopt(talk.socket.SOL_SOCKET, talk.socket.SO_LINGER, talk.LINGER_RESET)


def reset_by_server(host, port, size, canary):
    """Gives up to `size` bytes; the server resets after half of them. How that showed."""
    try:
        with talk.connect(host, port) as connection:
            connection.sendall(f"reset-after {size // 2}\n".encode())
            for block in pattern.blocks(size, canary):
                connection.sendall(block)
            return "end" if connection.recv(1) == b"" else "data"
    except OSError as error:
        return talk.errno.errorcode.get(error.errno, "?")


def both_ways(host, port, size, canary):
    """Writes `size` bytes and reads their echo at the same time; checked by hash."""
    with talk.connect(host, port, timeout=600) as connection:
        connection.sendall(b"echo\n")

        def write():
            for block in pattern.blocks(size, canary):
                connection.sendall(block)
            connection.shutdown(talk.socket.SHUT_WR)
        writer = threading.Thread(target=write)
        writer.start()
        total, sha = 0, hashlib.sha256()
        while piece := connection.recv(1 << 18):
            total += len(piece)
            sha.update(piece)
        writer.join()
    if (total, sha.hexdigest()) != (size, pattern.digest(size, canary)):
        raise RuntimeError(f"{total} of {size} bytes, or not the right ones")
    return total
