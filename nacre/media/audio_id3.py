"""ID3 tags: read from MP3, AIFF and WAV files (versions 1, 2.2, 2.3, 2.4), written as 2.4.

Source: id3.org's documents ``id3v2.2``, ``id3v2.3.0``, ``id3v2.4.0-structure`` and ``-frames``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from nacre.errors import FormatError, InputError
from nacre.media.audio_metadata import AudioMetadata, Found

HEADER_BYTES = 10

_KEYS = {
    "TIT1": "GROUPING", "TIT2": "TITLE", "TIT3": "SUBTITLE", "TPE1": "ARTIST",
    "TPE2": "ALBUMARTIST", "TPE3": "CONDUCTOR", "TPE4": "REMIXER", "TALB": "ALBUM",
    "TCOM": "COMPOSER", "TEXT": "LYRICIST", "TCON": "GENRE", "TRCK": "TRACKNUMBER",
    "TPOS": "DISCNUMBER", "TDRC": "DATE", "TDOR": "ORIGINALDATE", "TCOP": "COPYRIGHT",
    "TPUB": "ORGANIZATION", "TENC": "ENCODEDBY", "TSSE": "ENCODER", "TSRC": "ISRC",
    "TBPM": "BPM", "TKEY": "KEY", "TLAN": "LANGUAGE", "TMED": "MEDIA", "TMOO": "MOOD",
    "TSOP": "ARTISTSORT", "TSOT": "TITLESORT", "TSOA": "ALBUMSORT", "TSO2": "ALBUMARTISTSORT",
    "COMM": "COMMENT", "USLT": "LYRICS",
}  # fmt: skip
"""Vorbis's name of a frame; a text frame that is not here keeps its own."""

_FRAMES = {key: frame for frame, key in _KEYS.items()}

_OLD_FRAMES = {
    "TT1": "TIT1", "TT2": "TIT2", "TT3": "TIT3", "TP1": "TPE1", "TP2": "TPE2", "TP3": "TPE3",
    "TP4": "TPE4", "TAL": "TALB", "TCM": "TCOM", "TXT": "TEXT", "TCO": "TCON", "TRK": "TRCK",
    "TPA": "TPOS", "TYE": "TDRC", "TYER": "TDRC", "TOR": "TDOR", "TORY": "TDOR", "TCR": "TCOP",
    "TPB": "TPUB", "TEN": "TENC", "TSS": "TSSE", "TRC": "TSRC", "TBP": "TBPM", "TKE": "TKEY",
    "TLA": "TLAN", "TMT": "TMED", "COM": "COMM", "ULT": "USLT", "TXX": "TXXX", "WXX": "WXXX",
    "PIC": "APIC",
}  # fmt: skip
"""Frames of version 2.2 and 2.3 by their later names."""

_ENCODINGS = ("latin-1", "utf-16", "utf-16-be", "utf-8")


def tag_bytes(head: bytes) -> int:
    """Bytes of the ID3v2 tag whose first ten are ``head``, header included; 0: there is none."""
    if len(head) < HEADER_BYTES or head[:3] != b"ID3" or max(head[6:10]) > 0x7F:
        return 0
    footer = HEADER_BYTES if head[3] == 4 and head[5] & 0x10 else 0
    return HEADER_BYTES + _unsafe(head[6:10]) + footer


def _unsafe(octets: bytes) -> int:
    """A number in seven bits of each byte."""
    return sum((octet & 0x7F) << 7 * place for place, octet in enumerate(reversed(octets)))


def read_id3(body: bytes, found: Found) -> None:
    """Add the texts and pictures of an ID3v2 tag; frames that are not kept become a note.

    Raises:
        FormatError: the tag is damaged or of a later version; what came before was added.
    """
    left_out: list[str] = []
    try:
        for name, content in _frames(body):
            frame = _OLD_FRAMES.get(name, name)
            if not _read_frame(frame, content, found, short=len(name) == 3):
                left_out.append(name)
    finally:
        if left_out:
            names = ", ".join(dict.fromkeys(left_out))
            found.notes.append(f"ID3 frames of kind {names} are left out")


