"""Metrics of sound: known answers, and other implementations of the same definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nacre.bench import perceptual
from nacre.bench.resampling import resample
from nacre.bench.sound_metrics import (
    FLOOR,
    MELS,
    MOST_DB,
    SIZES,
    lag_of,
    mel_distance_db,
    mel_weights,
    psnr_db,
    shifted,
    si_sdr_db,
    spectra,
    stft_distance,
)

RATE = 16000


def sound(seed: int, length: int = 12000, channels: int = 2) -> np.ndarray:
    """Coloured noise that comes and goes, peak 0.5."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=(channels, length)) * np.abs(np.sin(np.arange(length) / 900))
    smooth = np.cumsum(noise, axis=1) * 0.05 + noise
    return 0.5 * smooth / np.abs(smooth).max()


def test_si_sdr_of_a_known_error():
    """An orthogonal error of a hundredth of the energy is 20 dB, whatever the scale."""
    target = np.array([[3.0, 0.0, 4.0, 0.0]])
    error = np.array([[0.0, 0.3, 0.0, -0.4]])
    for scale in (0.1, 1.0, -7.0):
        assert si_sdr_db(target, scale * (target + error)) == pytest.approx(20.0)


def test_si_sdr_is_the_projections_ratio():
    target, estimate = sound(1), sound(1) + 0.1 * sound(2)
    found = []
    for a, b in zip(target, estimate, strict=True):
        (alpha,), *_ = np.linalg.lstsq(a[:, None], b, rcond=None)
        found.append(10 * np.log10(np.sum((alpha * a) ** 2) / np.sum((b - alpha * a) ** 2)))
    assert si_sdr_db(target, estimate) == pytest.approx(np.mean(found))


def test_si_sdr_of_copies_and_silence():
    target = sound(3)
    assert si_sdr_db(target, target) == MOST_DB
    assert si_sdr_db(target, 0.5 * target) == MOST_DB
    assert si_sdr_db(target, 0 * target) == -MOST_DB
    assert si_sdr_db(0 * target, target) is None
    one_silent = target.copy()
    one_silent[1] = 0
    noisy = target + 0.1 * sound(4)
    assert si_sdr_db(one_silent, noisy) == pytest.approx(si_sdr_db(target[:1], noisy[:1]))


def test_psnr_has_full_scale_as_its_peak():
    target = sound(5)
    assert psnr_db(target, target + 0.01) == pytest.approx(40.0)
    assert psnr_db(target, target) is None


@pytest.mark.parametrize("lag", [-312, -1, 0, 1, 77])
def test_a_decoder_that_is_late_is_found(lag):
    target = sound(6)
    late = np.zeros_like(target)
    if lag >= 0:
        late[:, lag:] = target[:, : target.shape[1] - lag]
    else:
        late[:, :lag] = target[:, -lag:]
    noisy = late + 0.05 * sound(7)
    assert lag_of(target, noisy) == lag
    inner = slice(400, -400)
    assert np.array_equal(shifted(late, lag)[:, inner], target[:, inner])


def test_a_steady_tone_stays_where_it_is():
    tone = np.sin(np.arange(8000) / 8000 * 2 * np.pi * 400)[None]
    assert lag_of(tone, tone + 1e-3 * sound(8, 8000, 1)) == 0


def test_distances_of_equal_sounds_are_0():
    target = sound(9)
    assert stft_distance(target, target) == 0
    assert mel_distance_db(target, target, RATE) == 0
    silence = np.zeros((1, 5000))
    assert stft_distance(silence, silence) == 0
    assert mel_distance_db(silence, silence, 44100) == 0


def test_half_the_level_is_6_db_of_mel_and_half_in_convergence():
    target = 0.4 * np.random.default_rng(10).normal(size=(1, 20000))
    assert mel_distance_db(target, target / 2, RATE) == pytest.approx(20 * math.log10(2), rel=0.02)
    assert stft_distance(target, target / 2) == pytest.approx(0.5 + math.log(2), rel=0.02)


