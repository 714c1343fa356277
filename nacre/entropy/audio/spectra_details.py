"""What ``nacre info`` tells of a payload of spectra, from its first bytes; light to import."""

from __future__ import annotations

from nacre.errors import FormatError
from nacre.stream import Reader

STEREO_SAMPLES = 442_368
"""Of a segment of ``walloc-stereo``."""
SPEECH_SAMPLES = 160_000
"""Of a segment of ``walloc-speech``."""


def stereo_details(head: bytes) -> dict[str, str]:
    """Of ``walloc-stereo``."""
    return _details(head, STEREO_SAMPLES)


def speech_details(head: bytes) -> dict[str, str]:
    """Of ``walloc-speech``."""
    return _details(head, SPEECH_SAMPLES)


def _details(head: bytes, samples: int) -> dict[str, str]:
    """Nothing of a damaged payload: looking is not checking."""
    reader = Reader(head, "PAYLOAD")
    try:
        up, down, strength, kept, segments = (reader.varint("head") for _ in range(5))
    except FormatError:
        return {}
    if not up or not down:
        return {}
    return {
        "coded rate": "the recording's" if up == down else f"{up}/{down} of the recording's",
        "segments": f"{segments:,}",
        "noise": f"{strength / 64:.2f} of what was lost",
        "latents": f"the first {kept:,}" if kept else "all",
        "latency_samples": str(-(-samples * down // up)),
    }
