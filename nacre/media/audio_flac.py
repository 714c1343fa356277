"""FLAC files: the header and metadata that soundfile does not give, and splicing them in.

Source: RFC 9639. Samples are coded by soundfile; this reads and writes what stands before them.
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from dataclasses import dataclass
from typing import BinaryIO

from nacre.errors import FormatError, InputError
from nacre.media.audio_comments import (
    read_comments,
    read_picture,
    tags_with_mask,
    write_comments,
    write_picture,
)
from nacre.media.audio_id3 import HEADER_BYTES, read_id3, tag_bytes
from nacre.media.audio_joined import Joined
from nacre.media.audio_metadata import AudioMetadata, Found
from nacre.media.audio_riff import read_cues, read_list
from nacre.media.audio_riff_write import MAX_RIFF, cue_chunks
from nacre.media.metadata import MAX_CONTENT
from nacre.stream import AudioShape

STREAMINFO, PADDING, APPLICATION, SEEKTABLE, COMMENTS, CUESHEET, PICTURE = range(7)
MAX_BLOCK = (1 << 24) - 1
BLOCK_SAMPLES = 4096


@dataclass(frozen=True)
class FlacInfo:
    """What STREAMINFO says.

    Attributes:
        channels, sample_rate_hz, depth: of the samples.
        samples: of one channel; 0: not known.
        md5: of all samples, interleaved, little-endian, in whole bytes; zeros: not known.
        block: all of it.
        start: the first byte of the file's frames.
    """

    channels: int
    sample_rate_hz: int
    depth: int
    samples: int
    md5: bytes
    block: bytes
    start: int


def skip_id3(file: BinaryIO) -> int:
    """The first byte behind any ID3v2 tags at the beginning of ``file``."""
    start = 0
    while True:
        file.seek(start)
        size = tag_bytes(file.read(HEADER_BYTES))
        if not size:
            return start
        start += size


def read_flac(file: BinaryIO, name: str, found: Found) -> FlacInfo:
    """What the blocks before the samples say; metadata goes to ``found``.

    Raises:
        InputError: there is no STREAMINFO, or the blocks end early.
    """
    start = skip_id3(file)
    file.seek(start)
    if file.read(4) != b"fLaC":
        raise InputError(f"{name}: an ID3 tag with no FLAC or MP3 data behind it")
    stream_info, tagged, last, kept = None, False, False, 0
    while not last:
        head = file.read(4)
        if len(head) < 4:
            raise InputError(f"{name}: cut short in the metadata of a FLAC file")
        last, kind, size = bool(head[0] & 0x80), head[0] & 0x7F, int.from_bytes(head[1:], "big")
        kept += size
        if kind == CUESHEET:
            found.notes.append("the cue sheet of a compact disc is left out")
        if kind not in (STREAMINFO, APPLICATION, COMMENTS, PICTURE) or kept > 4 * MAX_CONTENT:
            file.seek(size, 1)
            continue
        body = file.read(size)
        if len(body) < size:
            raise InputError(f"{name}: cut short in the metadata of a FLAC file")
        if kind == STREAMINFO:
            stream_info = body
        tagged = tagged or kind == COMMENTS
        _read_block(kind, body, found)
    if stream_info is None:
        raise InputError(f"{name}: a FLAC file without a STREAMINFO block")
    info = _read_info(stream_info, file.tell(), name)
    if start and not tagged:
        file.seek(0)
        found.take("an ID3 tag", read_id3, file.read(min(start, MAX_CONTENT)))
    return info


def _read_info(body: bytes, start: int, name: str) -> FlacInfo:
    if len(body) != 34:
        raise InputError(f"{name}: a STREAMINFO block of {len(body)} bytes, 34 are expected")
    packed = int.from_bytes(body[10:18], "big")
    return FlacInfo(
        channels=(packed >> 41 & 7) + 1,
        sample_rate_hz=packed >> 44,
        depth=(packed >> 36 & 31) + 1,
        samples=packed & (1 << 36) - 1,
        md5=body[18:],
        block=body,
        start=start,
    )


def _read_block(kind: int, body: bytes, found: Found) -> None:
    if kind == COMMENTS:
        found.take("the block of comments", read_comments, body)
    elif kind == PICTURE:
        found.take("a picture", read_picture, body)
    elif kind == APPLICATION and body[:4] == b"riff":
        # What flac --keep-foreign-metadata keeps: a chunk of the WAV file in each block.
        if body[4:8] == b"cue ":
            found.take("the list of cue points", read_cues, body[12:])
        elif body[4:8] == b"LIST" and body[12:16] == b"adtl":
            found.take("a list of texts", read_list, body[12:])


def bare(file: BinaryIO, info: FlacInfo) -> Joined:
    """``file`` without metadata: libFLAC gives up where comments or pictures are damaged."""
    return Joined(b"fLaC\x80\0\0\x22" + info.block, file, info.start)


def splice(coded: BinaryIO, target: BinaryIO, metadata: AudioMetadata) -> list[str]:
    """Copy a FLAC file with ``metadata`` instead of its comments and pictures.

    Args:
        coded: a whole FLAC file, at its beginning.
        target: gets the copy.
        metadata: tags, pictures, cue points and channel mask.

    Returns:
        Notes on what could not be kept.

    Raises:
        FormatError: ``coded`` is no FLAC file.
    """
    blocks, last = [], coded.read(4) != b"fLaC"
    while not last:
        head = coded.read(4)
        last, size = bool(head[0] & 0x80), int.from_bytes(head[1:4], "big")
        body = coded.read(size)
        if head[0] & 0x7F in (STREAMINFO, SEEKTABLE):
            blocks.append((head[0] & 0x7F, body))
    if not blocks:
        raise FormatError("what was coded is no FLAC file")
    notes = _write_blocks(blocks, target, metadata)
    shutil.copyfileobj(coded, target, 1 << 20)
    return notes


def write_empty(target: BinaryIO, shape: AudioShape, metadata: AudioMetadata) -> list[str]:
    """Write a FLAC file without samples, which soundfile cannot; notes as :func:`splice`."""
    packed = shape.sample_rate_hz << 44 | (shape.channels - 1) << 41 | (shape.depth - 1) << 36
    body = struct.pack(">HH6xQ", BLOCK_SAMPLES, BLOCK_SAMPLES, packed) + hashlib.md5().digest()
    return _write_blocks([(STREAMINFO, body)], target, metadata)


def _write_blocks(
    blocks: list[tuple[int, bytes]], target: BinaryIO, metadata: AudioMetadata
) -> list[str]:
    cues = [cue for cue in metadata.cues if cue[0] <= MAX_RIFF]
    blocks.append((COMMENTS, write_comments(tags_with_mask(metadata))))
    for name, body in cue_chunks(cues) if cues else []:
        chunk = name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
        blocks.append((APPLICATION, b"riff" + chunk))
    blocks += [(PICTURE, write_picture(picture)) for picture in metadata.pictures]
    fitting = [(kind, body) for kind, body in blocks if len(body) <= MAX_BLOCK]
    target.write(b"fLaC")
    for number, (kind, body) in enumerate(fitting, 1):
        target.write(bytes([kind | 0x80 * (number == len(fitting))]))
        target.write(len(body).to_bytes(3, "big") + body)
    lost = len(blocks) - len(fitting) + len(metadata.cues) - len(cues)
    return [f"{lost} of the metadata too large for a FLAC file, left out"] if lost else []
