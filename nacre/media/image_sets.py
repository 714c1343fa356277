"""Sets of pictures of one size and layout: from arrays, tensors, folders and array files, and back.

    from nacre.media.image_sets import load_image_set

    images = load_image_set("train-images-idx3-ubyte.gz")   # or a folder, an array, a tensor, ...
    images.pixels.shape                                     # (60000, 28, 28, 1)
    images.save("digits")                                   # a folder of PNGs; or .npy, .npz, .idx

An array ``[N, H, W]`` is a set of grey pictures, ``[N, H, W, C]`` a set of C channels. Three
dimensions whose last has 1 to 4 entries could as well be one picture ``[H, W, C]``, and are: give a
set of pictures so narrow as ``[N, H, W, 1]``.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from nacre.errors import InputError
from nacre.files import PICTURES, write_atomically
from nacre.limits import Limits
from nacre.media import array_files, pillow
from nacre.media.image import NO_METADATA, Image, load_image
from nacre.stream import ImageShape

if TYPE_CHECKING:
    import torch

Samples = npt.NDArray[Any]
"""uint8, uint16 or bool."""

BLACK_AND_WHITE = (0, 255)
"""What the samples of a bilevel picture are in 8 bits."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures of one size and layout.

    Attributes:
        pixels: ``[N, H, W, C]``, uint8 or uint16, or bool (True is white) with one channel; C from
            1 to 4, alpha last.
        channel_axis: whether :meth:`numpy` has the last axis; only one channel can do without.
        names: of the pictures in the folder that they come from, such as ``"a.png"``; empty when
            they have none.
        notes: what loading left out, one sentence each.

    Raises:
        InputError: ``pixels`` is none of these, or ``names`` are not as many.
    """

    pixels: Samples
    channel_axis: bool = True
    names: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.dtype not in (np.uint8, np.uint16, np.bool_):
            raise InputError(
                f"a set of pictures of {self.pixels.dtype}; uint8, uint16 or bool are expected"
            )
        shape = self.pixels.shape
        if len(shape) != 4 or 0 in shape[1:] or shape[3] not in (1, 2, 3, 4):
            raise InputError(
                f"a set of pictures of shape {shape}; [N, H, W, C] with C from 1 to 4 is expected"
            )
        if shape[3] > 1 and (self.pixels.dtype == np.bool_ or not self.channel_axis):
            raise InputError(f"a set of {shape[3]} channels: neither bool nor without that axis")
        if self.names and len(self.names) != shape[0]:
            raise InputError(f"{len(self.names)} names for {shape[0]} pictures")

    def __len__(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def shape(self) -> ImageShape:
        """Size and samples of one picture; depth 1 for bool."""
        _, height, width, channels = self.pixels.shape
        depth = 1 if self.pixels.dtype == np.bool_ else 8 * self.pixels.dtype.itemsize
        return ImageShape(width, height, channels, depth)

    @cached_property
    def bilevel(self) -> bool:
        """Whether every sample is black or white: bool, or one channel of 0 and 255 alone."""
        if self.pixels.dtype == np.bool_:
            return True
        if self.pixels.dtype != np.uint8 or self.pixels.shape[3] != 1:
            return False
        return bool(np.isin(self.pixels, BLACK_AND_WHITE).all())

    def numpy(self) -> Samples:
        """The array as it was handed in, not copied: ``[N, H, W]`` or ``[N, H, W, C]``."""
        return self.pixels if self.channel_axis else self.pixels[..., 0]

    def item(self, index: int) -> Image:
        """Picture ``index`` (0 is the first); black and white as 0 and 255.

        Raises:
            InputError: there is no such picture.
        """
        if not 0 <= index < len(self):
            raise InputError(f"no picture {index} in a set of {len(self):,} (the first is 0)")
        return Image(_in_whole_bytes(self.pixels[index]))

    def strip(self) -> Image:
        """All pictures as one, one below the other: ``[N * H, W, C]``."""
        count, height, width, channels = self.pixels.shape
        return Image(_in_whole_bytes(self.pixels.reshape(count * height, width, channels)))

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write the set: a folder of PNGs, or one file of the extension .npy, .npz, .idx, .idx.gz.

        The PNGs have the names of the set, as far as they are those of files inside the folder, or
        else numbers. idx holds 8-bit samples; black and white become 0 and 255 there and in PNG.

        Args:
            path: where to.
            force: replace existing files.

        Raises:
            InputError: a file exists, the extension is another one, that kind of file cannot hold
                these samples, or the system refuses.
        """
        target = Path(path)
        kind = _kind(target)
        if kind == "folder":
            self._save_folder(target, force=force)
            return
        array = self.numpy()
        if kind in ("idx", "idx.gz"):
            if array.dtype == np.uint16:
                raise InputError(f"{path}: idx holds 8-bit samples, these have 16 bits; use .npy")
            data = array_files.to_idx(_in_whole_bytes(array))
            data = array_files.to_gzip(data) if kind == "idx.gz" else data
        else:
            data = array_files.to_npy(array) if kind == "npy" else array_files.to_npz(array)
        write_atomically(target, data, force=force)

    def _save_folder(self, folder: Path, *, force: bool) -> None:
        targets = [folder / name for name in _safe_names(self.names, len(self))]
        taken = next((target for target in targets if target.exists()), None)
        if taken is not None and not force:
            raise InputError(f"{taken} exists; choose another folder, or overwrite with --force")
        try:
            for target, pixels in zip(targets, self.pixels, strict=True):
                data = pillow.to_file(_in_whole_bytes(pixels), NO_METADATA, target)
                target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(target, data, force=force)
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot write {folder}: {error.strerror or error}") from None


