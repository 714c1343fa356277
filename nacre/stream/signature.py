"""Recognising a stream, and what damaged it or what else it is."""

from __future__ import annotations

from nacre.errors import NotNacre, Truncated, UnsupportedVersion
from nacre.stream.fields import MAGIC, SIGNATURE, VERSION
from nacre.stream.wire import Bytes

_TEXT_DAMAGE = (
    (MAGIC[:2] + b"\n", "CR LF was turned into LF"),
    (MAGIC[:2] + b"\r\r\n", "LF was turned into CR LF"),
    (MAGIC[:3] + b"\r\n", "LF was turned into CR LF"),
    (bytes([VERSION]) + SIGNATURE, "the top bit of each byte was cleared"),
    (b"\xc2" + MAGIC[:2], "it was re-encoded from Latin-1 to UTF-8"),
    (b"\xef\xbf\xbdN", "bytes that are not UTF-8 were replaced"),
    (b"\xef\xbb\xbf", "a UTF-8 byte order mark was put in front"),
)

_KNOWN_FILES = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cJXL ", "a JPEG XL image"),
    (b"\x00\x00\x00\x0cjP  ", "a JPEG 2000 image"),
    (b"fLaC", "a FLAC recording"),
    (b"OggS", "an Ogg recording"),
    (b"ID3", "an MP3 recording"),
    (b"ply\n", "a PLY mesh"),
    (b"glTF", "a glTF scene"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip file"),
    (b"%PDF", "a PDF document"),
)


def name_of_file(head: bytes) -> str | None:
    """What a file that begins with ``head`` (16 bytes are enough) is; None when not known."""
    if head[:4] == b"RIFF" and head[8:12] in (b"WEBP", b"WAVE"):
        return "a WebP image" if head[8:12] == b"WEBP" else "a WAV recording"
    if head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis", b"mif1", b"heic"):
        return "an AVIF or HEIC image"
    return next((name for magic, name in _KNOWN_FILES if head.startswith(magic)), None)


def is_nacre(head: Bytes) -> bool:
    """Whether ``head`` begins like a stream of any version."""
    return len(head) >= 4 and head[0] >= 0x80 and bytes(head[1:4]) == SIGNATURE


def check_signature(data: Bytes) -> None:
    """Raise unless ``data`` begins like a stream of the version that this release reads.

    Raises:
        NotNacre: another kind of file, or one that a transfer as text has damaged.
        UnsupportedVersion: a stream of another format version.
        Truncated: the beginning of a stream, shorter than its signature.
    """
    head = bytes(data[:16])
    if head.startswith(MAGIC):
        return
    if not head:
        raise NotNacre("not a nacre stream: the input is empty (0 bytes)")
    if is_nacre(head):
        raise UnsupportedVersion(
            f"a nacre stream of format version {head[0] - 0x80}; this release reads version "
            f"{VERSION}; use a newer nacre"
        )
    if MAGIC.startswith(head):
        raise Truncated(f"the file ends after {len(head)} bytes, inside nacre's signature")
    for damaged, how in _TEXT_DAMAGE:
        if head.startswith(damaged):
            raise NotNacre(
                f"not a nacre stream: the file was transferred as text ({how}); "
                "fetch it again in binary mode"
            )
    known = name_of_file(head)
    raise NotNacre(
        f"not a nacre stream: this is {known}"
        if known
        else f"not a nacre stream: it begins with {head[:4].hex(' ')}, expected {MAGIC.hex(' ')}"
    )
