"""Bits a splat of circuit-splat, by attribute, beside the bytes of the files they come from.

    splats.py FILE ...

Files are SPZ, SOG or compressed PLY, coded at exactly their own integers; each is decoded and
compared, as sets of splats. A row: splats, bytes of the file and of the stream (header and
checksums included), their ratio, bits a splat by attribute (as the model counts them; "other" is
what is left), seconds of CPU time for encoding and decoding (a first run, not counted, compiles).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nacre.codecs.circuit_splat import CircuitSplat, CircuitSplatSettings, encode_quantized
from nacre.errors import InputError
from nacre.media.splat import Splats, load_splats
from nacre.media.splat_schemes import Quantized
from nacre.stream import Stream

ATTRIBUTES = ("position", "scale", "opacity", "colour", "rotation", "harmonics")


def sorted_rows(quantized: Quantized) -> npt.NDArray[np.int64]:
    """All integers of each splat, in one order."""
    columns = [quantized.points, quantized.values]
    if quantized.labels is not None and quantized.palette is not None:
        columns.append(quantized.palette[quantized.labels])
    rows = np.concatenate(columns, axis=1)
    return rows[np.lexsort(rows.T)]


def row(path: Path, splats: Splats) -> str:
    """One line of the table."""
    codec, settings = CircuitSplat(), CircuitSplatSettings(lossless=True)
    start = time.process_time()
    data = codec.encode(splats, settings).to_bytes()
    encoded = time.process_time()
    decoded = codec.decode(Stream.from_bytes(data))
    ended = time.process_time()
    assert splats.quantized is not None and decoded.quantized is not None
    same = np.array_equal(sorted_rows(splats.quantized), sorted_rows(decoded.quantized))
    if not same:
        raise SystemExit(f"{path}: not the same integers")
    spent: dict[str, float] = {}
    encode_quantized(splats.quantized, spent=spent)
    bits = [spent[name] / splats.count for name in ATTRIBUTES]
    total, size = 8 * len(data) / splats.count, path.stat().st_size
    cells = " | ".join(f"{value:.2f}" for value in (*bits, total - sum(bits), total))
    times = f"{encoded - start:.1f} | {ended - encoded:.1f}"
    change = 100 * (len(data) / size - 1)
    return (
        f"| {path.name} | {splats.count} | {size} | {len(data)} | {change:+.1f} % | {cells} | "
        f"{8 * size / splats.count:.2f} | {times} |"
    )


def main(paths: list[str]) -> None:
    """Print the table."""
    names = " | ".join((*ATTRIBUTES, "other", "all", "file"))
    print(f"| scene | splats | bytes | ours | change | {names} | enc s | dec s |")
    print("|---|" + "---:|" * (names.count("|") + 7))
    warm = load_splats(paths[0])
    if warm.quantized is None:
        raise InputError(f"{paths[0]} holds floats; a file of integers is expected")
    few = Quantized(warm.quantized.scheme, warm.quantized.points[:50], warm.quantized.values[:50])
    encode_quantized(few)
    for path in paths:
        print(row(Path(path), load_splats(path)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
