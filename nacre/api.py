"""What most programs need of nacre: encode, decode, latents, symbols, info and verify.

This module picks the medium and the codec and hands the work on; it owns no arithmetic. It imports
neither NumPy nor torch, so that :func:`info` answers at once.
"""

from __future__ import annotations

import dataclasses
import difflib
import numbers
import types
import typing
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nacre import registry, targets
from nacre.errors import FormatError, InputError, ModelError
from nacre.limits import Limits
from nacre.registry import load_codec
from nacre.stream import ImageShape, Shape, Stream

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image
    import torch

    from nacre.codecs.base import Codec, LatentCodec, Region
    from nacre.media.image import Image

    Picture = (
        str | Path | bytes | BinaryIO | Image | PIL.Image.Image | npt.NDArray[Any] | torch.Tensor
    )
    Data = str | Path | bytes | bytearray | memoryview | BinaryIO


def encode(
    source: Picture,
    *,
    codec: str | None = None,
    lossless: bool = False,
    model: str | Path | None = None,
    device: str = "cpu",
    strip: str | Iterable[str] = (),
    target_size: int | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    limits: Limits = Limits.DEFAULT,
    **settings: object,
) -> bytes:
    """The .ncr file of a picture.

    Args:
        source: a path, the bytes of an image file, a binary file object, a :class:`nacre.Image`, a
            PIL image, an array ``[H, W]`` or ``[H, W, C]`` or a tensor ``[C, H, W]``.
        codec: a name that ``nacre codecs`` lists; None picks the usual one for the medium.
        lossless: without ``codec``, pick the lossless codec; with it, insist that it is lossless.
        model: a model's name, path or id; None is the codec's own default.
        device: ``cpu``, ``cuda``, ``mps``, or ``auto``. Never changes what a lossless codec writes.
        strip: metadata to leave out: ``icc``, ``exif``, ``xmp``, ``tags`` or ``all``, in a sequence
            or joined by commas. Without EXIF the orientation it held is applied to the pixels.
        target_size: the best quality whose file has at most so many bytes.
        target_bpp: the quality whose file is within 2 % of so many bits per pixel.
        target_psnr: the smallest file that reaches so many dB.
        limits: what the source may ask for.
        **settings: fields of the codec's settings, such as ``quality=60`` (0 to 100).

    Raises:
        InputError: the source or a setting cannot be used, or a target is out of reach.
        LimitExceeded: the source is larger than ``limits`` allow.
        ModelError: the model is missing, damaged or of another codec.

    >>> import numpy as np
    >>> data = encode(np.zeros((2, 3, 3), np.uint8), lossless=True)
    >>> decode(data).pixels.shape
    (2, 3, 3)
    """
    entry = _choose(codec, lossless)
    found = registry.codec_class(entry.name)
    wanted = {"target_size": target_size, "target_bpp": target_bpp, "target_psnr": target_psnr}
    chosen = [(name, value) for name, value in wanted.items() if value is not None]
    options = _settings(found, settings, [name for name, _ in chosen])
    if model is None and hasattr(found, "model_for"):
        model = found.model_for(options)
    worker = load_codec(entry.name, device=device, model=model)
    if entry.medium != "image":
        raise InputError(f"codec {entry.name!r} takes {entry.medium}, which cannot be read yet")
    from nacre.media.image import load_image

    names = strip.split(",") if isinstance(strip, str) else strip
    image = load_image(
        source, limits=limits, strip=[name.strip() for name in names if name.strip()]
    )
    if entry.lossless and image.notes:
        raise InputError(
            f"{'; '.join(image.notes)}: a lossless file would not hold what the source does; "
            "hand in an array or another kind of file, or use a lossy codec"
        )
    if not chosen:
        return worker.encode(image, options).to_bytes()
    (target, value), *_ = chosen
    return targets.encode_to_target(worker, image, options, target, value).data


def decode(
    data: Data,
    *,
    region: Region | None = None,
    device: str = "cpu",
    model: str | Path | None = None,
    limits: Limits = Limits.DEFAULT,
) -> Image:
    """The picture in a .ncr file.

    Args:
        data: the file's bytes, its path, or a binary file object.
        region: ``(x, y, width, height)`` in pixels: only this part, for less work.
        device: where networks run; lossless codecs give the same everywhere.
        model: where the model is, if it is not where nacre looks (see :mod:`nacre.models`).
        limits: what the stream may ask for.

    Raises:
        NotNacre: another kind of file.
        FormatError: the stream is damaged, or of a version or codec that is not known here.
        LimitExceeded: its header asks for more than ``limits`` allow.
        ModelError: the model that it was made with is not here.
        InputError: the region is not inside the picture, or the file cannot be read.
    """
    return Decoder(device, model=model, limits=limits).decode(data, region=region)


