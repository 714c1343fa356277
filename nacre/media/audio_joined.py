"""A file with another beginning, for a decoder that trips over its own."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO


class Joined(io.RawIOBase):
    """A file whose first bytes are ``head``, and that goes on with ``file`` from ``start``."""

    def __init__(self, head: bytes, file: BinaryIO, start: int) -> None:
        self._head, self._file, self._start = head, file, start
        self._size = len(head) + file.seek(0, 2) - start
        self._place = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move; the new place is returned."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        self._place = max(base + offset, 0)
        return self._place

    def tell(self) -> int:
        """The place."""
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Fill ``buffer`` but at the end; the number of bytes is returned."""
        size = len(buffer)
        out = self._head[self._place : self._place + size]
        if len(out) < size:
            self._file.seek(max(self._place - len(self._head), 0) + self._start)
            out += self._file.read(size - len(out))
        buffer[: len(out)] = out
        self._place += len(out)
        return len(out)
