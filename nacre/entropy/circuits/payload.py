"""The first byte of a payload of codec circuit-image, for the codec and for those who only look."""

from __future__ import annotations

STORED, SET, PHOTO = 0, 1, 2
"""Filtered samples; a circuit over whole items; a circuit over the blocks of one photograph."""

MODES = {STORED: "stored", SET: "set", PHOTO: "photo"}


def details(head: bytes) -> dict[str, str]:
    """What the first bytes of a payload say, for ``nacre info``."""
    mode = head[0] if head else None
    return {"mode": MODES.get(mode, f"{mode} (not known here)") if mode is not None else "none"}
