"""Kinds of audio files: by their first bytes, by their extension, and what each can hold.

Nothing here imports a library.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nacre.errors import InputError
from nacre.stream import AudioShape

EXTENSIONS = (
    *(".aif", ".aifc", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".rf64", ".w64"),
    *(".wav", ".wave"),
)
"""Of the files that are taken out of a folder."""

KEPT = (".wav", ".flac", ".aif", ".aiff", ".w64")
"""Extensions of files that hold what was decoded."""

HEAD_BYTES = 16


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        text: its name for people.
        depths: bits of integer samples that it holds exactly; none: it is lossy.
        floating: whether it holds floats exactly.
        channels: the most.
        rates_hz: permitted sample rates; none: any.
        max_rate_hz: the highest rate.
        empty: whether there may be no samples at all.
    """

    text: str
    depths: tuple[int, ...] = (8, 16, 24, 32)
    floating: bool = True
    channels: int = 255
    rates_hz: tuple[int, ...] = ()
    max_rate_hz: int = (1 << 32) - 1
    empty: bool = True


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

KINDS = {
    "wav": Kind("a WAV file"),
    "rf64": Kind("an RF64 file"),
    "w64": Kind("a W64 file"),
    "aiff": Kind("an AIFF file"),
    "raw": Kind("a file of raw samples"),
    "flac": Kind("a FLAC file", (8, 16, 24), floating=False, channels=8, max_rate_hz=655_350),
    "vorbis": Kind("an Ogg Vorbis file", (), max_rate_hz=192_000),
    "opus": Kind("an Opus file", (), rates_hz=(8000, 12000, 16000, 24000, 48000), empty=False),
    "mp3": Kind("an MP3 file", (), channels=2, rates_hz=_MP3_RATES, empty=False),
}
"""Kinds of files that are written, by name."""

_BY_EXTENSION = {
    ".wav": "wav", ".wave": "wav", ".rf64": "rf64", ".w64": "w64", ".aif": "aiff",
    ".aiff": "aiff", ".aifc": "aiff", ".flac": "flac", ".ogg": "vorbis", ".oga": "vorbis",
    ".opus": "opus", ".mp3": "mp3", ".raw": "raw", ".pcm": "raw",
}  # fmt: skip


def kind_of_name(name: str | Path) -> str:
    """The key in :data:`KINDS` of a file to be written.

    Raises:
        InputError: the extension is not known.
    """
    extension = Path(name).suffix.lower()
    if extension not in _BY_EXTENSION:
        raise InputError(
            f"{name}: an audio file of kind {extension or 'without extension'!r} is not known; use "
            f"{', '.join(sorted(_BY_EXTENSION))}"
        )
    return _BY_EXTENSION[extension]


def check_fits(kind: str, shape: AudioShape) -> None:
    """Refuse a recording that a kind of file cannot hold.

    Lossy kinds take integers and floats of any depth, since they keep neither exactly.

    Raises:
        InputError: it cannot, and what to do.
    """
    held = KINDS[kind]
    advice = "use .wav"
    if held.depths and not shape.floating and shape.depth not in held.depths:
        raise InputError(f"{held.text} cannot hold integers of {shape.depth} bits; {advice}")
    if shape.floating and not held.floating:
        raise InputError(f"{held.text} cannot hold floats; {advice}")
    if shape.channels > held.channels:
        raise InputError(
            f"{held.text} holds at most {held.channels} channels, not {shape.channels}; {advice}"
        )
    if held.rates_hz and shape.sample_rate_hz not in held.rates_hz:
        rates = ", ".join(map(str, held.rates_hz))
        raise InputError(
            f"{held.text} cannot have a rate of {shape.sample_rate_hz} Hz (but {rates}); {advice}"
        )
    if not shape.samples and not held.empty:
        raise InputError(f"{held.text} cannot hold a recording without samples; {advice}")
    if shape.sample_rate_hz > held.max_rate_hz:
        raise InputError(f"{held.text} cannot have a rate of {shape.sample_rate_hz} Hz; {advice}")


def kind_of_audio(head: bytes) -> str | None:
    """What a file that begins with ``head`` (16 bytes are enough) is; None: no audio file.

    ``wav`` (RF64 and W64 too), ``aiff``, ``flac``, ``ogg``, ``mp3``, ``id3`` (an ID3 tag, with MP3
    or FLAC data behind it) or ``other`` (CAF, AU, big-endian WAV).
    """
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return "wav"
    if head[:16] == b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00":
        return "wav"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "aiff"
    if head[:4] in (b"fLaC", b"OggS"):
        return "flac" if head[:4] == b"fLaC" else "ogg"
    if head[:3] == b"ID3":
        return "id3"
    if head[:4] in (b"caff", b".snd") or (head[:4] == b"RIFX" and head[8:12] == b"WAVE"):
        return "other"
    if len(head) >= 4 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:
        # Sync bits, then a version, layer, bit rate and sample rate that exist (not those of AAC).
        exists = head[1] & 0x18 != 0x08 and head[1] & 0x06 and head[2] >> 4 < 15
        return "mp3" if exists and head[2] & 0x0C != 0x0C else None
    return None
