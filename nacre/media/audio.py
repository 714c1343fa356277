"""Recordings: from files, arrays and tensors, and back.

    from nacre.media.audio import load_audio, open_audio

    audio = load_audio("song.flac")     # or bytes, a file object, an array, a tensor
    audio.save("copy.wav")

    with open_audio("song.flac") as reader:    # hours of it, in constant memory
        for block in reader.blocks(1 << 16):
            ...

Samples are integers as the file stores them (8-bit ones are signed here, whatever the file has), or
32-bit floats. Nothing changes their level or their rate.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError, LimitExceeded
from nacre.limits import Limits
from nacre.media.audio_metadata import AudioMetadata, Found
from nacre.media.audio_pcm import RawFormat, Samples, check_format, check_range
from nacre.media.audio_reader import BLOCK_SAMPLES, AudioReader, read_file
from nacre.media.audio_writer import AudioWriter, open_writer
from nacre.stream import AudioShape

if TYPE_CHECKING:
    import torch

__all__ = [
    "Audio",
    "AudioMetadata",
    "AudioReader",
    "AudioWriter",
    "RawFormat",
    "Source",
    "load_audio",
    "open_audio",
    "open_writer",
]

NO_METADATA = AudioMetadata()

SPOOL_SLACK = 1 << 28
"""What a pipe may send beside samples, in bytes."""


@dataclass(frozen=True, eq=False)
class Audio:
    """A recording in memory.

    Attributes:
        samples: ``[C, N]``, int32 values of ``depth`` bits, or float32, full scale from -1 to 1
            (larger values, NaN and infinities are kept as they are). N may be 0.
        sample_rate_hz: samples of one channel in a second.
        depth: bits of a sample as files store it: 8, 16, 24 or 32; 32 for floats.
        floating: whether samples are floats.
        metadata: carried, not interpreted.
        notes: what loading changed or left out, one sentence each.

    Raises:
        InputError: ``samples`` are none of these, or some lie outside the range of ``depth``.
    """

    samples: Samples
    sample_rate_hz: int
    depth: int = 16
    floating: bool = False
    metadata: AudioMetadata = NO_METADATA
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.samples.ndim != 2:
            raise InputError(f"audio of shape {self.samples.shape}; [C, N] is expected")
        expected = np.float32 if self.floating else np.int32
        if self.samples.dtype != expected:
            raise InputError(
                f"audio of {self.samples.dtype}; {np.dtype(expected)} is expected "
                f"(floating={self.floating})"
            )
        channels = self.samples.shape[0]
        check_format(channels, self.sample_rate_hz, self.depth, floating=self.floating)
        if not self.floating:
            check_range(self.samples, self.depth)

    @property
    def channels(self) -> int:
        """Channels."""
        return int(self.samples.shape[0])

    @property
    def length(self) -> int:
        """Samples of one channel."""
        return int(self.samples.shape[1])

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.length / self.sample_rate_hz

    @property
    def shape(self) -> AudioShape:
        """As the header of a stream declares it."""
        return AudioShape(
            self.length, self.channels, self.sample_rate_hz, self.depth, self.floating
        )

    def stripped(self, names: Iterable[str]) -> Audio:
        """This recording without some metadata: of ``tags``, ``pictures``, ``cues``, or ``all``."""
        return replace(self, metadata=self.metadata.without(names))

    def numpy(self) -> Samples:
        """The samples, ``[C, N]``, int32 or float32, not copied."""
        return self.samples

    def torch(self) -> torch.Tensor:
        """The samples as a tensor ``[C, N]``, int32 or float32, copied."""
        import torch

        return torch.from_numpy(self.samples.copy())

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write an audio file whose kind follows from the extension, whole or not at all.

        WAV (RF64 above 4 GiB), W64, AIFF and raw files hold all samples exactly; FLAC integers of
        up to 24 bits. Ogg Vorbis, Opus and MP3 are lossy, at libsndfile's default quality. Tags and
        pictures are kept by all but raw files; cue points and the channel mask as far as a kind of
        file knows them (:class:`nacre.media.audio_writer.AudioWriter` notes what it leaves out).

        Args:
            path: where to.
            force: replace an existing file.

        Raises:
            InputError: the file exists, the extension is not known, that kind of file cannot hold
                these samples, or the system refuses.
        """
        with open_writer(path, self.shape, self.metadata, force=force) as writer:
            for first in range(0, self.length, BLOCK_SAMPLES):
                writer.write(self.samples[:, first : first + BLOCK_SAMPLES])


Source = str | Path | bytes | BinaryIO | npt.NDArray[Any] | Audio | AudioReader
"""What :func:`open_audio` takes (and tensors, which are recognised by their methods)."""


def load_audio(
    source: Source | torch.Tensor,
    *,
    limits: Limits = Limits.DEFAULT,
    raw: RawFormat | None = None,
    sample_rate_hz: int | None = None,
    depth: int | None = None,
    strip: Iterable[str] = (),
) -> Audio:
    """The recording in ``source``, all of it.

    Args:
        source, limits, raw, sample_rate_hz, depth: as :func:`open_audio` takes them.
        strip: metadata to leave out, of ``tags``, ``pictures``, ``cues``, or ``all``.

    Raises:
        InputError: it cannot be read, is cut short, or is no recording.
        LimitExceeded: it declares more samples than ``limits`` allow.
    """
    if isinstance(source, Audio):
        source.shape.check(limits)
        return source.stripped(strip)
    with open_audio(
        source, limits=limits, raw=raw, sample_rate_hz=sample_rate_hz, depth=depth
    ) as reader:
        shape = reader.shape
        dtype: type = np.float32 if shape.floating else np.int32
        try:
            # Pages of it take memory when they are written to, not when a header asks for them.
            samples: Samples = np.empty((shape.channels, shape.samples), dtype)
        except MemoryError:
            raise InputError(f"not enough memory for {shape.samples:,} samples") from None
        place = 0
        for block in reader.blocks():
            if place + block.shape[1] <= shape.samples:
                samples[:, place : place + block.shape[1]] = block
            place += block.shape[1]
        audio = Audio(
            samples, shape.sample_rate_hz, shape.depth, shape.floating, reader.metadata,
            reader.notes,
        )  # fmt: skip
    return audio.stripped(strip)


