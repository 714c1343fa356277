"""Writing a recording block by block, whole or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np

from nacre.errors import InputError
from nacre.media.audio_kinds import KINDS, check_fits, kind_of_name
from nacre.media.audio_metadata import AudioMetadata
from nacre.media.audio_pcm import RawFormat, Samples, check_range
from nacre.media.audio_sinks import CODED, CodedSink, PlainSink, Sink, plain_parts
from nacre.media.audio_target import Target
from nacre.stream import AudioShape


class AudioWriter:
    """A recording that is written block by block; use it as a context, or close it.

    As a context it leaves no file behind when an error ends it.

    Attributes:
        notes: what the file does not hold of the metadata, complete once it is closed.
    """

    def __init__(self, target: Target, shape: AudioShape, sink: Sink, name: str) -> None:
        self.notes: tuple[str, ...] = ()
        self._target, self._shape, self._sink, self._name = target, shape, sink, name
        self._written, self._open = 0, True

    def write(self, block: Samples) -> None:
        """Append ``block`` ``[C, n]``: int32 values of the shape's depth, or float32.

        Raises:
            InputError: it is none of these, too long, or the system refuses (disk full).
            BrokenPipeError: nobody reads the stream any more.
        """
        _check_block(block, self._shape)
        self._written += block.shape[1]
        if self._written > self._shape.samples:
            raise self._wrong_length()
        with _guarded(self._name):
            self._sink.put(block)

    def close(self) -> None:
        """Complete the file, which then takes its name.

        Raises:
            InputError: fewer samples were written than announced, or the system refuses.
        """
        if not self._open:
            return
        try:
            if self._written != self._shape.samples:
                raise self._wrong_length()
            with _guarded(self._name):
                self.notes = tuple(self._sink.end())
                self._target.finish()
            self._open = False
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave no file behind, unless it is complete."""
        if self._open:
            self._open = False
            self._sink.abandon()
            self._target.discard()

    def _wrong_length(self) -> InputError:
        return InputError(
            f"{self._name}: {self._written:,} samples were written, "
            f"{self._shape.samples:,} were announced"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.discard()


def open_writer(
    path: str | Path | BinaryIO,
    shape: AudioShape,
    metadata: AudioMetadata,
    *,
    force: bool = False,
    kind: str | None = None,
    raw: RawFormat | None = None,
) -> AudioWriter:
    """A writer of a recording of ``shape``; memory does not grow with its length.

    Args:
        path: where to; or a binary stream such as ``sys.stdout.buffer``, which need not be able to
            seek and stays open.
        shape: of all that will be written.
        metadata: to keep as far as the kind of file can.
        force: replace an existing file.
        kind: one of ``wav rf64 w64 aiff flac vorbis opus mp3 raw``; None: by the extension (WAV for
            a stream).
        raw: byte order and kind of integers for ``raw``; None: little-endian, signed.

    Raises:
        InputError: the file exists, the kind is not known or cannot hold such samples, or the
            system refuses.
    """
    name = str(path) if isinstance(path, str | Path) else "the output"
    if kind is None:
        kind = kind_of_name(path) if isinstance(path, str | Path) else "wav"
    if kind not in KINDS:
        raise InputError(f"kind {kind!r} is not known; use {', '.join(KINDS)}")
    check_fits(kind, shape)
    parts = None if kind in CODED else plain_parts(kind, shape, metadata, raw)
    with _guarded(name):
        target = Target(path, force=force)
        try:
            sink: Sink
            if parts is not None:
                sink = PlainSink(target.file, parts)
            else:
                sink = CodedSink(target.file, target.folder, kind, shape, metadata)
        except BaseException:
            target.discard()
            raise
    return AudioWriter(target, shape, sink, name)


@contextlib.contextmanager
def _guarded(name: str) -> Iterator[None]:
    """What the system refuses, as an error of this package."""
    try:
        yield
    except FileExistsError:
        raise InputError(
            f"{name} exists; choose another name, or allow overwriting with --force"
        ) from None
    except BrokenPipeError:
        raise  # nothing is wrong with what was handed in: the reader has enough
    except OSError as error:
        raise InputError(f"cannot write {name}: {error.strerror or error}") from error


def _check_block(block: Samples, shape: AudioShape) -> None:
    if block.ndim != 2 or block.shape[0] != shape.channels:
        raise InputError(
            f"a block of shape {block.shape}; [{shape.channels}, n] is expected (channels first)"
        )
    expected = np.dtype(np.float32 if shape.floating else np.int32)
    if block.dtype != expected:
        raise InputError(f"a block of {block.dtype}; {expected} is expected")
    if not shape.floating:
        check_range(block, shape.depth)
