#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""remote.py SOCKET: calls functions of this folder for a test, each in a process of its own.

A pod has one of these, so that a call costs a fork and no start of Python. A request is one message
{"function": "module.name", "arguments": {...}, "log": file}; the answer is {"pid": N}. The function's
output goes to the log, with one JSON object a line for the caller: {"ready": value} when the function
calls ready(), then {"result": value}, or {"error": text} and exit 1.
"""

import importlib
import json
import os
import resource
import signal
import socket
import sys
import traceback


def ready(value=True):
    print(json.dumps({"ready": value}), flush=True)


def run(function, arguments):
    try:
        result = function(**arguments)
    except Exception as error:  # whatever it was, the caller is to see it
        traceback.print_exc()
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
        return 1
    print(json.dumps({"result": result}), flush=True)
    return 0


def child(request, function):
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    code = 1
    try:
        code = run(function, request["arguments"])
    finally:
        sys.stdout.flush()
        os._exit(code)


def main():
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (files_max, files_max))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits: the caller reads the log
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(sys.argv[1])
    listener.listen(16)
    ready()
    while True:
        connection, _ = listener.accept()
        with connection:
            request = json.loads(connection.recv(1 << 16))
            module, name = request["function"].split(".")
            function = getattr(importlib.import_module(module), name)
            pid = os.fork()
            if pid == 0:
                child(request, function)
            connection.send(json.dumps({"pid": pid}).encode())


if __name__ == "__main__":
    sys.modules["remote"] = sys.modules["__main__"]
    main()
