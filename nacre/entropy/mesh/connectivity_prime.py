"""What connectivity learns from other meshes before it begins."""

from __future__ import annotations

from nacre.entropy.mesh.connectivity_coding import Coder


def load_primed(coder: Coder, primed: bytes) -> None:
    """Start a coder's models from a table."""
    raise NotImplementedError


def prime(meshes: list[object]) -> bytes:
    """A table."""
    raise NotImplementedError
