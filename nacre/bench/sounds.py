"""Codecs of recordings beside FLAC, Opus, Vorbis and MP3: what is measured of each file.

Every codec gets the same samples, without metadata. What lossy codecs give back is brought to the
original's rate, rounded and held to its range of samples, and moved to where it fits best; then it
is compared.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nacre.bench import perceptual, sound_metrics
from nacre.bench.medium import Figures, Medium
from nacre.bench.peers import PERCENT, Candidate
from nacre.bench.resampling import Floats, resample
from nacre.bench.sound_peers import as_floats
from nacre.bench.sound_report import write_sound_report
from nacre.errors import InputError
from nacre.media.audio import Audio, load_audio
from nacre.media.audio_kinds import EXTENSIONS

CODECS = "adaptive-audio:effort=1,adaptive-audio,flac,walloc-stereo,opus,vorbis,mp3"


def load_sound(path: Path) -> Audio:
    """The recording in a file, without metadata.

    Raises:
        InputError: it cannot be read, or has no samples.
    """
    audio = load_audio(path, strip=("all",))
    if audio.length == 0:
        raise InputError(f"{path}: no samples")
    return audio


def sound_distances(
    one: Candidate, original: Audio, decoded: Audio, quality: float | None
) -> Figures:
    """What a record says of a decoded recording; ``docs/bench.md`` says what each name means.

    Raises:
        InputError: the candidate is lossless and gave other samples, or the number of channels is
            another one.
    """
    seconds = original.seconds
    size = 4 if original.floating else (original.depth + 7) // 8
    figures: dict[str, float | bool | None] = {
        "seconds": seconds,
        "channels": original.channels,
        "pcm_bytes": size * original.samples.size,
        "identical": identical(original, decoded),
    }
    if figures["identical"]:
        return figures
    if one.lossless:
        raise InputError(f"{one.name} is lossless, but its decoded samples are not the original's")
    if decoded.channels != original.channels:
        raise InputError(f"{decoded.channels} channels came back of {original.channels}")
    target, estimate, missing = comparable(original, decoded)
    lag = sound_metrics.lag_of(target, estimate)
    estimate = sound_metrics.shifted(estimate, lag)
    figures |= {
        "missing_samples": missing,
        "lag_samples": lag,
        "si_sdr_db": sound_metrics.si_sdr_db(target, estimate),
        "psnr_db": sound_metrics.psnr_db(target, estimate),
        "stft_distance": sound_metrics.stft_distance(target, estimate),
        "mel_db": sound_metrics.mel_distance_db(target, estimate, original.sample_rate_hz),
    }
    return figures | perceptual.perceptual_figures(target, estimate, original.sample_rate_hz)


def identical(original: Audio, decoded: Audio) -> bool:
    """Whether all samples are the same, bit by bit, at the same rate."""
    alike = (original.sample_rate_hz, original.floating, original.depth) == (
        decoded.sample_rate_hz,
        decoded.floating,
        decoded.depth,
    ) and original.samples.shape == decoded.samples.shape
    if not alike:
        return False
    before, after = (audio.samples.view(np.int32) for audio in (original, decoded))
    return bool(np.array_equal(before, after))


def comparable(original: Audio, decoded: Audio) -> tuple[Floats, Floats, int]:
    """Both as floats of one rate and length, and how many samples were missing (below 0: more).

    What came back is rounded to the depth of the original and held to its range, as a file of its
    kind would have it.
    """
    target = as_floats(original)
    found = resample(as_floats(decoded), decoded.sample_rate_hz, original.sample_rate_hz)
    # Between rates the last sample of one may fall behind the end of the other.
    slack = -(-original.sample_rate_hz // decoded.sample_rate_hz)
    missing = original.length - found.shape[1]
    if decoded.sample_rate_hz != original.sample_rate_hz and abs(missing) <= slack:
        missing = 0
    estimate = np.zeros_like(target)
    common = min(target.shape[1], found.shape[1])
    estimate[:, :common] = found[:, :common]
    if not original.floating:
        steps = 2.0 ** (original.depth - 1)
        estimate = np.clip(np.rint(estimate * steps), -steps, steps - 1) / steps
    return target, estimate, missing


SOUNDS = Medium(
    "audio",
    "recordings",
    CODECS,
    PERCENT,
    lambda path: path.suffix.lower() in EXTENSIONS,
    load_sound,
    lambda audio: int(audio.samples.size),
    sound_distances,
    write_sound_report,
)