def _frames(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Names and contents of a tag's frames; "name" alone says that the content is not readable."""
    size, version, flags = tag_bytes(body[:HEADER_BYTES]), body[3], body[5]
    if not size or size > len(body) or version not in (2, 3, 4):
        raise FormatError("an ID3 tag that is cut short, or of a version that is not known")
    data = body[HEADER_BYTES:size]
    if flags & 0x80 and version < 4:
        data = data.replace(b"\xff\x00", b"\xff")
    place = 0
    if flags & 0x40 and version > 2:
        extended = data[:4]
        place = _unsafe(extended) if version == 4 else 4 + int.from_bytes(extended, "big")
    letters, head = (3, 6) if version == 2 else (4, 10)
    while place + head <= len(data) and data[place] != 0:
        name = data[place : place + letters].decode("ascii", "replace")
        octets = data[place + letters : place + 2 * letters]
        marks = data[place + 9] if version > 2 else 0
        place += head
        length = _length(octets, version, data, place)
        if place + length > len(data):
            raise FormatError(f"the ID3 frame {name} is longer than its tag")
        yield name, _content(data[place : place + length], version, marks)
        place += length


def _length(octets: bytes, version: int, data: bytes, place: int) -> int:
    """Bytes of the frame whose content begins at ``place``.

    Version 2.4 writes them in seven bits of each byte; old iTunes did not, which shows where no
    frame follows.
    """
    plain, safe = int.from_bytes(octets, "big"), _unsafe(octets)
    if version < 4 or plain == safe:
        return plain

    def leads_on(length: int) -> bool:
        follows = data[place + length : place + length + 4]
        inside = place + length <= len(data)
        return inside and (not follows.strip(b"\0") or (follows.isalnum() and follows.isupper()))

    return plain if leads_on(plain) and not leads_on(safe) else safe


def _content(data: bytes, version: int, marks: int) -> bytes:
    """A frame's content, its own unsynchronisation undone; empty when packed or encrypted."""
    if version == 3:
        return b"" if marks & 0xC0 else data[1:] if marks & 0x20 else data
    if version == 4:
        if marks & 0x0C:
            return b""
        data = data[(marks & 0x40 and 1) + (marks & 0x01 and 4) :]
        return data.replace(b"\xff\x00", b"\xff") if marks & 0x02 else data
    return data


def _read_frame(frame: str, content: bytes, found: Found, *, short: bool) -> bool:
    """Add what a frame says; False when it is not of a kind that is kept."""
    if not content:
        return False
    if frame == "APIC":
        _read_picture(content, found, short=short)
    elif frame in ("TXXX", "WXXX"):
        description, rest = _split(content[1:], content[0])
        value = _text(rest, content[0] if frame == "TXXX" else 0)
        found.tags += [(description or frame, each) for each in _values(value)]
    elif frame in ("COMM", "USLT"):
        description, rest = _split(content[4:], content[0])
        key = _KEYS[frame] + (f":{description}" if description else "")
        found.tags.append((key, _text(rest, content[0])))
    elif frame[0] == "T":
        key = _KEYS.get(frame, frame)
        found.tags += [(key, each) for each in _values(_text(content[1:], content[0]))]
    elif frame[0] == "W":
        found.tags.append((frame, _text(content, 0)))
    else:
        return False
    return True


def _read_picture(content: bytes, found: Found, *, short: bool) -> None:
    encoding = content[0]
    if short:
        mime, rest = f"image/{content[1:4].decode('latin-1').lower()}", content[4:]
        mime = {"image/jpg": "image/jpeg"}.get(mime, mime)
    else:
        mime, rest = _split(content[1:], 0)
    if not rest:
        raise FormatError("a picture in an ID3 tag ends early")
    description, data = _split(rest[1:], encoding)
    found.pictures.append((mime, rest[0], description, data))


def _split(data: bytes, encoding: int) -> tuple[str, bytes]:
    """A text that ends with a zero, and what follows it."""
    wide = encoding in (1, 2)
    end = 0
    while True:
        end = data.find(b"\0\0" if wide else b"\0", end)
        if end < 0:
            raise FormatError("a text in an ID3 tag does not end")
        if not wide:
            return _text(data[:end], encoding), data[end + 1 :]
        if end % 2 == 0:
            return _text(data[:end], encoding), data[end + 2 :]
        end += 1


def _text(data: bytes, encoding: int) -> str:
    if encoding >= len(_ENCODINGS):
        raise FormatError(f"a text of encoding {encoding} in an ID3 tag")
    return data.decode(_ENCODINGS[encoding], "replace").rstrip("\0")


def _values(text: str) -> list[str]:
    """The values of a text frame (UTF-16 ones may each begin with a byte order mark)."""
    return [value.removeprefix("\ufeff") for value in text.split("\0")]


def read_id3v1(body: bytes, found: Found) -> None:
    """Add what the last 128 bytes of an MP3 file say, where nothing else said it."""
    if len(body) != 128 or body[:3] != b"TAG":
        return
    places = (("TITLE", 3, 33), ("ARTIST", 33, 63), ("ALBUM", 63, 93), ("DATE", 93, 97))
    texts = [(key, body[first:last]) for key, first, last in places]
    if body[125] == 0 and body[126] != 0:
        texts += [("COMMENT", body[97:125]), ("TRACKNUMBER", str(body[126]).encode())]
    else:
        texts.append(("COMMENT", body[97:127]))
    tags = [(key, raw.split(b"\0")[0].decode("latin-1").rstrip()) for key, raw in texts]
    found.add_missing(tag for tag in tags if tag[1])


def write_id3(metadata: AudioMetadata) -> bytes:
    """An ID3v2.4 tag with all tags and pictures; one without either is empty bytes.

    Values of one key share a frame, in their order.

    Raises:
        InputError: more than a tag can hold (256 MiB).
    """
    values: dict[str, list[str]] = {}
    for key, value in metadata.tags:
        values.setdefault(key.upper() if key.upper() in _FRAMES else key, []).append(value)
    frames = []
    for key, texts in values.items():
        name = _FRAMES.get(key, "TXXX")
        if name in ("COMM", "USLT"):
            frames += [_frame(name, b"XXX\0" + _utf8(text)) for text in texts]
        elif name == "TXXX":
            frames.append(_frame(name, _utf8(key) + b"\0" + _utf8("\0".join(texts))))
        else:
            frames.append(_frame(name, _utf8("\0".join(texts))))
    for mime, kind, description, data in metadata.pictures:
        head = mime.encode("latin-1", "replace") + bytes([0, min(kind, 255)])
        frames.append(_frame("APIC", head + _utf8(description) + b"\0" + data))
    body = b"".join(frames)
    return b"ID3\4\0\0" + _safe(len(body)) + body if body else b""


def _frame(name: str, content: bytes) -> bytes:
    return name.encode() + _safe(len(content) + 1) + b"\0\0\3" + content


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _safe(number: int) -> bytes:
    """A number below 2^28 in seven bits of each of four bytes."""
    if number >= 1 << 28:
        raise InputError(f"{number:,} bytes are too many for an ID3 tag; leave pictures out")
    return struct.pack(">I", sum((number >> 7 * k & 0x7F) << 8 * k for k in range(4)))
