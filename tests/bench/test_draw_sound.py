"""``scripts/draw_sound.py``: levels known by formula, extremes, pictures of what differs."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import nacre

SCRIPTS = Path(__file__).parents[2] / "scripts"

pytest.importorskip("matplotlib", reason="sound is drawn with nacre[bench]")
sys.path.append(str(SCRIPTS))

import draw_sound  # noqa: E402

RATE_HZ = 8000


def tone(hertz: float, level: float, seconds: float = 1.0) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE_HZ)) / RATE_HZ)


def recording(*channels: np.ndarray) -> nacre.Audio:
    samples = np.rint(np.stack(channels) * 32767).astype(np.int16)
    return nacre.load_audio(samples, sample_rate_hz=RATE_HZ)


@pytest.mark.parametrize("level", [1.0, 0.1])
def test_a_tone_is_a_line_at_its_frequency_and_level(level: float):
    levels = draw_sound.spectrogram_db(tone(1000, level), RATE_HZ)
    middle = levels[:, levels.shape[1] // 2]
    hertz = middle.argmax() * RATE_HZ / draw_sound.WINDOW
    assert hertz == pytest.approx(1000, abs=4)
    assert middle.max() == pytest.approx(20 * np.log10(level), abs=0.1)
    assert np.median(middle) < middle.max() - 80
    assert levels.shape[0] == draw_sound.WINDOW // 2 + 1


def test_long_and_short_recordings_have_few_columns():
    for count in (1, 100, 3_000_000):
        levels = draw_sound.spectrogram_db(np.ones(count) * 0.1, RATE_HZ)
        assert 1 <= levels.shape[1] <= draw_sound.COLUMNS + 10
    assert len(draw_sound.extremes(np.zeros(3_000_000))[0]) == draw_sound.COLUMNS
    assert len(draw_sound.extremes(np.zeros(0))[0]) == 1


def test_extremes_miss_no_click():
    wave = np.zeros(100_000)
    wave[77_777], wave[12_345] = 0.9, -0.8
    low, high = draw_sound.extremes(wave)
    assert (high.max(), low.min()) == (0.9, -0.8)
    assert high.argmax() == 77_777 * draw_sound.COLUMNS // len(wave)


def test_channels_are_mixed():
    wave = tone(440, 0.5)
    assert np.abs(draw_sound.mono(recording(wave, -wave))).max() < 1e-9
    assert draw_sound.mono(recording(wave, wave)) == pytest.approx(wave, abs=1e-4)


def test_what_differs_is_drawn_differently(tmp_path: Path):
    one, other = recording(tone(500, 0.5)), recording(tone(3000, 0.2))
    pictures = []
    for decoded in (one, other):
        draw_sound.draw([("original", one), ("decoded", decoded)], tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as picture:
            pictures.append(np.asarray(picture.convert("RGB")).astype(int))
    same, changed = pictures
    assert same.shape == changed.shape and same.shape[1] == 1472
    half = len(same) // 2 - 30
    assert np.array_equal(same[:half, :1300], changed[:half, :1300]), "the original is as it was"
    assert (np.abs(same - changed)[half:].max(axis=2) > 60).sum() > 5000


def test_files_are_drawn_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sound = recording(tone(500, 0.5))
    sound.save(tmp_path / "a.wav")
    (tmp_path / "a.ncr").write_bytes(nacre.encode(sound, lossless=True))
    names = [str(tmp_path / name) for name in ("a.wav", "a.ncr")]
    assert draw_sound.main([*names, "-o", str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] == 1472
    capsys.readouterr()
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    assert draw_sound.main([str(tmp_path / "bad.wav"), "-o", str(tmp_path / "b.png")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("draw_sound: ") and told.count("\n") == 1
