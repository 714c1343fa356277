"""What recordings are compared with: FLAC, Opus, Vorbis and MP3 through soundfile, and programs.

A peer takes an :class:`nacre.media.audio.Audio` and gives one. Of lossy ones it is as the decoder
says it, floats at the rate that the file has; ``sounds.py`` brings it to the original's.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import soundfile

from nacre.bench.peers import KBPS_EACH, PERCENT, RANGES, Candidate
from nacre.bench.resampling import Floats, resample
from nacre.bench.sound_programs import PROGRAM_PEERS
from nacre.errors import InputError
from nacre.media.audio import Audio
from nacre.media.audio_coded import Sequential

OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
"""In hertz, that Opus takes; others are resampled to the next one, 44.1 kHz to 48."""
_OPUS_LOW, _OPUS_HIGH = RANGES[KBPS_EACH]
_SUBTYPES = MappingProxyType({8: "PCM_S8", 16: "PCM_16", 24: "PCM_24"})
_BLOCK = 1 << 15
"""Samples that are written at once: libsndfile keeps Vorbis's on the stack."""


def as_floats(audio: Audio) -> Floats:
    """Samples ``[C, N]``, full scale -1 to 1."""
    scale = 1.0 if audio.floating else 2.0 ** (1 - audio.depth)
    return audio.samples.astype(np.float64) * scale


def _flac_encode(audio: Audio, quality: float | None, threads: int) -> bytes:
    if audio.floating or audio.depth not in _SUBTYPES:
        raise InputError("FLAC takes integers of 8, 16 or 24 bits")
    # libsndfile takes the upper bits of 32.
    samples = np.left_shift(audio.samples.astype(np.int32), 32 - audio.depth)
    subtype = _SUBTYPES[audio.depth]
    return _write(samples, audio.sample_rate_hz, "FLAC", subtype, compression_level=1.0)


def _flac_decode(data: bytes, threads: int) -> Audio:
    with Sequential(io.BytesIO(data)) as file:
        depth = next(bits for bits, name in _SUBTYPES.items() if name == file.subtype)
        samples = file.read(file.frames, dtype="int32", always_2d=True)
        return Audio(np.ascontiguousarray(samples.T >> (32 - depth)), file.samplerate, depth)


def _opus_encode(audio: Audio, quality: float | None, threads: int) -> bytes:
    """Opus at ``quality`` kbit/s a channel: libsndfile's level goes from 256 (0) to 6 (1)."""
    rate = min((one for one in OPUS_RATES if one >= audio.sample_rate_hz), default=48000)
    samples = resample(as_floats(audio), audio.sample_rate_hz, rate)
    level = (_OPUS_HIGH - _known(quality)) / (_OPUS_HIGH - _OPUS_LOW)
    return _write(samples, rate, "OGG", "OPUS", compression_level=level)


def _level_encode(
    kind: str, subtype: str, audio: Audio, quality: float | None, threads: int
) -> bytes:
    """Variable bit rate at ``quality`` 0 to 100, best last."""
    # LAME refuses its lowest quality by a hair.
    level = min(1 - _known(quality) / 100, 0.9999)
    mode = {"bitrate_mode": "VARIABLE"} if kind == "MP3" else {}
    samples = as_floats(audio)
    return _write(samples, audio.sample_rate_hz, kind, subtype, compression_level=level, **mode)


def _known(quality: float | None) -> float:
    if quality is None:
        raise InputError("a quality is expected")
    return quality


def _write(samples: Any, rate_hz: int, kind: str, subtype: str, **options: Any) -> bytes:
    out = io.BytesIO()
    with soundfile.SoundFile(
        out, "w", rate_hz, len(samples), subtype, format=kind, **options
    ) as file:
        for first in range(0, samples.shape[1], _BLOCK):
            file.write(samples[:, first : first + _BLOCK].T)
    return out.getvalue()


def _lossy_decode(data: bytes, threads: int) -> Audio:
    with Sequential(io.BytesIO(data)) as file:
        samples = file.read(file.frames, dtype="float32", always_2d=True)
        return Audio(np.ascontiguousarray(samples.T), file.samplerate, 32, floating=True)


def _software() -> str:
    return f"soundfile {soundfile.__version__}, libsndfile {soundfile.__libsndfile_version__}"


_ALL = (
    Candidate(
        "flac", "audio", True, _flac_encode, _flac_decode, (), PERCENT, "level 8", _software
    ),
    Candidate(
        "opus", "audio", False, _opus_encode, _lossy_decode, (6, 8, 12, 16, 24, 32, 48, 64),
        KBPS_EACH, "variable bit rate, libsndfile's settings otherwise", _software,
    ),
    Candidate(
        "vorbis", "audio", False, partial(_level_encode, "OGG", "VORBIS"), _lossy_decode,
        (0, 20, 40, 60), PERCENT, "variable bit rate", _software,
    ),
    Candidate(
        "mp3", "audio", False, partial(_level_encode, "MP3", "MPEG_LAYER_III"), _lossy_decode,
        (0, 20, 40, 60), PERCENT, "variable bit rate (LAME)", _software,
    ),
    *PROGRAM_PEERS,
)  # fmt: skip

SOUND_PEERS: Mapping[str, Candidate] = MappingProxyType({peer.name: peer for peer in _ALL})
"""Every peer of recordings, by name."""
