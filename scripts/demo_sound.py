"""Sound of ``make demo``: without loss beside FLAC, and lossy where there is a model for it."""

from __future__ import annotations

import io
from pathlib import Path

import draw_sound
import numpy as np
import numpy.typing as npt
import soundfile
from demo_rows import Row, Shown, coded

import nacre
from nacre.errors import ModelError
from nacre.media.audio import Audio, load_audio
from nacre.registry import CODECS, find_model

Floats = npt.NDArray[np.float64]

EXACT, LOSSY = "adaptive-audio", "walloc-stereo"
QUALITIES = (40, 55)
SHOWN = 0
"""Of the lossy qualities, the one that is drawn."""
RATE_HZ = 44_100
TEMPO_S = 0.22
"""From one note to the next."""
CHORDS = ((45, 57, 60, 64, 69), (41, 57, 60, 65, 69), (48, 55, 60, 64, 67), (43, 55, 59, 62, 67))
"""MIDI notes, the bass first: A minor, F, C, G."""
PATTERN = (1, 2, 3, 4, 3, 2, 3, 4)
"""Which string of a chord sounds, after the bass."""
LEVEL = 0.5


def write_music(out: Path) -> list[Path]:
    """``strings.wav``: no package that nacre needs carries a recording, so code plays some."""
    path = out / "strings.wav"
    load_audio(music(), sample_rate_hz=RATE_HZ).save(path, force=True)
    return [path]


def music() -> npt.NDArray[np.int16]:
    """Plucked strings over four chords, a shaker, and a room: int16 ``[2, N]``."""
    random = np.random.default_rng(4)
    count = round((len(CHORDS) * len(PATTERN) * TEMPO_S + 1.4) * RATE_HZ)
    mixed = np.zeros((2, count))
    for step in range(len(CHORDS) * len(PATTERN)):
        chord = CHORDS[step // len(PATTERN)]
        start = round((step * TEMPO_S + random.uniform(0, 0.012)) * RATE_HZ)
        notes = [(chord[PATTERN[step % len(PATTERN)]], 0.5, random.uniform(0.3, 0.7))]
        notes += [(chord[0], 0.9, 0.5)] * (step % (len(PATTERN) // 2) == 0)
        for note, strength, side in notes:
            _add(mixed, start, strength * pluck(note, random), side)
        shake = random.normal(size=3000) * np.exp(-np.arange(3000) / 500)
        _add(mixed, start, 0.05 * (1 + step % 2) * np.diff(shake, prepend=0), 0.62)
    wet = np.stack([room(channel, random) for channel in mixed])
    wet *= LEVEL / np.abs(wet).max()
    noise = random.triangular(-1, 0, 1, wet.shape)
    return np.rint(wet * 32767 + noise).astype(np.int16)


def pluck(note: int, random: np.random.Generator) -> Floats:
    """Two seconds of a string (K. Karplus, A. Strong, 1983): noise that a short loop smooths."""
    period = round(RATE_HZ / (440 * 2 ** ((note - 69) / 12)))
    string = np.zeros(2 * RATE_HZ)
    burst = random.uniform(-1, 1, period + 1)
    string[:period] = (burst[1:] + burst[:-1]) / 2
    for start in range(period, len(string), period):
        last = string[max(0, start - period - 1) : start]
        last = last if len(last) > period else np.concatenate([[0], last])
        loop = 0.4985 * (last[1:] + last[:-1])
        string[start : start + period] = loop[: len(string) - start]
    return string * np.linspace(1, 0, len(string))


def room(wave: Floats, random: np.random.Generator) -> Floats:
    """Decaying echoes (M. Schroeder, 1962) added to it."""
    heard = wave.copy()
    for delay_s in random.uniform(0.029, 0.046, 4):
        delay, echo = round(delay_s * RATE_HZ), wave.copy()
        for start in range(delay, len(echo), delay):
            piece = echo[start : start + delay]
            piece += 0.72 * echo[start - delay : start][: len(piece)]
        heard += 0.08 * echo
    return heard


def _add(mixed: Floats, start: int, wave: Floats, side: float) -> None:
    """``wave`` into both channels: ``side`` is 0 on the left, 1 on the right."""
    end = min(start + len(wave), mixed.shape[1])
    gains = np.cos(side * np.pi / 2), np.sin(side * np.pi / 2)
    mixed[:, start:end] += np.outer(gains, wave[: end - start])


def show(path: Path, out: Path) -> Shown:
    """A recording in files and in a picture, in ``out``.

    Raises:
        InputError: it is no recording.
    """
    audio = load_audio(path)
    silence = load_audio(np.zeros((1, 4000), np.int16), sample_rate_hz=8000)
    nacre.decode(nacre.encode(silence, codec=EXACT))  # compiled code
    exact = coded(audio, out / f"{path.stem}-lossless.ncr", EXACT)
    size = audio.samples.size * audio.depth // 8
    rows = [exact.row(EXACT, "exact", flac(audio))]
    drawn = [
        (f"original, {size:,} bytes", audio),
        (f"{EXACT}, {len(exact.data):,} bytes, exact", exact.decoded),
    ]
    if has_lossy():
        for number, quality in enumerate(QUALITIES):
            row, decoded = _lossy(audio, path, out, quality)
            rows.append(row)
            if number == SHOWN:
                drawn.append((f"{LOSSY} q{quality}, {row.bytes:,} bytes", decoded))
    draw_sound.draw(drawn, out / f"{path.stem}.png")
    return Shown(path.name, size, tuple(rows))


def has_lossy() -> bool:
    """Whether there is a lossy codec here, and its model."""
    if LOSSY not in CODECS:
        return False
    try:
        find_model(LOSSY, codec=LOSSY)
    except ModelError:
        return False
    return True


def _lossy(audio: Audio, path: Path, out: Path, quality: int) -> tuple[Row, Audio]:
    """As a lossy file, which also comes back as a WAV file to listen to."""
    made = coded(audio, out / f"{path.stem}-q{quality}.ncr", LOSSY, quality=quality)
    made.decoded.save(out / f"{path.stem}-q{quality}.wav", force=True)
    words = f"{signal_to_noise_db(audio, made.decoded):.1f} dB"
    return made.row(f"{LOSSY} q{quality}", words), made.decoded


def signal_to_noise_db(original: Audio, decoded: Audio) -> float:
    """How much stronger the recording is than what was changed in it."""
    signal = original.samples.astype(np.float64)
    noise = signal - decoded.samples
    power = float((noise**2).sum())
    return 10 * float(np.log10((signal**2).sum() / power)) if power else float("inf")


def flac(audio: Audio) -> tuple[str, int]:
    """FLAC's name and bytes at level 8; nothing where FLAC cannot hold it."""
    if audio.floating or audio.depth not in (16, 24) or audio.channels > 8:
        return "", 0
    file = io.BytesIO()
    samples = audio.samples << (32 - audio.depth)
    soundfile.write(
        file, samples.T, audio.sample_rate_hz, format="FLAC", subtype=f"PCM_{audio.depth}",
        compression_level=1.0,
    )  # fmt: skip
    return "FLAC", len(file.getvalue())