SetSource = str | Path | bytes | BinaryIO | npt.NDArray[Any] | ImageSet
"""What :func:`load_image_set` takes (and tensors, which are recognised by their methods)."""


def load_image_set(
    source: SetSource | torch.Tensor, *, limits: Limits = Limits.DEFAULT
) -> ImageSet:
    """The set of pictures in ``source``.

    Args:
        source: an array ``[N, H, W]`` or ``[N, H, W, C]`` of uint8, uint16 or bool; a tensor
            ``[N, H, W]`` or ``[N, C, H, W]`` of the same; a folder, of whose pictures (also below
            it) the pixels are taken, in the order of their names; or the path, the bytes or a file
            object of an idx, idx.gz, npy or npz file. Arrays are not copied.
        limits: items, pixels of one and bytes of all are checked before memory is taken.

    Raises:
        InputError: it cannot be read, is no set of pictures, or the pictures of the folder differ
            in size or layout (the first that does is named).
        LimitExceeded: it is larger than ``limits`` allow.

    >>> load_image_set(np.zeros((5, 28, 28), np.uint8)).shape
    ImageShape(width=28, height=28, channels=1, depth=8)
    """
    if isinstance(source, ImageSet):
        return _checked(source, limits)
    if isinstance(source, np.ndarray):
        return _from_array(source, limits)
    if hasattr(source, "detach") and hasattr(source, "cpu"):
        return _from_tensor(source, limits)
    if isinstance(source, str | Path):
        return _from_path(Path(source), limits)
    if isinstance(source, bytes | bytearray | memoryview):
        return _from_array(array_files.read_array(io.BytesIO(source), "the input", limits), limits)
    if hasattr(source, "read"):
        file = io.BytesIO(source.read())
        return _from_array(array_files.read_array(file, "the input", limits), limits)
    raise InputError(
        f"cannot read a set of pictures from {type(source).__name__}; use an array, a tensor, a "
        "folder, or an idx, npy or npz file"
    )


def is_image_set(source: object, *, wanted: bool = False) -> bool:
    """Whether ``source`` can only be a set: it has four dimensions, or is a file of an array.

    Args:
        source: whatever may be encoded.
        wanted: a set is expected, so that a folder is one, and so are three dimensions of which
            none that could be channels has 1 to 4 entries.
    """
    if isinstance(source, ImageSet):
        return True
    if isinstance(source, str | Path):
        try:
            if Path(source).is_dir():
                return wanted
            with Path(source).open("rb") as file:
                return array_files.is_array_file(file.read(4))
        except (OSError, ValueError):
            return False
    if isinstance(source, bytes | bytearray | memoryview):
        return array_files.is_array_file(bytes(source[:4]))
    dimensions = getattr(source, "ndim", 0)
    if wanted and dimensions == 3:
        shape: Any = getattr(source, "shape", ())
        return shape[2 if isinstance(source, np.ndarray) else 0] not in (1, 2, 3, 4)
    return dimensions == 4


