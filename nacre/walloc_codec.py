"""The methods that ``walloc-stereo`` and ``walloc-speech`` have in common."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nacre.errors import FormatError, InputError, ModelError
from nacre.limits import threads_wanted
from nacre.media.audio import Audio, AudioMetadata, AudioReader, open_audio
from nacre.models import find_model, load_arrays
from nacre.stream import AudioShape, Section, SectionKind, Stream
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
    in_order,
    joined,
    level_of,
    padded,
    resampled,
    stretches,
)

Floats = npt.NDArray[np.float64]

REDUCTIONS = (1, 5, 20)
"""How many times fewer latents than samples may be kept."""
MOST_NOISE = 3.0
_BLOCK = 1 << 18


@dataclass(frozen=True)
class WallocAudioSettings:
    """What a user may choose.

    Attributes:
        quality: 0 to 100, any number; at 50 the step is as large as the recording's mean level, 10
            more halve it (6 dB, once all is coded).
        noise: how much of what was lost comes back as noise: 0 is nearest to the waveform, 1 has
            the energy that was there.
        reduction: keep all latents (1), or a 5th or 20th of them, the most important.

    Raises:
        InputError: a value outside its range.
    """

    quality: float = 50.0
    noise: float = 0.5
    reduction: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.quality <= 100:
            raise InputError(f"quality {self.quality} is outside 0..100")
        if not 0 <= self.noise <= MOST_NOISE:
            raise InputError(f"noise {self.noise} is outside 0..{MOST_NOISE:g}")
        if self.reduction not in REDUCTIONS:
            known = ", ".join(map(str, REDUCTIONS))
            raise InputError(f"reduction {self.reduction}; one of {known}")


class WallocAudio:
    """The codec, but for its name and sizes.

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
    settings: ClassVar[type] = WallocAudioSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        card = find_model(model or self.models[0], codec=self.name)
        self._id = bytes.fromhex(card.id)
        self._weights = weights_from_arrays(load_arrays(card.path), self.mode)

    # ---- encode ----

    def encode(self, item: Audio | AudioReader, settings: WallocAudioSettings) -> Stream:
        """A stream of ``item``; a reader is read twice, piece by piece.

        Raises:
            InputError: samples are infinite or not numbers.
        """
        reader = open_audio(item) if isinstance(item, Audio) else item
        code = step_code(settings.quality, level_of(reader))
        segments = list(self.encode_blocks(reader, settings, code))
        ratio = self.mode.ratio(reader.shape.sample_rate_hz)
        kept = self._kept(reader.shape, settings)
        payload = write_payload(ratio, settings.noise, kept, segments)
        sections = (*reader.metadata.to_sections(), Section(SectionKind.PAYLOAD, payload))
        return Stream(self.number, self._id, reader.shape, sections)

    def encode_blocks(
        self, reader: AudioReader, settings: WallocAudioSettings, code: int
    ) -> Iterator[bytes]:
        """The segments of a recording at a step."""
        shape, mode = reader.shape, self.mode
        noise, kept = settings.noise > 0, self._kept(shape, settings)
        wanted = Wanted(mode, self._weights, code, kept, noise)
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
        shape, payload = self._open(stream)
        audio = self._audio(list(self._blocks(shape, payload, 0, len(payload.segments))), shape)
        notes = self._notes(shape, payload)
        return Audio(
            audio, shape.sample_rate_hz, shape.depth, shape.floating,
            AudioMetadata.from_stream(stream), notes,
        )  # fmt: skip

    def blocks(self, stream: Stream, *, damaged: list[int] | None = None) -> Iterator[Any]:
        """The recording piece by piece, ``[C, n]``, in constant memory.

        Args:
            damaged: where given, gets the numbers of damaged segments, which become silence;
                otherwise damage is an error.
        """
        shape, payload = self._open(stream)
        return self._blocks(shape, payload, 0, len(payload.segments), damaged)

    def decode_span(self, stream: Stream, first: int, last: int) -> Audio:
        """Samples ``first`` to ``last`` (exclusive) of each channel; other segments are not read.

        Raises:
            FormatError: a segment that they depend on is damaged.
            InputError: they do not lie inside the recording.
        """
        shape, payload = self._open(stream)
        if not 0 <= first <= last <= shape.samples:
            raise InputError(f"samples {first:,} to {last:,} of a recording of {shape.samples:,}")
        beside = 1024 + self.mode.geometry.overlap
        segment = self.mode.segment
        low = max(int(first * payload.ratio) - beside, 0) // segment
        high = min(-(-(int(last * payload.ratio) + beside) // segment), len(payload.segments))
        start = low * segment / payload.ratio
        if start.denominator != 1:  # begin where a sample of both rates lies
            low = 0
            start = start * 0
        samples = self._audio(list(self._blocks(shape, payload, low, high)), shape)
        begin = first - int(start)
        return Audio(
            np.ascontiguousarray(samples[:, begin : begin + last - first]),
            shape.sample_rate_hz, shape.depth, shape.floating, AudioMetadata(),
            self._notes(shape, payload),
        )  # fmt: skip

    def _notes(self, shape: AudioShape, payload: Payload) -> tuple[str, ...]:
        if payload.ratio == 1:
            return ()
        rate = float(shape.sample_rate_hz * payload.ratio)
        return (f"coded at {rate:g} Hz and resampled to {shape.sample_rate_hz} Hz",)

    def _open(self, stream: Stream) -> tuple[AudioShape, Payload]:
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
        return shape, read_payload(stream.payload, shape, self.mode)

    def _segments(
        self, payload: Payload, low: int, high: int, *, noise: bool
    ) -> Iterator[list[Segment | FormatError]]:
        """Decoded segments ``low`` to ``high``, those of all groups together."""

        def work(index: int) -> list[Segment | FormatError]:
            found: list[Segment | FormatError] = []
            frames = frames_of(payload, index, self.mode)
            for body, channels in zip(payload.segments[index], payload.groups, strict=True):
                try:
                    found.append(
                        decode_segment(
                            body, channels, frames, self.mode, self._weights, noise=noise
                        )
                    )
                except FormatError as error:
                    found.append(error)
            return found

        return in_order(work, range(low, high), threads_wanted())

    def _blocks(
        self, shape: AudioShape, payload: Payload, low: int, high: int,
        damaged: list[int] | None = None,
    ) -> Iterator[Any]:  # fmt: skip
        """Samples of segments ``low`` to ``high``, as the recording has them."""
        geometry = self.mode.geometry
        noise = payload.strength > 0

        def parts() -> Iterator[tuple[Floats, bool]]:
            for index, found in enumerate(self._segments(payload, low, high, noise=noise), low):
                whole, sound = [], True
                for segment, channels in zip(found, payload.groups, strict=True):
                    if isinstance(segment, FormatError):
                        if damaged is None:
                            raise type(segment)(f"segment {index}: {segment}") from segment
                        length = frames_of(payload, index, self.mode) * geometry.frame
                        whole.append(np.zeros((channels, length)))
                        sound = False
                    else:
                        whole.append(sound_of(segment, geometry, payload.strength, index))
                if not sound and damaged is not None:
                    damaged.append(index)
                yield np.concatenate(whole), sound

        place = low * self.mode.segment

        def cut() -> Iterator[Floats]:
            nonlocal place
            for part, _ in joined(parts(), geometry.overlap):
                yield part[:, : payload.samples - place]
                place += part.shape[1]

        left = shape.samples - int(low * self.mode.segment / payload.ratio)
        for block in resampled(cut(), 1 / payload.ratio):
            yield as_samples(block[:, :left], shape)
            left -= min(block.shape[1], left)

    def _audio(self, blocks: list[Any], shape: AudioShape) -> Any:
        if blocks:
            return np.concatenate(blocks, axis=1)
        return np.zeros((shape.channels, 0), np.float32 if shape.floating else np.int32)

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
        order = self._weights.order_of(shape.channels, frame)
        most = payload.kept or len(order)
        if channels is not None and not 1 <= channels <= most:
            raise InputError(f"channels {channels}; this stream has 1 to {most}")
        order = order[: channels or most]
        found = [np.zeros((len(order), 0))]
        for (segment,) in self._segments(payload, 0, len(payload.segments), noise=False):
            if isinstance(segment, FormatError):
                raise segment
            spectra = segment.spectra
            values: npt.NDArray[Any] = spectra.symbols.astype(np.float64)
            if levels:
                values = spectra.levels * (segment.step / 256)
            values = ordered(values, spectra.splits).swapaxes(1, 2)
            found.append(values.reshape(-1, values.shape[2])[order])
        return np.concatenate(found, axis=1)
