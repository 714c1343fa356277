"""Between Pillow and arrays: opening and writing picture files, modes, and carried metadata."""

from __future__ import annotations

import importlib
import io
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import PIL
import PIL.ExifTags
import PIL.Image
import PIL.PngImagePlugin

from nacre.errors import InputError, LimitExceeded, NacreError
from nacre.limits import Limits
from nacre.media.metadata import Metadata
from nacre.stream import name_of_file

_T = TypeVar("_T")

_LIMIT_LOCK = threading.Lock()

_EXIF = b"Exif\x00\x00"

_DIRECT_MODES = {"L", "LA", "RGB", "RGBA"}

_CONVERSIONS = {
    "1": "L",
    "La": "LA",
    "PA": "RGBA",
    "RGBX": "RGB",
    "RGBa": "RGBA",
    "YCbCr": "RGB",
    "HSV": "RGB",
    "CMYK": "RGB",
}

_XMP_TAG = 700

_TIFF_TEXTS = tuple(
    PIL.ExifTags.Base[name]
    for name in ("ImageDescription", "Make", "Model", "Software", "DateTime", "Artist", "Copyright")
)

_OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 90, "subsampling": "4:4:4"},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "JXL": {"lossless": True},
}


def open_file(file: Any, name: str, head: bytes) -> PIL.Image.Image:
    """Open a picture file: its header is read, its pixels are not.

    Args:
        file: a seekable binary file object.
        name: how messages call it.
        head: the first 16 bytes of it.
    """
    if name_of_file(head) == "a JPEG XL image":
        _load_jxl_plugin(name)

    # Pillow's own limit is a global; nacre's takes its place (checked in `to_pixels`).
    def opened() -> PIL.Image.Image:
        with _LIMIT_LOCK:
            before, PIL.Image.MAX_IMAGE_PIXELS = PIL.Image.MAX_IMAGE_PIXELS, None
            try:
                return PIL.Image.open(file)
            finally:
                PIL.Image.MAX_IMAGE_PIXELS = before

    try:
        return _guarded(opened, name)
    except PIL.UnidentifiedImageError:
        what = name_of_file(head)
        found = f"this is {what}" if what else f"it begins with {head[:4].hex(' ')}"
        raise InputError(f"{name} is not a picture that can be read: {found}") from None


def _load_jxl_plugin(name: str) -> None:
    try:
        importlib.import_module("pillow_jxl")
    except ImportError:
        raise InputError(
            f"{name}: JPEG XL needs the package pillow-jxl-plugin (pip install nacre[bench])"
        ) from None


def _guarded(call: Callable[[], _T], name: str) -> _T:
    """The result of a call into Pillow, whose many kinds of error for bad data become one."""
    try:
        return call()
    except (NacreError, PIL.UnidentifiedImageError):
        raise
    except ValueError as error:
        if "Decompressed data too large" in str(error) or "MAX_TEXT" in str(error):
            raise LimitExceeded(f"{name}: text chunks too large ({error})") from None
        raise InputError(f"{name}: damaged or cut short ({error})") from None
    except PIL.Image.DecompressionBombError as error:
        raise LimitExceeded(f"{name}: {error}") from None
    except MemoryError:
        raise InputError(f"{name}: not enough memory to decode it") from None
    except Exception as error:
        # Plugins raise SyntaxError, struct.error, KeyError, zlib.error, ... for the same cause.
        raise InputError(f"{name}: damaged or cut short ({error})") from None


def to_pixels(
    image: PIL.Image.Image, name: str, limits: Limits
) -> tuple[npt.NDArray[Any], Metadata, tuple[str, ...]]:
    """Pixels ``[H, W, C]`` (uint8, or uint16 for 16-bit grey), metadata, and notes on changes.

    Raises:
        InputError: the data is damaged or of a mode that cannot be kept.
        LimitExceeded: more pixels than ``limits`` allow; nothing was decoded.
    """
    width, height = image.size
    limits.check("pixels", width * height, f"{name}: picture of {width} x {height} pixels")
    if 0 in image.size:
        raise InputError(f"{name}: a picture of {width} x {height} pixels has none")
    notes = []
    reduced = image.mode in _DIRECT_MODES and _is_deep(image)
    frames = _guarded(lambda: getattr(image, "n_frames", 1), name)
    if frames > 1:
        notes.append(f"only the first of {frames} pictures is taken")
    _guarded(image.load, name)
    if reduced:
        notes.append("16-bit colour was reduced to 8 bits")
    metadata = _metadata(image)
    if image.format == "TIFF":
        try:
            metadata = replace(metadata, exif=_guarded(lambda: _tiff_exif(image), name))
        except InputError:
            notes.append("its EXIF block is damaged and was left out")
    if image.mode == "CMYK":
        notes.append("CMYK was converted to RGB; its colour profile was left out")
        metadata = metadata.without(["icc"])
    return _guarded(lambda: _array(image, name), name), metadata, tuple(notes)


def _is_deep(image: PIL.Image.Image) -> bool:
    """Whether the file has 16-bit samples that Pillow will reduce (its raw mode says so)."""
    tiles = getattr(image, "tile", None) or ()
    return any(";16" in str(tile[3]) for tile in tiles)


