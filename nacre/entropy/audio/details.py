"""What ``nacre info`` tells of a payload of codec adaptive-audio, from its first bytes."""

from __future__ import annotations

from nacre.errors import FormatError
from nacre.stream import Reader


def details(head: bytes) -> dict[str, str]:
    """Frames and latency; nothing of a damaged payload: looking is not checking."""
    reader = Reader(head, "PAYLOAD")
    try:
        samples = reader.varint("samples in a frame")
        frames = reader.varint("frames")
    except FormatError:
        return {}
    return {
        "frames": f"{frames:,} of up to {samples:,} samples; decoding can start at each",
        "latency_samples": str(samples),
    }
