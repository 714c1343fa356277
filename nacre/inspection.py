"""Looking at a stream without trusting it: what it says of itself, and whether it is sound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nacre import compare, registry
from nacre.decoding import Decoder, read_bytes
from nacre.errors import FormatError, NotNacre, UnsupportedVersion
from nacre.limits import Limits
from nacre.stream import ImageShape, Shape, read_header, section_name

if TYPE_CHECKING:
    from nacre.api import Picture
    from nacre.decoding import Data


@dataclass(frozen=True)
class SectionInfo:
    """One section: its ``kind`` as docs/format.md names it, and its length."""

    kind: str
    bytes: int


@dataclass(frozen=True)
class Info:
    """What a stream says of itself, read without its model.

    Attributes:
        version: of the format.
        codec: name; None when no codec here has the number.
        codec_number: as in the stream.
        lossless: whether the codec is; None when it is not known here.
        model: id, six hexadecimal digits; None for a codec without weights.
        shape: size and sample format.
        items: things in an archive; None when the stream is one thing.
        sections: kind and size of each.
        bytes: the whole file.
        bpp: bits of file per pixel; None for other media than pictures.
    """

    version: int
    codec: str | None
    codec_number: int
    lossless: bool | None
    model: str | None
    shape: Shape
    items: int | None
    sections: tuple[SectionInfo, ...]
    bytes: int
    bpp: float | None


@dataclass(frozen=True)
class Report:
    """What :func:`verify` found.

    Attributes:
        ok: checksums hold, the stream decodes in full, and a lossless codec gave the original.
        codec: name.
        bytes: the whole file.
        problem: what is wrong, in one line; None when ``ok``.
        equal: the decoded picture is the original, sample by sample; None without an original.
        psnr_db: against the original, infinite when equal; None without an original.
    """

    ok: bool
    codec: str | None
    bytes: int
    problem: str | None = None
    equal: bool | None = None
    psnr_db: float | None = None


def info(data: Data, *, limits: Limits = Limits.UNLIMITED) -> Info:
    """What a stream says of itself; only its header is checked, nothing is decoded or allocated.

    Args:
        data: as for :func:`decode`.
        limits: what the stream may declare; everything, as nothing is allocated for it.

    Raises:
        NotNacre: another kind of file.
        FormatError: the header is damaged or of a version that is not known here.

    >>> import numpy as np
    >>> from nacre import encode
    >>> info(encode(np.zeros((2, 3), np.uint8), lossless=True)).shape
    ImageShape(width=3, height=2, channels=1, depth=8)
    """
    header = read_header(read_bytes(data), limits=limits)
    try:
        entry = registry.entry(header.codec)
    except UnsupportedVersion:
        entry = None
    shape = header.shape
    pixels = shape.width * shape.height if isinstance(shape, ImageShape) else 0
    return Info(
        version=header.version,
        codec=entry.name if entry else None,
        codec_number=header.codec,
        lossless=entry.lossless if entry else None,
        model=header.model.hex() if header.model is not None else None,
        shape=shape,
        items=header.items,
        sections=tuple(SectionInfo(section_name(s.kind), s.length) for s in header.sections),
        bytes=header.total_bytes,
        bpp=8 * header.total_bytes / pixels if pixels and header.items is None else None,
    )


def verify(
    data: Data,
    *,
    original: Picture | None = None,
    device: str = "cpu",
    model: str | Path | None = None,
    limits: Limits = Limits.DEFAULT,
) -> Report:
    """Check every checksum, decode in full, and compare with the original if it is given.

    Damage is reported, not raised.

    Args:
        data: as for :func:`decode`.
        original: what was encoded. A lossless stream must equal it; a lossy one gets a PSNR.
        device: as for :func:`decode`.
        model: as for :func:`decode`.
        limits: what the stream and the original may ask for.

    Raises:
        NotNacre, UnsupportedVersion: it is no stream that this release could check.
        InputError, LimitExceeded, ModelError: as for :func:`decode`.

    >>> import numpy as np
    >>> from nacre import encode
    >>> picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    >>> verify(encode(picture, lossless=True), original=picture).equal
    True
    """
    from nacre.media.image import load_image

    content = read_bytes(data)
    try:
        decoded = Decoder(device, model=model, limits=limits).decode(content)
    except (NotNacre, UnsupportedVersion):
        raise
    except FormatError as error:
        return Report(ok=False, codec=None, bytes=len(content), problem=str(error))
    entry = registry.entry(info(content).codec_number)
    if original is None:
        return Report(ok=True, codec=entry.name, bytes=len(content))
    wanted = load_image(original, limits=limits)
    equal = compare.equal_pixels(wanted, decoded)
    problem = None
    if entry.lossless and not equal:
        problem = f"codec {entry.name!r} is lossless, yet the decoded picture differs"
    return Report(
        ok=problem is None,
        codec=entry.name,
        bytes=len(content),
        problem=problem,
        equal=equal,
        psnr_db=compare.psnr_db(wanted, decoded),
    )
