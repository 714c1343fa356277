"""Waveforms and spectrograms of recordings, one above the other.

    python scripts/draw_sound.py song.wav song.ncr -o song.png

Files of sound and of nacre's are read. From Python (with ``scripts`` on the path):

    import draw_sound
    draw_sound.draw([("original", audio), ("decoded", decoded)], Path("song.png"))
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from scipy.signal import ShortTimeFFT
from scipy.signal.windows import hann

import nacre
from nacre.errors import NacreError
from nacre.media.audio import Audio, load_audio
from nacre.stream import is_nacre

Floats = npt.NDArray[np.float64]

WINDOW = 2048
"""Samples of a spectrum; a quarter of them lies between two spectra."""
COLUMNS = 1200
"""Spectra and extremes of the waveform that are drawn at most."""
RANGE_DB = 96
"""From the darkest to the brightest colour; full scale of one tone is 0 dB."""
INK, MAP = "#2a6f97", "magma"
WIDTH, ROW, DPI = 14.72, 2.6, 100
"""Inches of the figure and of one recording in it, and its pixels an inch."""


def mono(audio: Audio) -> Floats:
    """The mean of all channels, full scale 1, ``[N]``."""
    scale = 1.0 if audio.floating else float(1 << (audio.depth - 1))
    mixed: Floats = audio.samples.mean(axis=0, dtype=np.float64) / scale
    return mixed


def extremes(wave: Floats) -> tuple[Floats, Floats]:
    """The least and the largest sample of up to :data:`COLUMNS` stretches of equal length."""
    count = max(1, min(COLUMNS, len(wave)))
    starts = np.arange(count) * len(wave) // count
    if not len(wave):
        return np.zeros(1), np.zeros(1)
    return np.minimum.reduceat(wave, starts), np.maximum.reduceat(wave, starts)


def spectrogram_db(wave: Floats, sample_rate_hz: int) -> Floats:
    """Levels ``[F, T]`` in dB of frequencies from 0 to half the rate; a full-scale tone is at 0."""
    window = hann(WINDOW, sym=False)
    padded = np.pad(wave, (0, max(0, WINDOW - len(wave))))
    hop = max(WINDOW // 4, len(padded) // COLUMNS)
    transform = ShortTimeFFT(window, hop, sample_rate_hz)
    tone = window.sum() / 2
    levels: Floats = 20 * np.log10(np.abs(transform.stft(padded)) / tone + 1e-9)
    return levels


def draw(recordings: list[tuple[str, Audio]], path: Path) -> None:
    """A picture of recordings that last as long as each other.

    Args:
        recordings: words above each, and the recording itself.
        path: of the PNG, replaced if it exists.
    """
    waves = [mono(audio) for _, audio in recordings]
    top = max(float(np.abs(wave).max(initial=0)) for wave in waves) or 1.0
    figure = Figure(figsize=(WIDTH, ROW * len(waves) + 0.45), dpi=DPI, layout="constrained")
    grid = figure.subplots(
        len(waves), 2, sharex=True, squeeze=False, gridspec_kw={"width_ratios": (1, 1.45)}
    )
    shades: Any = None
    most_khz = recordings[0][1].sample_rate_hz / 2000
    for (left, right), (title, audio), wave in zip(grid, recordings, waves, strict=True):
        _draw_wave(left, wave, audio.seconds, top)
        left.set_title(title, loc="left", fontsize=17)
        shades = _draw_levels(right, wave, audio)
        right.set_ylim(0, most_khz)
        right.set_facecolor("black")
    grid[-1][0].set_xlabel("seconds", fontsize=14)
    grid[-1][1].set_xlabel("seconds", fontsize=14)
    bar = figure.colorbar(shades, ax=list(grid[:, 1]), pad=0.01, aspect=14 * len(waves))
    bar.set_label("level, dB", fontsize=14)
    bar.ax.tick_params(labelsize=13)
    figure.savefig(path, format="png")


def _draw_wave(axes: Any, wave: Floats, seconds: float, top: float) -> None:
    low, high = extremes(wave)
    times = (np.arange(len(low)) + 0.5) * seconds / len(low)
    axes.fill_between(times, low, high, color=INK, linewidth=0.6)
    axes.set_ylim(-1.05 * top, 1.05 * top)
    axes.set_xlim(0, max(seconds, 1e-3))
    axes.set_ylabel("amplitude", fontsize=14)
    axes.tick_params(labelsize=13)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _draw_levels(axes: Any, wave: Floats, audio: Audio) -> Any:
    levels = spectrogram_db(wave, audio.sample_rate_hz)
    edges = (0, max(audio.seconds, 1e-3), 0, audio.sample_rate_hz / 2000)
    shades = axes.imshow(
        levels, origin="lower", aspect="auto", extent=edges, cmap=MAP, vmin=-RANGE_DB - 12,
        vmax=-12, interpolation="bilinear",
    )  # fmt: skip
    axes.set_ylabel("kHz", fontsize=14)
    axes.tick_params(labelsize=13)
    return shades


def main(arguments: list[str] | None = None) -> int:
    """Draw the files that were named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, help="recordings, of nacre's or others")
    parser.add_argument("-o", "--output", type=Path, required=True, help="a PNG")
    options = parser.parse_args(arguments)
    try:
        recordings = []
        for path in options.files:
            data = path.read_bytes()
            audio = nacre.decode(data) if is_nacre(data[:16]) else load_audio(data)
            if not isinstance(audio, Audio):
                print(f"draw_sound: {path}: no recording", file=sys.stderr)
                return 2
            recordings.append((f"{path.name}, {len(data):,} bytes", audio))
        draw(recordings, options.output)
    except (NacreError, OSError) as error:
        print(f"draw_sound: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    print(f"written: {options.output}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
