"""The payload of lossless sound: frames one after another, with a table of where each one lies.

    table, frames, MD5 of the PCM

A frame has a CRC-32 of its own, so that a damaged one costs only itself. Frames are coded by
several threads at once; the bytes do not depend on how many. docs/format.md, "Codec 11".
"""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.audio.frames import MOST_BITS, bytes_of, decode_frame, encode_frame
from nacre.entropy.in_order import in_order
from nacre.errors import ChecksumMismatch, FormatError, UnsupportedVersion
from nacre.stream import AudioShape, Body, Reader, deflate, inflate, write_varint

Samples = npt.NDArray[Any]
"""int32 or, of floating sound, float32 ``[C, N]``."""

SECONDS = 15
"""Length of a frame: the grain of seeking, of damage and of threads."""
PLANES = 255
"""First byte of a frame of floats that are no multiples of a power of two."""
_MOST_EXPONENT = 40
_CRC_BYTES, _MD5_BYTES, _VARINT_BYTES = 4, 16, 10
_IN_MEMORY = 1 << 21
_MOST_SAMPLES = 1 << 24
"""Of all channels in a frame: what a decoder must hold in memory at once."""


def frame_length(shape: AudioShape) -> int:
    """Samples of one channel in a frame."""
    return max(4096, min(SECONDS * shape.sample_rate_hz, _MOST_SAMPLES // shape.channels))


def encode_payload(
    blocks: Iterable[Samples], shape: AudioShape, *, predictor: int, threads: int = 1
) -> Body:
    """The payload of ``blocks``; beyond some megabytes it lies on a disk until it is closed.

    Args:
        blocks: samples ``[C, n]``, each but the last one of :func:`frame_length` samples.
        shape: what they are; ``shape.samples`` does not matter.
        predictor: ``frames.CASCADE`` or ``frames.REGRESSIONS``.
        threads: frames that are coded at once.
    """
    digest = hashlib.md5(usedforsecurity=False)
    lengths: list[int] = []

    def hashed() -> Iterator[Samples]:
        for block in blocks:
            digest.update(pcm_of(block, shape.depth))
            yield block

    def encode(block: Samples) -> bytes:
        return _encode(block, shape.depth, predictor)

    file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with the body
    try:
        for frame in in_order(encode, hashed(), threads):
            lengths.append(len(frame))
            file.write(frame)
            file.write(zlib.crc32(frame).to_bytes(_CRC_BYTES, "little"))
        file.write(digest.digest())
    except BaseException:
        file.close()
        raise
    table = bytearray()
    write_varint(table, frame_length(shape))
    write_varint(table, len(lengths))
    for length in lengths:
        write_varint(table, length)
    table += zlib.crc32(table).to_bytes(_CRC_BYTES, "little")
    return Body.of(file, bytes(table))


@dataclass(frozen=True)
class Frames:
    """Where the frames of a payload lie.

    Attributes:
        body: the payload.
        shape: of the sound.
        samples: of one channel in a frame; the last one may be shorter.
        offsets: of each frame, and of the MD5 behind them.
    """

    body: Body
    shape: AudioShape
    samples: int
    offsets: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def md5(self) -> bytes:
        """Of the PCM: samples in turn, channels side by side, little-endian, signed."""
        return self.body.read(self.offsets[-1], _MD5_BYTES)

    def size(self, index: int) -> int:
        """Samples of one channel in frame ``index``."""
        return min(self.samples, self.shape.samples - index * self.samples)

    def read(self, index: int) -> bytes:
        """The bytes of frame ``index``, its CRC-32 behind them.

        Raises:
            Truncated: the file ends before them.
        """
        first, end = self.offsets[index : index + 2]
        return self.body.read(first, end - first)

    def decode(self, index: int, data: bytes) -> Samples:
        """The samples ``[C, size]`` of frame ``index`` from what :meth:`read` gave.

        Raises:
            ChecksumMismatch, FormatError: it is damaged.
        """
        frame = memoryview(data)[:-_CRC_BYTES]
        if zlib.crc32(frame) != int.from_bytes(data[-_CRC_BYTES:], "little"):
            raise ChecksumMismatch(
                f"frame {index} of {len(self)}: its CRC-32 is not the one that is written; "
                "the file was damaged, fetch it again, or decode the rest with --allow-partial"
            )
        return _decode(frame, self.shape, self.size(index))

    def silence(self, index: int) -> Samples:
        """What stands for frame ``index`` if it is damaged."""
        dtype = np.float32 if self.shape.floating else np.int32
        return np.zeros((self.shape.channels, self.size(index)), dtype)


def open_payload(body: Body, shape: AudioShape) -> Frames:
    """The frames of a payload; none is decoded.

    Raises:
        FormatError: its table is damaged or does not fit ``shape``.
    """
    head = Reader(body.some(0, 2 * _VARINT_BYTES), "PAYLOAD")
    samples, count = _counts(head, shape)
    if count > body.length:
        raise FormatError(f"PAYLOAD: a table of {count:,} frames in {body.length:,} bytes")
    view = body.some(0, (2 + count) * _VARINT_BYTES + _CRC_BYTES)
    reader = Reader(view, "PAYLOAD")
    _counts(reader, shape)
    lengths = [reader.varint("bytes of a frame", 1 << 40) for _ in range(count)]
    actual = zlib.crc32(view[: reader.position])
    if reader.unsigned(_CRC_BYTES, "CRC-32 of the table") != actual:
        raise ChecksumMismatch("PAYLOAD: the table of frames was damaged; fetch the file again")
    offsets = [reader.position]
    for length in lengths:
        offsets.append(offsets[-1] + length + _CRC_BYTES)
    if offsets[-1] + _MD5_BYTES != body.length:
        raise FormatError(
            f"PAYLOAD: its table ends at byte {offsets[-1] + _MD5_BYTES:,}, there are "
            f"{body.length:,}"
        )
    return Frames(body, shape, samples, tuple(offsets))


def _counts(reader: Reader, shape: AudioShape) -> tuple[int, int]:
    """Samples of a frame, and frames."""
    samples = reader.varint("samples in a frame", 1 << 32)
    count = reader.varint("frames", 1 << 32)
    if samples * shape.channels > max(_MOST_SAMPLES, 4096 * shape.channels):
        raise FormatError(f"PAYLOAD: frames of {samples:,} samples, which are too long")
    if not samples or count != -(-shape.samples // samples):
        raise FormatError(
            f"PAYLOAD: {count:,} frames of {samples:,} samples for {shape.samples:,} in the header"
        )
    return samples, count


def decode_frames(
    frames: Frames,
    indices: Sequence[int],
    *,
    threads: int = 1,
    damaged: Callable[[int, FormatError], None] | None = None,
) -> Iterator[Samples]:
    """Frames in the order of ``indices``, read in turn and decoded by several threads at once.

    Args:
        frames: where they lie.
        indices: which ones.
        threads: frames that are decoded at once.
        damaged: is told which frame is damaged, and how; silence stands for it. None: that is an
            error.

    Raises:
        FormatError: a frame is damaged, and there is nobody to tell.
        UnsupportedVersion: its predictor is not known here.
    """

    def fetched() -> Iterator[tuple[int, bytes | FormatError]]:
        for index in indices:
            try:
                yield index, frames.read(index)
            except FormatError as error:
                yield index, error

    def work(job: tuple[int, bytes | FormatError]) -> Samples | FormatError:
        index, data = job
        try:
            return data if isinstance(data, FormatError) else frames.decode(index, data)
        except FormatError as error:
            return error

    results = in_order(work, fetched(), threads)
    for index, found in zip(indices, results, strict=True):
        if not isinstance(found, FormatError):
            yield found
            continue
        if damaged is None or isinstance(found, UnsupportedVersion):
            raise found
        damaged(index, found)
        yield frames.silence(index)


def pcm_of(samples: Samples, depth: int) -> bytes:
    """What the MD5 is taken of."""
    if samples.dtype.kind == "f":
        return np.ascontiguousarray(samples.T.astype("<f4")).tobytes()
    return bytes_of(samples, depth)


def _encode(block: Samples, depth: int, predictor: int) -> bytes:
    if block.dtype.kind != "f":
        return encode_frame(block, depth, predictor=predictor)
    exponent = _exponent(block)
    planes = _planes(block)
    if exponent is None:
        return planes
    whole = np.ldexp(block.astype(np.float64), exponent).astype(np.int32)
    return min(
        bytes([exponent]) + encode_frame(whole, MOST_BITS, predictor=predictor), planes, key=len
    )


def _decode(frame: memoryview, shape: AudioShape, size: int) -> Samples:
    if not shape.floating:
        return decode_frame(frame, shape.channels, size, shape.depth)
    reader = Reader(frame, "frame")
    exponent = reader.unsigned(1, "exponent")
    if exponent == PLANES:
        length = 4 * shape.channels * size
        body = inflate(reader.rest(), length, where="frame")
        planes = np.frombuffer(body, np.uint8).reshape(4, -1)
        bits = np.ascontiguousarray(planes.T).view("<u4").reshape(shape.channels, size)
        return bits.astype(np.uint32).view(np.float32)
    if exponent > _MOST_EXPONENT:
        raise FormatError(f"frame: an exponent of {exponent}, above {_MOST_EXPONENT}")
    whole = decode_frame(reader.rest(), shape.channels, size, MOST_BITS)
    return np.ldexp(whole.astype(np.float64), -exponent).astype(np.float32)


def _planes(block: Samples) -> bytes:
    """Floats by planes of bytes, deflated."""
    octets = np.ascontiguousarray(block.astype("<f4")).view(np.uint8).reshape(-1, 4)
    return bytes([PLANES]) + deflate(octets.T.tobytes())


def _exponent(block: Samples) -> int | None:
    """The least e for which all samples are whole multiples of 2^-e that fit; None without."""
    if not np.isfinite(block).all() or (np.signbit(block) & (block == 0)).any():
        return None
    wide = block.astype(np.float64)
    for exponent in range(_MOST_EXPONENT + 1):
        scaled = np.ldexp(wide, exponent)
        if np.abs(scaled).max(initial=0) >= 1 << MOST_BITS - 1:
            return None
        if (scaled == np.rint(scaled)).all():
            return exponent
    return None
