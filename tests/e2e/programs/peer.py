# SPDX-License-Identifier: Apache-2.0
"""A server for tests. The client's first line says what the connection is to be:

    echo            everything back, until the client's end, then the end
    count           answers "BYTES SHA256\\n" after the client's end
    give N          N bytes of the pattern, then the end
    after-end N     waits for the client's end, then as `give`
    names           answers what accept, getpeername and getsockname say, as JSON
    reset-after N   reads N bytes, then RST
    reset-now       RST
    stall SECONDS   reads nothing for so long, then as `count`
    end-first       ends its side at once, then as `count` but keeps the answer to itself
    observe         answers ".", then reads to the end and remembers how it ended
    ended           answers how the last `observe` ended: "end" or the error's name
    connections     answers how many connections were accepted, this one included
"""

import errno
import hashlib
import json
import signal
import socket
import struct
import threading
import time

import pattern
from remote import ready

LINGER_RESET = struct.pack("ii", 1, 0)


def listen(port, backlog=4096):
    """A dual-stack listening socket."""
    server = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    server.bind(("::", port))
    server.listen(backlog)
    return server


def accepted(port):
    """(connection, address) of each client, until SIGTERM."""
    server = listen(port)
    signal.signal(signal.SIGTERM, lambda *_: server.shutdown(socket.SHUT_RDWR))
    ready()
    while True:
        try:
            one = server.accept()
        except OSError:
            return
        yield one


def serve(port, canary):
    """Until SIGTERM; answers how many connections there were."""
    state = {"connections": 0, "ended": "nothing observed"}
    for connection, address in accepted(port):
        state["connections"] += 1
        threading.Thread(target=_serve_one, args=(connection, address, canary, state),
                         daemon=True).start()
    return state["connections"]


def greet(port, words):
    """Until SIGTERM: a server that speaks first, then takes the client's end."""
    for connection, _ in accepted(port):
        with connection:
            connection.sendall(words.encode() + b"\n")
            connection.recv(1)
    return True


def full(port):
    """Until SIGTERM: a server that accepts nothing and whose backlog is full, so that the kernel
    answers no SYN."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    with listen(port, backlog=0), socket.create_connection(("::1", port), 5):
        ready()
        signal.sigwait({signal.SIGTERM})
    return True


def _serve_one(connection, address, canary, state):
    with connection:
        try:
            words = _line(connection).split()
            if words:
                _ACTIONS[words[0]](connection, address, canary, state, *words[1:])
        except OSError as error:
            state["ended"] = errno.errorcode.get(error.errno, str(error))


def _line(connection):
    line = b""
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            return ""
        line += byte
    return line.decode()


def _read_all(connection):
    total, sha = 0, hashlib.sha256()
    while piece := connection.recv(1 << 18):
        total += len(piece)
        sha.update(piece)
    return f"{total} {sha.hexdigest()}\n".encode()


def _echo(connection, *_):
    while piece := connection.recv(1 << 18):
        connection.sendall(piece)


def _count(connection, *_):
    connection.sendall(_read_all(connection))


def _give(connection, _address, canary, _state, size):
    for block in pattern.blocks(int(size), canary):
        connection.sendall(block)


def _after_end(connection, address, canary, state, size):
    _read_all(connection)
    _give(connection, address, canary, state, size)


def _names(connection, address, *_):
    answer = {"accept": address[:2], "peer": connection.getpeername()[:2],
              "self": connection.getsockname()[:2]}
    connection.sendall(json.dumps(answer).encode())


def _reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)


def _reset_after(connection, _address, _canary, _state, size):
    left = int(size)
    while left > 0:
        piece = connection.recv(left)
        if not piece:
            break
        left -= len(piece)
    _reset(connection)


def _reset_now(connection, *_):
    _reset(connection)


def _stall(connection, _address, _canary, _state, seconds):
    time.sleep(float(seconds))
    connection.sendall(_read_all(connection))


def _end_first(connection, _address, _canary, state):
    connection.shutdown(socket.SHUT_WR)
    state["ended"] = _read_all(connection).decode().strip()


def _observe(connection, _address, _canary, state):
    state["ended"] = "open"
    connection.sendall(b".")
    _read_all(connection)
    state["ended"] = "end"


def _ended(connection, _address, _canary, state):
    connection.sendall(state["ended"].encode())


def _connections(connection, _address, _canary, state):
    connection.sendall(str(state["connections"]).encode())


_ACTIONS = {"echo": _echo, "count": _count, "give": _give, "after-end": _after_end,
            "names": _names, "reset-after": _reset_after, "reset-now": _reset_now,
            "stall": _stall, "end-first": _end_first, "observe": _observe, "ended": _ended, "connections": _connections}
