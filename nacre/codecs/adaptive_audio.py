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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from nacre.codecs.base import Region
from nacre.entropy.audio.frames import CASCADE, REGRESSIONS
from nacre.entropy.audio.payload import (
    Frames,
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
from nacre.stream import AudioShape, Section, SectionKind, Stream

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
        """A stream that holds ``item`` exactly, metadata included.

        A reader is read frame by frame.
        """
        reader = open_audio(item) if isinstance(item, Audio) else item
        predictor = CASCADE if settings.effort <= FAST else REGRESSIONS
        blocks = reader.blocks(frame_length(reader.shape))
        threads = threads_wanted()
        with encode_payload(blocks, reader.shape, predictor=predictor, threads=threads) as file:
            payload = Section(SectionKind.PAYLOAD, file.read())
        sections = (*reader.metadata.to_sections(), payload)
        return Stream(self.number, None, reader.shape, sections)

    def decode(self, stream: Stream, *, region: Region | None = None) -> Audio:
        """The recording, its MD5 checked.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
        """
        frames = _frames(stream)
        digest = hashlib.md5(usedforsecurity=False)
        blocks: list[Samples] = []
        for block in decode_frames(frames, range(len(frames)), threads=threads_wanted()):
            digest.update(pcm_of(block, frames.shape.depth))
            blocks.append(block)
        if digest.digest() != frames.md5:
            raise ChecksumMismatch("the MD5 of the decoded samples is not the one that is written")
        return _audio(blocks, stream, frames.shape)

    def decode_span(self, stream: Stream, first: int, last: int) -> Audio:
        """Samples ``first`` to ``last`` (exclusive) of each channel; other frames are not read.

        Raises:
            FormatError: a frame that they lie in is damaged.
            InputError: they do not lie inside the recording.
        """
        frames = _frames(stream)
        if not 0 <= first <= last <= frames.shape.samples:
            raise InputError(
                f"samples {first:,} to {last:,} of a recording of {frames.shape.samples:,}"
            )
        indices = range(first // frames.samples, -(-last // frames.samples) if last > first else 0)
        blocks = list(decode_frames(frames, indices, threads=threads_wanted()))
        audio = _audio(blocks, stream, frames.shape)
        start = first - indices.start * frames.samples if blocks else 0
        cut = np.ascontiguousarray(audio.samples[:, start : start + last - first])
        return Audio(
            cut, audio.sample_rate_hz, audio.depth, audio.floating, AudioMetadata(), audio.notes
        )


def _frames(stream: Stream) -> Frames:
    if stream.items is not None:
        raise FormatError(
            f"an archive of {stream.items} items; take them out with nacre.stream.Archive"
        )
    shape = stream.shape
    if not isinstance(shape, AudioShape):
        raise FormatError(f"codec adaptive-audio holds recordings, not {shape}")
    return open_payload(stream.payload, shape)


def _audio(blocks: list[Samples], stream: Stream, shape: AudioShape) -> Audio:
    dtype: Any = np.float32 if shape.floating else np.int32
    samples = (
        np.concatenate(blocks, axis=1) if blocks else np.zeros((shape.channels, 0), dtype=dtype)
    )
    metadata = AudioMetadata.from_stream(stream)
    return Audio(samples, shape.sample_rate_hz, shape.depth, shape.floating, metadata)
