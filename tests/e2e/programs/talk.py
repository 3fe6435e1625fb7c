# SPDX-License-Identifier: Apache-2.0
"""Clients of peer.py. Each function makes one or more connections and answers what it saw."""

import errno
import hashlib
import json
import os
import select
import signal
import socket
import struct
import threading
import time

import pattern
from remote import ready

LINGER_RESET = struct.pack("ii", 1, 0)


def connect(host, port, timeout=30):
    connection = socket.create_connection((host, port), timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _ask(connection, words):
    connection.sendall(words.encode() + b"\n")


def _read_all(connection):
    total, sha = 0, hashlib.sha256()
    while piece := connection.recv(1 << 18):
        total += len(piece)
        sha.update(piece)
    return total, sha.hexdigest()


def outcome(host, port, words="names", timeout=15):
    """Connects, asks, reads to the end: what became of it. {"connect": "ok" | error name,
    "read": bytes, "end": "end" | error name, "seconds"}"""
    began = time.monotonic()
    answer = {"connect": "ok", "read": 0, "end": "end"}
    try:
        connection = connect(host, port, timeout)
    except OSError as error:
        answer["connect"] = _name(error)
        answer["end"] = None
    else:
        with connection:
            try:
                _ask(connection, words)
                answer["read"] = _read_all(connection)[0]
            except OSError as error:
                answer["end"] = _name(error)
    answer["seconds"] = time.monotonic() - began
    return answer


def _name(error):
    return "timeout" if isinstance(error, TimeoutError) else errno.errorcode.get(error.errno, "?")


def names(host, port, source=None):
    """What both ends say of the connection. `source`: what the client binds to, (address, port)."""
    source = tuple(source) if source else None
    with socket.create_connection((host, port), 30, source_address=source) as connection:
        mine = {"peer": connection.getpeername()[:2], "self": connection.getsockname()[:2]}
        _ask(connection, "names")
        theirs = json.loads(connection.makefile().read())
    return {"client": mine, "server": theirs}


def get(host, port, size, canary, words=None):
    """Takes `size` bytes (words: `after-end`, with the own side ended first); checked by hash."""
    with connect(host, port) as connection:
        _ask(connection, f"{words or 'give'} {size}")
        if words == "after-end":
            connection.shutdown(socket.SHUT_WR)
        total, digest = _read_all(connection)
    if (total, digest) != (size, pattern.digest(size, canary)):
        raise RuntimeError(f"{total} of {size} bytes, or not the right ones")
    return total


def put(host, port, size, canary, stall=0, hold=None):
    """Gives `size` bytes and compares what the server says it got."""
    with connect(host, port, timeout=600) as connection:
        _ask(connection, f"stall {stall}" if stall else "count")
        for block in pattern.blocks(size, canary):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        total, digest = connection.makefile().readline().split()
    if (int(total), digest) != (size, pattern.digest(size, canary)):
        raise RuntimeError(f"the server got {total} of {size} bytes, or not the right ones")
    return size


def slow_reader(host, port, size, canary, seconds):
    """Asks for `size` bytes, reads none for `seconds`, then all; says ready when asleep."""
    with connect(host, port, timeout=600) as connection:
        _ask(connection, f"give {size}")
        ready()
        time.sleep(seconds)
        total, digest = _read_all(connection)
    if (total, digest) != (size, pattern.digest(size, canary)):
        raise RuntimeError(f"{total} of {size} bytes, or not the right ones")
    return total


def server_ends_first(host, port, size, canary):
    """The server's end comes first; then this side still gives `size` bytes."""
    with connect(host, port) as connection:
        _ask(connection, "end-first")
        if connection.recv(1):
            raise RuntimeError("data instead of the server's end")
        for block in pattern.blocks(size, canary):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(0.2)
    return f"{size} {pattern.digest(size, canary)}"


def echo(host, port, canary, rounds=100, size=100, pause=0.0):
    """Small messages there and back on one connection; answers the slowest round in seconds."""
    slowest = 0.0
    with connect(host, port) as connection:
        _ask(connection, "echo")
        for number in range(rounds):
            message = f"{number} {canary} ".encode().ljust(size, b".")
            began = time.monotonic()
            connection.sendall(message)
            _expect(connection, message)
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(pause)
        connection.shutdown(socket.SHUT_WR)
        if connection.recv(1):
            raise RuntimeError("more came back than was sent")
    return slowest


def _expect(connection, message):
    got = b""
    while len(got) < len(message):
        piece = connection.recv(len(message) - len(got))
        if not piece:
            raise RuntimeError("ended early")
        got += piece
    if got != message:
        raise RuntimeError(f"got {got[:80]!r}, sent {message[:80]!r}")


def _until_told():
    """A list that is empty until SIGTERM."""
    told = []
    signal.signal(signal.SIGTERM, lambda *_: told.append(True))
    return told


def long_echo(host, port, canary, pause=0.05, least=21):
    """A connection that stays, with a message now and then, until SIGTERM and there were `least`, and one
    more there and back; says ready after the first one, answers how many."""
    told, rounds, last = _until_told(), 0, False
    with connect(host, port) as connection:
        _ask(connection, "echo")
        while not last:
            last = bool(told) and rounds >= least
            message = f"{rounds} {canary}\n".encode()
            connection.sendall(message)
            _expect(connection, message)
            if rounds == 0:
                ready()
            rounds += 1
            time.sleep(pause)
    return rounds


def many(host, port, canary, count, at_once=1):
    """`count` short connections, `at_once` at a time; answers {"ok": N, error: N}"""
    seen, lock, left = {}, threading.Lock(), [count]

    def work():
        while True:
            with lock:
                if left[0] == 0:
                    return
                left[0] -= 1
            try:
                echo(host, port, canary, rounds=1)
                word = "ok"
            except (OSError, RuntimeError) as error:
                word = _name(error) if isinstance(error, OSError) else str(error)
            with lock:
                seen[word] = seen.get(word, 0) + 1
    workers = [threading.Thread(target=work) for _ in range(at_once)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return seen


def _state(connection):
    """The kernel's word for the state of a TCP socket."""
    names = ("?", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT", "CLOSE",
             "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING")
    return names[connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]]


def nonblocking(host, port, canary, count):
    """`count` connections at once by non-blocking connect and epoll; every one echoes one message."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    poll, waiting, message = select.epoll(), {}, f"echo\n{canary}".encode()
    for _ in range(count):
        connection = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        code = connection.connect_ex((host, port))
        if code != errno.EINPROGRESS and code != 0:
            raise OSError(code, os.strerror(code))
        waiting[connection.fileno()] = [connection, b"", False]
        poll.register(connection.fileno(), select.EPOLLOUT)
    done = 0
    while waiting:
        events = poll.poll(20)
        if not events:
            raise RuntimeError(f"{len(waiting)} of {count} connections hang: " + ", ".join(
                f"port {entry[0].getsockname()[1]} {_state(entry[0])} "
                f"{'sent' if entry[2] else 'unsent'} {len(entry[1])} bytes got"
                for entry in waiting.values()))
        for fd, _ in events:
            entry = waiting[fd]
            connection, got, sent = entry
            if not sent:
                code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if code:
                    raise OSError(code, os.strerror(code))
                connection.send(message)
                connection.shutdown(socket.SHUT_WR)
                entry[2] = True
                poll.modify(fd, select.EPOLLIN)
                continue
            piece = connection.recv(65536)
            entry[1] = got + piece
            if not piece:
                done += entry[1] == canary.encode()
                del waiting[fd]
                connection.close()
    return done


def reset(host, port, words="observe", size=1000):
    """Gives some bytes, then RST."""
    with connect(host, port) as connection:
        _ask(connection, words)
        connection.sendall(b"x" * size)
        _expect(connection, b".")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_RESET)
    return True


def transfer(host, port, size, canary):
    """As get(), but answers how it ended instead of failing: {"read", "right", "end"}; says ready once
    data flow. `right`: what came was a beginning of the right bytes."""
    with connect(host, port) as connection:
        _ask(connection, f"give {size}")
        total, right, end = 0, True, "end"
        expected = pattern.blocks(size, canary)
        buffered = b""
        try:
            while piece := connection.recv(1 << 16):
                if total == 0:
                    ready()
                total += len(piece)
                while len(buffered) < len(piece):
                    buffered += next(expected, b"\0")
                right = right and buffered.startswith(piece)
                buffered = buffered[len(piece):]
        except OSError as error:
            end = _name(error)
    return {"read": total, "right": right, "end": end, "whole": total == size}


def churn(host, port, canary, least=1):
    """Short connections one after another, until SIGTERM and there were `least`; answers how each ended,
    and wrong data."""
    seen, told = {}, _until_told()
    ready()
    while not told or sum(seen.values()) < least:
        try:
            echo(host, port, canary, rounds=2)
            word = "ok"
        except OSError as error:
            word = _name(error)
            if word == "ENOTCONN":  # of shutdown(2): it has been reset already
                word = "ECONNRESET"
            time.sleep(0.002)  # a refusal costs nothing: leave something to others
        except RuntimeError as error:
            word = "cut" if "early" in str(error) else str(error)
        seen[word] = seen.get(word, 0) + 1
    return seen


def hold(host, port, canary, count, seconds):
    """`count` connections that stay for so long, idle after one echo; ready when all are up."""
    held = []
    for _ in range(count):
        connection = connect(host, port)
        connection.sendall(f"echo\n{canary}".encode())
        _expect(connection, canary.encode())
        held.append(connection)
    ready(len(held))
    time.sleep(seconds)
    for connection in held:
        connection.close()
    return len(held)


def wait_end(host, port, canary, timeout=120, speaks_after=None):
    """An idle connection, after one echo; says ready, then answers how it ends and after how long.
    speaks_after: it sends once more after that many seconds, instead of staying idle."""
    with connect(host, port, timeout) as connection:
        connection.sendall(f"echo\n{canary}".encode())
        _expect(connection, canary.encode())
        ready()
        began = time.monotonic()
        try:
            if speaks_after is not None:
                time.sleep(speaks_after)
                connection.sendall(canary.encode())
            end = "end" if connection.recv(1) == b"" else "data"
        except OSError as error:
            end = _name(error)
    return {"end": end, "seconds": time.monotonic() - began}


def listens(host, port, timeout=15):
    """A client that lets the server speak first; answers what it says and after how long."""
    began = time.monotonic()
    with connect(host, port, timeout) as connection:
        line = connection.makefile().readline().strip()
    return {"line": line, "seconds": time.monotonic() - began}


def silent(host, port, timeout=60):
    """Connects, says ready and nothing else; answers how the connection ends."""
    with connect(host, port, timeout) as connection:
        ready()
        try:
            return "end" if connection.recv(1) == b"" else "data"
        except OSError as error:
            return _name(error)


def dribble(host, port, count):
    """`count` writes of one byte, then the end; answers what the server counted."""
    with connect(host, port) as connection:
        _ask(connection, "count")
        for _ in range(count):
            connection.send(b"x")
        connection.shutdown(socket.SHUT_WR)
        return int(connection.makefile().readline().split()[0])


def odd_connect(host, port, canary, how):
    """One echo over a socket that connects in an unusual way: fastopen, device, again."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as connection:
        message = f"echo\n{canary}".encode()
        if how == "device":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"eth0\0")
        if how == "fastopen":
            connection.sendto(message, socket.MSG_FASTOPEN, (host, port))
        else:
            connection.connect((host, port))
            connection.sendall(message)
        connection.settimeout(20)
        _expect(connection, canary.encode())
        return {"peer": connection.getpeername()[:2]}


def open_and_close(host, port, count):
    """Connections that end before a byte was sent."""
    for _ in range(count):
        connect(host, port).close()
    return count


def ask(host, port, words):
    """The whole answer, as text."""
    with connect(host, port) as connection:
        _ask(connection, words)
        connection.shutdown(socket.SHUT_WR)
        return connection.makefile().read()
