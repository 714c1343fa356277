"""Decoding with what was loaded once: models, tables, networks."""

from __future__ import annotations

import numbers
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nacre import registry
from nacre.errors import FormatError, InputError, ModelError
from nacre.limits import Limits
from nacre.recordings import Recording
from nacre.registry import load_codec
from nacre.stream import (
    Archive,
    AudioShape,
    Header,
    ImageShape,
    Medium,
    OpenStream,
    PipeSource,
    SectionKind,
    Shape,
    Stream,
    medium_of_stream,
    open_stream,
    read_header,
)
from nacre.stream.archive import LANES

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from nacre.codecs.base import Codec, LatentCodec, Region, SetCodec
    from nacre.media.image import Image
    from nacre.media.image_sets import ImageSet

    Data = str | Path | bytes | bytearray | memoryview | BinaryIO

_ONE = "decode one with item=, or each with nacre.Decoder().decode_archive(data)"


class Decoder:
    """Decodes many streams with what was loaded once: models, tables, networks.

    It may be used from several threads. Codecs are kept per process, so that two decoders of the
    same device share them.

    Args:
        device: ``cpu``, ``cuda``, ``mps``, or ``auto``.
        model: where the model is, if it is not where nacre looks; None: as each stream says.
        limits: what each stream may ask for.

    >>> import numpy as np
    >>> from nacre import encode
    >>> decoder = Decoder()
    >>> tiny = [encode(np.full((4, 4), i, np.uint8), lossless=True) for i in range(3)]
    >>> [int(image.pixels[0, 0, 0]) for image in decoder.decode_batch(tiny)]
    [0, 1, 2]
    """

    def __init__(
        self,
        device: str = "cpu",
        *,
        model: str | Path | None = None,
        limits: Limits = Limits.DEFAULT,
    ) -> None:
        self.device = device
        self.model = registry.find_model(model) if model is not None else None
        self.limits = limits

    def decode(
        self,
        data: Data,
        *,
        region: Region | None = None,
        item: int | None = None,
        start: float | None = None,
        stop: float | None = None,
        allow_partial: bool = False,
    ) -> Any:
        """As :func:`nacre.decode`."""
        if item is not None:
            return self.decode_item(data, item, region=region)
        content = read_bytes(data)
        seconds = start is not None or stop is not None or allow_partial
        sound = medium_of_stream(content) == Medium.AUDIO
        if seconds or (sound and region is None):
            with self.open_recording(
                content, start=start, stop=stop, allow_partial=allow_partial
            ) as recording:
                return recording.audio()
        stream = Stream.from_bytes(content, limits=self.limits)
        if stream.items is not None:
            if not _in_lanes(stream):
                raise _needs_an_item(stream)
            if region is not None:
                raise InputError("a region is cut out of one picture: name one with item=")
            return self._decode_lanes(stream).numpy()
        if region is not None:
            _check_region(region, stream.shape)
        found = self._codec(stream).decode(stream, region=region)
        return _with_textures(found) if stream.shape.medium == Medium.MESH else found

    def open_recording(
        self,
        data: Data | PipeSource,
        *,
        start: float | None = None,
        stop: float | None = None,
        allow_partial: bool = False,
    ) -> Recording:
        """As :func:`nacre.open_recording`."""
        stream = open_stream(data, limits=self.limits, partial=allow_partial)
        try:
            return self.recording(stream, start=start, stop=stop, allow_partial=allow_partial)
        except BaseException:
            stream.close()
            raise

    def recording(
        self,
        stream: OpenStream,
        *,
        start: float | None = None,
        stop: float | None = None,
        allow_partial: bool = False,
    ) -> Recording:
        """The sound in an open stream."""
        if not isinstance(stream.shape, AudioShape):
            raise InputError("seconds and partial decoding are for recordings; this is none")
        if stream.items is not None:
            raise _needs_an_item(stream)
        return Recording(
            stream, self._codec(stream), start=start, stop=stop, allow_partial=allow_partial
        )

    def decode_item(self, data: Data, index: int, *, region: Region | None = None) -> Image:
        """One picture of an archive (0 is the first), without the rest.

        Raises:
            InputError: there is no such item, or ``data`` is no archive.
        """
        content = read_bytes(data)
        if read_header(content, limits=self.limits).items is None:
            raise InputError("the stream holds a single item; leave out which one")
        archive = Archive.from_bytes(content, limits=self.limits)
        archive.check(index)
        shape = archive.shapes[index] if archive.shapes else archive.header.shape
        if region is not None:
            _check_region(region, shape)
        codec: Any = self._codec(archive.header)
        if archive.lanes is None:
            image: Image = codec.decode(archive.item(index), region=region)
        else:
            image = _set_codec(codec).decode_item(archive, index, region=region)
        return image

    def decode_set(self, data: Data) -> ImageSet:
        """All pictures of an archive, which must be of one size.

        Raises:
            InputError: it is no archive, or its pictures differ.
        """
        content = read_bytes(data)
        stream = Stream.from_bytes(content, limits=self.limits)
        if stream.items is None:
            raise InputError("the stream holds a single item, no set of pictures")
        if _in_lanes(stream):
            return self._decode_lanes(stream)
        import numpy as np

        from nacre.media.image_sets import ImageSet

        images = list(self.decode_archive(content))
        if len({image.shape for image in images}) != 1:
            raise InputError(f"an archive of {len(images):,} pictures, not of one size; {_ONE}")
        return ImageSet(np.stack([image.pixels for image in images]), images[0].channels > 1)

    def decode_batch(self, items: Sequence[Data]) -> list[Any]:
        """What ``items`` hold, in their order; the first bad one raises."""
        return [self.decode(data) for data in items]

    def decode_archive(self, data: Data) -> Iterator[Image]:
        """The pictures of an archive, one after another.

        Raises:
            FormatError: it is no archive, or damaged.
        """
        content = read_bytes(data)
        stream = Stream.from_bytes(content, limits=self.limits)  # every checksum
        if stream.items is not None and _in_lanes(stream):
            images = self._decode_lanes(stream)
            yield from (images.item(index) for index in range(len(images)))
            return
        archive = Archive.from_bytes(content, limits=self.limits)
        for index in range(len(archive)):
            item = archive.item(index)
            image: Image = self._codec(item).decode(item)
            yield image

    def latents(self, data: Data, *, channels: int | None = None) -> npt.NDArray[np.float32]:
        """As :func:`nacre.latents`."""
        stream, codec = self._open(data)
        return _latent_codec(codec).latents(stream, channels=channels)

    def symbols(self, data: Data, *, channels: int | None = None) -> npt.NDArray[np.int16]:
        """As :func:`nacre.symbols`."""
        stream, codec = self._open(data)
        return _latent_codec(codec).symbols(stream, channels=channels)

    def _open(self, data: Data) -> tuple[Stream, Codec]:
        """The stream, and the codec with the model that the stream names."""
        stream = Stream.from_bytes(read_bytes(data), limits=self.limits)
        if stream.items is not None:
            raise _needs_an_item(stream)
        return stream, self._codec(stream)

    def _decode_lanes(self, stream: Stream) -> ImageSet:
        return _set_codec(self._codec(stream)).decode_set(stream)

    def _codec(self, stream: Stream | OpenStream | Header) -> Codec:
        """The codec of a stream, with the model that it names."""
        entry = registry.entry(stream.codec)
        name, medium = entry.name, stream.shape.medium.name.lower()
        if medium != entry.medium:
            raise FormatError(f"codec {name!r} is for {entry.medium}, the header says {medium}")
        if stream.model is None:
            kind = registry.codec_class(stream.codec)
            if kind.models and not getattr(kind, "picks_model", False):
                raise FormatError(f"a stream of codec {name!r} must name its model, this has none")
            return load_codec(name, device=self.device)
        if self.model is None:
            return load_codec(name, device=self.device, model=stream.model)
        if self.model.id != stream.model.hex():
            raise ModelError(
                f"{self.model.path}: this is model {self.model.id}, "
                f"the stream was made with model {stream.model.hex()}"
            )
        return load_codec(name, device=self.device, model=self.model.path)


