# SPDX-License-Identifier: Apache-2.0
"""Payload that shows loss, doubling and disorder, with a canary in every KiB: blocks that begin with
their number. The same seed and length give the same bytes everywhere."""

import hashlib

BLOCK = 64 * 1024


def blocks(size, canary):
    """`size` bytes in pieces of at most 64 KiB."""
    line = (canary + ".").encode().ljust(1024, b"-")
    body = line * (BLOCK // len(line))
    number = 0
    while size > 0:
        head = b"%016d" % number
        piece = (head + body[len(head):])[:size]
        # the head covers the first line's canary: it goes behind
        piece = piece[:16] + line[:1008][:max(0, len(piece) - 16)] + piece[1024:]
        yield piece[:size]
        size -= len(piece)
        number += 1


def digest(size, canary):
    sha = hashlib.sha256()
    for block in blocks(size, canary):
        sha.update(block)
    return sha.hexdigest()
