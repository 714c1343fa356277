"""Metadata that is carried beside the samples: ICC, EXIF, XMP and text tags.

nacre keeps all of it and interprets none of it, but for EXIF's orientation, which must be applied
to the pixels when EXIF itself is left out.
"""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Iterable
from dataclasses import dataclass

from nacre.errors import FormatError, InputError
from nacre.limits import Limits
from nacre.stream import (
    OpenStream,
    Reader,
    Section,
    SectionKind,
    Stream,
    deflate,
    inflate,
    write_varint,
)

RAW, DEFLATED = 0, 1
"""First byte of a metadata section: the content follows, or its length and deflate data."""

MAX_CONTENT = 1 << 26
"""The most bytes that one kind of metadata may have."""

NAMES = ("icc", "exif", "xmp", "tags")
"""What ``strip`` may name, beside ``all``."""

_KINDS = (SectionKind.ICC, SectionKind.EXIF, SectionKind.XMP, SectionKind.TAGS)


@dataclass(frozen=True)
class Metadata:
    """What a file says about its samples.

    Attributes:
        icc: an ICC profile.
        exif: an EXIF block that begins with its TIFF header (``II*`` or ``MM``), without ``Exif``.
        xmp: an XMP packet, UTF-8.
        tags: ``(key, value)`` texts, such as those of PNG; a JPEG comment has the key ``comment``.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    tags: tuple[tuple[str, str], ...] = ()

    def without(self, names: Iterable[str]) -> Metadata:
        """This metadata but for ``names`` (of :data:`NAMES`, or ``all``).

        Raises:
            InputError: a name that is none of these.
        """
        empty = Metadata()
        return dataclasses.replace(self, **{n: getattr(empty, n) for n in check_names(names)})

    def to_sections(self) -> tuple[Section, ...]:
        """The sections that carry this metadata; none for what is absent.

        Raises:
            InputError: one of them is longer than :data:`MAX_CONTENT`.
        """
        contents = (self.icc, self.exif, self.xmp, _pack_tags(self.tags) if self.tags else None)
        return tuple(
            Section(kind, pack_content(content, kind.name))
            for kind, content in zip(_KINDS, contents, strict=True)
            if content is not None
        )

    @classmethod
    def from_stream(cls, stream: Stream | OpenStream) -> Metadata:
        """The metadata that ``stream`` carries.

        Raises:
            FormatError: a metadata section is damaged.
            LimitExceeded: one declares more than ``stream.limits.bytes``.
        """
        contents = []
        for kind in _KINDS:
            body = stream.find(kind)
            contents.append(
                None if body is None else unpack_content(body, kind.name, stream.limits)
            )
        icc, exif, xmp, tags = contents
        return cls(icc, exif, xmp, _unpack_tags(tags) if tags is not None else ())

    @property
    def orientation(self) -> int:
        """EXIF's orientation, 1 (upright) to 8; 1 when there is none or it cannot be read."""
        return _orientation(self.exif) if self.exif is not None else 1


def check_names(names: Iterable[str]) -> tuple[str, ...]:
    """``names`` with ``all`` spelled out.

    Raises:
        InputError: a name that is neither in :data:`NAMES` nor ``all``.
    """
    chosen: list[str] = []
    for name in names:
        if name == "all":
            chosen.extend(NAMES)
        elif name in NAMES:
            chosen.append(name)
        else:
            raise InputError(f"strip {name!r} is not known; use {', '.join(NAMES)} or all")
    return tuple(dict.fromkeys(chosen))


def pack_content(content: bytes, name: str) -> bytes:
    """A metadata section's body; the shorter of its two forms.

    Args:
        content: what it holds.
        name: of the kind, as messages call it; in lower case, as ``--strip`` does.

    Raises:
        InputError: more than :data:`MAX_CONTENT` bytes.
    """
    if len(content) > MAX_CONTENT:
        raise InputError(
            f"{name} metadata of {len(content):,} bytes, at most {MAX_CONTENT:,} can be carried; "
            f"leave it out with --strip {name.lower()}"
        )
    short = bytearray([DEFLATED])
    write_varint(short, len(content))
    short += deflate(content)
    return bytes(short) if len(short) <= len(content) else bytes([RAW]) + content


def unpack_content(body: bytes, name: str, limits: Limits) -> bytes:
    """The content that :func:`pack_content` made ``body`` of.

    Raises:
        FormatError: the body is damaged.
        LimitExceeded: it declares more than ``limits.bytes``.
    """
    reader = Reader(body, f"section {name}")
    method = reader.unsigned(1, "method")
    if method == RAW:
        return bytes(reader.rest())
    if method != DEFLATED:
        raise FormatError(f"section {name}: method {method}; 0 (raw) or 1 (deflate) are expected")
    size = reader.varint("length of the content", MAX_CONTENT)
    limits.check("bytes", size, f"section {name}")
    return inflate(reader.rest(), size, where=f"section {name}")


def _pack_tags(tags: tuple[tuple[str, str], ...]) -> bytes:
    out = bytearray()
    for text in (text for tag in tags for text in tag):
        encoded = text.encode("utf-8", "replace")
        write_varint(out, len(encoded))
        out += encoded
    return bytes(out)


def _unpack_tags(content: bytes) -> tuple[tuple[str, str], ...]:
    reader = Reader(content, "section TAGS")

    def text(what: str) -> str:
        try:
            return str(reader.take(reader.varint(f"length of {what}"), what), "utf-8")
        except UnicodeDecodeError as error:
            raise FormatError(f"section TAGS: {what} is not UTF-8 ({error.reason})") from None

    tags = []
    while reader.remaining:
        tags.append((text("key"), text("value")))
    return tuple(tags)


def _orientation(exif: bytes) -> int:
    """Tag 0x0112 (a SHORT) of the first directory of a TIFF block (TIFF 6.0, section 2)."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * entry)
            if tag == 0x0112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    except struct.error:
        pass  # a directory that ends early has no orientation to obey
    return 1
