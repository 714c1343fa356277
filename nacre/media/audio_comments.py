"""Vorbis comments and FLAC's pictures: the tags of FLAC and Ogg files, read and written.

Sources: RFC 9639, sections 8.6 and 8.8; the Vorbis I specification, section 5.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable

from nacre.errors import FormatError
from nacre.media.audio_metadata import AudioMetadata, Found, Picture, Tag
from nacre.stream import Reader

VENDOR = "nacre"
MASK_KEY = "WAVEFORMATEXTENSIBLE_CHANNEL_MASK"
PICTURE_KEY = "METADATA_BLOCK_PICTURE"


def read_comments(body: bytes, found: Found) -> None:
    """Add the tags of a comment block, and what some keys stand for: pictures, channel mask.

    Raises:
        FormatError: the block ends early; what came before was added.
    """
    reader = Reader(body, "Vorbis comments")
    reader.take(reader.unsigned(4, "length"), "vendor")
    for _ in range(reader.unsigned(4, "number of comments")):
        raw = bytes(reader.take(reader.unsigned(4, "length"), "comment"))
        key, sign, value = raw.decode("utf-8", "replace").partition("=")
        if not sign:
            key, value = "", key
        if key.upper() == PICTURE_KEY:
            found.take("a picture", read_picture, base64.b64decode(value))
        elif key.upper() == MASK_KEY and _is_number(value):
            found.channel_mask = int(value, 0)
        else:
            found.tags.append((key, value))


def _is_number(text: str) -> bool:
    try:
        return 0 <= int(text, 0) < 1 << 32
    except ValueError:
        return False


def read_picture(body: bytes, found: Found) -> None:
    """Add the picture of a PICTURE block.

    Raises:
        FormatError: the block ends early.
    """
    place = 0

    def take(size: int) -> bytes:
        nonlocal place
        if place + size > len(body):
            raise FormatError(f"a picture of {len(body)} bytes ends early")
        place += size
        return body[place - size : place]

    def number() -> int:
        return int(struct.unpack(">I", take(4))[0])

    kind = number()
    mime = take(number()).decode("ascii", "replace")
    description = take(number()).decode("utf-8", "replace")
    take(16)  # width, height, bits of a pixel, colours: the picture itself says them
    found.pictures.append((mime, kind, description, take(number())))


def write_comments(tags: Iterable[Tag]) -> bytes:
    """The comment block that holds ``tags`` in their order."""
    vendor = VENDOR.encode()
    items = [f"{_key(key)}={value}".encode("utf-8", "replace") for key, value in tags]
    parts = [struct.pack("<I", len(vendor)), vendor, struct.pack("<I", len(items))]
    parts += [struct.pack("<I", len(item)) + item for item in items]
    return b"".join(parts)


def _key(key: str) -> str:
    """``key`` in the characters that a comment's name may have (0x20 to 0x7D but for =)."""
    return "".join(c if " " <= c <= "}" and c != "=" else "_" for c in key)


def write_picture(picture: Picture) -> bytes:
    """The PICTURE block that holds ``picture``."""
    mime, kind, description, data = picture
    media_type, text = mime.encode("ascii", "replace"), description.encode("utf-8", "replace")
    return b"".join(
        (
            struct.pack(">II", kind, len(media_type)),
            media_type,
            struct.pack(">I", len(text)),
            text,
            bytes(16),
            struct.pack(">I", len(data)),
            data,
        )
    )


def tags_with_mask(metadata: AudioMetadata) -> tuple[Tag, ...]:
    """The tags, and the channel mask as FLAC files say it (RFC 9639, section 8.6.2)."""
    if metadata.channel_mask is None:
        return metadata.tags
    return (*metadata.tags, (MASK_KEY, f"0x{metadata.channel_mask:X}"))


def tags_with_pictures(metadata: AudioMetadata) -> tuple[Tag, ...]:
    """All that Ogg files can hold, as tags."""
    pictures = (base64.b64encode(write_picture(each)).decode() for each in metadata.pictures)
    return (*tags_with_mask(metadata), *((PICTURE_KEY, text) for text in pictures))
