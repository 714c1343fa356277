"""What a stream holds: the medium, and its size as the header declares it."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from nacre.limits import Limits


class Medium(enum.IntEnum):
    """The kinds of things that a stream can hold."""

    IMAGE = 0
    AUDIO = 1
    MESH = 2
    SPLAT = 3
    POINTS = 4


@dataclass(frozen=True)
class ImageShape:
    """A picture.

    Attributes:
        width, height: pixels, at least 1.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        depth: bits of a sample: 1 (grey only), 8 or 16.
    """

    width: int
    height: int
    channels: int = 3
    depth: int = 8
    medium: ClassVar[Medium] = Medium.IMAGE

    def check(self, limits: Limits) -> None:
        """Raise :class:`nacre.errors.LimitExceeded` when ``limits`` forbid this size."""
        what = f"picture of {self.width} x {self.height} pixels"
        limits.check("pixels", self.width * self.height, what)


@dataclass(frozen=True)
class AudioShape:
    """A recording.

    Attributes:
        samples: samples of one channel.
        channels: at least 1.
        sample_rate_hz: samples of one channel in a second.
        depth: bits of a sample: 8, 16, 24 or 32.
        floating: samples are IEEE 754 numbers (depth 32), not integers.
    """

    samples: int
    channels: int
    sample_rate_hz: int
    depth: int = 16
    floating: bool = False
    medium: ClassVar[Medium] = Medium.AUDIO

    def check(self, limits: Limits) -> None:
        """Raise :class:`nacre.errors.LimitExceeded` when ``limits`` forbid this size."""
        what = f"recording of {self.samples:,} samples in {self.channels} channels"
        limits.check("samples", self.samples * self.channels, what)


@dataclass(frozen=True)
class MeshShape:
    """A surface of ``faces`` over ``vertices``."""

    vertices: int
    faces: int
    medium: ClassVar[Medium] = Medium.MESH

    def check(self, limits: Limits) -> None:
        """Raise :class:`nacre.errors.LimitExceeded` when ``limits`` forbid this size."""
        limits.check("vertices", self.vertices, f"mesh of {self.vertices:,} vertices")
        limits.check("vertices", self.faces, f"mesh of {self.faces:,} faces")


@dataclass(frozen=True)
class SplatShape:
    """A scene of ``splats`` Gaussians whose colour is of spherical-harmonic ``degree`` 0 to 4."""

    splats: int
    degree: int
    medium: ClassVar[Medium] = Medium.SPLAT

    def check(self, limits: Limits) -> None:
        """Raise :class:`nacre.errors.LimitExceeded` when ``limits`` forbid this size."""
        limits.check("vertices", self.splats, f"scene of {self.splats:,} splats")


@dataclass(frozen=True)
class PointsShape:
    """A set of ``points`` in space, such as the atoms of a protein."""

    points: int
    medium: ClassVar[Medium] = Medium.POINTS

    def check(self, limits: Limits) -> None:
        """Raise :class:`nacre.errors.LimitExceeded` when ``limits`` forbid this size."""
        limits.check("vertices", self.points, f"set of {self.points:,} points")


Shape = ImageShape | AudioShape | MeshShape | SplatShape | PointsShape


def resized(shape: Shape, sizes: Mapping[str, int]) -> Shape:
    """``shape`` with the sizes that ``sizes`` names replaced."""
    result: Shape = dataclasses.replace(cast(Any, shape), **sizes)
    return result
