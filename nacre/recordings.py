"""Recordings in streams, decoded piece by piece: all of them or a part, damaged ones too."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from nacre.errors import FormatError, InputError
from nacre.stream import AudioShape, OpenStream

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nacre.codecs.base import Codec, Damage
    from nacre.media.audio import Audio, AudioMetadata, AudioReader

    Samples = npt.NDArray[np.int32] | npt.NDArray[np.float32]


class Recording:
    """A recording in a stream; use it as a context, or close it.

    Attributes:
        codec_name: of its codec.
        shape: of what is decoded: all of it, or the part between ``start`` and ``stop``.
        metadata: tags, pictures and channel mask; cue points of the part, counted from its first
            sample.
        notes: what decoding changes or leaves out, one sentence each.
        damaged: with ``allow_partial``, what could not be decoded, in samples of the whole
            recording, in order; complete when all blocks were taken.

    Args:
        stream: what is decoded; it is closed with this.
        codec: its codec.
        start, stop: in seconds from the beginning; the sample nearest to each bounds the part. A
            ``stop`` after the end is the end.
        allow_partial: damage becomes silence.

    Raises:
        FormatError: the stream holds no recording, or its metadata is damaged.
        InputError: the part is not inside the recording.
    """

    def __init__(
        self,
        stream: OpenStream,
        codec: Codec,
        *,
        start: float | None = None,
        stop: float | None = None,
        allow_partial: bool = False,
    ) -> None:
        from nacre.codecs.base import SoundCodec

        whole = stream.shape
        if not isinstance(whole, AudioShape):
            raise InputError("seconds are cut out of a recording; this is none")
        self._first, self._last = span_of(whole, start, stop)
        self._stream, self._codec, self._partial = stream, codec, allow_partial
        self.codec_name = codec.name
        self.shape = dataclasses.replace(whole, samples=self._last - self._first)
        self.metadata, notes = _metadata(stream, self._first, self._last, partial=allow_partial)
        self.notes: tuple[str, ...] = (*stream.notes, *notes)
        if isinstance(codec, SoundCodec):
            self.notes += codec.notes(stream)
        self.damaged: list[Damage] = []

    def blocks(self) -> Iterator[Samples]:
        """The samples piece by piece, ``[C, n]``, in constant memory.

        What came through a pipe can be taken once.

        Raises:
            FormatError: the stream is damaged (with ``allow_partial``: so that nothing is left).
        """
        from nacre.codecs.base import SoundCodec

        self.damaged.clear()
        if not isinstance(self._codec, SoundCodec):
            audio = self._codec.decode(self._stream.to_stream())
            yield audio.samples[:, self._first : self._last]
            return
        damaged = self.damaged if self._partial else None
        yield from self._codec.blocks(
            self._stream, first=self._first, last=self._last, damaged=damaged
        )

    def audio(self) -> Audio:
        """All of it in memory; what was damaged is in its notes."""
        import numpy as np

        from nacre.media.audio import Audio

        shape = self.shape
        dtype: Any = np.float32 if shape.floating else np.int32
        samples: Any = np.zeros((shape.channels, 0), dtype)
        place = 0
        for block in self.blocks():
            if not place:  # memory for what a header declares only once some of it is there
                samples = _room(shape, dtype)
            if place + block.shape[1] <= shape.samples:
                samples[:, place : place + block.shape[1]] = block
            place += block.shape[1]
        if place != shape.samples:
            raise FormatError(f"{place:,} samples, {shape.samples:,} are declared")
        notes = (*self.notes, *damage_notes(self.damaged, shape.sample_rate_hz))
        return Audio(
            samples, shape.sample_rate_hz, shape.depth, shape.floating, self.metadata, notes
        )

    def save(self, path: str | Path | BinaryIO, *, force: bool = False) -> tuple[str, ...]:
        """Write an audio file piece by piece, as :meth:`nacre.Audio.save` does; notes on what such
        a file does not hold.

        Args:
            path: where to; or an open stream, which gets WAV.
            force: replace an existing file.

        Raises:
            InputError, FormatError: as :meth:`nacre.Audio.save` and :meth:`blocks`.
        """
        from nacre.media.audio import open_writer

        with open_writer(path, self.shape, self.metadata, force=force) as writer:
            for block in self.blocks():
                writer.write(block)
        return writer.notes

    def close(self) -> None:
        """Close the stream."""
        self._stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def encode_recording(codec: Codec, reader: AudioReader, settings: Any) -> OpenStream:
    """The stream of a recording, its payload in a temporary file where the codec can.

    Raises:
        InputError: the recording or a setting cannot be used.
    """
    from nacre.codecs.base import SoundCodec
    from nacre.media.audio import load_audio

    if isinstance(codec, SoundCodec):
        return codec.encode_open(reader, settings)
    return OpenStream.of(codec.encode(load_audio(reader), settings))


def write_stream(stream: OpenStream, path: str | Path | BinaryIO, *, force: bool = False) -> int:
    """Write a stream to a file, whole or not at all, or to an open one; its length in bytes.

    Raises:
        InputError: the file exists, or is a folder.
        OSError: the system refuses.
    """
    from nacre.media.audio_target import Target

    target = Target(path, force=force)
    try:
        size = stream.write_to(target.file)
        target.finish()
    except BaseException:
        target.discard()
        raise
    return size


def compare_recordings(original: AudioReader, decoded: Recording) -> tuple[bool, float | None]:
    """As :func:`nacre.compare.compare`, piece by piece.

    Raises:
        FormatError: what is decoded is damaged.
        InputError: the original is.
    """
    import numpy as np

    a, b = original.shape, decoded.shape
    like = (a.samples, a.channels, a.sample_rate_hz) == (b.samples, b.channels, b.sample_rate_hz)
    equal, total = a == b, 0.0
    scales = [1.0 if each.floating else 2.0 ** (1 - each.depth) for each in (a, b)]
    left: Any = None
    blocks = original.blocks() if like else iter(())
    for block in decoded.blocks():
        place = 0
        while like and place < block.shape[1]:
            left = next(blocks) if left is None else left
            count = min(left.shape[1], block.shape[1] - place)
            pair = left[:, :count], block[:, place : place + count]
            equal = equal and pair[0].tobytes() == pair[1].tobytes()
            wide = [
                each.astype(np.float64) * scale for each, scale in zip(pair, scales, strict=True)
            ]
            total += float(np.square(wide[0] - wide[1]).sum())
            place += count
            left = left[:, count:] if count < left.shape[1] else None
    error = total / max(a.samples * a.channels, 1)
    if not like or not math.isfinite(error):
        return equal, None
    return equal, -10 * math.log10(error) if error > 0 else math.inf


def span_of(shape: AudioShape, start: float | None, stop: float | None) -> tuple[int, int]:
    """First and last (exclusive) sample of the part between two moments, in seconds.

    Raises:
        InputError: it does not begin inside the recording, or ends before it begins.

    >>> span_of(AudioShape(44100, 1, 44100), 0.25, None)
    (11025, 44100)
    """
    seconds = shape.samples / shape.sample_rate_hz
    for name, value in (("start", start), ("stop", stop)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise InputError(f"{name} is {value}; seconds from the beginning are expected")
    first = 0 if start is None else round(start * shape.sample_rate_hz)
    last = shape.samples if stop is None else round(stop * shape.sample_rate_hz)
    if first > shape.samples:
        raise InputError(f"start {start} lies behind the end, the recording has {seconds:.6f} s")
    if last < first:
        raise InputError(f"stop {stop} lies before start {start}")
    return first, min(last, shape.samples)


def damage_notes(damaged: list[Damage], rate_hz: int) -> tuple[str, ...]:
    """What is damaged, for people: neighbours as one stretch of time."""
    merged: list[Damage] = []
    for each in damaged:
        # What follows in a message is advice, which has been taken.
        each = dataclasses.replace(each, why=each.why.partition(";")[0])
        if merged and merged[-1].last == each.first and each.last > each.first:
            merged[-1] = dataclasses.replace(merged[-1], last=each.last)
        else:
            merged.append(each)
    return tuple(
        f"silence from {each.first / rate_hz:.3f} s to {each.last / rate_hz:.3f} s: {each.why}"
        if each.last > each.first
        else f"damaged: {each.why}"
        for each in merged
    )


def _metadata(
    stream: OpenStream, first: int, last: int, *, partial: bool
) -> tuple[AudioMetadata, tuple[str, ...]]:
    """What the stream carries, cut as the samples are, and notes."""
    from nacre.media.audio import AudioMetadata

    try:
        found = AudioMetadata.from_stream(stream)
    except FormatError as error:
        if not partial:
            raise
        return AudioMetadata(), (f"left out: {error}",)
    cues = tuple(
        (place - first, label)
        for place, label in found.cues
        if first <= place < last or (first == 0 and last == getattr(stream.shape, "samples", 0))
    )
    return dataclasses.replace(found, cues=cues), ()


def _room(shape: AudioShape, dtype: Any) -> Any:
    import numpy as np

    try:
        return np.empty((shape.channels, shape.samples), dtype)
    except MemoryError:
        raise InputError(
            f"not enough memory for {shape.samples * shape.channels:,} samples; decode a part of "
            "it, or to a file"
        ) from None
