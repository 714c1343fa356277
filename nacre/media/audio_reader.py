"""Reading a recording block by block.

Plain samples (WAV, RF64, W64, AIFF, raw) are read here, so that wrong lengths are seen and every
bit is kept; ``audio_coded.py`` decodes compressed ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.audio_aiff import read_aiff
from nacre.media.audio_coded import Passes, open_coded
from nacre.media.audio_flac import skip_id3
from nacre.media.audio_kinds import HEAD_BYTES, kind_of_audio
from nacre.media.audio_metadata import AudioMetadata, Found
from nacre.media.audio_pcm import RawFormat, Samples, from_bytes
from nacre.media.audio_riff import Pcm, read_riff
from nacre.stream import AudioShape, is_nacre, name_of_file

BLOCK_SAMPLES = 1 << 16


class AudioReader:
    """A recording that is read block by block; use it as a context, or close it.

    Attributes:
        shape: exact, the number of samples too.
        metadata: of the file.
        notes: what reading changes or leaves out, one sentence each.
    """

    def __init__(
        self,
        shape: AudioShape,
        passes: Passes,
        found: Found,
        *,
        name: str = "the input",
        owned: BinaryIO | None = None,
    ) -> None:
        self.shape = shape
        self.metadata: AudioMetadata = found.metadata()
        self.notes: tuple[str, ...] = tuple(dict.fromkeys(found.notes))
        self._passes, self._name, self._owned = passes, name, owned

    def blocks(self, samples: int = BLOCK_SAMPLES) -> Iterator[Samples]:
        """The samples from the first on, ``[C, n]`` with n = ``samples`` but in the last block.

        Integers are int32 values of ``shape.depth`` bits, floats float32. Memory does not grow with
        the length. It may be called again, and begins again then (one pass at a time).

        Raises:
            InputError: the file turns out to be damaged or cut short.
        """
        if samples < 1:
            raise InputError(f"blocks of {samples} samples; at least 1 is expected")
        count = 0
        try:
            for block in self._passes(samples):
                count += block.shape[1]
                yield block
        except OSError as error:
            raise InputError(f"{self._name}: cannot be read ({error.strerror or error})") from None
        if count != self.shape.samples:
            raise InputError(
                f"{self._name}: damaged or cut short: {count:,} samples can be read, "
                f"{self.shape.samples:,} are declared"
            )

    def close(self) -> None:
        """Close the file, if this opened it."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def read_file(
    file: BinaryIO,
    name: str,
    limits: Limits,
    raw: RawFormat | None = None,
    *,
    owned: BinaryIO | None = None,
) -> AudioReader:
    """A reader of ``file``.

    Args:
        file: seekable; it is read from its beginning.
        name: how messages call it.
        limits: ``samples`` is checked before samples are read.
        raw: how samples lie, when there is no header.
        owned: what the reader closes.

    Raises:
        InputError: it is no audio file, or damaged.
        LimitExceeded: it declares more than ``limits`` allow.
    """
    size = file.seek(0, os.SEEK_END)
    found = Found()
    pcm = _raw(raw, size, name) if raw is not None else None
    if pcm is None:
        kind = _kind(file, name)
        if kind in ("wav", "aiff"):
            pcm = (read_riff if kind == "wav" else read_aiff)(file, size, name, found)
    if pcm is None:
        shape, passes = open_coded(file, size, kind, name, limits, found)
    else:
        shape, passes = _plain(file, pcm)
        shape.check(limits)
    return AudioReader(shape, passes, found, name=name, owned=owned)


def _kind(file: BinaryIO, name: str) -> str:
    """The kind of a file by its content, ``id3`` resolved."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    kind = kind_of_audio(head)
    if kind is None:
        raise InputError(f"{name} {_what_it_is(head)}")
    if kind == "id3":
        file.seek(skip_id3(file))
        return "flac" if file.read(4) == b"fLaC" else "mp3"
    return kind


def _what_it_is(head: bytes) -> str:
    if not head:
        return "is empty (0 bytes), an audio file is expected"
    if is_nacre(head):
        return "is a nacre stream already; decode it with nacre decode"
    other = name_of_file(head)
    if other is not None:
        return f"is {other}, an audio file is expected"
    return "is no audio file that nacre knows (raw samples need their rate, channels and depth)"


def _raw(form: RawFormat, size: int, name: str) -> Pcm:
    samples, rest = divmod(size, form.frame_bytes)
    if rest:
        raise InputError(
            f"{name}: {size:,} bytes are no whole number of frames of {form.frame_bytes} bytes "
            f"({form.channels} channels of {form.depth} bits)"
        )
    return Pcm(form, 0, samples)


def _plain(file: BinaryIO, pcm: Pcm) -> tuple[AudioShape, Passes]:
    """The shape of samples that lie in ``file`` as they are, and what reads them."""
    form = pcm.form
    floating = form.kind == "float"

    def passes(samples: int) -> Iterator[Samples]:
        for first in range(0, pcm.samples, samples):
            file.seek(pcm.start + first * form.frame_bytes)
            data = file.read(min(samples, pcm.samples - first) * form.frame_bytes)
            yield from_bytes(data[: len(data) - len(data) % form.frame_bytes], form)

    shape = AudioShape(pcm.samples, form.channels, form.sample_rate_hz, form.depth, floating)
    return shape, passes
