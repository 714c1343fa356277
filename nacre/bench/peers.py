"""What nacre is compared with: other codecs, declared as data.

Each peer is one line of :data:`PEERS` with the settings that ``docs/bench.md`` states. All of them
take and give 8-bit RGB pixels in memory, as nacre's own codecs do, so that times are of the same
work. Nothing here is imported or run until a peer is asked for.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import PIL
from PIL import AvifImagePlugin, Image, features

from nacre.bench.metrics import Pixels
from nacre.errors import InputError

Encode = Callable[[Any, float | None, int], bytes]
"""``(thing, quality, threads) -> file``; the quality of a lossless codec is None. A thing is what
the medium's files are read as: pixels ``[H, W, 3]``, triangles, or a recording."""
Decode = Callable[[bytes, int], Any]
"""``(file, threads) -> thing``."""

PERCENT = "0 to 100"
BPP = "bits per pixel"
BITS = "bits of a grid, 8 to 24"
KBPS = "kbit/s"
KBPS_EACH = "kbit/s a channel"
RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {PERCENT: (0, 100), BPP: (2**-20, 2**20), BITS: (8, 24), KBPS: (1, 4096), KBPS_EACH: (6, 256)}
)
"""Of the qualities of each scale."""


@dataclass(frozen=True)
class Candidate:
    """A codec that the benchmark can run: a peer, or one of nacre's own.

    Attributes:
        name: as ``--codecs`` says it.
        medium: ``image``, ``audio``, ``mesh``, ``splat`` or ``points``.
        lossless: whether what comes back must equal what went in.
        encode: a thing to the bytes of a file.
        decode: the bytes of a file to a thing.
        qualities: measured when none are asked for, lowest first; empty: the codec has none.
        scale: what a quality is: a key of :data:`RANGES`.
        settings: everything else that was set, in words.
        software: names and versions of what does the work.
        model: hash of the model file; None without weights.
        expected: what must come back of a thing at a quality, up to order; None: unknown, or for a
            lossless codec the thing itself.
    """

    name: str
    medium: str
    lossless: bool
    encode: Encode
    decode: Decode
    qualities: tuple[float, ...]
    scale: str
    settings: str
    software: Callable[[], str]
    model: str | None = None
    expected: Callable[[Any, float | None], Any] | None = None


def find_peer(name: str) -> Candidate:
    """The peer of pictures of that name.

    Raises:
        InputError: there is none.

    >>> find_peer("jpeg").settings
    'progressive, optimised, 4:2:0'
    """
    if name in PEERS:
        return PEERS[name]
    raise InputError(f"no peer is called {name!r}; known: {', '.join(PEERS)}")


def _pillow_encode(
    kind: str, options: Mapping[str, Any], pixels: Pixels, quality: float | None, threads: int
) -> bytes:
    """A file of Pillow's format ``kind``; the format has one thread only."""
    chosen = dict(options) if quality is None else {**options, "quality": _whole(kind, quality)}
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind, **chosen)
    return out.getvalue()


def _pillow_decode(data: bytes, threads: int) -> Pixels:
    """Pixels of a format whose decoder has one thread only."""
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


def _avif_encode(
    options: Mapping[str, Any], pixels: Pixels, quality: float | None, threads: int
) -> bytes:
    return _pillow_encode("AVIF", {**options, "max_threads": threads}, pixels, quality, threads)


def _avif_decode(data: bytes, threads: int) -> Pixels:
    # Pillow takes a decoder's threads from its module and from nowhere else.
    before = AvifImagePlugin.DEFAULT_MAX_THREADS
    AvifImagePlugin.DEFAULT_MAX_THREADS = threads
    try:
        return _pillow_decode(data, threads)
    finally:
        AvifImagePlugin.DEFAULT_MAX_THREADS = before


def _jpeg2000_encode(pixels: Pixels, quality: float | None, threads: int) -> bytes:
    """JPEG 2000 at ``quality`` bits per pixel: the 9/7 wavelet and a colour transform."""
    if quality is None or quality <= 0:
        raise InputError(f"jpeg2000 quality {quality}: bits per pixel above 0 are expected")
    options = {
        "irreversible": True,
        "mct": 1,
        "quality_mode": "rates",
        "quality_layers": [24 / quality],
    }
    return _pillow_encode("JPEG2000", options, pixels, None, threads)


def _jxl_encode(
    effort: int, lossless: bool, pixels: Pixels, quality: float | None, threads: int
) -> bytes:
    height, width = pixels.shape[:2]
    encoder = _pillow_jxl().Encoder(
        mode="RGB",
        lossless=lossless,
        quality=100.0 if quality is None else float(quality),
        decoding_speed=0,
        effort=effort,
        use_container=False,
        use_original_profile=False,
        num_threads=_jxl_threads(threads),
    )
    metadata = {"exif": None, "jumb": None, "xmp": None, "compress": False}
    data: bytes = encoder(pixels.tobytes(), width, height, jpeg_encode=False, **metadata)
    return data


