"""Streams whose payload is read and written as it is needed, from files, bytes and pipes.

    with open_stream("song.wav.ncr") as stream:
        first = stream.body.read(0, 100)

:class:`nacre.stream.Stream` holds all of a file. Sound can be hours long, and can come through a
pipe that is still being written to, so its codecs work on these.
"""

from __future__ import annotations

import io
import os
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

from nacre.errors import ChecksumMismatch, FormatError, InputError, Truncated
from nacre.limits import Limits
from nacre.stream.container import (
    CRC_BYTES,
    Entry,
    Header,
    Section,
    Stream,
    pack_header,
    read_header,
)
from nacre.stream.fields import SectionKind, section_name
from nacre.stream.shapes import Shape
from nacre.stream.wire import Bytes

HEAD_BYTES = 2048
"""More than the longest header."""
CHUNK_BYTES = 1 << 20


class Source(Protocol):
    """Bytes by their place, and what closes them."""

    def read_at(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on, fewer at the end."""

    def close(self) -> None:
        """Nothing more is read."""


class FileSource:
    """A file that can be read anywhere.

    Args:
        file: a binary file.
        head: bytes before it.
        owned: it is closed with this.
    """

    def __init__(self, file: Any, *, head: bytes = b"", owned: bool = True) -> None:
        self._file, self._head, self._owned = file, head, owned
        self.size: int = len(head) + file.seek(0, os.SEEK_END)

    def read_at(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on, fewer at the end."""
        self._file.seek(max(offset - len(self._head), 0))
        if offset >= len(self._head):
            return _read_fully(self._file, count)
        head = self._head[offset : offset + count]
        return head + _read_fully(self._file, count - len(head))

    def close(self) -> None:
        """Close the file, if it is owned."""
        if self._owned:
            self._file.close()


class PipeSource:
    """What comes through a pipe: read forward, and from where the last read began at the least.

    It is a file object too, which can only be read.

    Attributes:
        place: of the next byte that :meth:`read` gives.
    """

    def __init__(self, file: Any) -> None:
        self.place = 0
        self._file, self._held, self._at = file, b"", 0

    def read(self, count: int = -1) -> bytes:
        """The next ``count`` bytes, or all that are left."""
        if count < 0:
            data = b"".join([self._held[self.place - self._at :], self._file.read()])
        else:
            data = self.read_at(self.place, count)
        self.place += len(data)
        return data

    def read_at(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on, fewer at the end; waits for them.

        Raises:
            InputError: ``offset`` lies before that of an earlier read.
        """
        if offset < self._at:
            raise InputError("what came through a pipe cannot be read again; use a file")
        while offset > self._at + len(self._held):
            self._at += len(self._held)
            self._held = _read_fully(self._file, min(offset - self._at, CHUNK_BYTES))
            if not self._held:
                return b""
        held = self._held[offset - self._at :]
        if len(held) < count:
            held += _read_fully(self._file, count - len(held))
        self._held, self._at = held, offset
        return held[:count]

    def close(self) -> None:
        """The pipe stays open: it belongs to whoever opened it."""


def _read_fully(file: Any, count: int) -> bytes:
    """``count`` bytes, fewer only where the file ends; no memory for what is not there."""
    pieces, missing = [], count
    while missing > 0:
        piece = file.read(min(missing, CHUNK_BYTES))
        if not isinstance(piece, bytes):
            raise InputError("the file object gives no bytes; open it in binary mode")
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


class Body:
    """The bytes of a section, which lie in a source.

    Attributes:
        length: in bytes.

    Args:
        source: where they lie.
        start: of the first one there.
        length: how many.
        stored: the section's checksum follows in the source, and then the file ends.
    """

    def __init__(self, source: Source, start: int, length: int, *, stored: bool = False) -> None:
        self.length = length
        self._source, self._start, self._stored = source, start, stored
        self._crc = self._summed = 0

    @classmethod
    def of(cls, file: Any, head: bytes = b"") -> Body:
        """All of a file, with ``head`` before it; it is closed with the body."""
        source = FileSource(file, head=head)
        return cls(source, 0, source.size)

    def read(self, offset: int, count: int) -> bytes:
        """``count`` bytes from ``offset`` on.

        Raises:
            FormatError: they do not lie inside.
            Truncated: the file ends before them.
        """
        if offset + count > self.length:
            raise FormatError(
                f"PAYLOAD: {count:,} bytes at byte {offset:,} do not lie inside its "
                f"{self.length:,} bytes"
            )
        data = self.some(offset, count)
        if len(data) < count:
            raise Truncated(
                f"the file ends inside PAYLOAD: {count:,} bytes are needed at byte "
                f"{self._start + offset:,}, there are {len(data):,}"
            )
        return data

    def some(self, offset: int, count: int) -> bytes:
        """Up to ``count`` bytes from ``offset`` on: fewer where the body or the file ends."""
        count = max(min(count, self.length - offset), 0)
        data = self._source.read_at(self._start + offset, count)
        if offset <= self._summed < offset + len(data):
            self._crc = zlib.crc32(memoryview(data)[self._summed - offset :], self._crc)
            self._summed = offset + len(data)
        return data

    def chunks(self) -> Iterator[bytes]:
        """All of it, in pieces."""
        for offset in range(0, self.length, CHUNK_BYTES):
            yield self.read(offset, min(CHUNK_BYTES, self.length - offset))

    def check(self) -> None:
        """Check what was read from the beginning on (and the rest, which is read now).

        Raises:
            ChecksumMismatch: the body was changed.
            FormatError: bytes follow the end of the stream.
        """
        if not self._stored:
            return
        while self._summed < self.length:
            self.read(self._summed, min(CHUNK_BYTES, self.length - self._summed))
        end = self._start + self.length
        found = self._source.read_at(end, CRC_BYTES + 1)
        _check_sum(self._crc, found[:CRC_BYTES], Entry(0, self._start, self.length))
        if len(found) > CRC_BYTES:
            raise FormatError("bytes follow the end of the stream; two files may have been joined")

    def close(self) -> None:
        """Close the source."""
        self._source.close()


@dataclass(frozen=True)
class OpenStream:
    """A stream of one item whose PAYLOAD is not in memory; use it as a context, or close it.

    Attributes:
        codec, model, shape, items, limits: as of :class:`nacre.stream.Stream`.
        sections: all but PAYLOAD.
        body: PAYLOAD.
        notes: what was left out, because it was damaged.
    """

    codec: int
    model: bytes | None
    shape: Shape
    sections: tuple[Section, ...]
    body: Body
    items: int | None = None
    limits: Limits = Limits.DEFAULT
    notes: tuple[str, ...] = field(default=(), compare=False)

    @classmethod
    def of(cls, stream: Stream) -> OpenStream:
        """The same stream."""
        others = tuple(each for each in stream.sections if each.kind != SectionKind.PAYLOAD)
        body = Body.of(io.BytesIO(stream.payload))
        return cls(
            stream.codec, stream.model, stream.shape, others, body, stream.items, stream.limits
        )

    def find(self, kind: SectionKind) -> bytes | None:
        """The body of the section of that kind; None when there is none."""
        if kind == SectionKind.PAYLOAD:
            return self.payload
        return next((each.data for each in self.sections if each.kind == kind), None)

    @property
    def payload(self) -> bytes:
        """All of PAYLOAD."""
        return self.body.read(0, self.body.length)

    def to_stream(self) -> Stream:
        """The same stream in memory."""
        sections = (*self.sections, Section(SectionKind.PAYLOAD, self.payload))
        return Stream(self.codec, self.model, self.shape, sections, self.items, self.limits)

    def write_to(self, file: BinaryIO) -> int:
        """Write it; how many bytes that were. PAYLOAD comes last.

        Raises:
            InputError: a value that the format does not permit.
        """
        kinds = [(each.kind, len(each.data)) for each in self.sections]
        kinds.append((int(SectionKind.PAYLOAD), self.body.length))
        head = pack_header(self, kinds)
        file.write(head)
        for section in self.sections:
            file.write(section.data)
            file.write(zlib.crc32(section.data).to_bytes(CRC_BYTES, "little"))
        crc = 0
        for chunk in self.body.chunks():
            crc = zlib.crc32(chunk, crc)
            file.write(chunk)
        file.write(crc.to_bytes(CRC_BYTES, "little"))
        return len(head) + sum(length + CRC_BYTES for _, length in kinds)

    def close(self) -> None:
        """Close what the payload is read from."""
        self.body.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_stream(
    source: str | Path | Bytes | BinaryIO | Source,
    *,
    limits: Limits = Limits.DEFAULT,
    partial: bool = False,
) -> OpenStream:
    """The stream in a file, in bytes, or in a pipe; all but PAYLOAD is read and checked.

    Args:
        source: a path, bytes, a file object at its beginning, or what was made of one.
        limits: what it may ask for.
        partial: a file that ends early or goes on is taken as it is, and damaged sections are left
            out and noted.

    Raises:
        FormatError: or one of its kinds: it is no intact stream.
        LimitExceeded: the header declares more than ``limits`` allow.
        InputError: it cannot be read.
    """
    place = _source_of(source)
    try:
        head = place.read_at(0, HEAD_BYTES)
        header = read_header(head, limits=limits, whole=False)
        if isinstance(place, PipeSource) and header.sections[-1].kind != SectionKind.PAYLOAD:
            place = FileSource(_spooled(place))  # what comes behind PAYLOAD is needed before it
        if isinstance(place, FileSource) and not partial:
            _check_size(place.size, header.total_bytes)
        return _opened(place, header, limits, partial=partial)
    except BaseException:
        place.close()
        raise


def _opened(place: Source, header: Header, limits: Limits, *, partial: bool) -> OpenStream:
    sections, notes = [], []
    for entry in header.sections:
        if entry.kind == SectionKind.PAYLOAD:
            continue
        data = place.read_at(entry.offset, entry.length + CRC_BYTES)
        try:
            if len(data) < entry.length + CRC_BYTES:
                raise Truncated(f"the file ends inside section {section_name(entry.kind)}")
            _check_sum(zlib.crc32(data[: entry.length]), data[entry.length :], entry)
        except FormatError as error:
            if not partial:
                raise
            notes.append(f"left out: {error}")
        else:
            sections.append(Section(entry.kind, data[: entry.length]))
    found = next(each for each in header.sections if each.kind == SectionKind.PAYLOAD)
    body = Body(place, found.offset, found.length, stored=found is header.sections[-1])
    return OpenStream(
        header.codec, header.model, header.shape, tuple(sections), body, header.items, limits,
        tuple(notes),
    )  # fmt: skip


def _source_of(source: Any) -> FileSource | PipeSource:
    if isinstance(source, FileSource | PipeSource):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return FileSource(io.BytesIO(source))
    try:
        if isinstance(source, str | Path):
            file = Path(source).open("rb")  # noqa: SIM115 - closed with the stream
            return FileSource(file) if file.seekable() else PipeSource(file)
        if not hasattr(source, "read"):
            raise InputError(
                f"a stream is bytes, a path or a binary file, not {type(source).__name__}"
            )
        seekable = hasattr(source, "seekable") and source.seekable() and source.tell() == 0
        return FileSource(source, owned=False) if seekable else PipeSource(source)
    except OSError as error:
        raise InputError(f"{source}: cannot be read: {error.strerror or error}") from error


def _spooled(place: PipeSource) -> Any:
    """All of a pipe in a temporary file."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the stream
    while chunk := place.read_at(file.tell(), CHUNK_BYTES):
        file.write(chunk)
    return file


def _check_size(size: int, declared: int) -> None:
    if size < declared:
        raise Truncated(
            f"the file ends {declared - size:,} bytes early: it has {size:,} bytes of {declared:,}"
        )
    if size > declared:
        raise FormatError(
            f"{size - declared:,} bytes follow the end of the stream at byte {declared:,}; "
            "the file is damaged or two files were joined"
        )


def _check_sum(actual: int, written: bytes, entry: Entry) -> None:
    if len(written) < CRC_BYTES:
        raise Truncated(f"the file ends before the CRC-32 of {section_name(entry.kind)}")
    if int.from_bytes(written, "little") != actual:
        raise ChecksumMismatch(
            f"section {section_name(entry.kind)} at byte {entry.offset:,}: its CRC-32 is "
            f"{actual:08x}, {written[::-1].hex()} is written; the file was damaged, fetch it again"
        )