def latents(
    data: Data,
    *,
    channels: int | None = None,
    device: str = "cpu",
    model: str | Path | None = None,
    limits: Limits = Limits.DEFAULT,
) -> npt.NDArray[np.float32]:
    """Dequantised latents ``[C, H / 8, W / 8]`` (float32): input for learning, no decoder run.

    Args:
        data: as for :func:`decode`.
        channels: only the first so many, which carry the most; None is all.
        device: as for :func:`decode`.
        model: as for :func:`decode`.
        limits: as for :func:`decode`.

    Raises:
        InputError: the codec has no latents, or not so many channels.
    """
    return Decoder(device, model=model, limits=limits).latents(data, channels=channels)


def symbols(
    data: Data,
    *,
    channels: int | None = None,
    device: str = "cpu",
    model: str | Path | None = None,
    limits: Limits = Limits.DEFAULT,
) -> npt.NDArray[np.int16]:
    """The integers that were coded, ``[C, H / 8, W / 8]`` (int16); arguments as :func:`latents`."""
    return Decoder(device, model=model, limits=limits).symbols(data, channels=channels)


class Decoder:
    """Decodes many streams with what was loaded once: models, tables, networks.

    It may be used from several threads. Codecs are kept per process, so that two decoders of the
    same device share them.

    Args:
        device: ``cpu``, ``cuda``, ``mps``, or ``auto``.
        model: where the model is, if it is not where nacre looks; None: as each stream says.
        limits: what each stream may ask for.

    >>> import numpy as np
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

    def decode(self, data: Data, *, region: Region | None = None) -> Image:
        """As :func:`nacre.decode`."""
        stream, codec = self._open(data)
        if region is not None:
            _check_region(region, stream.shape)
        image: Image = codec.decode(stream, region=region)
        return image

    def decode_batch(self, items: Sequence[Data]) -> list[Image]:
        """The pictures of ``items``, in their order; the first bad one raises."""
        return [self.decode(data) for data in items]

    def decode_archive(self, data: Data) -> Iterator[Image]:
        """The pictures of an archive, one after another.

        Raises:
            FormatError: it is no archive, or damaged.
        """
        from nacre.stream import Archive

        content = read_bytes(data)
        Stream.from_bytes(content, limits=self.limits)  # every checksum
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
            raise InputError(
                f"an archive of {stream.items:,} items; use nacre.Decoder().decode_archive(data)"
            )
        return stream, self._codec(stream)

    def _codec(self, stream: Stream) -> Codec:
        """The codec of a stream, with the model that it names."""
        entry = registry.entry(stream.codec)
        name, medium = entry.name, stream.shape.medium.name.lower()
        if medium != entry.medium:
            raise FormatError(f"codec {name!r} is for {entry.medium}, the header says {medium}")
        if stream.model is None:
            if registry.codec_class(stream.codec).models:
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


def _choose(codec: str | None, lossless: bool) -> registry.CodecEntry:
    """The codec to encode with."""
    if codec is None:
        return registry.default_codec("image", lossless=lossless)
    entry = registry.entry(codec)
    if lossless and not entry.lossless:
        raise InputError(f"codec {codec!r} is lossy and was asked to be lossless; leave out one")
    return entry


def _settings(codec: type[Codec], values: dict[str, object], chosen: Sequence[str]) -> Any:
    """The codec's settings object from keywords.

    Args:
        codec: whose settings they are.
        values: by field name.
        chosen: names of the targets that were given.

    Raises:
        InputError: a name or type that the codec does not know, or a target beside ``quality``.
    """
    hints = typing.get_type_hints(codec.settings)
    known = [field.name for field in dataclasses.fields(codec.settings)]
    for name, value in values.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InputError(
                f"codec {codec.name!r} has no setting {name!r}; {hint}"
                f"known: {', '.join(known) or 'none'}"
            )
        _check_type(name, value, hints[name])
    if chosen and "quality" not in known:
        raise InputError(f"codec {codec.name!r} has no quality to search for a {chosen[0]}")
    if chosen and ("quality" in values or len(chosen) > 1):
        both = [*chosen, "quality"][:2]
        raise InputError(f"{both[0]} and {both[1]} exclude each other; give one")
    return codec.settings(**values)


def _check_type(name: str, value: object, hint: Any) -> None:
    """Raise :class:`InputError` unless ``value`` fits the annotation of a settings field."""
    options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    for option in options:
        wanted = {int: numbers.Integral, float: numbers.Real}.get(option, option)
        plain = isinstance(option, type)
        if plain and isinstance(value, wanted) and (option is bool or not isinstance(value, bool)):
            return
        if not plain:
            return
    names = " or ".join(getattr(option, "__name__", str(option)) for option in options)
    raise InputError(f"setting {name!r} is {value!r}; expected {names}")


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
