"""Looking at a stream without trusting it: what it says of itself, and whether it is sound."""

from __future__ import annotations

import contextlib
import importlib
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nacre import compare, registry
from nacre.decoding import Decoder, read_bytes
from nacre.errors import FormatError, NotNacre, UnsupportedVersion
from nacre.limits import Limits
from nacre.recordings import compare_recordings
from nacre.stream import (
    Archive,
    AudioShape,
    Bytes,
    Header,
    ImageShape,
    Medium,
    SectionKind,
    Shape,
    medium_of_stream,
    read_header,
    section_name,
)

if TYPE_CHECKING:
    from nacre.api import Picture
    from nacre.decoding import Data
    from nacre.media.image_sets import ImageSet


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
        lossless: whether what comes back is what went in; None when the codec is not known here.
        model: id, six hexadecimal digits; None for a codec without weights.
        shape: size and sample format.
        items: things in an archive; None when the stream is one thing.
        sections: kind and size of each.
        bytes: the whole file.
        kbps: thousands of bits of file for a second of sound; None for other media.
        bpp: bits of file per pixel, of an archive over all its items; None for other media than
            pictures, and where items have sizes of their own.
        details: what the codec says of its payload, such as its mode or how much sound is coded
            together (the algorithmic latency), and an archive of its lanes.
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
    kbps: float | None = None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """What :func:`verify` found.

    Attributes:
        ok: checksums hold, the stream decodes in full, and a lossless codec gave the original.
        codec: name.
        bytes: the whole file.
        problem: what is wrong, in one line; None when ``ok``.
        equal: what was decoded is the original, bit by bit; None without an original.
        psnr_db: against the original, infinite when equal; of meshes by the distance of their
            surfaces. None without an original, and where there is none.
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
    content = _glance(data)
    header = read_header(content, limits=limits)
    try:
        entry = registry.entry(header.codec)
    except UnsupportedVersion:
        entry = None
    shape = header.shape
    pixels = shape.width * shape.height if isinstance(shape, ImageShape) else 0
    archive = _open_archive(content, header, limits)
    if header.items is not None:
        pixels = pixels * header.items if archive and archive.shapes is None else 0
    details = _details(entry, content, header, archive)
    exact = details.pop("lossless", "no") == "yes"
    return Info(
        version=header.version,
        codec=entry.name if entry else None,
        codec_number=header.codec,
        lossless=entry.lossless or exact if entry else None,
        model=header.model.hex() if header.model is not None else None,
        shape=shape,
        items=header.items,
        sections=tuple(SectionInfo(section_name(s.kind), s.length) for s in header.sections),
        bytes=header.total_bytes,
        bpp=8 * header.total_bytes / pixels if pixels else None,
        kbps=_kbps(header),
        details=details,
    )


def _glance(data: Data) -> Bytes:
    """The bytes of a stream; those of a file are read where they are looked at."""
    if isinstance(data, str | Path) and Path(data).is_file() and Path(data).stat().st_size:
        with contextlib.suppress(OSError), Path(data).open("rb") as file:
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    return read_bytes(data)


def _kbps(header: Header) -> float | None:
    shape = header.shape
    if not isinstance(shape, AudioShape) or not shape.samples:
        return None
    return 8 * header.total_bytes / (1000 * shape.samples / shape.sample_rate_hz)


def _open_archive(content: Bytes, header: Header, limits: Limits) -> Archive | None:
    """The archive, unless it is none or its index is damaged: looking is not checking."""
    if header.items is None:
        return None
    try:
        return Archive.from_bytes(content, limits=limits)
    except FormatError:
        return None


def _details(
    entry: registry.CodecEntry | None, content: Bytes, header: Header, archive: Archive | None
) -> dict[str, str]:
    """What the codec reads from the first bytes of the payload, and the lanes of an archive."""
    found: dict[str, str] = {}
    if entry is not None and entry.details:
        module, _, name = entry.details.partition(":")
        payload = next(s for s in header.sections if s.kind == SectionKind.PAYLOAD)
        end = payload.offset + min(payload.length, registry.HEAD_BYTES)
        head = bytes(memoryview(content)[payload.offset : end])
        found |= getattr(importlib.import_module(module), name)(head)
    latency = found.pop("latency_samples", None)
    if latency is not None and isinstance(header.shape, AudioShape):
        samples = min(int(latency), header.shape.samples)
        milliseconds = 1000 * samples / header.shape.sample_rate_hz
        found["latency"] = f"{samples:,} samples ({milliseconds:,.0f} ms)"
    if archive is not None and archive.lanes is not None:
        lanes = archive.lanes
        found["lanes"] = f"{len(lanes.counts):,} of {lanes.each:,} items"
    return found


def verify(
    data: Data,
    *,
    original: Picture | ImageSet | None = None,
    device: str = "cpu",
    model: str | Path | None = None,
    limits: Limits = Limits.DEFAULT,
) -> Report:
    """Check every checksum, decode in full, and compare with the original if it is given.

    Damage is reported, not raised.

    Args:
        data: as for :func:`decode`.
        original: what was encoded: a picture or a mesh, or of an archive a set of pictures as
            :func:`nacre.load_image_set` takes it. A lossless stream must equal it (a mesh in any
            order of its vertices and faces); a lossy one gets a PSNR.
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
    decoder = Decoder(device, model=model, limits=limits)
    if _is_sound(data):
        return _verify_sound(data, original, decoder)
    content = read_bytes(data)
    if medium_of_stream(content) == Medium.AUDIO:
        return _verify_sound(content, original, decoder)
    try:
        if read_header(content, limits=limits).items is None:
            decoded = decoder.decode(content)
        elif original is not None:
            decoded = decoder.decode_set(content)
        else:
            decoded = sum(1 for _ in decoder.decode_archive(content))
    except (NotNacre, UnsupportedVersion):
        raise
    except FormatError as error:
        return Report(ok=False, codec=None, bytes=len(content), problem=str(error))
    told = info(content)
    entry = registry.entry(told.codec_number)
    if original is None:
        return Report(ok=True, codec=entry.name, bytes=len(content))
    equal, psnr_db = _compare(entry.medium, decoded, original, limits)
    problem = None
    if told.lossless and not equal:
        noun = "picture" if entry.medium == "image" else entry.medium
        problem = f"codec {entry.name!r} is lossless here, yet the decoded {noun} differs"
    return Report(
        ok=problem is None,
        codec=entry.name,
        bytes=len(content),
        problem=problem,
        equal=equal,
        psnr_db=psnr_db,
    )


