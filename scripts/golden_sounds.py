"""Recordings of the golden streams, made with integers only; ``golden.py`` writes them to files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.media.audio import Audio, AudioMetadata
from nacre.registry import codec_class, load_codec
from nacre.stream import Stream

Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True)
class GoldenSound:
    """One stream of a recording that must decode: see ``golden.Golden``."""

    name: str
    what: str
    sound: Audio
    codec: str = "adaptive-audio"
    settings: dict[str, Any] = field(default_factory=dict)


def waves(length: int, channels: int = 2, depth: int = 16) -> Int32s:
    """Parabolas up and down that fade, under a little grain: ``[channels, length]``."""
    n = np.arange(length, dtype=np.int64)
    rows = []
    for channel in range(channels):
        period = 83 + 29 * channel
        phase = n % period
        wave = 44000 * phase * (period - phase) // period**2 * (1 - n // period % 2 * 2)
        hashed = (n * 374761393 + channel * 668265263) * 1274126177 % (1 << 31)
        grain = (hashed >> 13) % 129 - 64
        rows.append(wave * (3 * length - 2 * n) // (3 * length) * 2 + grain)
    return (np.array(rows) << 16 >> (32 - depth)).astype(np.int32)


def recording(samples: Int32s, depth: int = 16, rate_hz: int = 44100) -> Audio:
    """A recording without metadata."""
    return Audio(samples, rate_hz, depth)


def floats(values: npt.NDArray[Any]) -> Audio:
    """A recording of 32-bit floats."""
    return Audio(np.ascontiguousarray(values, np.float32), 48000, 32, floating=True)


def odd_floats() -> Audio:
    """Floats that no integers stand for: signs of zero, tiny, huge and no numbers."""
    values = waves(300).astype(np.float32) / np.float32(30000)
    values[0, :6] = [-0.0, np.nan, np.inf, -np.inf, 1e-42, 3e38]
    return floats(values)


CARRIED = AudioMetadata(
    tags=(("TITLE", "Perlmutt"), ("ARTIST", "螺"), ("ARTIST", "again")),
    pictures=(("image/png", 3, "a cover", b"\x89PNG\r\n\x1a\n" + bytes(range(40))),),
    cues=((0, "start"), (150, "")),
    channel_mask=3,
)

COMMON = [
    GoldenSound("sound", "stereo of 16 bits", recording(waves(900))),
    GoldenSound("sound-mono", "mono of 16 bits", recording(waves(1200, 1))),
    GoldenSound(
        "sound-fast", "stereo, by integers alone", recording(waves(900)), settings={"effort": 1}
    ),
    GoldenSound("sound-24", "stereo of 24 bits", recording(waves(500, 2, 24), 24)),
    GoldenSound(
        "sound-tagged", "tags, a picture, marks, places of loudspeakers",
        Audio(waves(200), 48000, 16, metadata=CARRIED), settings={"effort": 1},
    ),
    GoldenSound(
        "walloc-stereo", "lossy stereo", recording(waves(20_000)), codec="walloc-stereo",
        settings={"quality": 60.0},
    ),
    GoldenSound(
        "walloc-speech", "lossy mono", recording(waves(9_000, 1), 16, 16000),
        codec="walloc-speech", settings={"quality": 60.0},
    ),
]  # fmt: skip

UNUSUAL = [
    GoldenSound("sound-8", "mono of 8 bits", recording(waves(900, 1, 8), 8, 8000)),
    GoldenSound("sound-none", "no samples", recording(waves(0))),
    GoldenSound("sound-one", "a single sample", recording(waves(1, 1))),
    GoldenSound("sound-silence", "nothing to hear", recording(waves(50_000) * 0)),
    GoldenSound("sound-equal", "channels that are equal", recording(waves(700, 1)[[0, 0, 0]])),
    GoldenSound("sound-padded", "12 bits in 16", recording(waves(700) >> 4 << 4)),
    GoldenSound("sound-sparse", "few values, far apart", recording(waves(900) // 3000 * 2999)),
    GoldenSound(
        "sound-many", "five channels of 24 bits, by integers alone",
        recording(waves(150, 5, 24), 24),
        settings={"effort": 1},
    ),
    GoldenSound(
        "sound-frames", "three frames", recording(waves(8200, 1) // 900, 16, 100),
        settings={"effort": 1},
    ),
    GoldenSound("sound-32", "32 bits, kept as they are", recording(waves(300, 1, 32), 32)),
    GoldenSound("sound-float", "floats that were 16 bits", floats(waves(500) / 32768)),
    GoldenSound("sound-floats", "floats that are no integers", odd_floats()),
    GoldenSound(
        "walloc-none", "no samples, lossy", recording(waves(0)), codec="walloc-stereo"
    ),
    GoldenSound(
        "walloc-silence", "nothing to hear, lossy, in two segments",
        recording(waves(450_000) * 0), codec="walloc-stereo",
    ),
    GoldenSound(
        "walloc-many", "three channels of 24 bits, a 5th of the latents",
        recording(waves(6_000, 3, 24), 24), codec="walloc-stereo",
        settings={"quality": 75.0, "reduction": 5},
    ),
    GoldenSound(
        "walloc-segments", "two segments, resampled from 8 kHz, without noise",
        recording(waves(80_500, 1), 16, 8000), codec="walloc-speech",
        settings={"quality": 20.0, "noise": 0.0},
    ),
]  # fmt: skip


def encode_sound(golden: GoldenSound) -> bytes:
    """The stream of ``golden``."""
    settings = codec_class(golden.codec).settings(**golden.settings)
    codec: Any = load_codec(golden.codec)
    return bytes(codec.encode(golden.sound, settings).to_bytes())


def record_sound(golden: GoldenSound, data: bytes) -> dict[str, Any]:
    """What the manifest says of ``golden``."""
    stream = Stream.from_bytes(data)
    codec = load_codec(golden.codec, model=stream.model)
    decoded = codec.decode(stream)
    entry = {
        "what": golden.what,
        "codec": golden.codec,
        "archive": False,
        "medium": "audio",
        "metadata": digest_metadata(decoded.metadata),
    }
    if codec.lossless:
        return {**entry, "sha256": digest_sound(golden.sound)}
    return {
        **entry,
        "shape": str(decoded.shape),
        "samples": " ".join(map(str, some_of(decoded).ravel())),
    }


def some_of(sound: Audio) -> Int32s:
    """Thirty samples of each channel of a lossy recording, which machines may round otherwise."""
    places = np.linspace(0, max(sound.length - 1, 0), min(30, sound.length)).astype(np.int64)
    found: Int32s = sound.samples[:, places].astype(np.int32)
    return found


def digest_sound(sound: Audio) -> str:
    """SHA-256 of the shape as text and of the samples, channel by channel, little-endian."""
    shape = sound.shape
    found = hashlib.sha256(
        f"{shape.samples} {shape.channels} {shape.sample_rate_hz} {shape.depth} "
        f"{int(shape.floating)}\n".encode()
    )
    found.update(sound.samples.astype(sound.samples.dtype.newbyteorder("<")).tobytes())
    return found.hexdigest()


def digest_metadata(metadata: AudioMetadata) -> str:
    """SHA-256 of all that is carried."""
    parts = (metadata.tags, metadata.pictures, metadata.cues, metadata.channel_mask)
    return hashlib.sha256(repr(parts).encode()).hexdigest()
