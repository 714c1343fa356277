"""Sound of ``make demo``: without loss beside FLAC, and lossy where there is a model for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

import draw_sound
import nacre
from demo_rows import Row, Shown, coded
from nacre.bench.peers import KBPS_EACH, RANGES
from nacre.bench.sound_metrics import MOST_DB, si_sdr_db
from nacre.bench.sound_peers import SOUND_PEERS
from nacre.bench.sounds import comparable
from nacre.errors import InputError, ModelError
from nacre.media.audio import Audio, load_audio
from nacre.registry import CODECS, find_model

Floats = npt.NDArray[np.float64]

EXACT, LOSSY, SPEECH = "adaptive-audio", "walloc-stereo", "walloc-speech"
SPEECH_HZ = 16_000
"""Up to this rate, one channel is taken for speech."""
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
    raw_bytes = audio.samples.size * audio.depth // 8
    rows = [exact.row(EXACT, "exact", flac(audio))]
    drawn = [
        (f"original, {raw_bytes:,} bytes", audio),
        (f"{EXACT}, {len(exact.data):,} bytes, exact", exact.decoded),
    ]
    lossy = SPEECH if audio.channels == 1 and audio.sample_rate_hz <= SPEECH_HZ else LOSSY
    if is_here(lossy):
        for number, quality in enumerate(QUALITIES):
            row, decoded = _lossy(lossy, audio, path, out, quality)
            rows.append(row)
            if number == SHOWN:
                size, opus = opus_of_size(audio, row.bytes)
                drawn.append((_words(f"{lossy} q{quality}", row.bytes, audio, decoded), decoded))
                drawn.append((_words("Opus", size, audio, opus), opus))
    draw_sound.draw(drawn, out / f"{path.stem}.png")
    return Shown(path.name, raw_bytes, tuple(rows))


def _words(codec: str, size_bytes: int, audio: Audio, decoded: Audio) -> str:
    """What stands above a lossy recording."""
    rate = size_bytes * 8 / 1000 / max(audio.seconds, 1e-9)
    sdr = sdr_db(audio, decoded)
    return f"{codec}, {size_bytes:,} bytes, {rate:.1f} kbit/s, SI-SDR {sdr:.1f} dB"


def is_here(codec: str) -> bool:
    """Whether there is a codec here, and a model of its name."""
    if codec not in CODECS:
        return False
    try:
        find_model(codec, codec=codec)
    except ModelError:
        return False
    return True


def _lossy(codec: str, audio: Audio, path: Path, out: Path, quality: int) -> tuple[Row, Audio]:
    """As a lossy file, which also comes back as a WAV file to listen to."""
    made = coded(audio, out / f"{path.stem}-q{quality}.ncr", codec, quality=quality)
    made.decoded.save(out / f"{path.stem}-q{quality}.wav", force=True)
    sdr = sdr_db(audio, made.decoded)
    row = made.row(f"{codec} q{quality}", f"{sdr:.1f} dB", opus_of_quality(audio, sdr))
    return row, made.decoded


def sdr_db(original: Audio, decoded: Audio) -> float:
    """SI-SDR, which is 100 when nothing differs, or all is silent."""
    target, estimate, _ = comparable(original, decoded)
    found = si_sdr_db(target, estimate)
    return MOST_DB if found is None else found


def opus_of_quality(audio: Audio, sdr: float) -> tuple[str, int]:
    """Opus's name and the bytes of its smallest file of at least this SI-SDR, if it has one."""
    opus, (low, high) = SOUND_PEERS["opus"], map(int, RANGES[KBPS_EACH])

    def sized(kbps: int) -> tuple[bool, int]:
        data = opus.encode(audio, kbps, 1)
        return sdr_db(audio, opus.decode(data, 1)) >= sdr, len(data)

    reached, size = sized(high)
    if not reached:
        return "", 0
    while low < high:
        middle = (low + high) // 2
        enough, smaller = sized(middle)
        low, high, size = (low, middle, smaller) if enough else (middle + 1, high, size)
    return "Opus", size


def opus_of_size(audio: Audio, size_bytes: int) -> tuple[int, Audio]:
    """Bytes of the largest Opus file of at most this size (the smallest, if none is), decoded."""
    opus, (low, high) = SOUND_PEERS["opus"], map(int, RANGES[KBPS_EACH])
    data = opus.encode(audio, low, 1)
    while low < high:
        middle = (low + high + 1) // 2
        larger = opus.encode(audio, middle, 1)
        fits = len(larger) <= size_bytes
        low, high, data = (middle, high, larger) if fits else (low, middle - 1, data)
    return len(data), opus.decode(data, 1)


def flac(audio: Audio) -> tuple[str, int]:
    """FLAC's name and bytes at level 8; nothing where FLAC cannot hold it."""
    try:
        return "FLAC", len(SOUND_PEERS["flac"].encode(audio, None, 1))
    except InputError:
        return "", 0
