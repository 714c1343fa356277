"""Codec 11, ``adaptive-audio``: any recording, lossless, by predictors that learn within the file.

Two predictors, chosen by the effort. The fast one is a cascade of adaptive filters in integers; the
other one adds two windowed least-squares fits in strict float64. What they leave is coded under a
mixture of distributions, in integers. The decoder learns what the encoder learnt, so there are no
weights. Frames of 15 seconds begin anew: there decoding can start, threads work side by side, and
damage ends.

Good at: music, speech, sounds of 8 to 24 bits, and floats that were integers once. Bad at: floats
that were not (kept as they are, deflated), and speed beside FLAC's decoder (10 to 30 times real
time for stereo on one core).

Sections: PAYLOAD, a table of frames, the frames, the MD5 of the PCM; TAGS and SOUND as carried.
docs/format.md, "Codec 11", has the rest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nacre.codecs.base import Damage, Region
from nacre.entropy.audio.frames import CASCADE, REGRESSIONS
from nacre.entropy.audio.payload import (
    Samples,
    decode_frames,
    encode_payload,
    frame_length,
    open_payload,
    pcm_of,
)
from nacre.errors import ChecksumMismatch, FormatError, InputError, ModelError
from nacre.limits import threads_wanted
from nacre.media.audio import Audio, AudioMetadata, AudioReader, open_audio
from nacre.stream import AudioShape, OpenStream, Stream

_SAMPLES_AT_ONCE = 1 << 25

FAST = 3
"""Up to this effort integers alone predict."""


@dataclass(frozen=True)
class AdaptiveAudioSettings:
    """What a user may choose.

    Attributes:
        effort: 1 (fast) to 9 (small); up to 3 the fast predictor.

    Raises:
        InputError: a value outside its range.
    """

    effort: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.effort <= 9:
            raise InputError(f"effort {self.effort} is outside 1..9")


class AdaptiveAudio:
    """The codec; see :class:`nacre.codecs.base.Codec` for what its methods promise.

    Raises:
        ModelError: a model is given; there is none to use.
    """

    name: ClassVar[str] = "adaptive-audio"
    number: ClassVar[int] = 11
    medium: ClassVar[str] = "audio"
    lossless: ClassVar[bool] = True
    models: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[type] = AdaptiveAudioSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        if model is not None:
            raise ModelError(f"codec adaptive-audio uses no model, {model} was given")

    def encode(self, item: Audio | AudioReader, settings: AdaptiveAudioSettings) -> Stream:
        """A stream that holds ``item`` exactly, metadata included."""
        with self.encode_open(item, settings) as stream:
            return stream.to_stream()

    def encode_open(self, item: Audio | AudioReader, settings: AdaptiveAudioSettings) -> OpenStream:
        """As :meth:`encode`, in constant memory; a reader is read once, frame by frame."""
        reader = open_audio(item) if isinstance(item, Audio) else item
        predictor = CASCADE if settings.effort <= FAST else REGRESSIONS
        blocks = reader.blocks(frame_length(reader.shape))
        payload = encode_payload(
            blocks, reader.shape, predictor=predictor, threads=_threads(reader.shape)
        )
        sections = tuple(reader.metadata.to_sections())
        return OpenStream(self.number, None, reader.shape, sections, payload)

    def decode(self, stream: Stream, *, region: Region | None = None) -> Audio:
        """The recording, its MD5 checked.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
        """
        return self._audio(stream, 0, None, AudioMetadata.from_stream(stream))

    def decode_span(self, stream: Stream, first: int, last: int) -> Audio:
        """Samples ``first`` to ``last`` (exclusive) of each channel; other frames are not read.

        Raises:
            FormatError: a frame that they lie in is damaged.
            InputError: they do not lie inside the recording.
        """
        return self._audio(stream, first, last, AudioMetadata())

    def _audio(
        self, stream: Stream, first: int, last: int | None, metadata: AudioMetadata
    ) -> Audio:
        blocks = list(self.blocks(OpenStream.of(stream), first=first, last=last))
        shape = _shape(stream)
        dtype: Any = np.float32 if shape.floating else np.int32
        samples = np.concatenate([np.zeros((shape.channels, 0), dtype), *blocks], axis=1)
        return Audio(samples, shape.sample_rate_hz, shape.depth, shape.floating, metadata)

    def blocks(
        self,
        stream: OpenStream,
        *,
        first: int = 0,
        last: int | None = None,
        damaged: list[Damage] | None = None,
    ) -> Iterator[Samples]:
        """See :class:`nacre.codecs.base.SoundCodec`; the MD5 is checked when all is decoded."""
        frames = open_payload(stream.body, _shape(stream))
        length, total = frames.samples, frames.shape.samples
        last = total if last is None else last
        if not 0 <= first <= last <= total:
            raise InputError(f"samples {first:,} to {last:,} of a recording of {total:,}")
        indices = range(first // length, -(-last // length) if last > first else first // length)
        found: list[Damage] = []

        def tell(index: int, error: FormatError) -> None:
            start = index * length
            inside = max(start, first), min(start + frames.size(index), last)
            found.append(Damage(*inside, str(error)))
            if damaged is not None:
                damaged.append(found[-1])

        digest = hashlib.md5(usedforsecurity=False)
        place = indices.start * length
        decoded = decode_frames(
            frames,
            indices,
            threads=_threads(frames.shape),
            damaged=None if damaged is None else tell,
        )
        for block in decoded:
            digest.update(pcm_of(block, frames.shape.depth))
            yield block[:, max(first - place, 0) : last - place]
            place += block.shape[1]
        if (first, last) != (0, total) or found:
            return
        try:
            if digest.digest() != frames.md5():
                raise ChecksumMismatch(
                    "the MD5 of the decoded samples is not the one that is written"
                )
            stream.body.check()
        except FormatError as error:
            if damaged is None:
                raise
            damaged.append(Damage(0, 0, str(error)))

    def notes(self, stream: OpenStream) -> tuple[str, ...]:
        """Nothing is changed."""
        return ()


def _threads(shape: AudioShape) -> int:
    """Frames to work on at once: as many as is wanted, yet few of long ones, for their memory."""
    return min(threads_wanted(), max(1, _SAMPLES_AT_ONCE // (frame_length(shape) * shape.channels)))


def _shape(stream: Stream | OpenStream) -> AudioShape:
    if stream.items is not None:
        raise FormatError(
            f"an archive of {stream.items} items; take them out with nacre.stream.Archive"
        )
    if not isinstance(stream.shape, AudioShape):
        raise FormatError(f"codec adaptive-audio holds recordings, not {stream.shape}")
    return stream.shape
