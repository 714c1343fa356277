"""What turns blocks of samples into a file: plain ones as they are, others by libsndfile."""

from __future__ import annotations

import contextlib
import functools
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import soundfile

from nacre.errors import InputError
from nacre.media import audio_flac, audio_ogg
from nacre.media.audio_aiff import aiff_parts
from nacre.media.audio_coded import Sequential
from nacre.media.audio_id3 import write_id3
from nacre.media.audio_metadata import AudioMetadata
from nacre.media.audio_pcm import RawFormat, Samples, to_bytes
from nacre.media.audio_riff_write import w64_parts, wav_parts
from nacre.stream import AudioShape

CODED = ("flac", "vorbis", "opus", "mp3")
"""Kinds of files that :class:`CodedSink` writes."""

_LOSSY = {
    "vorbis": ("OGG", "VORBIS"),
    "opus": ("OGG", "OPUS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
}
_FLAC_SUBTYPES = {8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"}

CODED_SAMPLES = 1 << 14
"""Samples that libsndfile gets at once: its Vorbis encoder runs out of stack at millions."""

OPUS_FLUSH_MS = 60


class Sink(Protocol):
    """Takes blocks ``[C, n]`` and makes a file of them."""

    def put(self, block: Samples) -> None:
        """Append a block."""

    def end(self) -> list[str]:
        """Complete the file; notes on what it does not hold."""

    def abandon(self) -> None:
        """Free what is held."""


class Parts(NamedTuple):
    """A file of plain samples but for these: its form, what stands before and after, notes."""

    form: RawFormat
    head: bytes
    tail: bytes
    notes: list[str]


def plain_parts(
    kind: str, shape: AudioShape, metadata: AudioMetadata, raw: RawFormat | None
) -> Parts:
    """How a file of a kind that holds plain samples begins and ends.

    Args:
        kind: ``wav``, ``rf64``, ``w64``, ``aiff`` or ``raw``.
        shape, metadata: of the recording.
        raw: how samples lie in a raw file.

    Raises:
        InputError: the recording is too long for such a file, or ``raw`` does not describe it.
    """
    rate, channels, depth = shape.sample_rate_hz, shape.channels, shape.depth
    signed = RawFormat(rate, channels, depth, "float" if shape.floating else "signed")
    if kind == "raw":
        form = signed if raw is None else raw
        if (form.channels, form.depth, form.kind == "float") != (channels, depth, shape.floating):
            raise InputError(
                f"raw samples of {form.channels} channels, {form.kind}, {form.depth} bits; the "
                f"recording has {channels} channels, {signed.kind}, {depth} bits"
            )
        lost = metadata != AudioMetadata()
        return Parts(form, b"", b"", ["raw files hold no metadata"] if lost else [])
    if kind == "aiff":
        form = RawFormat(rate, channels, depth, signed.kind, "big")
        return Parts(form, *aiff_parts(shape, metadata))
    form = RawFormat(rate, channels, 8, "unsigned") if depth == 8 else signed
    if kind == "w64":
        return Parts(form, *w64_parts(shape, metadata))
    return Parts(form, *wav_parts(shape, metadata, large=kind == "rf64"))


class PlainSink:
    """Samples as they are; nothing is sought, so that the file may be a pipe."""

    def __init__(self, file: Any, parts: Parts) -> None:
        self._file, self._parts = file, parts
        file.write(parts.head)

    def put(self, block: Samples) -> None:
        """Append a block."""
        self._file.write(to_bytes(block, self._parts.form))

    def end(self) -> list[str]:
        """Complete the file; notes on what it does not hold."""
        self._file.write(self._parts.tail)
        return self._parts.notes

    def abandon(self) -> None:
        """Nothing is held."""


class _Spool:
    """A temporary file for libsndfile, which cannot pass errors of the system on.

    Attributes:
        file: to read what was coded.
        error: the first that writing met, if any.
    """

    def __init__(self, folder: Path | None) -> None:
        # Not buffered, so that it is writing that fails and not some later seek.
        self.file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115
        self.error: OSError | None = None
        self.read, self.seek, self.tell = self.file.read, self.file.seek, self.file.tell

    def write(self, data: bytes) -> int:
        """Append; what fails is remembered."""
        done = 0
        try:
            while done < len(data):
                done += self.file.write(data[done:])
        except OSError as error:
            self.error = self.error or error
        return done


class CodedSink:
    """Samples that libsndfile codes into a temporary file; metadata is put in on the way out."""

    def __init__(
        self, file: Any, folder: Path | None, kind: str, shape: AudioShape, metadata: AudioMetadata
    ) -> None:
        self._file, self._kind, self._shape, self._metadata = file, kind, shape, metadata
        self._spool = _Spool(folder)
        form, subtype = _LOSSY.get(kind) or ("FLAC", _FLAC_SUBTYPES[shape.depth])
        rate, channels = shape.sample_rate_hz, shape.channels
        try:
            self._encoder = Sequential(self._spool, "w", rate, channels, subtype, format=form)
        except soundfile.SoundFileError:
            self._spool.file.close()
            raise InputError(
                f"{form} cannot hold {channels} channels at {rate} Hz; use .wav"
            ) from None

    def put(self, block: Samples) -> None:
        """Append a block."""
        for first in range(0, block.shape[1], CODED_SAMPLES):
            piece = np.ascontiguousarray(block[:, first : first + CODED_SAMPLES].T)
            if self._kind == "flac":
                piece = piece << (32 - self._shape.depth)  # libsndfile takes the top of 32 bits
            elif self._shape.floating:
                if not np.isfinite(piece).all():
                    raise InputError(
                        f"NaN or infinite samples cannot be coded as {self._kind}; use .wav"
                    )
            else:
                piece = piece.astype(np.float32) / np.float32(2.0 ** (self._shape.depth - 1))
            self._checked(functools.partial(self._encoder.write, piece))

    def _checked(self, call: Callable[[], object]) -> None:
        """Call into libsndfile.

        Raises:
            OSError: the system refuses to write what was coded.
            InputError: libsndfile cannot code it.
        """
        try:
            call()
        except (soundfile.SoundFileError, AssertionError) as error:  # it asserts what was written
            if self._spool.error is None:
                raise InputError(f"cannot code as {self._kind} ({error})") from None
        if self._spool.error is not None:
            raise self._spool.error

    def end(self) -> list[str]:
        """Complete the file; notes on what it does not hold."""
        length = None
        if self._kind == "opus":
            # libsndfile does not flush the encoder: what it keeps back is pushed out by silence.
            rate, channels = self._shape.sample_rate_hz, self._shape.channels
            silence = np.zeros((rate * OPUS_FLUSH_MS // 1000, channels), np.float32)
            self._checked(functools.partial(self._encoder.write, silence))
            length = self._shape.samples * (48000 // rate)
        self._checked(self._encoder.close)
        coded = self._spool.file
        coded.seek(0)
        metadata, notes = self._metadata, []
        if self._kind == "flac":
            if not self._shape.samples:
                notes = audio_flac.write_empty(self._file, self._shape, metadata)
            else:
                notes = audio_flac.splice(coded, self._file, metadata)
        elif self._kind == "mp3":
            self._file.write(write_id3(metadata))
            shutil.copyfileobj(coded, self._file, 1 << 20)
            if metadata.channel_mask is not None:
                notes.append("MP3 files do not hold a channel mask")
        else:
            audio_ogg.splice(coded, self._file, metadata, length=length)
        if metadata.cues and self._kind != "flac":
            notes.append(f"{len(metadata.cues)} cue points are left out")
        coded.close()
        return notes

    def abandon(self) -> None:
        """Free what is held."""
        with contextlib.suppress(soundfile.SoundFileError):
            self._encoder.close()
        self._spool.file.close()
