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
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).parent))  # the folder of a script; tests load it by path

import golden_scenes
import golden_sounds
from hostile import hostile_streams
from hostile_scenes import hostile_scenes
from hostile_sounds import hostile_sounds
from hostile_spectra import hostile_spectra
from nacre.entropy.circuits.integer import IntegerCircuit
from nacre.entropy.circuits.model import random_hclt
from nacre.entropy.circuits.queries import sample
from nacre.media.image import Image
from nacre.media.image_sets import ImageSet
from nacre.media.image_symbols import from_symbols, values_of, variables_of
from nacre.media.metadata import Metadata
from nacre.registry import codec_class, load_codec
from nacre.stream import ImageShape, Lanes, Section, Stream, build_archive, describe, read_header
from nacre.train.export import write_model

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"


@dataclass(frozen=True)
class Golden:
    """One stream that must decode.

    Attributes:
        name: of the file.
        what: what it shows, for people.
        picture: what is encoded; of an archive, its items; or a set that the codec takes whole.
        codec: by name.
        settings: of the codec.
        extra: sections of unknown kinds to add.
        circuit: encode with a small circuit for pictures of this shape, made by a seed.
    """

    name: str
    what: str
    picture: Image | tuple[Image, ...] | ImageSet
    codec: str = "stored"
    settings: dict[str, Any] = field(default_factory=dict)
    extra: tuple[Section, ...] = ()
    circuit: ImageShape | None = None


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


