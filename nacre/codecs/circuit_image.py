"""Codec 7, ``circuit-image``: sets of pictures of one layout, lossless, by a probabilistic circuit.

Method: a hidden Chow-Liu tree over all samples of an item gives every next sample its exact
probability (A. Liu, S. Mandt, G. Van den Broeck, "Lossless Compression with Probabilistic
Circuits", ICLR 2022); nacre walks the tree in integers, so that every machine and batch agrees.

Single pictures of another layout, of 8 bits, are coded as photographs: in phases whose samples are
independent of each other given what came before (``nacre/entropy/pyramid.py``).

Good at: many small pictures of one kind and size, such as digits, icons or sensor frames, and
single ones of the kind that its model knows; photographs fast, or on an accelerator. Bad at:
drawings and screens (``adaptive-image`` takes them).

Sections: PAYLOAD; of a single picture ICC, EXIF, XMP and TAGS as carried, and ALPHA of a photograph
that has it; of an archive INDEX (of lanes), TAGS with a ``name`` for each item where they came from
named files, and MODEL where the circuit is in the file and not named by the header. docs/format.md,
"Codec 7", has the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from nacre.circuit_models import (
    CircuitModel,
    PhotoModel,
    embedded_model,
    fits,
    is_photo_model,
    load_model,
    load_photo_model,
    shipped_models,
    shipped_photo_model,
)
from nacre.circuit_photos import decode_photo, encode_photo
from nacre.codecs.base import Region
from nacre.entropy.circuits.lanes import decode_lanes, decode_prefix, encode_lanes
from nacre.entropy.circuits.payload import MODES, PHOTO, SET, STORED
from nacre.entropy.deflate import decode_samples, encode_samples
from nacre.errors import FormatError, InputError, UnsupportedVersion
from nacre.media.image import Image
from nacre.media.image_sets import ImageSet, Samples
from nacre.media.image_symbols import from_symbols, to_symbols, variables_of
from nacre.media.metadata import Metadata
from nacre.stream import (
    Archive,
    ImageShape,
    Lanes,
    Section,
    SectionKind,
    Shape,
    Stream,
    build_lanes,
)

LANE_ITEMS = 64
"""Items of a lane when nobody says otherwise: what one item costs to reach, 0.1 % of MNIST."""
SAMPLE = 64
"""Items that are coded to choose between models."""
CHANNEL_AXIS, WHOLE_BYTES = 1, 2
"""Second byte of an archive's payload: the array has its last axis; samples of depth 1 were uint8
of 0 and 255, not bool."""
NAME = "name"
"""Key of the tags that hold the items' names."""


@dataclass(frozen=True)
class CircuitImageSettings:
    """What a user may choose.

    Attributes:
        lanes: of an archive; more make single items cheaper to reach and cost about 8 bytes each.
            None is one for every 64 items.
        embed: put the circuit into the archive, which then needs no model file.

    Raises:
        InputError: a value outside its range.
    """

    lanes: int | None = None
    embed: bool = False

    def __post_init__(self) -> None:
        if self.lanes is not None and self.lanes < 1:
            raise InputError(f"lanes {self.lanes}; 1 or more are expected")


