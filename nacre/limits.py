"""Limits on what a file may ask for, checked before memory is taken.

A header is a few bytes that can claim anything. Every size read from one passes through
:meth:`Limits.check` before an array of that size is made.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from dataclasses import dataclass
from typing import ClassVar, Literal

from nacre.errors import InputError, LimitExceeded

Resource = Literal["pixels", "samples", "vertices", "items", "bytes"]


@dataclass(frozen=True)
class Limits:
    """The most that one stream or input file may ask for.

    Attributes:
        pixels: width times height of one picture.
        samples: samples times channels of one recording.
        vertices: vertices, faces or splats of one scene (each).
        items: items of one archive.
        bytes: bytes of one section, after any inner compression is undone (metadata, tables).
    """

    pixels: int = 1 << 28
    samples: int = 1 << 32
    vertices: int = 1 << 27
    items: int = 1 << 24
    bytes: int = 1 << 32

    DEFAULT: ClassVar[Limits]
    STRICT: ClassVar[Limits]
    UNLIMITED: ClassVar[Limits]

    def check(self, resource: Resource, amount: int, what: str) -> None:
        """Raise :class:`LimitExceeded` when ``what`` asks for more than is allowed.

        Args:
            resource: the field of this class that bounds it.
            amount: what is asked for, in that field's unit.
            what: named in the message, such as ``"picture of 5 x 7 pixels"``.
        """
        allowed: int = getattr(self, resource)
        if amount > allowed:
            raise LimitExceeded(
                f"{what}: {amount:,} {resource}, over the limit of {allowed:,}; "
                f"if you trust the source, allow it with --limit {resource}={amount} "
                f"or Limits({resource}={amount})"
            )

    @classmethod
    def parse(cls, text: str) -> Limits:
        """Limits from ``default``, ``strict``, ``unlimited`` or ``pixels=5000000,bytes=1000``."""
        presets = {"default": cls.DEFAULT, "strict": cls.STRICT, "unlimited": cls.UNLIMITED}
        if text in presets:
            return presets[text]
        names = [field.name for field in dataclasses.fields(cls)]
        values: dict[str, int] = {}
        for part in text.split(","):
            name, _, number = part.partition("=")
            if name not in names or not number.isdigit():
                raise InputError(
                    f"limit {part!r} is not understood; use {', '.join(presets)} "
                    f"or NAME=NUMBER with NAME one of {', '.join(names)}"
                )
            values[name] = int(number)
        return dataclasses.replace(cls.DEFAULT, **values)


Limits.DEFAULT = Limits()
Limits.STRICT = Limits(
    pixels=1 << 24, samples=1 << 26, vertices=1 << 21, items=1 << 16, bytes=1 << 26
)
Limits.UNLIMITED = Limits(*[sys.maxsize] * 5)


def threads_wanted() -> int:
    """Threads of what runs side by side: ``--threads`` or the environment, else up to 8 cores."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(wanted) if wanted.isdecimal() else min(os.cpu_count() or 1, 8))