def grainy(width: int, height: int, channels: int = 3, depth: int = 8) -> Image:
    """Slopes under grain, as in a photograph, the same everywhere (integers only)."""
    c, y, x = np.mgrid[0:4, 0:height, 0:width].astype(np.int64)
    grain = np.zeros_like(x)
    for turn in range(4):
        hashed = (x * 374761393 + y * 668265263 + c * 2147483647 + turn * 97) * 1274126177
        grain += (hashed >> 13) % 13 - 6
    slopes = x * (5 + c) + y * (4 - c) + 30 * ((x + 2 * y) // 25 % 3) + 60 + 9 * c
    stack = np.moveaxis(slopes + grain, 0, -1)[..., :channels]
    if depth == 16:
        fine = (x * 668265263 + y * 374761393 + c * 77) % (1 << 31)
        fine = ((fine ^ fine >> 15) * 1274126177 % (1 << 31) ^ fine) * 374761393 >> 13
        deep = stack * 97 + np.moveaxis(fine % 89, 0, -1)[..., :channels]
        return Image(np.ascontiguousarray(deep % 65536, np.uint16))
    return Image(np.ascontiguousarray(stack.clip(0, 255), np.uint8))


def rings(count: int, size: int = 28) -> npt.NDArray[np.uint8]:
    """Bright rings on black, somewhat like the digit nought: ``[count, size, size, 1]``."""
    n, y, x = np.mgrid[0:count, 0:size, 0:size].astype(np.int64)
    squared = (2 * x - size + n) ** 2 + (3 * y - 3 * size // 2) ** 2 // 2
    grain = (x * 374761393 + y * 668265263 + n * 97) * 1274126177 >> 13
    inked = (255 - abs(squared - 150 - 20 * n) * 3 - grain % 40).clip(0)
    return np.asarray(inked, np.uint8)[..., None]


def drawn(shape: ImageShape, count: int) -> ImageSet:
    """Pictures of names, drawn from the circuit of :func:`write_circuit`."""
    tree = random_hclt(variables_of(shape), 4, values_of(shape), 1)
    pixels = from_symbols(sample(tree, count, seed=2), shape)
    return ImageSet(pixels, names=tuple(f"{i}.png" for i in range(count)))


def letters(width: int, height: int, channels: int = 3) -> Image:
    """Glyphs of two colours on a third, and a slope below: a screen."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    glyph = (x // 6 * 7 + y // 9 * 3) % 5
    ink = ((x % 6 * (glyph + 1) + y % 9 * 3) % 7 < 3) & (x % 6 < 5) & (y % 9 < 7)
    colours = np.array([[250, 250, 245, 255], [20, 30, 60, 255], [200, 40, 30, 128]], np.uint8)
    pixels = colours[np.where(ink, 1 + (y // 9 % 3 == 0), 0)]
    pixels[height * 3 // 4 :, width // 2 :, 0] = (x + y)[height * 3 // 4 :, width // 2 :] % 256
    return Image(np.ascontiguousarray(pixels[..., :channels]))


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
    Golden("adaptive-photo", "mode photo, RGB", grainy(40, 30), codec="adaptive-image"),
    Golden("adaptive-grey", "mode photo, grey", grainy(33, 25, 1), codec="adaptive-image"),
    Golden("adaptive-rgba", "mode photo, RGB and alpha", grainy(24, 21, 4), codec="adaptive-image"),
    Golden("adaptive-screen", "mode screen, RGB", letters(90, 64), codec="adaptive-image"),
    Golden(
        "circuit-digits", "a set of 5 pictures, by a circuit that ships",
        ImageSet(rings(5)), codec="circuit-image", settings={"lanes": 2},
    ),
    Golden(
        "circuit-digit", "one picture, by a circuit that ships",
        Image(rings(2)[1]), codec="circuit-image",
    ),
    Golden(
        "circuit-photo", "a single picture of any size, by networks that ship",
        grainy(40, 33), codec="circuit-image",
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
    Golden("adaptive-pixel", "1 x 1 RGB", grainy(1, 1), codec="adaptive-image"),
    Golden("adaptive-row", "300 x 1 grey and alpha", grainy(300, 1, 2), codec="adaptive-image"),
    Golden("adaptive-grey16", "16-bit grey", grainy(40, 26, 1, 16), codec="adaptive-image"),
    Golden("adaptive-rgb16", "16-bit RGB", grainy(32, 20, 3, 16), codec="adaptive-image"),
    Golden("adaptive-flat", "one colour", flat(500, 400, 77), codec="adaptive-image"),
    Golden(
        "adaptive-fast", "the lowest effort", grainy(31, 29),
        codec="adaptive-image", settings={"effort": 1},
    ),
    Golden(
        "adaptive-small", "the highest effort", grainy(31, 29),
        codec="adaptive-image", settings={"effort": 9},
    ),
    Golden(
        "adaptive-screen-rgba", "mode screen, RGB and alpha", letters(61, 47, 4),
        codec="adaptive-image",
    ),
    Golden(
        "circuit-embedded", "black and white pictures of names, the circuit in the file",
        drawn(ImageShape(9, 9, 1, 1), 300),
        codec="circuit-image", settings={"lanes": 3, "embed": True},
        circuit=ImageShape(9, 9, 1, 1),
    ),
    Golden(
        "circuit-stored", "a set that no circuit makes smaller", ImageSet(rings(1, 9) > 0),
        codec="circuit-image", settings={"embed": True}, circuit=ImageShape(9, 9, 1, 1),
    ),
    Golden(
        "archive-shapes", "items of three shapes", (photo(3, 5, 1), photo(7, 2, 1), photo(1, 1, 1))
    ),
]  # fmt: skip


def digest(pixels: npt.NDArray[Any]) -> str:
    """SHA-256 of the samples, row by row, channels interleaved, little-endian."""
    return hashlib.sha256(pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()).hexdigest()


def write_circuit(folder: Path, shape: ImageShape) -> Path:
    """A model file of a circuit that a seed makes; it is good for nothing but tests."""
    tree = random_hclt(variables_of(shape), 4, values_of(shape), 1)
    tables = IntegerCircuit.from_hclt(tree, step=2**-9).to_bytes()
    header = {name: str(size) for name, size in vars(shape).items()}
    arrays = {"circuit": np.frombuffer(tables, np.uint8)}
    path = folder / "small.safetensors"
    write_model(path, arrays, {"codec": "circuit-image"}, force=True, header=header)
    return path


def encode(golden: Golden) -> bytes:
    """The stream of ``golden``."""
    kind = codec_class(golden.codec)
    settings = kind.settings(**golden.settings)
    model: Any = kind.model_for(settings) if hasattr(kind, "model_for") else None
    with tempfile.TemporaryDirectory() as folder:
        if golden.circuit is not None:
            model = write_circuit(Path(folder), golden.circuit)
        codec: Any = load_codec(golden.codec, model=model)
    if isinstance(golden.picture, ImageSet):
        return bytes(codec.encode_set(golden.picture, settings).to_bytes())
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
    if isinstance(pictures, ImageSet):
        pictures = (pictures.strip(),)  # one below the other: one digest for all
    codec = load_codec(golden.codec, model=read_header(data).model)
    entry: dict[str, Any] = {"what": golden.what, "codec": golden.codec, "archive": not single}
    if isinstance(golden.picture, ImageSet):
        entry["lanes"] = len(Lanes.of(Stream.from_bytes(data)).counts)
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
    for drawer, goldens, scenes, sounds in (
        ("common", COMMON, golden_scenes.COMMON, golden_sounds.COMMON),
        ("unusual", UNUSUAL, golden_scenes.UNUSUAL, golden_sounds.UNUSUAL),
    ):
        streams = {golden.name: encode(golden) for golden in goldens}
        entries = {golden.name: record(golden, streams[golden.name], drawer) for golden in goldens}
        for scene in scenes:
            data = streams[scene.name] = golden_scenes.encode_scene(scene)
            entries[scene.name] = golden_scenes.record_scene(scene, data)
        for sound in sounds:
            data = streams[sound.name] = golden_sounds.encode_sound(sound)
            entries[sound.name] = golden_sounds.record_sound(sound, data)
        write_drawer(drawer, streams, entries)
    bad: list[Any] = [*hostile_streams(), *hostile_scenes(), *hostile_sounds(), *hostile_spectra()]
    write_drawer(
        "hostile",
        {each.name: each.data for each in bad},
        {each.name: {"what": each.what, "error": each.error} for each in bad},
    )


if __name__ == "__main__":
    main()
