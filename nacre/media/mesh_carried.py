"""The SCENE section: a scene's document and blobs as bytes, and back.

A varint, the number of parts; for each a byte ``method`` (0: as it is, 1: deflate) and its length
(varint, before deflate and after); then the bodies. The first part is the document, JSON in UTF-8;
the others are the blobs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nacre.errors import FormatError, InputError, Truncated
from nacre.limits import Limits
from nacre.stream import Reader, deflate, inflate, write_varint

RAW, DEFLATED = 0, 1


def pack_scene(document: Mapping[str, Any], blobs: tuple[bytes, ...]) -> bytes:
    """The section's body.

    Raises:
        InputError: the document is no JSON.
    """
    try:
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    except (TypeError, ValueError, UnicodeEncodeError, RecursionError) as error:
        raise InputError(f"the document of the scene is no JSON ({error})") from None
    head, bodies = bytearray(), bytearray()
    write_varint(head, 1 + len(blobs))
    for part in (text, *blobs):
        short = deflate(part)
        method = DEFLATED if len(short) < len(part) else RAW
        body = short if method == DEFLATED else part
        head.append(method)
        write_varint(head, len(part))
        if method == DEFLATED:
            write_varint(head, len(body))
        bodies += body
    return bytes(head + bodies)


def unpack_scene(data: bytes, limits: Limits) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Document and blobs.

    Raises:
        FormatError: the section is damaged.
        LimitExceeded: the parts together have more bytes than ``limits`` allow.
    """
    reader = Reader(data, "section SCENE")
    count = reader.varint("number of parts")
    if not 1 <= count <= reader.remaining:
        raise Truncated(f"section SCENE: {count:,} parts in {reader.remaining:,} bytes")
    entries, total = [], 0
    for _ in range(count):
        method = reader.unsigned(1, "method")
        size = reader.varint("length")
        if method not in (RAW, DEFLATED):
            raise FormatError(f"section SCENE: method {method}; 0 or 1 are expected")
        entries.append((method, size, reader.varint("bytes") if method == DEFLATED else size))
        total += size
    limits.check("bytes", total, "section SCENE")
    parts = []
    for method, size, length in entries:
        body = reader.take(length, "part")
        if method == DEFLATED:
            parts.append(inflate(body, size, where="section SCENE"))
        else:
            parts.append(bytes(body))
    reader.expect_end()
    try:
        document = json.loads(parts[0])
    except (ValueError, RecursionError):
        raise FormatError("section SCENE: the document is no JSON") from None
    if not isinstance(document, dict):
        raise FormatError("section SCENE: the document is no JSON object")
    return document, tuple(parts[1:])
