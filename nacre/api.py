"""What most programs need of nacre: encode, decode, latents, symbols, info and verify.

This module picks the medium and the codec and hands the work on; it owns no arithmetic. It imports
neither NumPy nor torch, so that :func:`info` answers at once.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from nacre import choices, recordings, registry
from nacre.decoding import Decoder
from nacre.errors import InputError
from nacre.files import write_atomically
from nacre.limits import Limits
from nacre.media import detect
from nacre.registry import load_codec
from nacre.stream import PipeSource

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import PIL.Image
    import torch

    from nacre.codecs.base import Region
    from nacre.decoding import Data
    from nacre.media.audio import Audio
    from nacre.media.image import Image
    from nacre.media.image_sets import ImageSet
    from nacre.media.mesh import Mesh, Scene
    from nacre.recordings import Recording
    from nacre.stream import OpenStream

    Picture = (
        str | Path | bytes | BinaryIO | Image | PIL.Image.Image | npt.NDArray[Any] | torch.Tensor
    )
    Arrays = tuple[npt.ArrayLike, npt.ArrayLike | None]


def encode(
    source: Picture | ImageSet | Mesh | Scene | Arrays | Any,
    *,
    codec: str | None = None,
    lossless: bool = False,
    model: str | Path | None = None,
    device: str = "cpu",
    strip: str | Iterable[str] = (),
    target_size: int | None = None,
    target_bpp: float | None = None,
    target_psnr: float | None = None,
    textures: str = "keep",
    sample_rate_hz: int | None = None,
    limits: Limits = Limits.DEFAULT,
    **settings: object,
) -> bytes:
    """The .ncr file of a picture, of a set of pictures of one size and layout, or of meshes.

    Args:
        source: a path, the bytes of an image file, a binary file object, a :class:`nacre.Image`, a
            PIL image, an array ``[H, W]`` or ``[H, W, C]`` or a tensor ``[C, H, W]``. A set is an
            array ``[N, H, W, C]``, a tensor ``[N, C, H, W]``, a :class:`nacre.ImageSet`, or an idx,
            npy or npz file; with ``codec="circuit-image"`` also a folder, or an array ``[N, H, W]``
            whose W is above 4. Meshes: a path, bytes or file object of a GLB, glTF, OBJ, PLY, STL,
            OFF or 3MF file, ``(vertices, faces)``, a :class:`nacre.Mesh` or :class:`nacre.Scene`,
            or an object of trimesh, Open3D or PyVista. Sound: a path, bytes or file object of a
            WAV, FLAC, AIFF, Ogg or MP3 file, a :class:`nacre.Audio`, or an array or tensor with
            ``sample_rate_hz``.
        codec: a name that ``nacre codecs`` lists; None picks the usual one for the medium.
        lossless: without ``codec``, pick the lossless codec that suits; with it, insist that it is
            lossless, or make it so if it can be. Sets of pictures always are.
        model: a model's name, path or id; None is the codec's own default.
        device: ``cpu``, ``cuda``, ``mps``, or ``auto``. Never changes what a lossless codec writes.
        strip: metadata to leave out: ``icc``, ``exif``, ``xmp``, ``tags`` or ``all``, in a sequence
            or joined by commas. Without EXIF the orientation it held is applied to the pixels. Of
            meshes: ``normals``, ``uvs``, ``colors``, ``attributes``, ``textures``, ``scene``.
        target_size: the best quality whose file has at most so many bytes (of lossy codecs).
        target_bpp: the quality whose file is within 2 % of so many bits per pixel.
        target_psnr: the smallest file that reaches so many dB. Meshes meet a size or a PSNR (of
            the distance of surfaces, against the box's diagonal) with fewer faces and bits.
        textures: of meshes: ``keep`` their files, or code their pixels ``lossless`` (PNG files) or
            ``lossy``, where that is shorter; they come back as PNG files.
        sample_rate_hz: makes an array or tensor ``[N]`` or ``[C, N]`` a recording.
        limits: what the source may ask for.
        **settings: fields of the codec's settings, such as ``quality=60`` (0 to 100) or
            ``bits=11``.

    Raises:
        InputError: the source or a setting cannot be used, or a target is out of reach.
        LimitExceeded: the source is larger than ``limits`` allow.
        ModelError: the model is missing, damaged or of another codec.

    >>> import numpy as np
    >>> data = encode(np.zeros((2, 3, 3), np.uint8), lossless=True)
    >>> decode(data).pixels.shape
    (2, 3, 3)
    """
    names = _names(strip)
    wanted = {"target_size": target_size, "target_bpp": target_bpp, "target_psnr": target_psnr}
    chosen = [(name, value) for name, value in wanted.items() if value is not None]
    source = detect.settled(source)
    if sample_rate_hz is not None:
        from nacre.media.audio import load_audio

        source = load_audio(source, sample_rate_hz=sample_rate_hz, limits=limits)
    medium = detect.medium_of(source) if codec is None else registry.entry(codec).medium
    if medium == "audio":
        if target_bpp is not None or target_psnr is not None:
            raise InputError("of sound a target_size can be met, no bits per pixel or PSNR")
        if target_size is not None:
            settings["target_size"] = target_size
        with encode_recording(
            source, codec=codec, lossless=lossless, model=model, device=device, strip=names,
            limits=limits, **settings,
        ) as stream:  # fmt: skip
            return stream.to_stream().to_bytes()
    images = _set_of(source, codec, limits) if medium == "image" else None
    if images is not None:
        codec = codec or registry.SET_CODECS["image"]
    entry = choices.choose(codec, medium, lossless)
    found = registry.codec_class(entry.name)
    if lossless and entry.exact:
        settings["lossless"] = True
    options = choices.settings_of(found, settings, [name for name, _ in chosen])
    if model is None and hasattr(found, "model_for"):
        model = found.model_for(options)
    worker = load_codec(entry.name, device=device, model=model)
    if images is not None:
        return _encode_set(worker, images, options, names)
    item = detect.medium(medium).load(source, limits=limits, strip=names)
    if entry.lossless and medium == "image" and item.notes:
        raise InputError(
            f"{'; '.join(item.notes)}: a lossless file would not hold what the source does; "
            "hand in an array or another kind of file, or use a lossy codec"
        )
    if textures != "keep":
        item = _pack_textures(item, textures, medium, limits)
    if not chosen:
        data = worker.encode(item, options).to_bytes()
        default = codec is None and lossless and medium == "image"
        return _smaller_by_circuit(item, data) if default else data
    (target, value), *_ = chosen
    search = importlib.import_module(choices.SEARCHES[medium].module)
    probe = search.encode_to_target(worker, item, options, target, value)
    return bytes(probe.data)


def encode_recording(
    source: Any,
    *,
    codec: str | None = None,
    lossless: bool = False,
    model: str | Path | None = None,
    device: str = "cpu",
    strip: str | Iterable[str] = (),
    limits: Limits = Limits.DEFAULT,
    **settings: object,
) -> OpenStream:
    """As :func:`encode` of sound, with the payload in a temporary file, in constant memory."""
    from nacre.media.audio import open_audio

    entry = choices.choose(codec, "audio", lossless)
    found = registry.codec_class(entry.name)
    if lossless and entry.exact:
        settings["lossless"] = True
    options = choices.settings_of(found, settings, ())
    worker = load_codec(entry.name, device=device, model=model)
    reader = open_audio(source, limits=limits)
    try:
        reader.metadata = reader.metadata.without(_names(strip))
        return recordings.encode_recording(worker, reader, options)
    finally:
        if reader is not source:
            reader.close()


def encode_file(
    source: Any, target: str | Path | BinaryIO, *, force: bool = False, **options: Any
) -> int:
    """Write the .ncr file of ``source``; its length in bytes.

    Sound of any length takes the same memory: it is read, coded and written piece by piece.

    Args:
        source: as for :func:`encode`; sound may come through a pipe.
        target: a path, or an open binary file.
        force: replace an existing file.
        **options: keywords of :func:`encode`.

    Raises:
        InputError: as for :func:`encode`; the file exists, or the system refuses.
    """
    codec, rate = options.get("codec"), options.get("sample_rate_hz")
    medium = registry.entry(codec).medium if codec is not None else ""
    if hasattr(source, "read") and not (hasattr(source, "seekable") and source.seekable()):
        source = PipeSource(source)
        medium = medium or detect.medium_of(source.read_at(0, detect.HEAD_BYTES))
        source = source if medium == "audio" else source.read()
    medium = medium or detect.medium_of(source)
    try:
        if medium == "audio" and rate is None:
            with encode_recording(source, **options) as stream:
                return recordings.write_stream(stream, target, force=force)
        data = encode(source, **options)
        if not isinstance(target, str | Path):
            return target.write(data)
    except OSError as error:
        raise InputError(f"cannot write {target}: {error.strerror or error}") from error
    write_atomically(target, data, force=force)
    return len(data)


def decode(
    data: Data,
    *,
    region: Region | None = None,
    item: int | None = None,
    start: float | None = None,
    stop: float | None = None,
    allow_partial: bool = False,
    device: str = "cpu",
    model: str | Path | None = None,
    limits: Limits = Limits.DEFAULT,
) -> Image | Scene | Audio | Any:
    """The picture, scene or sound in a .ncr file; of a set of pictures, the array it was.

    Args:
        data: the file's bytes, its path, or a binary file object.
        region: ``(x, y, width, height)`` in pixels: only this part, for less work.
        item: only this picture of an archive (0 is the first), without the rest.
        start, stop: only the sound between these moments, in seconds from the beginning, for less
            work. The sample nearest to each bounds it (``stop`` is exclusive); a ``stop`` after
            the end is the end.
        allow_partial: of sound, what is damaged or missing becomes silence; the notes of what is
            decoded say where.
        device: where networks run; lossless codecs give the same everywhere.
        model: where the model is, if it is not where nacre looks (see :mod:`nacre.models`).
        limits: what the stream may ask for.

    Raises:
        NotNacre: another kind of file.
        FormatError: the stream is damaged, or of a version or codec that is not known here.
        LimitExceeded: its header asks for more than ``limits`` allow.
        ModelError: the model that it was made with is not here.
        InputError: the region is not inside the picture, ``start`` is behind the end, there is no
            such item, or the file cannot be read.
    """
    return Decoder(device, model=model, limits=limits).decode(
        data, region=region, item=item, start=start, stop=stop, allow_partial=allow_partial
    )


def open_recording(
    data: Data,
    *,
    start: float | None = None,
    stop: float | None = None,
    allow_partial: bool = False,
    device: str = "cpu",
    model: str | Path | None = None,
    limits: Limits = Limits.DEFAULT,
) -> Recording:
    """The sound in a .ncr file, to be decoded piece by piece in constant memory.

    Args:
        data: as for :func:`decode`; a file object may be a pipe that is still being written to.
        start, stop, allow_partial, device, model, limits: as for :func:`decode`.

    Raises:
        FormatError, LimitExceeded, ModelError, InputError: as for :func:`decode`.

    >>> import numpy as np
    >>> sound = encode(np.zeros((2, 9000), np.int16), sample_rate_hz=8000, lossless=True)
    >>> with open_recording(sound, start=0.5) as recording:
    ...     [block.shape for block in recording.blocks()]
    [(2, 5000)]
    """
    return Decoder(device, model=model, limits=limits).open_recording(
        data, start=start, stop=stop, allow_partial=allow_partial
    )


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


def _names(strip: str | Iterable[str]) -> tuple[str, ...]:
    """Names in a sequence, or joined by commas."""
    names = strip.split(",") if isinstance(strip, str) else strip
    return tuple(name.strip() for name in names if name.strip())


def _set_of(source: Any, codec: str | None, limits: Limits) -> ImageSet | None:
    """The set of pictures in ``source``; None when it is one picture."""
    from nacre.media.image_sets import is_image_set, load_image_set

    named = codec is not None and hasattr(registry.codec_class(codec), "encode_set")
    if (named or codec is None) and is_image_set(source, wanted=named):
        return load_image_set(source, limits=limits)
    return None


def _encode_set(worker: Any, images: ImageSet, options: Any, strip: Sequence[str]) -> bytes:
    """The archive of a set; what can be stripped of it are the names of its pictures."""
    from nacre.media.metadata import check_names

    if "tags" in check_names(strip):
        images = dataclasses.replace(images, names=())
    stream = worker.encode_set(images, options)
    return bytes(stream.to_bytes())


def _smaller_by_circuit(image: Image, data: bytes) -> bytes:
    """The stream of a shipped circuit that fits ``image``, if it is shorter than ``data``."""
    from nacre.media.image_sets import ImageSet

    worker: Any = load_codec(registry.SET_CODECS["image"])
    if not worker.fits(ImageSet(image.pixels[None])):
        return data
    other: bytes = worker.encode(image, worker.settings()).to_bytes()
    return min(data, other, key=len)


def _pack_textures(item: Any, textures: str, medium: str, limits: Limits) -> Any:
    """A scene with its pictures coded."""
    from nacre.textures import pack_textures

    if medium != "mesh":
        raise InputError(f"textures={textures!r} is for meshes, this is {medium}")
    return pack_textures(item, textures, limits)