def open_audio(
    source: Source | torch.Tensor,
    *,
    limits: Limits = Limits.DEFAULT,
    raw: RawFormat | None = None,
    sample_rate_hz: int | None = None,
    depth: int | None = None,
) -> AudioReader:
    """A reader of the recording in ``source``; memory does not grow with its length.

    Args:
        source: a path; the bytes of an audio file, or a file object with them (what a pipe sends
            goes to a temporary file first); an array or tensor ``[N]`` or ``[C, N]`` of int8,
            uint8, int16, int32 or float32; an :class:`Audio`; a reader, which is given back.
        limits: ``limits.samples`` is checked before samples are read.
        raw: how samples lie in a file without a header.
        sample_rate_hz: of an array or tensor, which do not know it.
        depth: bits of the values of an int32 array: 8, 16, 24 or 32 (the default).

    Raises:
        InputError: it cannot be read, or is no recording.
        LimitExceeded: it declares more samples than ``limits`` allow.
    """
    if isinstance(source, AudioReader):
        source.shape.check(limits)
        return source
    if isinstance(source, str | Path):
        return _from_path(Path(source), limits, raw)
    if isinstance(source, bytes | bytearray | memoryview):
        return read_file(io.BytesIO(source), "the input", limits, raw)
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        source = _from_tensor(source)
    if isinstance(source, np.ndarray):
        source = _from_array(source, limits, sample_rate_hz, depth)
    if isinstance(source, Audio):
        return _from_memory(source, limits)
    if hasattr(source, "read"):
        return _from_file(source, limits, raw)
    raise InputError(
        f"cannot read audio from {type(source).__name__}; use a path, bytes, a file object, an "
        "array or a tensor"
    )


def _from_path(path: Path, limits: Limits, raw: RawFormat | None) -> AudioReader:
    try:
        file = path.open("rb")
        try:
            if not file.seekable():
                file = _spooled(file, limits)
            return read_file(file, str(path), limits, raw, owned=file)
        except BaseException:
            file.close()
            raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, an audio file is expected") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _from_file(file: Any, limits: Limits, raw: RawFormat | None) -> AudioReader:
    if isinstance(file, io.TextIOBase):
        raise InputError("a file object that gives text; open it in binary mode")
    seekable = hasattr(file, "seekable") and file.seekable()
    if seekable and file.tell() == 0:
        return read_file(file, "the input", limits, raw)
    try:
        spooled = _spooled(file, limits)
    except OSError as error:
        raise InputError(f"the input cannot be read ({error.strerror or error})") from None
    try:
        return read_file(spooled, "the input", limits, raw, owned=spooled)
    except BaseException:
        spooled.close()
        raise


def _spooled(file: Any, limits: Limits) -> Any:
    """What is left of ``file``, in a temporary file that goes away when it is closed."""
    most = 4 * limits.samples + SPOOL_SLACK
    spooled = tempfile.TemporaryFile()  # noqa: SIM115 - the reader closes it
    try:
        while spooled.tell() <= most:
            piece = file.read(1 << 20)
            if not isinstance(piece, bytes):
                raise InputError("a file object that gives no bytes; open it in binary mode")
            if not piece:
                return spooled
            spooled.write(piece)
        raise LimitExceeded(f"the input is longer than {limits.samples:,} samples can be")
    except BaseException:
        spooled.close()
        raise


def _from_memory(audio: Audio, limits: Limits) -> AudioReader:
    audio.shape.check(limits)

    def passes(samples: int) -> Iterator[Samples]:
        for first in range(0, audio.length, samples):
            yield audio.samples[:, first : first + samples]

    reader = AudioReader(audio.shape, passes, Found(notes=list(audio.notes)))
    reader.metadata = audio.metadata
    return reader


def _from_array(
    array: npt.NDArray[Any], limits: Limits, sample_rate_hz: int | None, depth: int | None
) -> Audio:
    if array.ndim == 1:
        array = array[None]
    if array.ndim != 2 or not 1 <= array.shape[0] <= 255:
        raise InputError(
            f"an array of shape {array.shape}; [N] or [C, N] with C from 1 to 255 is expected "
            "(channels come first)"
        )
    if sample_rate_hz is None:
        raise InputError("an array does not know its sample rate; pass sample_rate_hz")
    limits.check("samples", array.size, f"recording of shape {array.shape}")
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    if array.dtype == np.uint8:
        array = array.astype(np.int32) - 128
        depth = 8 if depth is None else depth
    if array.dtype == np.float32:
        return Audio(array, sample_rate_hz, 32, floating=True)
    if array.dtype not in (np.int8, np.int16, np.int32):
        raise InputError(
            f"an array of {array.dtype}; int8, uint8, int16, int32 or float32 are expected "
            "(convert it with .astype, so that what is rounded is your choice)"
        )
    depth = 8 * array.dtype.itemsize if depth is None else depth
    return Audio(array.astype(np.int32, copy=False), sample_rate_hz, depth)


def _from_tensor(tensor: Any) -> npt.NDArray[Any]:
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point() and tensor.element_size() != 4:
        raise InputError(f"a tensor of {tensor.dtype}; float32 or integers are expected")
    array: npt.NDArray[Any] = tensor.numpy()
    return array
