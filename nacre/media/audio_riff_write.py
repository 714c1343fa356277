"""The bytes around the samples of WAV, RF64 and W64 files.

Sources as in ``audio_riff.py``. Sizes are known before the first sample, so that a file can be
written to a pipe.
"""

from __future__ import annotations

import dataclasses
import struct

from nacre.errors import InputError
from nacre.media.audio_id3 import write_id3
from nacre.media.audio_metadata import AudioMetadata, Cue
from nacre.media.audio_riff import (
    EXTENSIBLE,
    FLOAT,
    GUID_SUFFIX,
    INFO_KEYS,
    PCM,
    W64_RIFF,
    W64_SUFFIX,
)
from nacre.stream import AudioShape

MAX_RIFF = (1 << 32) - 1

Chunks = list[tuple[bytes, bytes]]
"""Names and contents."""


def wav_parts(
    shape: AudioShape, metadata: AudioMetadata, *, large: bool = False
) -> tuple[bytes, bytes, list[str]]:
    """What stands before and after the samples of a WAV file, and notes on what it lacks.

    Args:
        shape: of the recording; samples follow as little-endian frames, 8 bits unsigned.
        metadata: tags become INFO texts, and an ID3 tag where these do not say everything.
        large: write RF64 even where the file stays below 4 GiB.
    """
    trailing, notes = _metadata_chunks(metadata)
    before = b"".join(_riff_chunk(*each) for each in _format_chunks(shape, metadata))
    data_bytes = shape.samples * shape.channels * shape.depth // 8
    after = bytes(data_bytes % 2) + b"".join(_riff_chunk(*each) for each in trailing)
    size = 4 + len(before) + 8 + data_bytes + len(after)
    if size <= MAX_RIFF and not large:
        head = b"RIFF" + struct.pack("<I", size) + b"WAVE" + before
        return head + b"data" + struct.pack("<I", data_bytes), after, notes
    sizes = struct.pack("<QQQI", size + 36, data_bytes, shape.samples, 0)
    head = b"RF64\xff\xff\xff\xffWAVE" + _riff_chunk(b"ds64", sizes) + before
    return head + b"data\xff\xff\xff\xff", after, notes


def w64_parts(shape: AudioShape, metadata: AudioMetadata) -> tuple[bytes, bytes, list[str]]:
    """As :func:`wav_parts`, for W64.

    Metadata stands before the samples, and nothing behind them: libsndfile loses its way in chunks
    there, takes the bytes that fill the last chunk up for samples, and floats whose format is an
    extensible one for integers.
    """
    leading, notes = _metadata_chunks(metadata)
    if shape.floating and metadata.channel_mask is not None:
        metadata = dataclasses.replace(metadata, channel_mask=None)
        notes.append("W64 files of floats are written without a channel mask")
    chunks = [*_format_chunks(shape, metadata, wide=True), *leading]
    data_bytes = shape.samples * shape.channels * shape.depth // 8
    before = b"wave" + W64_SUFFIX + b"".join(_w64_chunk(*each) for each in chunks)
    before += b"data" + W64_SUFFIX + struct.pack("<Q", 24 + data_bytes)
    size = 24 + len(before) + data_bytes
    return W64_RIFF + struct.pack("<Q", size) + before, b"", notes


def _riff_chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _w64_chunk(name: bytes, body: bytes) -> bytes:
    return name + W64_SUFFIX + struct.pack("<Q", 24 + len(body)) + body + bytes(-len(body) % 8)


def _format_chunks(shape: AudioShape, metadata: AudioMetadata, *, wide: bool = False) -> Chunks:
    """``fmt``, in its short form where that says all, and ``fact`` for floats (W64: ``wide``)."""
    frame_bytes = shape.channels * shape.depth // 8
    tag = FLOAT if shape.floating else PCM
    extended = metadata.channel_mask is not None
    body = struct.pack(
        "<HHIIHH", EXTENSIBLE if extended else tag, shape.channels, shape.sample_rate_hz,
        min(shape.sample_rate_hz * frame_bytes, MAX_RIFF), frame_bytes, shape.depth,
    )  # fmt: skip
    if extended:
        mask = metadata.channel_mask or 0
        body += struct.pack("<HHIH", 22, shape.depth, mask, tag) + GUID_SUFFIX
    elif shape.floating:
        body += bytes(2)
    chunks = [(b"fmt ", body)]
    if shape.floating:
        count = struct.pack("<Q", shape.samples if wide else min(shape.samples, MAX_RIFF))
        chunks.append((b"fact", count if wide else count[:4]))
    return chunks


def _metadata_chunks(metadata: AudioMetadata) -> tuple[Chunks, list[str]]:
    info, complete = _info(metadata)
    chunks: Chunks = [(b"LIST", b"INFO" + info)] if info else []
    cues = [cue for cue in metadata.cues if cue[0] <= MAX_RIFF]
    if cues:
        chunks += cue_chunks(cues)
    if metadata.pictures or not complete:
        chunks.append((b"id3 ", write_id3(metadata)))
    lost = len(metadata.cues) - len(cues)
    return chunks, [f"{lost} cue points beyond sample 2^32 are left out"] if lost else []


def _info(metadata: AudioMetadata) -> tuple[bytes, bool]:
    """INFO texts, and whether they say all that the tags do."""
    names = {key: name for name, key in INFO_KEYS.items()}
    out, seen, complete = b"", set(), True
    for key, value in metadata.tags:
        name = names.get(key.upper())
        if name is None or not value or "\0" in value:
            complete = False
            continue
        complete = complete and name not in seen
        seen.add(name)
        out += _riff_chunk(name.encode(), value.encode("utf-8", "replace") + b"\0")
    return out, complete


def cue_chunks(cues: list[Cue]) -> Chunks:
    """``cue`` and, where there are labels, ``LIST adtl``.

    Raises:
        InputError: a sample number that does not fit in 32 bits.
    """
    points, labels = struct.pack("<I", len(cues)), b""
    for number, (sample, label) in enumerate(cues, 1):
        if sample > MAX_RIFF:
            raise InputError(f"a cue point at sample {sample:,}, beyond 2^32")
        points += struct.pack("<II4sIII", number, sample, b"data", 0, 0, sample)
        if label:
            text = label.encode("utf-8", "replace") + b"\0"
            labels += _riff_chunk(b"labl", struct.pack("<I", number) + text)
    chunks = [(b"cue ", points)]
    return [*chunks, (b"LIST", b"adtl" + labels)] if labels else chunks
