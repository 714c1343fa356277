"""Pictures: from files, arrays and tensors, and back.

    from nacre.media.image import load_image

    image = load_image("photo.png")     # or bytes, a file object, a PIL image, an array, a tensor
    image.save("copy.png")

Pixels are kept as the file stores them: EXIF's orientation is carried, not applied, unless EXIF is
left out. Files are read and written by Pillow (``pillow.py`` beside this file).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import PIL.Image

from nacre.errors import InputError
from nacre.files import write_atomically
from nacre.limits import Limits
from nacre.media import pillow
from nacre.media.metadata import Metadata, check_names
from nacre.stream import ImageShape, is_nacre

if TYPE_CHECKING:
    import torch

Pixels = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

NO_METADATA = Metadata()


@dataclass(frozen=True, eq=False)
class Image:
    """A picture in memory.

    Attributes:
        pixels: ``[H, W, C]``, uint8 or uint16, full range; C is 1 (grey), 2 (grey and alpha),
            3 (RGB) or 4 (RGBA); alpha is not premultiplied.
        metadata: carried, not interpreted.
        notes: what loading changed, one sentence each, such as a reduction from 16 to 8 bits.

    Raises:
        InputError: ``pixels`` is none of these.
    """

    pixels: Pixels
    metadata: Metadata = NO_METADATA
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (np.uint8, np.uint16):
            raise InputError(f"an image of {self.pixels.dtype}; uint8 or uint16 are expected")
        if self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 2, 3, 4):
            raise InputError(
                f"an image of shape {self.pixels.shape}; [H, W, C] with C from 1 to 4 is expected"
            )
        if 0 in self.pixels.shape:
            raise InputError(f"an image of shape {self.pixels.shape} has no pixels")

    @property
    def width(self) -> int:
        """Pixels in a row."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pixels.shape[0])

    @property
    def channels(self) -> int:
        """1 grey, 2 grey and alpha, 3 RGB, 4 RGBA."""
        return int(self.pixels.shape[2])

    @property
    def depth(self) -> int:
        """Bits of a sample, 8 or 16."""
        return 8 * self.pixels.dtype.itemsize

    @property
    def shape(self) -> ImageShape:
        """As the header of a stream declares it."""
        return ImageShape(self.width, self.height, self.channels, self.depth)

    def stripped(self, names: Iterable[str]) -> Image:
        """This picture without some metadata: of ``icc``, ``exif``, ``xmp``, ``tags``, or ``all``.

        Where EXIF goes, its orientation is applied to the pixels, so that the picture stays
        upright.
        """
        chosen = check_names(names)
        pixels = self.pixels
        if "exif" in chosen:
            pixels = _turn_upright(pixels, self.metadata.orientation)
        return replace(self, pixels=pixels, metadata=self.metadata.without(chosen))

    def numpy(self) -> Pixels:
        """The pixels, ``[H, W, C]``, not copied."""
        return self.pixels

    def torch(self) -> torch.Tensor:
        """The pixels as a tensor ``[C, H, W]`` of the same integers (uint8 or uint16), copied."""
        import torch

        return torch.from_numpy(self.pixels.transpose(2, 0, 1).copy())

    def pil(self) -> PIL.Image.Image:
        """The picture for Pillow: mode L, LA, RGB, RGBA, or I;16 (16-bit grey).

        Raises:
            InputError: 16-bit samples in several channels, which Pillow cannot hold.
        """
        return pillow.from_pixels(self.pixels)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write a picture file whose kind follows from the extension, whole or not at all.

        PNG, TIFF, WebP and JPEG 2000 hold the pixels exactly; JPEG is written at quality 95
        without chroma subsampling, AVIF at quality 90. PNG, TIFF, WebP, JPEG and AVIF carry the
        metadata on; other kinds leave it out.

        Args:
            path: where to.
            force: replace an existing file.

        Raises:
            InputError: the file exists, the extension is not known, that kind of file cannot hold
                these pixels, or the system refuses.
        """
        write_atomically(path, pillow.to_file(self.pixels, self.metadata, Path(path)), force=force)


Source = str | Path | bytes | BinaryIO | PIL.Image.Image | npt.NDArray[Any] | Image
"""What :func:`load_image` takes (and tensors, which are recognised by their methods)."""


def load_image(
    source: Source | torch.Tensor, *, limits: Limits = Limits.DEFAULT, strip: Iterable[str] = ()
) -> Image:
    """The picture in ``source``.

    Args:
        source: a path; the bytes of a picture file, or a file object with them; a PIL image; an
            array ``[H, W]`` or ``[H, W, C]`` of uint8, uint16 or floats from 0 to 1; a tensor
            ``[H, W]`` or ``[C, H, W]`` of the same. Floats become 8 bits. Arrays are not copied.
        limits: ``limits.pixels`` is checked before anything is decoded.
        strip: metadata to leave out, of ``icc``, ``exif``, ``xmp``, ``tags``, or ``all``; without
            EXIF, its orientation is applied to the pixels.

    Raises:
        InputError: it cannot be read, or is no picture.
        LimitExceeded: it declares more pixels than ``limits`` allow.
    """
    image = _load(source, limits)
    names = tuple(strip)
    return image.stripped(names) if names else image


def _load(source: Any, limits: Limits) -> Image:
    if isinstance(source, Image):
        source.shape.check(limits)
        return source
    if isinstance(source, str | Path):
        return _from_path(Path(source), limits)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_file(io.BytesIO(source), "the input", limits)
    if isinstance(source, PIL.Image.Image):
        return Image(*pillow.to_pixels(source, "the PIL image", limits))
    if isinstance(source, np.ndarray):
        return _from_array(source, limits)
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        return _from_tensor(source, limits)
    if hasattr(source, "read"):
        return _from_file(io.BytesIO(source.read()), "the input", limits)
    raise InputError(
        f"cannot read a picture from {type(source).__name__}; use a path, bytes, a file object, "
        "a PIL image, an array or a tensor"
    )


def _from_path(path: Path, limits: Limits) -> Image:
    try:
        with path.open("rb") as file:
            seekable = file if file.seekable() else io.BytesIO(file.read())
            return _from_file(seekable, str(path), limits)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder, a picture file is expected") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to read it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _from_file(file: Any, name: str, limits: Limits) -> Image:
    head = file.read(16)
    file.seek(0)
    if not head:
        raise InputError(f"{name} is empty (0 bytes), a picture file is expected")
    if is_nacre(head):
        raise InputError(f"{name} is a nacre stream already; decode it with nacre decode")
    with pillow.open_file(file, name, head) as opened:
        return Image(*pillow.to_pixels(opened, name, limits))


def _from_array(array: npt.NDArray[Any], limits: Limits) -> Image:
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            f"an array of shape {array.shape}; [H, W] or [H, W, C] with C from 1 to 4 is expected "
            "(channels come last)"
        )
    height, width = array.shape[:2]
    limits.check("pixels", width * height, f"picture of {width} x {height} pixels")
    if array.dtype.kind == "f":
        return Image(_from_floats(array))
    if array.dtype.kind != "u" or array.dtype.itemsize > 2:
        raise InputError(
            f"an array of {array.dtype}; uint8, uint16 or floats from 0 to 1 are expected"
        )
    return Image(array.astype(array.dtype.newbyteorder("="), copy=False))


def _from_floats(array: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """8-bit samples of floats from 0 to 1, rounded to nearest."""
    if not np.isfinite(array).all():
        raise InputError("an array of floats with NaN or infinity in it; 0 to 1 is expected")
    if array.size and (array.min() < 0 or array.max() > 1):
        raise InputError(
            f"an array of floats from {array.min():.4g} to {array.max():.4g}; 0 to 1 is expected "
            "(divide by 255, or convert to uint8)"
        )
    samples: npt.NDArray[np.uint8] = np.rint(array * 255.0).astype(np.uint8)
    return samples


def _from_tensor(tensor: Any, limits: Limits) -> Image:
    tensor = tensor.detach().cpu()
    if tensor.is_floating_point():
        tensor = tensor.float()  # NumPy has no bfloat16
    array = tensor.numpy()
    if array.ndim == 3:
        if array.shape[0] not in (1, 2, 3, 4):
            raise InputError(
                f"a tensor of shape {tuple(array.shape)}; [C, H, W] with C from 1 to 4 is expected "
                "(channels come first)"
            )
        array = array.transpose(1, 2, 0)
    elif array.ndim != 2:
        raise InputError(
            f"a tensor of shape {tuple(array.shape)}; [C, H, W] or [H, W] is expected, one picture "
            "at a time"
        )
    return _from_array(array, limits)


def _turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """``pixels`` [H, W, C] as EXIF's ``orientation`` 1..8 wants them seen (EXIF 2.32, 4.6.4)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(pixels[rows, columns])
