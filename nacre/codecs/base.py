"""The contract of a codec.

A codec joins four parts in one file: media, a transform, an entropy coder and the container. It is
born complete: the constructor loads what it needs, and after that nothing about it changes, so one
instance may serve many calls and threads. ``nacre/registry.py`` has one line for each codec.

To add one, copy the shortest file beside this (``stored.py``) and read CONTRIBUTING.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from nacre.media.audio import Audio, AudioReader
from nacre.media.image_sets import ImageSet
from nacre.stream import Archive, OpenStream, Stream

Region = tuple[int, int, int, int]
"""A rectangle ``(x, y, width, height)`` in pixels, ``x`` from the left, ``y`` from the top."""


@runtime_checkable
class Codec(Protocol):
    """What ``nacre.api`` asks of a codec."""

    name: ClassVar[str]
    """As the command line says it, such as ``"walloc-rgb"``."""
    number: ClassVar[int]
    """As a stream says it; never reused (docs/format.md lists them)."""
    medium: ClassVar[str]
    """One of ``image``, ``audio``, ``mesh``, ``splat``, ``points``."""
    lossless: ClassVar[bool]
    """Whether ``decode(encode(item))`` equals ``item``."""
    models: ClassVar[tuple[str, ...]]
    """Names of the model files that ship with it; the first is the default. Empty: no weights.

    A codec with several has a static method ``model_for(settings)`` that names the one to encode
    with when the user names none. One whose attribute ``picks_model`` is true finds the model by
    what it encodes, or needs none, and may be made without; it does not need torch either, so that
    the device ``auto`` means the CPU to it. One whose attribute ``cpu_only`` is true
    uses no device, and torch is not imported to look for one.
    """
    settings: ClassVar[type]
    """A frozen dataclass of what a user may choose. Its field names are the API's keywords; fields
    named ``quality``, ``effort``, ``channels``, ... are also flags of the command line."""

    def encode(self, item: Any, settings: Any) -> Stream:
        """A stream that holds ``item`` (a media object such as :class:`nacre.Image`).

        Raises:
            InputError: the item or a setting cannot be used.
        """

    def decode(self, stream: Stream, *, region: Region | None = None) -> Any:
        """The media object in ``stream``, or the part of it inside ``region``.

        Raises:
            FormatError: the sections do not hold what this codec writes.
        """


@runtime_checkable
class SetCodec(Codec, Protocol):
    """A codec that holds a whole set of like things in one archive, in lanes."""

    def fits(self, images: ImageSet) -> bool:
        """Whether it can encode things of this layout."""

    def encode_set(self, images: ImageSet, settings: Any) -> Stream:
        """An archive of ``images`` (a :class:`nacre.media.image_sets.ImageSet`).

        Raises:
            InputError: the set or a setting cannot be used.
        """

    def decode_set(self, stream: Stream) -> ImageSet:
        """All of an archive.

        Raises:
            FormatError: the sections do not hold what this codec writes.
            LimitExceeded: all together are more than ``stream.limits`` allow.
        """

    def decode_item(self, archive: Archive, index: int, *, region: Region | None = None) -> Any:
        """Item ``index`` alone, without what lies in other lanes.

        Raises:
            InputError: there is no such item.
            FormatError: the archive does not hold what this codec writes.
        """


@runtime_checkable
class LatentCodec(Codec, Protocol):
    """A lossy codec whose latents serve as input to learning."""

    def latents(self, stream: Stream, *, channels: int | None = None) -> npt.NDArray[np.float32]:
        """Dequantised latents ``[channels, H / 8, W / 8]`` (float32), the decoder not run."""

    def symbols(self, stream: Stream, *, channels: int | None = None) -> npt.NDArray[np.int16]:
        """The integers that were coded, ``[channels, H / 8, W / 8]`` (int16)."""


@dataclass(frozen=True)
class Damage:
    """A stretch of a recording that could not be decoded.

    Attributes:
        first, last: samples of one channel that are silence now (``last`` is exclusive); none where
            only a checksum of the whole is wrong.
        why: in one line.
    """

    first: int
    last: int
    why: str


@runtime_checkable
class SoundCodec(Codec, Protocol):
    """A codec of recordings of any length, in constant memory."""

    def encode_open(self, item: Audio | AudioReader, settings: Any) -> OpenStream:
        """As :meth:`Codec.encode`, with the payload in a temporary file where it is long.

        A reader may be read more than once.
        """

    def blocks(
        self,
        stream: OpenStream,
        *,
        first: int = 0,
        last: int | None = None,
        damaged: list[Damage] | None = None,
    ) -> Iterator[npt.NDArray[Any]]:
        """Samples ``first`` to ``last`` (exclusive) of each channel, piece by piece ``[C, n]``.

        What is not needed for them is not decoded. The payload is read forward, as far as each
        piece needs it, so that it may come through a pipe.

        Args:
            stream: where they lie.
            first, last: which ones; None: to the end.
            damaged: where given, what cannot be decoded becomes silence and is appended to it;
                otherwise damage is an error.

        Raises:
            FormatError: something is damaged.
            InputError: they do not lie inside the recording.
        """

    def notes(self, stream: OpenStream) -> tuple[str, ...]:
        """What decoding changes, one sentence each, such as another rate."""
