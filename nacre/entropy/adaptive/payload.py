"""The first byte of a payload of codec adaptive-image, for the codec and those who only look."""

from __future__ import annotations

STORED, PHOTO, SCREEN = 0, 1, 2
"""Filtered samples; one sample after the other; one colour after the other."""

MODES = {STORED: "stored", PHOTO: "photo", SCREEN: "screen"}


def details(head: bytes) -> dict[str, str]:
    """What the first bytes of a payload say, for ``nacre info``."""
    mode = head[0] if head else None
    return {"mode": MODES.get(mode, f"{mode} (not known here)") if mode is not None else "none"}
