"""Writes tests/golden: small streams that every later release must treat as this one does.

    python scripts/golden.py                   # add what is missing; files that exist stay
    python scripts/golden.py --rewrite         # write all anew (before their version's release)
    python scripts/golden.py --dissect FILE    # a stream taken apart in hex

Three drawers: ``common`` and ``unusual`` must decode to what their ``manifest.json`` records,
``hostile`` must be refused with the error that it records. Nothing else writes there, and a change
to a file that exists belongs into CHANGELOG.md.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent))  # the folder of a script; tests load it by path

from hostile import hostile_streams

from nacre.media.image import Image
from nacre.media.metadata import Metadata
from nacre.registry import codec_class, load_codec
from nacre.stream import ImageShape, Section, Stream, build_archive, describe, read_header

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"


@dataclass(frozen=True)
class Golden:
    """One stream that must decode.

    Attributes:
        name: of the file.
        what: what it shows, for people.
        picture: what is encoded; of an archive, its items.
        codec: by name.
        settings: of the codec.
        extra: sections of unknown kinds to add.
    """

    name: str
    what: str
    picture: Image | tuple[Image, ...]
    codec: str = "stored"
    settings: dict[str, Any] = field(default_factory=dict)
    extra: tuple[Section, ...] = ()


def photo(width: int, height: int, channels: int = 3, depth: int = 8, shift: int = 0) -> Image:
    """Rings and slopes with a little texture, the same everywhere (integers only)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    rings = (x - width // 3) ** 2 + (y - height // 2) ** 2
    texture = (x * 7919 + y * 104729 + x * y * 31) % 8
    planes = [
        (rings * (3 + c) // 16 + x * (5 - c) + y * (2 + c) + texture + shift) for c in range(4)
    ]
    stack = np.stack(planes[:channels], axis=-1)
    if depth == 16:
        return Image((stack * 173 % 65536).astype(np.uint16))
    return Image((stack % 256).astype(np.uint8))


def flat(width: int, height: int, value: int) -> Image:
    """One colour."""
    return Image(np.full((height, width, 3), value, np.uint8))


EVERYTHING = Metadata(
    icc=b"not a real profile, carried byte for byte " * 8,
    exif=bytes.fromhex("49492a0008000000010012010300010000000600000000000000"),
    xmp='<x:xmpmeta xmlns:x="adobe:ns:meta/">naïve</x:xmpmeta>'.encode(),
    tags=(("Title", "Perlmutt"), ("Author", "螺"), ("Title", "again"), ("", "")),
)

COMMON = [
    Golden("first", "two by two RGB pixels; docs/format.md takes it apart", photo(2, 2)),
    Golden("rgb", "a small RGB picture", photo(28, 20)),
    Golden("grey", "a small grey picture", photo(40, 24, 1)),
    Golden("rgba", "RGB and alpha", photo(20, 16, 4)),
    Golden("flat", "one colour; deflate without a filter", flat(64, 64, 77)),
    Golden(
        "tagged", "text tags in a table of sections",
        replace(photo(16, 12), metadata=Metadata(tags=(("comment", "hello"),))),
    ),
    Golden(
        "archive", "eight grey items of one shape",
        tuple(photo(8, 8, 1, shift=29 * i) for i in range(8)),
    ),
    Golden(
        "walloc-rgb", "a lossy RGB picture", photo(64, 48),
        codec="walloc-rgb", settings={"quality": 50},
    ),
    Golden(
        "walloc-rgb-48", "a lossy picture of 48 channels", photo(50, 41),
        codec="walloc-rgb", settings={"quality": 70, "channels": 48},
    ),
    Golden(
        "walloc-rgb-12", "a lossy picture of 12 channels, with a model of its own", photo(72, 40),
        codec="walloc-rgb", settings={"quality": 40, "channels": 12},
    ),
    Golden(
        "walloc-rgba", "a lossy RGB picture with exact alpha", photo(40, 33, 4),
        codec="walloc-rgb", settings={"quality": 30},
    ),
]  # fmt: skip

UNUSUAL = [
    Golden("one-pixel", "1 x 1 grey", photo(1, 1, 1)),
    Golden("one-row", "300 x 1 RGB", photo(300, 1)),
    Golden("one-column", "1 x 200 grey and alpha", photo(1, 200, 2)),
    Golden("grey16", "16-bit grey", photo(24, 16, 1, depth=16)),
    Golden("grey-alpha16", "16-bit grey and alpha", photo(12, 10, 2, depth=16)),
    Golden("rgb16", "16-bit RGB", photo(12, 10, 3, depth=16)),
    Golden("rgba16", "16-bit RGBA", photo(9, 7, 4, depth=16)),
    Golden("all-metadata", "ICC, EXIF, XMP, TAGS", replace(photo(9, 5), metadata=EVERYTHING)),
    Golden(
        "ancillary", "an ancillary section of unknown kind 77, to be skipped", photo(5, 4),
        extra=(Section(77, b"from the future"),),
    ),
    Golden("archive-empty", "an archive of no items", ()),
    Golden(
        "walloc-pixel", "1 x 1 grey, lossy", photo(1, 1, 1),
        codec="walloc-rgb", settings={"quality": 100},
    ),
    Golden(
        "walloc-row", "1100 x 1 grey and alpha, lossy, in two tiles", photo(1100, 1, 2),
        codec="walloc-rgb", settings={"quality": 20},
    ),
    Golden(
        "walloc-flat", "one colour, lossy, at the coarsest step", flat(24, 24, 77),
        codec="walloc-rgb", settings={"quality": 0},
    ),
    Golden(
        "archive-shapes", "items of three shapes", (photo(3, 5, 1), photo(7, 2, 1), photo(1, 1, 1))
    ),
]  # fmt: skip


def digest(pixels: npt.NDArray[Any]) -> str:
    """SHA-256 of the samples, row by row, channels interleaved, little-endian."""
    return hashlib.sha256(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()).hexdigest()


def encode(golden: Golden) -> bytes:
    """The stream of ``golden``."""
    kind = codec_class(golden.codec)
    settings = kind.settings(**golden.settings)
    model = kind.model_for(settings) if hasattr(kind, "model_for") else None
    codec = load_codec(golden.codec, model=model)
    if isinstance(golden.picture, Image):
        stream = codec.encode(golden.picture, settings)
        return replace(stream, sections=(*golden.extra, *stream.sections)).to_bytes()
    items = [codec.encode(item, settings) for item in golden.picture]
    return build_archive(codec.number, items, shape=ImageShape(8, 8, channels=1)).to_bytes()


def record(golden: Golden, data: bytes, drawer: str) -> dict[str, Any]:
    """What the manifest says of ``golden``.

    Lossless codecs answer for the original pixels. Lossy ones answer for their symbols exactly, and
    for the picture, written beside the stream as PNG, within one level of 8 bits.
    """
    single = isinstance(golden.picture, Image)
    pictures = (golden.picture,) if isinstance(golden.picture, Image) else golden.picture
    codec = load_codec(golden.codec, model=read_header(data).model)
    entry: dict[str, Any] = {"what": golden.what, "codec": golden.codec, "archive": not single}
    if not codec.lossless:
        stream = Stream.from_bytes(data)
        entry["symbols_sha256"] = digest(codec.symbols(stream))
        codec.decode(stream).save(GOLDEN / drawer / f"{golden.name}.png", force=True)
    entry["pictures"] = [
        {"shape": list(p.pixels.shape), "depth": p.depth, "sha256": digest(p.pixels)}
        for p in (pictures if codec.lossless else ())
    ]
    if single:
        names = ("icc", "exif", "xmp")
        carried = pictures[0].metadata
        contents = {name: getattr(carried, name) for name in names}
        entry["metadata"] = {n: c.hex() for n, c in contents.items() if c is not None}
        entry["tags"] = [list(tag) for tag in carried.tags]
    return entry


def write_drawer(drawer: str, streams: dict[str, bytes], entries: dict[str, Any]) -> None:
    """Write the files of one drawer that do not exist yet, and its manifest."""
    folder = GOLDEN / drawer
    folder.mkdir(parents=True, exist_ok=True)
    manifest = folder / "manifest.json"
    known = json.loads(manifest.read_text()) if manifest.exists() else {}
    for name, data in streams.items():
        path = folder / f"{name}.ncr"
        if path.exists() and name in known:
            continue
        path.write_bytes(data)
        known[name] = entries[name]
        print(f"{path.relative_to(GOLDEN)}: {len(data):,} bytes", file=sys.stderr)
    text = json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False)
    manifest.write_text(text + "\n")


def dissect(data: bytes) -> str:
    """``data`` taken apart: offset, bytes in hex, field and value of each part."""
    lines = [f"{'offset':>6}  {'bytes':<24}  field"]
    offset = -1
    for row in describe(data):
        if row.offset == offset and row.length:
            lines.append(f"{'':>6}  {'':<24}    {row.name} = {row.text}")
            continue
        offset = row.offset
        raw = data[row.offset : row.offset + row.length]
        chunks = [raw[i : i + 8].hex(" ") for i in range(0, len(raw), 8)] or [""]
        lines.append(f"{row.offset:>6}  {chunks[0]:<24}  {row.name} = {row.text}")
        lines += [f"{'':>6}  {chunk}" for chunk in chunks[1:]]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def main() -> None:
    """Write what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rewrite", action="store_true", help="replace files that exist")
    parser.add_argument("--dissect", type=Path, metavar="FILE", help="print FILE taken apart")
    arguments = parser.parse_args()
    if arguments.dissect:
        print(dissect(arguments.dissect.read_bytes()), end="")
        return
    if arguments.rewrite:
        for path in [*GOLDEN.glob("*/*.ncr"), *GOLDEN.glob("*/manifest.json")]:
            path.unlink()
    for drawer, goldens in (("common", COMMON), ("unusual", UNUSUAL)):
        streams = {golden.name: encode(golden) for golden in goldens}
        entries = {golden.name: record(golden, streams[golden.name], drawer) for golden in goldens}
        write_drawer(drawer, streams, entries)
    bad = hostile_streams()
    write_drawer(
        "hostile",
        {each.name: each.data for each in bad},
        {each.name: {"what": each.what, "error": each.error} for each in bad},
    )


if __name__ == "__main__":
    main()
