"""The first bytes of the payload of ``circuit-mesh``, light to import."""

from __future__ import annotations

VERSION = 1
EXACT, SHARED, KEEPS, LOSSLESS = 1, 2, 4, 8
"""Flags: positions are exact; else one grid for all meshes; the order of the input is kept; all
numbers are exact."""
FREE, ROOM = 1 << 18, 64
"""A payload has a byte for every ``ROOM`` vertices and faces beyond the first ``FREE``."""


def details(head: bytes) -> dict[str, str]:
    """What the payload that begins with ``head`` says of itself, for ``nacre info``."""
    if len(head) < 3 or head[0] != VERSION:
        return {}
    flags, bits = head[1], head[2]
    exact = bool(flags & LOSSLESS)
    found = {
        "lossless": "yes" if exact else "no",
        "positions": "exact" if exact else f"{bits} bits",
    }
    if not exact:
        found["grid"] = "one for the scene" if flags & SHARED else "one a mesh"
    found["order"] = "kept" if flags & KEEPS else "the codec's"
    return found