def _from_path(path: Path, limits: Limits) -> ImageSet:
    if path.is_dir():
        return _from_folder(path, limits)
    try:
        with path.open("rb") as file:
            if not array_files.is_array_file(file.read(4)):
                raise InputError(
                    f"{path}: no set of pictures; a folder, or an idx, idx.gz, npy or npz file is "
                    "expected"
                )
            file.seek(0)
            return _from_array(array_files.read_array(file, str(path), limits), limits, str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file or folder") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None


def _from_folder(folder: Path, limits: Limits) -> ImageSet:
    """The pictures in and below ``folder``; hidden files are left out."""
    paths = sorted(path for path in _pictures(folder))
    if not paths:
        raise InputError(f"{folder}: the folder has no pictures")
    limits.check("items", len(paths), f"{folder}: set of pictures")
    first = load_image(paths[0], limits=limits).stripped(["exif"])
    _check_size(len(paths), first.shape, limits, str(folder))
    pixels: Any = np.empty((len(paths), *first.pixels.shape), first.pixels.dtype)
    carriers = 0
    for place, path in enumerate(paths):
        image = load_image(path, limits=limits)
        if image.notes:
            raise InputError(f"{path}: {'; '.join(image.notes)}: it would not come back as it is")
        carriers += image.metadata != NO_METADATA
        image = image.stripped(["exif"])
        if image.shape != first.shape:
            raise InputError(
                f"{path} is {_words(image.shape)}, but {paths[0]} is {_words(first.shape)}; a set "
                "has pictures of one size and layout"
            )
        pixels[place] = image.pixels
    names = tuple(path.relative_to(folder).as_posix() for path in paths)
    notes = (f"{carriers:,} pictures have metadata, which a set does not keep",) if carriers else ()
    return ImageSet(pixels, first.channels > 1, names, notes)


def _pictures(folder: Path) -> Iterable[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() in PICTURES and not hidden and path.is_file():
            yield path


def _words(shape: ImageShape) -> str:
    layout = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}[shape.channels]
    return f"{shape.width} x {shape.height}, {layout} of {shape.depth} bits"


def _from_array(
    array: npt.NDArray[Any], limits: Limits, name: str = "a set of pictures"
) -> ImageSet:
    if array.ndim == 3 and array.shape[2] in (1, 2, 3, 4):
        raise InputError(
            f"{name}: an array of shape {array.shape} is taken as one picture [H, W, C]; give a "
            "set of pictures so narrow as [N, H, W, 1]"
        )
    if array.ndim not in (3, 4):
        raise InputError(
            f"{name}: an array of shape {array.shape}; [N, H, W] or [N, H, W, C] is expected"
        )
    if array.dtype.kind not in "ub" or array.dtype.itemsize > 2:
        raise InputError(
            f"{name}: an array of {array.dtype}; uint8, uint16 or bool are expected, which come "
            "back as they are"
        )
    native: Any = array.astype(array.dtype.newbyteorder("="), copy=False)
    if native.ndim == 3:
        return _checked(ImageSet(native[..., None], channel_axis=False), limits)
    return _checked(ImageSet(native), limits)


def _from_tensor(tensor: Any, limits: Limits) -> ImageSet:
    """Tensors have channels first, as those of single pictures."""
    array = tensor.detach().cpu().numpy()
    if array.ndim == 4:
        if array.shape[1] not in (1, 2, 3, 4):
            raise InputError(
                f"a tensor of shape {tuple(array.shape)}; [N, C, H, W] with C from 1 to 4 is "
                "expected (channels come first)"
            )
        array = array.transpose(0, 2, 3, 1)
    elif array.ndim == 3:  # no channels: the last axis is the width, whatever it is
        return replace(_from_array(array[..., None], limits), channel_axis=False)
    return _from_array(array, limits)


def _checked(images: ImageSet, limits: Limits) -> ImageSet:
    _check_size(len(images), images.shape, limits, "a set of pictures")
    return images


def _check_size(count: int, shape: ImageShape, limits: Limits, name: str) -> None:
    """Raise :class:`LimitExceeded` when so many pictures are more than ``limits`` allow."""
    limits.check("items", count, f"{name}: set of pictures")
    shape.check(limits)
    size = count * shape.width * shape.height * shape.channels * (2 if shape.depth == 16 else 1)
    limits.check("bytes", size, f"{name}: {count:,} pictures of {_words(shape)}")


def _in_whole_bytes(samples: Samples) -> Any:
    """``samples``, black and white as 0 and 255."""
    if samples.dtype == np.bool_:
        return samples.astype(np.uint8) * np.uint8(BLACK_AND_WHITE[1])
    return samples


def _kind(path: Path) -> str:
    """The kind of file that :meth:`ImageSet.save` writes at ``path``: an extension, or folder."""
    name = path.name.lower()
    for kind, endings in {
        "idx.gz": (".idx.gz", "-ubyte.gz"),
        "idx": (".idx", "-ubyte"),
        "npy": (".npy",),
        "npz": (".npz",),
    }.items():
        if name.endswith(endings):
            return kind
    if not path.is_dir() and path.suffix.lower() in (*PICTURES, ".ncr", ".gz", ".zip", ".tar"):
        raise InputError(
            f"{path}: a set of pictures is written as a folder, .npy, .npz, .idx or .idx.gz; "
            "take out one picture with --item"
        )
    return "folder"


def _safe_names(names: tuple[str, ...], count: int) -> list[str]:
    """File names for PNGs inside a folder: those of the set if all are harmless, or numbers.

    Names come out of streams, and must lead neither out of the folder nor to hidden files.
    """
    digits = len(str(max(count - 1, 0)))
    numbers = [f"{index:0{digits}}.png" for index in range(count)]
    pngs = [str(PurePosixPath(name).with_suffix(".png")) for name in names if _is_safe(name)]
    distinct = {name.casefold() for name in pngs}
    return pngs if len(pngs) == len(distinct) == count else numbers


def _is_safe(name: str) -> bool:
    parts = name.split("/")
    return (
        all(part and not part.startswith(".") and part == part.rstrip(". ") for part in parts)
        and not set('\\:*?"<>|') & set(name)
        and name.isprintable()
        and len(name.encode("utf-8", "replace")) <= 200
    )
