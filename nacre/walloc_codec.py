"""The methods that ``walloc-stereo`` and ``walloc-speech`` have in common."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nacre.codecs.base import Damage
from nacre.entropy.in_order import in_order
from nacre.errors import FormatError, InputError, ModelError
from nacre.limits import threads_wanted
from nacre.media.audio import Audio, AudioMetadata, AudioReader, open_audio
from nacre.models import find_model, load_arrays
from nacre.stream import AudioShape, Body, OpenStream, Stream
from nacre.walloc_audio import (
    Mode,
    Payload,
    Segment,
    Wanted,
    decode_segment,
    encode_segment,
    frames_of,
    groups_of,
    ordered,
    read_payload,
    sound_of,
    step_code,
    weights_from_arrays,
    write_payload,
)
from nacre.walloc_pieces import (
    as_float,
    as_samples,
    joined,
    level_of,
    nearest,
    padded,
    resampled,
    stretches,
)

Floats = npt.NDArray[np.float64]

REDUCTIONS = (1, 5, 20)
"""How many times fewer latents than samples may be kept."""
MOST_NOISE = 3.0
_BLOCK = 1 << 18
_AROUND_BYTES = 28
"""Header and checksums of a stream whose only section is the payload, about."""


@dataclass(frozen=True)
class WallocAudioSettings:
    """What a user may choose.

    Attributes:
        quality: 0 to 100, any number; at 50 the step is as large as the recording's mean level, 10
            more halve it (6 dB, once all is coded).
        noise: how much of what was lost comes back as noise: 0 is nearest to the waveform, 1 has
            the energy that was there.
        reduction: keep all latents (1), or a 5th or 20th of them, the most important.
        kbps: instead of a quality: kilobits a second of the whole file, met as nearly as steps of
            1/32 octave allow; less where quality 100 takes less.
        target_size: instead of a quality: the best file of at most so many bytes.

    Raises:
        InputError: a value outside its range.
    """

    quality: float = 50.0
    noise: float = 0.6
    reduction: int = 1
    kbps: float | None = None
    target_size: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise InputError(f"quality {self.quality} is outside 0..100")
        if not 0 <= self.noise <= MOST_NOISE:
            raise InputError(f"noise {self.noise} is outside 0..{MOST_NOISE:g}")
        if self.reduction not in REDUCTIONS:
            known = ", ".join(map(str, REDUCTIONS))
            raise InputError(f"reduction {self.reduction}; one of {known}")
        if self.kbps is not None and self.target_size is not None:
            raise InputError("kbps and target_size exclude each other; give one")
        for name, value in (("kbps", self.kbps), ("target_size", self.target_size)):
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"{name} is {value!r}; expected a number above 0")


class WallocAudio:
    """The codec, but for its name and sizes.

    Attributes:
        weights: what the model file holds.

    Args:
        device: not used: everything runs on the CPU.
        model: path of a model file; None takes the one that ships.

    Raises:
        ModelError: the model file is missing or damaged.
    """

    name: ClassVar[str]
    number: ClassVar[int]
    models: ClassVar[tuple[str, ...]]
    mode: ClassVar[Mode]
    medium: ClassVar[str] = "audio"
    lossless: ClassVar[bool] = False
    cpu_only: ClassVar[bool] = True
    settings: ClassVar[type] = WallocAudioSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        card = find_model(model or self.models[0], codec=self.name)
        self._id = bytes.fromhex(card.id)
        self.weights = weights_from_arrays(load_arrays(card.path), self.mode)

    # ---- encode ----

    def encode(self, item: Audio | AudioReader, settings: WallocAudioSettings) -> Stream:
        """A stream of ``item``; a reader is read twice or more, piece by piece.

        Raises:
            InputError: samples are infinite or not numbers, or a target is out of reach.
        """
        with self.encode_open(item, settings) as stream:
            return stream.to_stream()

    def encode_open(self, item: Audio | AudioReader, settings: WallocAudioSettings) -> OpenStream:
        """As :meth:`encode`, in constant memory but for the payload, which is small."""
        reader = open_audio(item) if isinstance(item, Audio) else item
        shape, level = reader.shape, level_of(reader)
        sections = tuple(reader.metadata.to_sections())
        beside = sum(len(section.data) for section in sections) + _AROUND_BYTES

        def payload(code: int) -> bytes:
            segments = list(self.encode_blocks(reader, settings, code))
            ratio, kept = self.mode.ratio(shape.sample_rate_hz), self._kept(shape, settings)
            return write_payload(ratio, settings.noise, kept, segments)

        code = step_code(settings.quality, level)
        wanted = settings.target_size
        if settings.kbps is not None:
            wanted = round(settings.kbps * 125 * shape.samples / shape.sample_rate_hz)
        if wanted is None or not level:
            found = payload(code)
        else:
            ends = step_code(100, level), step_code(0, level)
            strict = settings.target_size is not None
            found = nearest(payload, code, ends, max(wanted, 1), beside=beside, strict=strict)
        return OpenStream(self.number, self._id, shape, sections, Body.of(io.BytesIO(found)))

    def encode_blocks(
        self, reader: AudioReader, settings: WallocAudioSettings, code: int
    ) -> Iterator[bytes]:
        """The segments of a recording at a step."""
        shape, mode = reader.shape, self.mode
        noise, kept = settings.noise > 0, self._kept(shape, settings)
        wanted = Wanted(mode, self.weights, code, kept, noise)
        geometry = mode.geometry
        blocks = (as_float(block, shape) for block in reader.blocks(_BLOCK))
        at_rate = resampled(blocks, mode.ratio(shape.sample_rate_hz))
        half = geometry.overlap // 2

        def jobs() -> Iterator[tuple[Floats, bool, bool]]:
            first = True
            for piece, last in stretches(at_rate, mode.segment, half):
                whole = padded(piece, geometry.frame, geometry.overlap) if last else piece
                start = 0
                for channels in groups_of(shape.channels):
                    yield whole[start : start + channels], first, last
                    start += channels
                first = False

        def work(job: tuple[Floats, bool, bool]) -> bytes:
            samples, begins, ends = job
            return encode_segment(samples, wanted, begins=begins, ends=ends)

        return in_order(work, jobs(), threads_wanted())

    def _kept(self, shape: AudioShape, settings: WallocAudioSettings) -> int:
        if settings.reduction == 1:
            return 0
        return -(-self.mode.geometry.frame * min(shape.channels, 2) // settings.reduction)

    # ---- decode ----

    def decode(self, stream: Stream, *, region: Any = None) -> Audio:
        """The recording.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
        """
        return self._audio(OpenStream.of(stream), 0, None, AudioMetadata.from_stream(stream))

    def decode_span(self, stream: Stream, first: int, last: int) -> Audio:
        """Samples ``first`` to ``last`` (exclusive) of each channel; other segments are not read.

        Raises:
            FormatError: a segment that they depend on is damaged.
            InputError: they do not lie inside the recording.
        """
        return self._audio(OpenStream.of(stream), first, last, AudioMetadata())

    def _audio(
        self, stream: OpenStream, first: int, last: int | None, metadata: AudioMetadata
    ) -> Audio:
        shape, _ = self._open(stream)
        dtype: Any = np.float32 if shape.floating else np.int32
        blocks = list(self.blocks(stream, first=first, last=last))
        samples = np.concatenate([np.zeros((shape.channels, 0), dtype), *blocks], axis=1)
        return Audio(
            samples, shape.sample_rate_hz, shape.depth, shape.floating, metadata, self.notes(stream)
        )

    def notes(self, stream: OpenStream) -> tuple[str, ...]:
        """That the recording was resampled, if it was."""
        shape, payload = self._open(stream)
        if payload.ratio == 1:
            return ()
        rate = float(shape.sample_rate_hz * payload.ratio)
        return (f"coded at {rate:g} Hz and resampled to {shape.sample_rate_hz} Hz",)

    def blocks(
        self,
        stream: OpenStream,
        *,
        first: int = 0,
        last: int | None = None,
        damaged: list[Damage] | None = None,
    ) -> Iterator[npt.NDArray[Any]]:
        """See :class:`nacre.codecs.base.SoundCodec`."""
        shape, payload = self._open(stream)
        total = shape.samples
        last = total if last is None else last
        if not 0 <= first <= last <= total:
            raise InputError(f"samples {first:,} to {last:,} of a recording of {total:,}")
        low, high = self._needed(payload, first, last)
        place = int(low * self.mode.segment / payload.ratio)
        found: list[Damage] = []
        parts = self._parts(payload, low, high, None if damaged is None else found)
        for block in resampled(parts, 1 / payload.ratio):
            inside = block[:, max(first - place, 0) : max(last - place, 0)]
            place += block.shape[1]
            if inside.shape[1]:
                yield as_samples(inside, shape)
            for each in found:
                start, end = max(each.first, first), min(each.last, last)
                if damaged is not None and start < end:
                    damaged.append(Damage(start, end, each.why))
            found.clear()
        if (first, last) == (0, total) and not damaged:
            try:
                stream.body.check()
            except FormatError as error:
                if damaged is None:
                    raise
                damaged.append(Damage(0, 0, str(error)))

    def _needed(self, payload: Payload, first: int, last: int) -> tuple[int, int]:
        """Stretches that samples depend on; the first begins where both rates have a sample."""
        beside, segment = 1024 + self.mode.geometry.overlap, self.mode.segment
        low = max(int(first * payload.ratio) - beside, 0) // segment
        low -= low % (segment / payload.ratio).denominator
        high = -(-(int(last * payload.ratio) + beside) // segment) if last > first else low
        return low, min(high, payload.stretches)

    def _open(self, stream: Stream | OpenStream) -> tuple[AudioShape, Payload]:
        if stream.items is not None:
            raise FormatError(
                f"an archive of {stream.items} items; take them out with nacre.stream.Archive"
            )
        shape = stream.shape
        if not isinstance(shape, AudioShape):
            raise FormatError(f"codec {self.name} holds recordings, not {shape}")
        if stream.model != self._id:
            made_with = stream.model.hex() if stream.model else "none"
            raise ModelError(
                f"the stream was made with model {made_with}, this is {self._id.hex()}"
            )
        body = stream.body if isinstance(stream, OpenStream) else OpenStream.of(stream).body
        return shape, read_payload(body, shape, self.mode)

    def _segments(
        self, payload: Payload, low: int, high: int, *, noise: bool
    ) -> Iterator[list[Segment | FormatError]]:
        """Decoded segments ``low`` to ``high``, those of all groups together."""
        jobs = ((index, payload.read(index)) for index in range(low, high))

        def work(job: tuple[int, list[bytes | FormatError]]) -> list[Segment | FormatError]:
            index, bodies = job
            frames = frames_of(payload, index, self.mode)
            found: list[Segment | FormatError] = []
            for body, channels in zip(bodies, payload.groups, strict=True):
                try:
                    if isinstance(body, FormatError):
                        raise body
                    found.append(
                        decode_segment(body, channels, frames, self.mode, self.weights, noise=noise)
                    )
                except FormatError as error:
                    found.append(error)
            return found

        return in_order(work, jobs, threads_wanted())

    def _parts(
        self, payload: Payload, low: int, high: int, damaged: list[Damage] | None
    ) -> Iterator[Floats]:
        """Samples of stretches ``low`` to ``high`` at the model's rate."""
        geometry, segment = self.mode.geometry, self.mode.segment

        def folded() -> Iterator[tuple[Floats, bool]]:
            decoded = self._segments(payload, low, high, noise=payload.strength > 0)
            for index, found in enumerate(decoded, low):
                whole = []
                problem: FormatError | None = None
                for each, channels in zip(found, payload.groups, strict=True):
                    if isinstance(each, FormatError):
                        problem = each
                        length = frames_of(payload, index, self.mode) * geometry.frame
                        whole.append(np.zeros((channels, length)))
                    else:
                        whole.append(sound_of(each, geometry, payload.strength, index))
                if problem is not None:
                    if damaged is None:
                        raise type(problem)(f"segment {index}: {problem}") from problem
                    start = int(index * segment / payload.ratio)
                    end = int((index + 1) * segment / payload.ratio)
                    damaged.append(Damage(start, end, f"segment {index}: {problem}"))
                yield np.concatenate(whole), problem is None

        place = low * segment
        for part, _ in joined(folded(), geometry.overlap):
            yield part[:, : payload.samples - place]
            place += part.shape[1]

    # ---- for learning ----

    def symbols(self, stream: Stream, *, channels: int | None = None) -> npt.NDArray[np.int32]:
        """The integers that were coded, ``[channels, T]`` (int32), T frames."""
        return np.rint(self._latents(stream, channels, levels=False)).astype(np.int32)

    def latents(self, stream: Stream, *, channels: int | None = None) -> npt.NDArray[np.float32]:
        """Dequantised coefficients ``[channels, T]`` (float32, 1 is full scale), T frames.

        The most important come first, so that a prefix is a smaller representation: of stereo at
        4096 samples a frame, 1639 are a fifth of the samples and 410 a twentieth.

        Args:
            channels: how many; None: all that the stream has.

        Raises:
            InputError: more than there are, or the recording has more than two channels.
        """
        return (self._latents(stream, channels, levels=True) / 32768).astype(np.float32)

    def _latents(self, stream: Stream, channels: int | None, *, levels: bool) -> Floats:
        shape, payload = self._open(stream)
        if shape.channels > 2:
            raise InputError(f"latents of {shape.channels} channels; at most 2 are possible")
        frame = self.mode.geometry.frame
        order = self.weights.order_of(shape.channels, frame)
        most = payload.kept or len(order)
        if channels is not None and not 1 <= channels <= most:
            raise InputError(f"channels {channels}; this stream has 1 to {most}")
        order = order[: channels or most]
        found = [np.zeros((len(order), 0))]
        for (segment,) in self._segments(payload, 0, payload.stretches, noise=False):
            if isinstance(segment, FormatError):
                raise segment
            spectra = segment.spectra
            values: npt.NDArray[Any] = spectra.symbols.astype(np.float64)
            if levels:
                values = spectra.levels * (segment.step / 256)
            values = ordered(values, spectra.splits).swapaxes(1, 2)
            found.append(values.reshape(-1, values.shape[2])[order])
        return np.concatenate(found, axis=1)