def _is_sound(data: Data) -> bool:
    """Whether a file's first bytes say so, which is not read whole then."""
    if not isinstance(data, str | Path):
        return False
    with contextlib.suppress(OSError), Path(data).open("rb") as file:
        return file.seekable() and medium_of_stream(file.read(16)) == Medium.AUDIO
    return False


def _verify_sound(data: Any, original: Any, decoder: Decoder) -> Report:
    """As :func:`verify`, piece by piece."""
    from nacre.media.audio import open_audio

    size = Path(data).stat().st_size if isinstance(data, str | Path) else len(data)
    equal = psnr_db = None
    try:
        with decoder.open_recording(data) as recording:
            name = recording.codec_name
            if original is None:
                for _ in recording.blocks():
                    pass
            else:
                with open_audio(original, limits=decoder.limits) as reader:
                    equal, psnr_db = compare_recordings(reader, recording)
    except (NotNacre, UnsupportedVersion):
        raise
    except FormatError as error:
        return Report(ok=False, codec=None, bytes=size, problem=str(error))
    problem = None
    if registry.entry(name).lossless and equal is False:
        problem = f"codec {name!r} is lossless, yet the decoded recording differs"
    return Report(problem is None, name, size, problem, equal, psnr_db)


def _compare(medium: str, decoded: Any, original: Any, limits: Limits) -> tuple[bool, float | None]:
    """Whether what was decoded is ``original``, and its PSNR in dB; None where there is none.

    Black and white is compared as 0 and 255, and names of pictures are not.
    """
    from nacre.media import detect

    if medium == "image":
        from nacre.media.image_sets import ImageSet, load_image_set

        if isinstance(decoded, ImageSet):
            wanted = load_image_set(original, limits=limits)
            if wanted.pixels.shape != decoded.pixels.shape:
                return False, None
            if len(wanted) == 0:
                return True, math.inf
            original, decoded = wanted.strip(), decoded.strip()
    loaded = detect.medium(medium).load(original, limits=limits)
    return compare.compare(medium, loaded, decoded)