class CircuitImage:
    """The codec; see :class:`nacre.codecs.base.SetCodec` for what its methods promise.

    Args:
        device: ``cpu``, or a torch device on which the circuit is evaluated; the same bytes.
        model: path of a model file; None: encoding takes the best of those that ship.

    Raises:
        ModelError: the model file is missing or damaged.
    """

    name: ClassVar[str] = "circuit-image"
    number: ClassVar[int] = 7
    medium: ClassVar[str] = "image"
    lossless: ClassVar[bool] = True
    models: ClassVar[tuple[str, ...]] = ("circuit-mnist", "circuit-fashion-mnist", "circuit-photo")
    picks_model: ClassVar[bool] = True
    settings: ClassVar[type] = CircuitImageSettings

    def __init__(self, device: str = "cpu", model: str | Path | None = None) -> None:
        # Apple's devices have no float64.
        self._device = None if device.partition(":")[0] in ("cpu", "mps") else device
        self._model: CircuitModel | None = None
        self._photo: PhotoModel | None = None
        if model is not None and is_photo_model(Path(model)):
            self._photo = load_photo_model(Path(model))
        elif model is not None:
            self._model = load_model(Path(model))

    def fits(self, images: ImageSet) -> bool:
        """Whether there is a model for pictures of this layout."""
        shapes = [shape for _, shape in shipped_models(self.name)]
        if self._model is not None:
            shapes = [self._model.shape]
        return self._photo is None and any(fits(shape, images) for shape in shapes)

    # ---- encode ----

    def encode(self, item: Image, settings: CircuitImageSettings) -> Stream:
        """A stream of one picture, metadata included.

        Raises:
            InputError: there is no model for its layout.
        """
        images, sections = ImageSet(item.pixels[None]), list(item.metadata.to_sections())
        photo = None if self.fits(images) else self._photo_model(item.shape)
        if photo is not None:
            if settings.embed:
                raise InputError("networks of photos are not put into a stream; leave out embed")
            made = encode_photo(item, photo, self._device)
            identity = photo.id if made[0].data[0] == PHOTO else None
            return Stream(self.number, identity, item.shape, (*sections, *made))
        model = self._choose(images)
        (lane,) = self._lanes(model, images, 1)
        raw = encode_samples(item.pixels)
        table = model.circuit.to_bytes() if settings.embed else b""
        if len(lane) + len(table) > len(raw):
            payload = Section(SectionKind.PAYLOAD, bytes([STORED]) + raw)
            return Stream(self.number, None, item.shape, (*sections, payload))
        if settings.embed:
            sections.append(Section(SectionKind.MODEL, table))
        payload = Section(SectionKind.PAYLOAD, bytes([SET]) + lane)
        identity = None if settings.embed else model.id
        return Stream(self.number, identity, model.shape, (*sections, payload))

    def _photo_model(self, shape: ImageShape) -> PhotoModel | None:
        model = self._photo if self._photo or self._model else shipped_photo_model()
        return model if model is not None and model.takes(shape) else None

    def encode_set(self, images: ImageSet, settings: CircuitImageSettings) -> Stream:
        """An archive of ``images``, names included.

        Raises:
            InputError: there is no model for their layout.
        """
        model = self._choose(images)
        flags = CHANNEL_AXIS * images.channel_axis
        wanted = -(-len(images) // LANE_ITEMS) if settings.lanes is None else settings.lanes
        each = max(1, -(-len(images) // max(wanted, 1)))
        lanes = self._lanes(model, images, -(-len(images) // each))
        tags = tuple((NAME, name) for name in images.names)
        sections = list(Metadata(tags=tags).to_sections())
        table = model.circuit.to_bytes() if settings.embed else b""
        if sum(map(len, lanes)) + len(table) > _raw_bytes(images) and len(images):
            return self._store(images, flags, sections)
        if settings.embed:
            sections.append(Section(SectionKind.MODEL, table))
        if model.shape.depth == 1 and images.pixels.dtype == np.uint8:
            flags |= WHOLE_BYTES
        identity, head = None if settings.embed else model.id, bytes([SET, flags])
        return build_lanes(
            self.number, identity, model.shape, len(images), lanes,
            head=head, each=each, sections=sections,
        )  # fmt: skip

    def _store(self, images: ImageSet, flags: int, sections: list[Section]) -> Stream:
        """The archive whose one lane is filtered samples; bits in whole bytes."""
        count, height, width, channels = images.pixels.shape
        samples: Any = images.pixels.reshape(count * height, width, channels)
        data = encode_samples(np.packbits(samples, 1) if images.shape.depth == 1 else samples)
        head = bytes([STORED, flags])
        return build_lanes(
            self.number, None, images.shape, count, [data],
            head=head, each=count, sections=sections,
        )  # fmt: skip

    def _lanes(self, model: CircuitModel, images: ImageSet, lanes: int) -> list[bytes]:
        symbols = to_symbols(images, bilevel=model.shape.depth == 1)
        return encode_lanes(model.circuit, symbols, lanes, device=self._device)

    def _choose(self, images: ImageSet) -> CircuitModel:
        """The model to encode with: of several that fit, the best on some of the pictures."""
        models = self._fitting(images)
        if not models:
            raise InputError(_no_model(images, self._model or self._photo))
        if len(models) == 1:
            return models[0]
        chosen = np.linspace(0, len(images) - 1, min(len(images), SAMPLE)).astype(np.int64)
        sample = ImageSet(images.pixels[chosen])
        return min(models, key=lambda model: len(self._lanes(model, sample, 1)[0]))

    def _fitting(self, images: ImageSet) -> list[CircuitModel]:
        if self._photo is not None:
            return []
        if self._model is not None:
            return [self._model] if fits(self._model.shape, images) else []
        return [
            load_model(path) for path, shape in shipped_models(self.name) if fits(shape, images)
        ]

    # ---- decode ----

    def decode(self, stream: Stream, *, region: Region | None = None) -> Image:
        """The picture, or the part inside ``region``.

        Raises:
            FormatError: the sections do not hold what :meth:`encode` writes.
        """
        if stream.items is not None:
            raise FormatError(f"an archive of {stream.items} items where one picture is expected")
        shape = _image_shape(stream.shape)
        mode, body = _split(stream.payload, 1)
        metadata = Metadata.from_stream(stream)
        if mode[0] == STORED:
            images = ImageSet(_stored(body, shape, 1, None))
        elif mode[0] == PHOTO:
            images = ImageSet(decode_photo(stream, shape, self._photo, self._device)[None])
        else:
            model = self._model_for(shape, stream.find(SectionKind.MODEL))
            symbols = decode_lanes(model.circuit, [body], [1], device=self._device)
            images = ImageSet(from_symbols(symbols, shape))
        return _cut(images.item(0), region, metadata)

    def decode_set(self, stream: Stream) -> ImageSet:
        """The pictures of an archive.

        Raises:
            FormatError: the sections do not hold what :meth:`encode_set` writes.
            LimitExceeded: together they are larger than ``stream.limits`` allow.
        """
        lanes, shape = Lanes.of(stream), _image_shape(stream.shape)
        size = lanes.items * variables_of(shape)
        stream.limits.check("bytes", size, f"archive of {lanes.items:,} pictures")
        mode, flags = _archive_head(lanes.head(stream.payload), shape)
        bodies = [lanes.lane(stream.payload, i) for i in range(len(lanes.counts))]
        names = [value for key, value in Metadata.from_stream(stream).tags if key == NAME]
        if mode == STORED:
            pixels = _stored_items(bodies, shape, lanes, None)
        else:
            model = self._model_for(shape, stream.find(SectionKind.MODEL))
            symbols = decode_lanes(model.circuit, bodies, lanes.counts, device=self._device)
            pixels = from_symbols(symbols, shape)
        return _as_set(pixels, flags, tuple(names) if len(names) == lanes.items else ())

    def decode_item(self, archive: Archive, index: int, *, region: Region | None = None) -> Image:
        """Item ``index`` of an archive, from the beginning of its lane alone.

        Raises:
            InputError: there is no such item.
            FormatError: the archive does not hold what :meth:`encode_set` writes.
        """
        archive.check(index)
        lanes, shape = archive.lanes, _image_shape(archive.header.shape)
        if lanes is None:
            return self.decode(archive.item(index), region=region)
        mode, flags = _archive_head(lanes.head(archive.payload), shape)
        lane, place = divmod(index, lanes.each)
        size = (place + 1) * variables_of(shape)
        archive.limits.check("bytes", size, f"{place + 1:,} pictures of a lane")
        body = lanes.lane(archive.payload, lane)
        if mode == STORED:
            pixels = _stored_items([body], shape, lanes, place + 1)
        else:
            model = self._model_for(shape, archive.section(SectionKind.MODEL))
            symbols = decode_prefix(model.circuit, body, place + 1)
            pixels = from_symbols(symbols[place:], shape)
        return _cut(_as_set(pixels[-1:], flags, ()).item(0), region, Metadata())

    def _model_for(self, shape: ImageShape, section: bytes | None) -> CircuitModel:
        """The model of a stream: the one inside, or the one that its header names."""
        if section is not None:
            if self._model is not None or self._photo is not None:
                raise FormatError("the stream names a model and has one inside; one is expected")
            return embedded_model(section, shape)
        if self._model is None:
            raise FormatError("the stream names no circuit and has none inside")
        if self._model.shape != shape:
            raise FormatError(f"the header says {shape}, its model is for {self._model.shape}")
        return self._model


def _raw_bytes(images: ImageSet) -> int:
    """What :func:`_stored` takes at most, give or take the byte of its method."""
    shape = images.shape
    row = -(-shape.width // 8) if shape.depth == 1 else shape.width * shape.channels
    return len(images) * shape.height * row * (2 if shape.depth == 16 else 1)


def _no_model(images: ImageSet, given: CircuitModel | PhotoModel | None) -> str:
    own = images.shape
    found = f"{own.width} x {own.height}, {own.channels} channels of {own.depth} bits"
    if isinstance(given, PhotoModel):
        return f"pictures of {found}, but the model is for single photos of 8 bits"
    if given is not None:
        return f"pictures of {found}, but the model is for {given.shape}; choose another"
    return (
        f"no circuit for pictures of {found} ships with nacre; train one with `nacre train "
        "circuit-image FOLDER` and name it with --model, or encode single pictures with "
        "adaptive-image"
    )


# ---- payloads ----


def _split(payload: bytes, length: int) -> tuple[memoryview, memoryview]:
    """The head of a payload, its mode checked, and what follows."""
    view = memoryview(payload)
    _check_mode(view[:length], length)
    return view[:length], view[length:]


def _check_mode(head: memoryview, length: int) -> None:
    if len(head) != length:
        raise FormatError(f"PAYLOAD: a head of {len(head)} bytes; {length} are expected")
    if head[0] not in ((STORED, SET, PHOTO) if length == 1 else (STORED, SET)):
        name = MODES.get(head[0], str(head[0]))
        raise UnsupportedVersion(f"PAYLOAD: mode {name} of circuit-image is not known here")


def _archive_head(head: memoryview, shape: ImageShape) -> tuple[int, int]:
    """Mode and flags of an archive."""
    _check_mode(head, 2)
    mode, flags = head[0], head[1]
    known = CHANNEL_AXIS | (WHOLE_BYTES if mode == SET and shape.depth == 1 else 0)
    if flags & ~known or (shape.channels > 1 and not flags & CHANNEL_AXIS):
        raise FormatError(f"PAYLOAD: flags {flags:#04x} do not go with {shape}")
    return mode, flags


def _as_set(pixels: Samples, flags: int, names: tuple[str, ...]) -> ImageSet:
    images = ImageSet(pixels, bool(flags & CHANNEL_AXIS), names)
    if flags & WHOLE_BYTES:
        whole: Any = pixels.astype(np.uint8) * np.uint8(255)
        return ImageSet(whole, images.channel_axis, names)
    return images


def _image_shape(shape: Shape) -> ImageShape:
    if not isinstance(shape, ImageShape):
        raise FormatError(f"codec circuit-image holds pictures, not {shape}")
    return shape


def _stored_items(
    bodies: Sequence[memoryview], shape: ImageShape, lanes: Lanes, count: int | None
) -> Samples:
    """The first ``count`` pictures of a stored archive (None: all), which has one lane."""
    if lanes.each < lanes.items or not bodies:
        raise FormatError(f"PAYLOAD: stored pictures in lanes of {lanes.each}; one is expected")
    return _stored(bodies[0], shape, lanes.items, count)


def _stored(body: memoryview, shape: ImageShape, items: int, count: int | None) -> Samples:
    width = shape.width if shape.depth > 1 else -(-shape.width // 8)
    size = (items * shape.height, width, shape.channels)
    samples: npt.NDArray[Any] = decode_samples(
        body,
        size,
        np.uint16 if shape.depth == 16 else np.uint8,
        rows=None if count is None else count * shape.height,
        where="PAYLOAD",
    ).reshape(-1, shape.height, width, shape.channels)
    if shape.depth > 1:
        return samples
    bits = np.unpackbits(samples, axis=2).astype(bool)
    if bits[:, :, shape.width :].any():
        raise FormatError("PAYLOAD: a row of bits is padded with ones; zeros are expected")
    return np.ascontiguousarray(bits[:, :, : shape.width])


def _cut(image: Image, region: Region | None, metadata: Metadata) -> Image:
    x, y, width, height = region or (0, 0, image.width, image.height)
    return Image(np.ascontiguousarray(image.pixels[y : y + height, x : x + width]), metadata)