def read_bytes(data: Data) -> bytes | bytearray | memoryview:
    """The bytes of a path or file object; bytes as they are.

    Raises:
        InputError: the file cannot be read.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return data
    try:
        if isinstance(data, str | Path):
            if Path(data).is_char_device() or Path(data).is_block_device():
                raise InputError(f"{data}: a device, not a file")
            return Path(data).read_bytes()
        if not hasattr(data, "read"):
            raise InputError(
                f"a stream is bytes, a path or a binary file, not {type(data).__name__}"
            )
        content = data.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{data}: cannot be read: {getattr(error, 'strerror', error)}") from error
    if not isinstance(content, bytes | bytearray | memoryview):
        raise InputError("the file object gives text; open it in binary mode")
    return content


def _with_textures(scene: Any) -> Any:
    """A scene with the pictures that are streams of their own decoded."""
    from nacre.textures import unpack_textures

    return unpack_textures(scene)


def _in_lanes(stream: Stream) -> bool:
    """Whether the items of an archive are coded together."""
    return stream.section(SectionKind.INDEX)[:1] == bytes([LANES])


def _needs_an_item(stream: Stream | OpenStream) -> InputError:
    return InputError(f"an archive of {stream.items:,} items; {_ONE}")


def _set_codec(codec: Codec) -> SetCodec:
    """``codec`` as one whose items may lie in lanes."""
    from nacre.codecs.base import SetCodec

    if not isinstance(codec, SetCodec):
        raise FormatError(f"an archive in lanes, which codec {codec.name!r} does not write")
    return codec


def _latent_codec(codec: Codec) -> LatentCodec:
    """``codec`` as one that has latents."""
    from nacre.codecs.base import LatentCodec

    if not isinstance(codec, LatentCodec):
        raise InputError(f"codec {codec.name!r} has no latents; use a learned lossy codec")
    return codec


def _check_region(region: Region, shape: Shape) -> None:
    """Raise :class:`InputError` unless ``region`` lies inside the picture."""
    if not isinstance(shape, ImageShape):
        raise InputError("a region can only be cut out of a picture")
    if (
        not isinstance(region, tuple | list)
        or len(region) != 4
        or not all(isinstance(value, numbers.Integral) for value in region)
    ):
        raise InputError(f"region {region!r} is not (x, y, width, height) in whole pixels")
    x, y, width, height = region
    inside = x >= 0 and y >= 0 and 1 <= width <= shape.width - x and 1 <= height <= shape.height - y
    if not inside:
        raise InputError(
            f"region of {width} x {height} at ({x}, {y}) does not lie inside the picture of "
            f"{shape.width} x {shape.height}"
        )