def _jxl_decode(data: bytes, threads: int) -> Pixels:
    decoder = _pillow_jxl().Decoder(num_threads=_jxl_threads(threads))
    _, info, samples, _, _ = decoder(data)
    return np.frombuffer(samples, np.uint8).reshape(info.height, info.width, 3)


def _jxl_threads(threads: int) -> int:
    """libjxl's count of helpers: 0 is the calling thread alone."""
    return 0 if threads == 1 else threads


def _pillow_jxl() -> ModuleType:
    try:
        import pillow_jxl
    except ModuleNotFoundError as error:
        raise InputError(
            "JPEG XL needs pillow-jxl-plugin, which is not installed; pip install 'nacre[bench]'"
        ) from error
    module: ModuleType = pillow_jxl
    return module


def _whole(kind: str, quality: float) -> int:
    if quality != int(quality) or not 0 <= quality <= 100:
        raise InputError(f"{kind} quality {quality}: a whole number from 0 to 100 is expected")
    return int(quality)


def _pillow_version(feature: str, library: str) -> str:
    return f"Pillow {PIL.__version__}, {library} {features.version(feature)}"


def _jxl_version() -> str:
    _pillow_jxl()
    return f"pillow-jxl-plugin {version('pillow-jxl-plugin')}"


def _avif_version() -> str:
    aom = AvifImagePlugin.get_codec_version("aom")
    return f"{_pillow_version('avif', 'libavif')}, libaom {aom}"


_jpeg_version = partial(_pillow_version, "libjpeg_turbo", "libjpeg-turbo")
_webp_version = partial(_pillow_version, "webp", "libwebp")
_png_version = partial(_pillow_version, "zlib", "zlib")
_jpeg2000_version = partial(_pillow_version, "jpg_2000", "OpenJPEG")

_AVIF_GRID = (15, 30, 42, 54, 66, 76, 85)
_AVIF_PSNR_GRID = (12, 22, 32, 44, 56, 66, 76)


def _avif(name: str, options: Mapping[str, Any], grid: tuple[int, ...], words: str) -> Candidate:
    encode = partial(_avif_encode, MappingProxyType({"speed": 6, **options}))
    return Candidate(
        name, "image", False, encode, _avif_decode, grid, PERCENT, f"speed 6, {words}",
        _avif_version,
    )  # fmt: skip


def _jxl_lossless(effort: int) -> Candidate:
    return Candidate(
        f"jxl-lossless-{effort}", "image", True, partial(_jxl_encode, effort, True), _jxl_decode,
        (), PERCENT, f"lossless, effort {effort}", _jxl_version,
    )  # fmt: skip


def _pillow(
    name: str,
    kind: str,
    options: Mapping[str, Any],
    grid: tuple[int, ...],
    words: str,
    software: Callable[[], str],
) -> Candidate:
    """A peer that Pillow writes; without qualities in its grid it is lossless."""
    encode = partial(_pillow_encode, kind, MappingProxyType(dict(options)))
    return Candidate(
        name, "image", not grid, encode, _pillow_decode, grid, PERCENT, words, software
    )


# The grids give the points of docs/bench.md's table for Kodak, which a test keeps.
_ALL = (
    _pillow(
        "jpeg",
        "JPEG",
        {"progressive": True, "optimize": True, "subsampling": "4:2:0"},
        (10, 20, 30, 50, 75, 85, 92),
        "progressive, optimised, 4:2:0",
        _jpeg_version,
    ),
    _pillow(
        "webp", "WEBP", {"method": 6}, (5, 20, 40, 60, 75, 85, 92), "method 6", _webp_version
    ),
    _avif("avif", {"subsampling": "4:2:0"}, _AVIF_GRID, "4:2:0"),
    _avif("avif-444", {"subsampling": "4:4:4"}, _AVIF_GRID, "4:4:4"),
    _avif(
        "avif-psnr",
        {"subsampling": "4:4:4", "advanced": {"tune": "psnr"}},
        _AVIF_PSNR_GRID,
        "4:4:4, tuned for PSNR",
    ),
    Candidate(
        "jpeg2000", "image", False, _jpeg2000_encode, _pillow_decode,
        (0.15, 0.25, 0.4, 0.6, 0.9, 1.3, 2.0), BPP,
        "irreversible 9/7, colour transform, rate-controlled", _jpeg2000_version,
    ),
    Candidate(
        "jxl", "image", False, partial(_jxl_encode, 7, False), _jxl_decode,
        (20, 50, 65, 78, 87, 92), PERCENT, "effort 7", _jxl_version,
    ),
    _pillow("png", "PNG", {"optimize": True}, (), "optimised", _png_version),
    _pillow(
        "webp-lossless",
        "WEBP",
        {"lossless": True, "method": 6, "quality": 100},
        (),
        "lossless, method 6, quality 100",
        _webp_version,
    ),
    _jxl_lossless(7),
    _jxl_lossless(9),
)  # fmt: skip

PEERS: Mapping[str, Candidate] = MappingProxyType({peer.name: peer for peer in _ALL})
"""Every peer of pictures, by name."""
