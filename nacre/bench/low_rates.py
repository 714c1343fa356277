"""Few bytes: the best mesh of another connectivity, against decimation in front of Draco.

The peer decimates by quadrics (fast-simplification), then Draco codes what is left; its number of
faces and its bits are searched, so that each target has the best file that this pair can make.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

import nacre
from nacre.bench.candidates import split_options
from nacre.bench.mesh_peers import MESH_PEERS
from nacre.bench.triangles import Triangles, load_triangles, triangles_of
from nacre.errors import InputError
from nacre.transforms.decimate import decimate, fit
from nacre.transforms.surface_distance import Original

BITS = range(6, 13)
"""Of grids that the peer tries."""
TRIALS = 6
"""Numbers of faces that the peer tries for each of them."""
SAMPLES = 60_000
SEED = 1
"""Other samples than those that codecs choose by, so that none is measured by what it fitted."""


@dataclass(frozen=True)
class LowRate:
    """One codec's best file of at most so many bytes.

    Attributes:
        file: the mesh.
        codec: name.
        target_bytes: at most so many.
        bytes: of the file.
        faces: of the decoded mesh.
        psnr_db: surface PSNR, peak the box diagonal, the larger error of both ways.
        encode_seconds: CPU seconds with all trials.
        bits: of the grid, where it is known.
        error: why there are no figures.
    """

    file: str
    codec: str
    target_bytes: int
    bytes: int = 0
    faces: int = 0
    psnr_db: float = 0.0
    encode_seconds: float = 0.0
    bits: int | None = None
    error: str | None = None


Best = Callable[[Triangles, int], tuple[bytes, Triangles, int | None]]
"""``(mesh, bytes) -> file, decoded, bits``."""


def compare(
    paths: Sequence[Path],
    codecs: Sequence[str],
    targets: Sequence[int],
    *,
    on_row: Callable[[LowRate], None] = lambda _: None,
) -> list[LowRate]:
    """Every codec at every target on every mesh.

    Args:
        paths: files of meshes.
        codecs: ``decimate+draco-10``, ``fit+draco-10`` (which moves vertices as nacre's own search
            does), or one of nacre's as in
            :func:`nacre.bench.candidates.candidate`.
        targets: bytes.
        on_row: called with each result as it is made.

    Raises:
        InputError: a target is not above 0, or a file holds no mesh.
    """
    if not targets or min(targets) < 1:
        raise InputError(f"targets of {', '.join(map(str, targets)) or 'none'} bytes: above 0")
    rows = []
    for path in paths:
        mesh = load_triangles(path)
        judge = Original.of(mesh.corners, samples=SAMPLES, seed=SEED)
        for codec in codecs:
            best = _PEERS[codec](mesh) if codec in _PEERS else _own(codec)
            for target in targets:
                rows.append(_row(path.name, codec, target, mesh, best, judge))
                on_row(rows[-1])
    return rows


def _row(
    file: str, codec: str, target: int, mesh: Triangles, best: Best, judge: Original
) -> LowRate:
    start = time.process_time()
    try:
        data, decoded, bits = best(mesh, target)
        seconds = time.process_time() - start
        if len(data) > target:
            raise InputError(f"{len(data):,} bytes, more than {target:,}")
        psnr = judge.psnr_db(decoded.corners, seed=SEED)
    except Exception as error:  # whatever a codec does, the others are measured
        return LowRate(file, codec, target, error=f"{type(error).__name__}: {error}")
    return LowRate(file, codec, target, len(data), len(decoded.faces), psnr, seconds, bits)


def _own(text: str) -> Best:
    name, options = split_options(text)

    def best(mesh: Triangles, target: int) -> tuple[bytes, Triangles, int | None]:
        pair = (mesh.vertices, mesh.faces)
        data = nacre.encode(pair, codec=name, target_size=target, **options)
        return data, triangles_of(nacre.decode(data)), None

    return best


def _decimated(fitted: bool, mesh: Triangles) -> Best:
    """The search of the pair; meshes of a number of faces are made once."""
    own = Original.of(mesh.corners)
    draco = MESH_PEERS["draco-10"]

    @functools.cache
    def fewer(count: int) -> Triangles:
        vertices, faces = decimate(mesh.vertices, mesh.faces, count)
        if fitted:
            vertices = fit(vertices, faces, own.tree, own.samples)
        return Triangles(vertices.astype(np.float32), faces)

    def largest(bits: int, target: int) -> bytes | None:
        """Bytes rise almost in proportion to faces, so that a few corrections are enough."""
        kept: bytes | None = None
        count = float(target)
        for _ in range(TRIALS):
            count = min(max(count, 8.0), float(len(mesh.faces)))
            # Even hundredths: meshes of the other bits and targets are met again.
            data = draco.encode(fewer(_rounded(count)), float(bits), 1)
            if len(data) <= target and (kept is None or len(data) > len(kept)):
                kept = data
            if 0.99 * target <= len(data) <= target:
                break
            count *= 0.997 * target / len(data)
        return kept

    def best(same: Triangles, target: int) -> tuple[bytes, Triangles, int | None]:
        found: list[tuple[float, int, bytes, Triangles]] = []
        for bits in BITS:
            data = largest(bits, target)
            if data is not None:
                decoded = draco.decode(data, 1)
                found.append((own.psnr_db(decoded.corners), bits, data, decoded))
        if not found:
            raise InputError(f"no number of faces gives {target:,} bytes or fewer")
        _, chosen, file, result = max(found, key=lambda one: one[0])
        return file, result, chosen

    return best


def _rounded(count: float) -> int:
    """To three digits."""
    step: int = 10 ** max(len(str(int(count))) - 3, 0)
    return max(round(count / step) * step, 4)


_PEERS = MappingProxyType(
    {
        "decimate+draco-10": functools.partial(_decimated, False),
        "fit+draco-10": functools.partial(_decimated, True),
    }
)
CODECS = "circuit-mesh,decimate+draco-10"
"""Measured when none are asked for."""


def low_rate_table(rows: Sequence[LowRate], *, command: str) -> str:
    """The figures as Markdown, with the difference to the first peer in dB."""
    reference = {
        (row.file, row.target_bytes): row.psnr_db
        for row in rows
        if row.codec == "decimate+draco-10" and row.error is None
    }
    lines = [
        f"    {command}",
        "",
        "Surface PSNR, peak the box diagonal; files of at most the target, each codec's best; CPU "
        "seconds with all its trials.",
        "",
        "| mesh | target | codec | bytes | faces | bits | PSNR dB | to decimate+draco-10 | s |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        start = f"| {row.file} | {row.target_bytes:,} | {row.codec} "
        if row.error is not None:
            lines.append(f"{start}| {row.error.replace('|', '/')} | | | | | |")
            continue
        other = reference.get((row.file, row.target_bytes))
        gain = "" if other is None else f"{row.psnr_db - other:+.2f} dB"
        lines.append(
            f"{start}| {row.bytes:,} | {row.faces:,} | {row.bits or ''} | {row.psnr_db:.2f} "
            f"| {gain} | {row.encode_seconds:.1f} |"
        )
    return "\n".join(lines) + "\n"