def _array(image: PIL.Image.Image, name: str) -> npt.NDArray[Any]:
    """The pixels of a loaded image, converted to one of nacre's formats; always a copy."""
    if image.mode.startswith("I;16"):
        return np.array(image).astype(np.uint16)[:, :, None]
    if image.mode == "I":
        wide = np.array(image)
        if wide.min() < 0 or wide.max() > 0xFFFF:
            raise InputError(
                f"{name}: 32-bit samples from {wide.min()} to {wide.max()}; 0 to 65535 can be kept"
            )
        return wide.astype(np.uint16)[:, :, None]
    mode = _CONVERSIONS.get(image.mode, image.mode)
    if image.mode == "P":
        mode = "RGBA" if image.has_transparency_data else "RGB"
    elif mode in ("L", "RGB") and image.has_transparency_data:
        mode += "A"  # a colour key
    if mode not in _DIRECT_MODES:
        raise InputError(f"{name}: pixels of mode {image.mode}; convert them to RGB first")
    pixels = np.array(image if image.mode == mode else image.convert(mode))
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


def _metadata(image: PIL.Image.Image) -> Metadata:
    """What Pillow found beside the pixels; parts of an unexpected type are left out."""
    info = image.info
    exif = info.get("exif")
    xmp = info.get("xmp", info.get("XML:com.adobe.xmp"))
    icc = info.get("icc_profile")
    texts = getattr(image, "text", None) or {}
    tags = [(str(k), str(v)) for k, v in texts.items() if k != "XML:com.adobe.xmp"]
    comment = info.get("comment")
    if isinstance(comment, bytes) and comment:
        tags.append(("comment", comment.decode("utf-8", "replace")))
    return Metadata(
        icc=icc if isinstance(icc, bytes) and icc else None,
        exif=exif.removeprefix(_EXIF) if isinstance(exif, bytes) and exif else None,
        xmp=xmp.encode() if isinstance(xmp, str) else xmp if isinstance(xmp, bytes) else None,
        tags=tuple(tags),
    )


def _tiff_exif(image: PIL.Image.Image) -> bytes | None:
    """The EXIF tags of a TIFF file, which mixes them with those that describe its pixels.

    The orientation is not among them: Pillow has applied it.
    """
    found = image.getexif()
    exif = PIL.Image.Exif()
    for tag in _TIFF_TEXTS:
        if tag in found:
            exif[tag] = found[tag]
    for directory in (PIL.ExifTags.IFD.Exif, PIL.ExifTags.IFD.GPSInfo):
        if contents := found.get_ifd(directory):
            exif.get_ifd(directory).update(contents)
    return exif.tobytes().removeprefix(_EXIF) if exif else None


def from_pixels(pixels: npt.NDArray[Any]) -> PIL.Image.Image:
    """A PIL image of ``pixels`` ``[H, W, C]``."""
    if pixels.dtype == np.uint16 and pixels.shape[2] > 1:
        raise InputError(
            f"16-bit samples in {pixels.shape[2]} channels: Pillow cannot hold them; take "
            ".numpy(), or reduce them to 8 bits"
        )
    grey = pixels.shape[2] == 1
    return PIL.Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))


def to_file(pixels: npt.NDArray[Any], metadata: Metadata, path: Path) -> bytes:
    """The bytes of a picture file of the kind that the extension of ``path`` names."""
    extension = path.suffix.lower()
    if extension == ".jxl":
        _load_jxl_plugin(str(path))
    kind = PIL.Image.registered_extensions().get(extension)
    if extension == ".ncr":
        raise InputError(f"{path}: a picture is not saved as .ncr but encoded: nacre encode")
    if kind is None or kind not in PIL.Image.SAVE:
        raise InputError(
            f"{path}: the extension {extension or '(none)'} names no kind of picture that can be "
            "written; use .png, .jpg, .webp, .avif, .tiff, .jp2 or .ppm"
        )
    image = from_pixels(pixels)
    out = io.BytesIO()
    try:
        options = _OPTIONS.get(kind, {}) | _metadata_options(kind, metadata)
        image.save(out, format=kind, **options)
    except Exception as error:
        # Writers raise OSError, ValueError, SyntaxError, struct.error, ... for the same cause.
        raise InputError(
            f"{path}: {kind} cannot hold this picture ({image.mode}, {image.width} x "
            f"{image.height}): {error}; PNG can, or leave out its metadata"
        ) from None
    return out.getvalue()


def _metadata_options(kind: str, metadata: Metadata) -> dict[str, Any]:
    """Arguments for Pillow's ``save`` that carry ``metadata`` in a file of ``kind``."""
    options: dict[str, Any] = {}
    if kind not in ("PNG", "JPEG", "WEBP", "TIFF", "AVIF"):
        return options
    if metadata.icc is not None:
        options["icc_profile"] = metadata.icc
    if kind == "TIFF":
        return options | _tiff_options(metadata)
    if metadata.exif is not None:
        options["exif"] = _EXIF + metadata.exif
    if kind == "PNG":
        chunks = PIL.PngImagePlugin.PngInfo()
        for key, value in metadata.tags:
            # PNG's keys are 1 to 79 bytes of Latin-1.
            chunks.add_itxt(key.encode("latin-1", "replace")[:79] or b"Comment", value)
        if metadata.xmp is not None:
            chunks.add_itxt("XML:com.adobe.xmp", metadata.xmp.decode("utf-8", "replace"))
        options["pnginfo"] = chunks
        return options
    if metadata.xmp is not None:
        options["xmp"] = metadata.xmp
    comment = dict(metadata.tags).get("comment")
    if kind == "JPEG" and comment is not None:
        options["comment"] = comment.encode()
    return options


def _tiff_options(metadata: Metadata) -> dict[str, Any]:
    """EXIF and XMP for a TIFF file; with EXIF it is not compressed, as libtiff writes no EXIF."""
    exif = PIL.Image.Exif()
    if metadata.exif is not None:
        exif.load(_EXIF + metadata.exif)
    if metadata.xmp is not None:
        exif[_XMP_TAG] = metadata.xmp
    compression = {"compression": "raw"} if metadata.exif is not None else {}
    return {"exif": exif} | compression if exif else {}
