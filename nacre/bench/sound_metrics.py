"""How far a recording is from its original, in figures that need no package but NumPy and SciPy.

All take float64 samples ``[C, N]`` whose full scale is -1 to 1, at one rate and of one length.
Figures of several channels are means over them. ``docs/bench.md`` has the definitions.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MOST_DB = 100.0
"""SI-SDR is held to this range, both ways, so that a channel that came back exactly has a mean."""
MOST_LAG = 4096
"""Samples by which a decoder may be late or early."""
_LAG_GAIN_DB = 0.1
"""What another alignment must gain: of a steady tone, all periods fit almost equally well."""

SIZES = (512, 1024, 2048)
"""Samples of the windows of :func:`stft_distance`."""
MELS = 80
FLOOR = 1e-5
"""Of magnitudes, -100 dB of full scale: what lies below counts as silence."""
_BLOCK = 1024


def si_sdr_db(original: Floats, decoded: Floats) -> float | None:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al., "SDR, half-baked or well done?",
    2019, equation 5), without removal of means; the mean over channels that are not silent.

    Returns:
        Decibels from -:data:`MOST_DB` to :data:`MOST_DB`; None when every channel is silent.
    """
    found = []
    for target, estimate in zip(original, decoded, strict=True):
        energy = float(target @ target)
        if energy == 0:
            continue
        scaled = float(estimate @ target) / energy * target
        error = estimate - scaled
        signal, noise = float(scaled @ scaled), float(error @ error)
        if signal == 0:
            found.append(-MOST_DB)
        else:
            ratio = 10 * math.log10(signal / noise) if noise > 0 else MOST_DB
            found.append(min(max(ratio, -MOST_DB), MOST_DB))
    return sum(found) / len(found) if found else None


def psnr_db(original: Floats, decoded: Floats) -> float | None:
    """Peak (full scale, 1) over the root mean square error of all samples; None: no error."""
    error = float(np.mean((original - decoded) ** 2)) if original.size else 0.0
    return -10 * math.log10(error) if error > 0 else None


def lag_of(original: Floats, decoded: Floats) -> int:
    """Samples by which ``decoded`` is late (below 0: early), by the best correlation.

    0 unless SI-SDR gains :data:`_LAG_GAIN_DB` by another.
    """
    from scipy.signal import correlate  # type: ignore[import-untyped]

    length = original.shape[1]
    most = min(MOST_LAG, length - 1)
    if most < 1:
        return 0
    total = np.zeros(2 * length - 1)
    for target, estimate in zip(original, decoded, strict=True):
        total += correlate(estimate, target, method="fft")
    near = total[length - 1 - most : length + most]
    lag = int(np.argmax(near)) - most
    before, after = si_sdr_db(original, decoded), si_sdr_db(original, shifted(decoded, lag))
    gained = before is not None and after is not None and after - before > _LAG_GAIN_DB
    return lag if gained else 0


def shifted(samples: Floats, lag: int) -> Floats:
    """``samples`` earlier by ``lag``, as long as before; what nothing is known of is 0."""
    if lag == 0:
        return samples
    moved = np.zeros_like(samples)
    if lag > 0:
        moved[:, :-lag] = samples[:, lag:]
    else:
        moved[:, -lag:] = samples[:, :lag]
    return moved


def stft_distance(original: Floats, decoded: Floats) -> float:
    """Spectral convergence plus the mean difference of log magnitudes, the mean over resolutions
    (Yamamoto et al., "Parallel WaveGAN", 2020, equations 3 to 5).

    Hann windows of :data:`SIZES` samples every quarter of one; magnitudes over the sum of the
    window, not below :data:`FLOOR`; natural logarithms.
    """
    found = []
    for target, estimate in zip(original, decoded, strict=True):
        for size in SIZES:
            squares, errors, logs, count = 0.0, 0.0, 0.0, 0
            pairs = zip(spectra(target, size), spectra(estimate, size), strict=True)
            for wanted, got in pairs:
                squares += float((wanted**2).sum())
                errors += float(((wanted - got) ** 2).sum())
                logs += float(np.abs(_log(wanted) - _log(got)).sum())
                count += wanted.size
            # Of silence: 0 when nothing came back, 1 when something did.
            convergence = math.sqrt(errors / squares) if squares else float(errors > 0)
            found.append(convergence + logs / count)
    return sum(found) / len(found)


def mel_distance_db(original: Floats, decoded: Floats, rate_hz: int) -> float:
    """The mean difference of log-mel spectra in decibels.

    Hann windows of 1,024 samples up to 24 kHz, else 2,048, every quarter of one; :data:`MELS`
    triangles (:func:`mel_weights`) of magnitudes over the sum of the window, not below
    :data:`FLOOR`; 20 log10; L1.
    """
    size = 1024 if rate_hz <= 24000 else 2048
    weights = mel_weights(rate_hz, size)
    total, count = 0.0, 0
    for target, estimate in zip(original, decoded, strict=True):
        for wanted, got in zip(spectra(target, size), spectra(estimate, size), strict=True):
            difference = np.abs(_log(wanted @ weights) - _log(got @ weights))
            total += float(difference.sum())
            count += difference.size
    return 20 / math.log(10) * total / count if count else 0.0


@functools.cache
def mel_weights(rate_hz: int, size: int) -> Floats:
    """Triangles on Slaney's mel scale from 0 to half the rate, ``[size / 2 + 1, MELS]``.

    The scale is linear (3 mels in 200 Hz) below 1 kHz, and logarithmic above, where 27 mels are a
    factor of 6.4 (M. Slaney, "Auditory Toolbox", 1998). Each triangle's weights sum to 1.
    """
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(rate_hz / 2), MELS + 2))
    bins = np.arange(size // 2 + 1)[:, None] * (rate_hz / size)
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.clip(np.minimum(rising, falling), 0, None)
    scaled: Floats = weights / np.maximum(weights.sum(axis=0), 1e-12)
    return scaled


def _hz_to_mel(hz: float) -> float:
    return 3 * hz / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def _mel_to_hz(mels: Floats) -> Floats:
    above = 1000 * np.exp((mels - 15) * (math.log(6.4) / 27))
    return np.where(mels < 15, mels * 200 / 3, above)


def spectra(signal: Floats, size: int) -> Iterator[Floats]:
    """Blocks of magnitudes ``[frames, size / 2 + 1]``, zeros before and behind the signal."""
    hop = size // 4
    window = np.hanning(size + 1)[:-1]
    half = size // 2
    padded = np.concatenate([np.zeros(half), signal, np.zeros(half + hop)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
    for first in range(0, len(frames), _BLOCK):
        block: Floats = np.abs(np.fft.rfft(frames[first : first + _BLOCK] * window))
        yield block / window.sum()


def _log(magnitudes: Floats) -> Floats:
    result: Floats = np.log(np.maximum(magnitudes, FLOOR))
    return result
