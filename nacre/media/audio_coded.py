"""Compressed recordings: FLAC, Ogg, MP3 and what else libsndfile decodes, block by block."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import soundfile

from nacre.errors import InputError
from nacre.limits import Limits
from nacre.media.audio_flac import FlacInfo, bare, read_flac
from nacre.media.audio_metadata import Found
from nacre.media.audio_mp3 import read_mp3
from nacre.media.audio_ogg import read_ogg
from nacre.media.audio_pcm import RawFormat, Samples, check_format, to_bytes
from nacre.stream import AudioShape

COUNTED_SAMPLES = 1 << 16
"""Of a block, where samples are only counted."""

Passes = Callable[[int], Iterator[Samples]]
"""Of a number of samples, the blocks of a recording from its first sample on."""

_DEPTHS = {
    "PCM_S8": 8, "PCM_U8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "ALAC_16": 16,
    "ALAC_24": 24, "ALAC_32": 32,
}  # fmt: skip
_LOSSY_FLOATS = {
    "VORBIS": "Vorbis", "OPUS": "Opus", "MPEG_LAYER_I": "MPEG layer I",
    "MPEG_LAYER_II": "MPEG layer II", "MPEG_LAYER_III": "MP3",
}  # fmt: skip
_LOSSY_INTEGERS = {
    "ULAW": "mu-law", "ALAW": "A-law", "IMA_ADPCM": "IMA ADPCM", "MS_ADPCM": "MS ADPCM",
    "GSM610": "GSM 6.10",
}  # fmt: skip


class Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A file that soundfile reads or writes from end to end.

    Left to itself, soundfile seeks after every read to where it is already. That costs time,
    changes what MP3 decodes to, and fails where a FLAC file does not know its length.
    """

    def seekable(self) -> bool:
        """No."""
        return False


@dataclass(frozen=True)
class _Coded:
    """A file that soundfile decodes: what to open, how messages call it, and its samples."""

    source: Any
    name: str
    sample_rate_hz: int
    channels: int
    depth: int
    floating: bool
    frames: int


def open_coded(
    file: BinaryIO, size: int, kind: str, name: str, limits: Limits, found: Found
) -> tuple[AudioShape, Passes]:
    """The shape of a compressed recording, and what decodes it.

    Args:
        file: seekable.
        size: of the file in bytes.
        kind: as :func:`nacre.media.audio_kinds.kind_of_audio` says it, ``id3`` resolved.
        name: how messages call it.
        limits: ``samples`` is checked.
        found: gets metadata and notes.

    Raises:
        InputError: it is damaged, cut short, or of a kind that is not decoded.
        LimitExceeded: it has more samples than ``limits`` allow.
    """
    source: Any = file
    info, position = None, 0
    if kind == "flac":
        info = read_flac(file, name, found)
        if info.depth not in (8, 16, 24):
            raise InputError(f"{name}: FLAC of {info.depth} bits; 8, 16 and 24 can be read")
        source = bare(file, info)
    elif kind == "ogg":
        position = read_ogg(file, name, found)
    elif kind == "mp3":
        source = read_mp3(file, size, name, found) or file
    coded = _look(source, name, found)
    if position > 0 and coded.frames <= 0:
        raise InputError(f"{name}: an Ogg file that is damaged or cut short")
    known = coded.frames if info is None else info.samples
    _shape(coded, known).check(limits)
    if info is not None and known == 0:
        known = _count(coded, limits)
    shape = _shape(coded, known)
    return shape, lambda samples: _decode(coded, min(samples, max(known, 1)), info)


def _shape(coded: _Coded, samples: int) -> AudioShape:
    return AudioShape(samples, coded.channels, coded.sample_rate_hz, coded.depth, coded.floating)


def _open(source: Any, name: str) -> Sequential:
    source.seek(0)
    try:
        return Sequential(source)
    except (soundfile.SoundFileError, RuntimeError, TypeError, OSError) as error:
        raise InputError(f"{name}: damaged or cut short ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    """What libsndfile says of a fault, if anything."""
    code = getattr(error, "code", "")
    text = getattr(error, "error_string", "") or str(error)
    return text.removeprefix("Error : ").rstrip(". ") or f"libsndfile's error {code}"


def _look(source: Any, name: str, found: Found) -> _Coded:
    """What libsndfile says of a file before it decodes."""
    with _open(source, name) as opened:
        subtype, rate, channels = opened.subtype, opened.samplerate, opened.channels
        frames = max(int(opened.frames), 0)
    lossy = _LOSSY_FLOATS.get(subtype) or _LOSSY_INTEGERS.get(subtype)
    if lossy is not None:
        found.notes.append(f"samples are as a decoder of {lossy} gives them")
    floating = subtype == "FLOAT" or subtype in _LOSSY_FLOATS
    depth = 32 if floating else 16 if subtype in _LOSSY_INTEGERS else _DEPTHS.get(subtype, 0)
    if not depth:
        raise InputError(f"{name}: samples of kind {subtype} cannot be kept; convert the file")
    try:
        check_format(channels, rate, depth, floating=floating)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    return _Coded(source, name, rate, channels, depth, floating, frames)


def _decode(coded: _Coded, samples: int, info: FlacInfo | None) -> Iterator[Samples]:
    """Blocks of ``samples``; the digest that a FLAC file holds of them is checked.

    Raises:
        InputError: the file is damaged or cut short.
    """
    out = np.empty((samples, coded.channels), np.float32 if coded.floating else np.int32)
    form = RawFormat(coded.sample_rate_hz, coded.channels, coded.depth)
    digest = hashlib.md5(usedforsecurity=False) if info is not None and any(info.md5) else None
    with _open(coded.source, coded.name) as opened:
        while True:
            try:
                block = opened.read(out=out)
            except (soundfile.SoundFileError, RuntimeError, OSError) as error:
                text = f"{coded.name}: damaged or cut short ({_reason(error)})"
                raise InputError(text) from None
            if not len(block):
                break
            # libsndfile gives integers at the top of 32 bits.
            taken = np.array(
                block.T if coded.floating else block.T >> (32 - coded.depth), order="C"
            )
            if digest is not None:
                digest.update(to_bytes(taken, form))
            yield taken
    if digest is not None and info is not None and digest.digest() != info.md5:
        raise InputError(
            f"{coded.name}: damaged or cut short: the samples do not have the MD5 that the file "
            "holds of them"
        )


def _count(coded: _Coded, limits: Limits) -> int:
    """Samples of a file that does not say their number, by decoding it."""
    count = 0
    for block in _decode(coded, COUNTED_SAMPLES, None):
        count += block.shape[1]
        _shape(coded, count).check(limits)
    return count
