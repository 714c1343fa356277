"""Streams that a decoder must refuse, made on purpose; ``golden.py`` writes them to files.

Each is one way to be invalid. All but those that are about checksums have correct ones, so that
the check behind the checksum is what refuses them.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from nacre.entropy.deflate import GRADIENT, PLAIN, RAW
from nacre.media.metadata import DEFLATED
from nacre.stream import ImageShape, MeshShape, Section, SectionKind, Stream, deflate, write_varint
from nacre.stream.archive import OWN, SHARED
from nacre.stream.fields import HEADER, TABLE


@dataclass(frozen=True)
class Hostile:
    """One invalid stream.

    Attributes:
        name: of the file.
        what: what is wrong with it.
        error: the class that must be raised.
        data: the bytes.
    """

    name: str
    what: str
    error: str
    data: bytes


PAYLOAD = Section(SectionKind.PAYLOAD, bytes([RAW, 10, 20, 30, 40]))
GOOD = Stream(0, None, ImageShape(2, 2, channels=1), (PAYLOAD,))
"""Two by two grey pixels, raw: the stream that most of these files damage."""

TAGS = Section(SectionKind.TAGS, b"\x00\x01a\x01b")


def craft(
    changes: Mapping[str, int],
    bodies: list[tuple[int, bytes]] | None = None,
    lengths: Mapping[int, int] | None = None,
) -> bytes:
    """A stream with correct checksums around values that no writer would write.

    Args:
        changes: header fields that differ from a 2 x 2 grey picture of codec 0.
        bodies: ``(section code, body)``; more than one makes a table. Default: GOOD's payload.
        lengths: declared lengths that differ from the true ones, by position in ``bodies``.
    """
    parts = bodies if bodies is not None else [(0, PAYLOAD.data)]
    declared = [(lengths or {}).get(i, len(body)) for i, (_, body) in enumerate(parts)]
    table = [(code, length) for (code, _), length in zip(parts, declared, strict=True)]
    values = {
        "version": 0x81,
        "signature": int.from_bytes(b"N\r\n", "little"),
        "codec": 0,
        "format": 0,
        "has_model": 0,
        "has_table": int(len(parts) > 1),
        "archive": 0,
        "width": 2,
        "height": 2,
        "items": 0,
        "payload_bytes": declared[0],
        "sections": len(parts),
    } | dict(changes)
    values.setdefault(
        "layout",
        values["format"]
        | values["has_model"] << 5
        | values["has_table"] << 6
        | values["archive"] << 7,
    )
    values["medium"] = 0
    out = bytearray()
    for declared_field in HEADER:
        if declared_field.present(values):
            declared_field.write(out, values[declared_field.name])
    if values["has_table"]:
        for row in table:
            for declared_field, value in zip(TABLE, row, strict=True):
                declared_field.write(out, value)
    return sealed(bytes(out), [body for _, body in parts])


def sealed(header: bytes, bodies: list[bytes]) -> bytes:
    """Header and bodies, each followed by its CRC-32."""
    return b"".join(part + zlib.crc32(part).to_bytes(4, "little") for part in (header, *bodies))


def varint(value: int) -> bytes:
    """``value`` as a varint."""
    out = bytearray()
    write_varint(out, value)
    return bytes(out)


def with_payload(payload: bytes, **changes: int) -> bytes:
    """A picture of codec 0 whose payload is ``payload``."""
    return craft(changes, [(0, payload)])


def with_section(kind: SectionKind, body: bytes) -> bytes:
    """GOOD with one more, ancillary section."""
    return craft({}, [(kind << 1 | 1, body), (0, PAYLOAD.data)])


def archive(index: bytes, items: int, payload: bytes = PAYLOAD.data) -> bytes:
    """An archive with that INDEX body."""
    changes = {"archive": 1, "items": items}
    return craft(changes, [(SectionKind.INDEX << 1, index), (0, payload)])


def _transfers() -> list[Hostile]:
    """Other files, and streams that a transfer has damaged."""
    good = GOOD.to_bytes()
    middle = len(good) - 7

    def text(name: str, what: str, change: Callable[[bytes], bytes]) -> Hostile:
        return Hostile(name, f"transferred as text: {what}", "NotNacre", change(good))

    return [
        Hostile("empty", "no bytes at all", "NotNacre", b""),
        Hostile("jpeg", "a JPEG file", "NotNacre", bytes.fromhex("ffd8ffe000104a4649460001")),
        Hostile("text", "a text file", "NotNacre", b"nacre\r\n"),
        text("text-lf", "CR LF became LF", lambda d: d.replace(b"\r\n", b"\n")),
        text("text-crlf", "LF became CR LF", lambda d: d.replace(b"\n", b"\r\n")),
        text("text-7bit", "top bits cleared", lambda d: bytes(b & 0x7F for b in d)),
        text("text-utf8", "Latin-1 became UTF-8", lambda d: d.decode("latin-1").encode()),
        text("text-replaced", "not UTF-8", lambda d: d.decode("utf-8", "replace").encode()),
        text("text-bom", "a byte order mark in front", lambda d: b"\xef\xbb\xbf" + d),
        Hostile("cut-signature", "ends inside the signature", "Truncated", good[:3]),
        Hostile("cut-header", "ends inside the header", "Truncated", good[:8]),
        Hostile("cut-payload", "ends inside the payload", "Truncated", good[:middle]),
        Hostile("cut-crc", "ends one byte early", "Truncated", good[:-1]),
        Hostile("trailing", "one zero byte follows", "FormatError", good + b"\0"),
        Hostile("joined", "two streams in one file", "FormatError", good * 2),
        Hostile(
            "crc-header", "one bit of the header changed", "ChecksumMismatch",
            good[:6] + bytes([good[6] ^ 1]) + good[7:],
        ),
        Hostile(
            "crc-payload", "one bit of the payload changed", "ChecksumMismatch",
            good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :],
        ),
    ]  # fmt: skip


def _headers() -> list[Hostile]:
    """Headers that declare what the format does not permit."""
    start = b"\x81N\r\n"
    shape = b"\x02\x02\x05"
    two = [(0, PAYLOAD.data)]
    tags = (SectionKind.TAGS << 1 | 1, TAGS.data)
    index = (SectionKind.INDEX << 1, b"\x00\x05")
    cases = [
        ("version-2", "format version 2", "UnsupportedVersion", craft({"version": 0x82})),
        ("codec-63", "a codec that is not known", "UnsupportedVersion", craft({"codec": 63})),
        ("format-9", "a sample format that is not known", "UnsupportedVersion",
         craft({"format": 9})),
        ("model", "a model for a codec without one", "ModelError",
         craft({"has_model": 1, "model": 0x030201})),
        ("mesh-of-stored", "a mesh of a codec for pictures", "FormatError",
         replace(GOOD, shape=MeshShape(3, 1)).to_bytes()),
        ("no-width", "width 0", "FormatError", craft({"width": 0})),
        ("wide", "width over 2^31", "FormatError", craft({"width": (1 << 31) + 1})),
        ("varint-long", "codec 0 in two bytes", "FormatError",
         sealed(start + b"\x80\x00\x00" + shape, [PAYLOAD.data])),
        ("varint-endless", "codec in eleven bytes", "FormatError",
         sealed(start + b"\xff" * 10 + b"\x01\x00" + shape, [PAYLOAD.data])),
        ("varint-65-bits", "width of 2^64", "FormatError",
         sealed(start + b"\x00\x00" + b"\x80" * 9 + b"\x02" + shape[1:], [PAYLOAD.data])),
        ("length-false", "payload of a million bytes that are not there", "Truncated",
         craft({}, two, {0: 1_000_000})),
        ("length-short", "payload declared shorter than it is", "FormatError",
         craft({}, two, {0: 3})),
        ("length-huge", "payload of 2^63 bytes", "LimitExceeded", craft({}, two, {0: 1 << 63})),
        ("bomb-pixels", "2^31 x 2^31 pixels", "LimitExceeded",
         craft({"width": 1 << 31, "height": 1 << 31})),
        ("critical-unknown", "a critical section of kind 99", "UnsupportedVersion",
         craft({}, [(99 << 1, b"?"), *two])),
        ("critical-wrong", "TAGS without the ancillary bit", "FormatError",
         craft({}, [(SectionKind.TAGS << 1, TAGS.data), *two])),
        ("ancillary-wrong", "PAYLOAD with the ancillary bit", "FormatError",
         craft({}, [tags, (1, PAYLOAD.data)])),
        ("section-twice", "two PAYLOAD sections", "FormatError", craft({}, two * 2)),
        ("section-lone", "a table for PAYLOAD alone", "FormatError",
         craft({"has_table": 1}, two)),
        ("section-none", "no PAYLOAD", "FormatError", craft({}, [tags, (7, b"")])),
        ("sections-many", "65 sections", "FormatError",
         craft({}, [*two, *((200 + 2 * i + 1, b"") for i in range(64))])),
        ("sections-false", "a table of 64 entries that are not there", "Truncated",
         sealed(start + b"\x00\x40\x02\x02\x40", [])),
        ("index-alone", "INDEX without the archive bit", "FormatError", craft({}, [index, *two])),
        ("archive-alone", "an archive without INDEX", "FormatError",
         craft({"archive": 1, "items": 1})),
    ]  # fmt: skip
    return [Hostile(*case) for case in cases]


def _bodies() -> list[Hostile]:
    """Sections whose content is not what the header promises."""
    zeros = deflate(bytes(1_000_000))
    short = deflate(b"ten bytes.")
    icc, tags = SectionKind.ICC, SectionKind.TAGS
    cases = [
        ("payload-empty", "no payload", "Truncated", with_payload(b"")),
        ("payload-method", "method 9", "FormatError", with_payload(b"\x09abcd")),
        ("payload-raw-short", "3 raw samples of 4", "FormatError", with_payload(b"\x00abc")),
        ("payload-raw-long", "5 raw samples of 4", "FormatError", with_payload(b"\x00abcde")),
        ("payload-bomb", "a million bytes for 4 pixels", "FormatError",
         with_payload(bytes([PLAIN]) + zeros)),
        ("payload-short", "10 bytes for a million pixels", "FormatError",
         with_payload(bytes([GRADIENT]) + short, width=1000, height=1000)),
        ("payload-damaged", "no deflate stream", "FormatError",
         with_payload(bytes([PLAIN]) + b"\xff\xff\xff\xff")),
        ("payload-cut", "deflate stream without its end", "FormatError",
         with_payload(bytes([PLAIN]) + deflate(b"abcd")[:-2])),
        ("payload-trailing", "a byte after the deflate stream", "FormatError",
         with_payload(bytes([PLAIN]) + deflate(b"abcd") + b"\0")),
        ("icc-method", "metadata of method 2", "FormatError", with_section(icc, b"\x02abc")),
        ("icc-empty", "metadata without a method", "Truncated", with_section(icc, b"")),
        ("icc-huge", "metadata of 2^40 bytes", "FormatError",
         with_section(icc, bytes([DEFLATED]) + varint(1 << 40) + short)),
        ("icc-bomb", "a million bytes where 10 are declared", "FormatError",
         with_section(icc, bytes([DEFLATED]) + varint(10) + zeros)),
        ("icc-short", "10 bytes where 50 million are declared", "FormatError",
         with_section(icc, bytes([DEFLATED]) + varint(50_000_000) + short)),
        ("tags-cut", "a value longer than its section", "Truncated",
         with_section(tags, b"\x00\x01a\x05b")),
        ("tags-odd", "a key without a value", "Truncated", with_section(tags, b"\x00\x01a")),
        ("tags-bytes", "a key that is not UTF-8", "FormatError",
         with_section(tags, b"\x00\x01\xff\x00")),
        ("items-many", "2^30 items", "LimitExceeded", archive(b"\x00\x05", 1 << 30)),
        ("items-false", "a million items in an INDEX of two bytes", "Truncated",
         archive(b"\x00\x05", 1_000_000)),
        ("items-short", "items that fill less than PAYLOAD", "FormatError",
         archive(bytes([SHARED, 4]), 1)),
        ("items-long", "items that fill more than PAYLOAD", "FormatError",
         archive(bytes([SHARED, 6]), 1)),
        ("index-kind", "INDEX of kind 2", "FormatError", archive(b"\x02\x05", 1)),
        ("index-trailing", "a byte after INDEX", "FormatError", archive(b"\x00\x05\x00", 1)),
        ("index-shape", "an item wider than the header says", "FormatError",
         archive(bytes([OWN, 5, 3, 2]), 1)),
        ("index-no-shape", "an item without pixels", "FormatError",
         archive(bytes([OWN, 5, 0, 2]), 1)),
    ]  # fmt: skip
    return [Hostile(*case) for case in cases]


def _codecs() -> list[Hostile]:
    """Payloads that codecs 7 and 10 do not write."""
    adaptive, circuit = {"codec": 10}, {"codec": 7}
    cases = [
        ("adaptive-empty", "codec 10, no payload", "FormatError", craft(adaptive, [(0, b"")])),
        ("adaptive-mode", "codec 10, mode 9", "UnsupportedVersion",
         craft(adaptive, [(0, b"\x09abcd")])),
        ("adaptive-level", "mode photo, level 7", "FormatError",
         craft(adaptive, [(0, b"\x01\x07\x00\xff\x01\x01\x04abcd")])),
        ("adaptive-range", "mode photo, samples to 300 of 8 bits", "FormatError",
         craft(adaptive, [(0, b"\x01\x01\x2d\xff\x01\x01\x04abcd")])),
        ("adaptive-stripes", "mode photo, two stripes for four pixels", "FormatError",
         craft(adaptive, [(0, b"\x01\x01\x00\xff\x01\x02\x04\x04abcdefgh")])),
        ("adaptive-screen-kind", "mode screen, kind 5", "FormatError",
         craft(adaptive, [(0, b"\x02\x05abcd")])),
        ("adaptive-long", "mode screen, superfluous bytes", "FormatError",
         craft(adaptive, [(0, b"\x02\x00\x00\xff\x01" + bytes(64))])),
        ("circuit-empty", "codec 7, no payload", "FormatError", craft(circuit, [(0, b"")])),
        ("circuit-mode", "codec 7, mode 9", "UnsupportedVersion",
         craft(circuit, [(0, b"\x09abcd")])),
        ("circuit-none", "a set without a circuit", "FormatError",
         craft(circuit, [(0, b"\x01abcd")])),
        ("circuit-model", "a MODEL section that is no circuit", "FormatError",
         craft(circuit, [(SectionKind.MODEL << 1, b"no circuit"), (0, b"\x01abcd")])),
    ]  # fmt: skip
    return [Hostile(*case) for case in cases]


def hostile_streams() -> list[Hostile]:
    """All of them; their names are unique."""
    return [*_transfers(), *_headers(), *_bodies(), *_codecs()]