def test_stft_distance_is_that_of_scipys_spectra():
    scipy_signal = pytest.importorskip("scipy.signal")
    target, estimate = sound(11, 9000, 1), sound(12, 9000, 1)
    found = []
    for size in SIZES:
        window = scipy_signal.get_window("hann", size)
        transform = scipy_signal.ShortTimeFFT(window, size // 4, fs=1)
        edges = [
            np.concatenate([np.zeros(size // 2), s[0], np.zeros(size // 2 + size // 4)])
            for s in (target, estimate)
        ]
        # Frames that lie whole within the padded signal, the first one at its beginning.
        count = (len(edges[0]) - size) // (size // 4) + 1
        a, b = (np.abs(transform.stft(e, p0=2, p1=2 + count)) / window.sum() for e in edges)
        logs = [np.log(np.maximum(m, FLOOR)) for m in (a, b)]
        found.append(np.linalg.norm(a - b) / np.linalg.norm(a) + np.abs(logs[0] - logs[1]).mean())
    assert stft_distance(target, estimate) == pytest.approx(np.mean(found), rel=1e-9)


@pytest.mark.parametrize(("rate", "size"), [(16000, 1024), (44100, 2048), (8000, 1024)])
def test_mel_weights_are_torchaudios_scaled(rate, size):
    functional = pytest.importorskip("torchaudio.functional")
    other = functional.melscale_fbanks(
        size // 2 + 1, 0.0, rate / 2, MELS, rate, norm=None, mel_scale="slaney"
    ).numpy()
    assert np.allclose(mel_weights(rate, size), other / other.sum(axis=0), atol=2e-4)


def test_blocks_of_spectra_do_not_show():
    signal = sound(13, 300000, 1)[0]
    blocks = list(spectra(signal, 512))
    assert len(blocks) > 1
    whole = np.concatenate(blocks)
    padded = np.concatenate([np.zeros(256), signal, np.zeros(400)])
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(512) / 512)
    for frame in (0, 1023, 1024, 2000):
        part = padded[128 * frame : 128 * frame + 512] * window
        assert np.allclose(whole[frame], np.abs(np.fft.rfft(part)) / window.sum())


@pytest.mark.parametrize(("rate", "wanted"), [(44100, 48000), (48000, 44100), (16000, 48000)])
def test_a_tone_at_another_rate_is_the_same_tone(rate, wanted):
    tone = [np.sin(2 * np.pi * 1234.5 * np.arange(r // 2) / r) for r in (rate, wanted)]
    found = resample(tone[0][None], rate, wanted)[0]
    assert len(found) == -(-len(tone[0]) * wanted // rate)
    inner = slice(2000, len(found) - 2000)
    assert np.abs(found[inner] - tone[1][: len(found)][inner]).max() < 1e-4


def test_what_programs_hear_in_noise_is_worse():
    """Scores fall as noise grows, and are the best for a copy."""
    if perceptual.missing():
        pytest.skip("needs nacre[perceptual]")
    seconds = np.arange(2 * RATE) / RATE
    voice = sum(np.sin(2 * np.pi * 140 * k * seconds + k) / k for k in range(1, 30))
    target = (0.1 * voice * (1 + np.sin(2 * np.pi * 4 * seconds)))[None]
    noise = np.random.default_rng(14).normal(size=target.shape)
    scores = [
        perceptual.perceptual_figures(target, target + level * noise, RATE)
        for level in (0.0, 0.003, 0.1)
    ]
    assert scores[0]["pesq_wb"] == pytest.approx(4.64, abs=0.01)
    assert scores[0]["stoi"] == pytest.approx(1)
    assert scores[0]["zimtohrli"] == pytest.approx(5)
    for name in scores[0]:
        values = [one[name] for one in scores]
        assert values == sorted(values, reverse=True)
        assert values[0] > values[2]


def test_short_and_silent_sounds_have_no_score():
    if perceptual.missing():
        pytest.skip("needs nacre[perceptual]")
    short = sound(15, 1000)
    assert set(perceptual.perceptual_figures(short, short, RATE).values()) == {None}
    silence = np.zeros((1, RATE))
    assert set(perceptual.perceptual_figures(silence, silence, RATE).values()) == {None}
    narrow = perceptual.perceptual_figures(sound(16), sound(16), 8000)
    assert narrow["pesq_wb"] is narrow["stoi"] is None
