"""Codecs of meshes beside Draco: what is measured of each file.

Every codec gets the same positions and faces, welded bit by bit and without isolated vertices, and
must give back the same triangles, moved onto the grid that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np

from nacre.bench.medium import Figures, Medium
from nacre.bench.mesh_metrics import (
    box_diagonal,
    cloud_distance,
    normal_deviation,
    surface_distance,
    vertex_normals,
)
from nacre.bench.mesh_peers import MESH_PEERS, xz_size
from nacre.bench.peers import BITS, Candidate
from nacre.bench.records import Record
from nacre.bench.size_report import Column, Words, change, write_size_report
from nacre.bench.triangles import (
    Floats,
    Triangles,
    is_mesh_file,
    load_triangles,
    same_corners,
    same_order,
)
from nacre.errors import InputError

CODECS = "circuit-mesh:effort=2,draco-7,draco-10"
ZERO = np.float32(0)


def mesh_distances(
    one: Candidate, original: Triangles, decoded: Triangles, quality: float | None
) -> Figures:
    """What a record says of a decoded mesh; ``docs/bench.md`` says what each name means.

    Raises:
        InputError: the triangles are not those that the candidate must give back.
    """
    exact = one.lossless or one.expected is None
    promised = original if exact or one.expected is None else one.expected(original, quality)
    if not exact:
        # A grid may say -0 where another arithmetic says 0.
        promised, decoded = (Triangles(m.vertices + ZERO, m.faces) for m in (promised, decoded))
    pair = same_order(promised, decoded)
    if pair is None:
        raise InputError(
            f"{one.name}: {len(decoded.faces):,} faces of {len(decoded.vertices):,} vertices came "
            f"back, which are not the original's {len(promised.faces):,} faces"
        )
    if exact:
        planes = xz_size(np.ascontiguousarray(decoded.vertices).view(np.uint32))
        return {"identical": True, "planes_bytes": planes}
    moved = Triangles(original.vertices, promised.faces)
    corners = same_corners(moved, decoded, pair)
    figures = _vertices(corners, moved, quality) | _surfaces(original, decoded)
    normals = normal_deviation(*corners)
    return figures | {
        "identical": False,
        "normal_degrees": normals.mean_degrees,
        "flipped": normals.flipped,
        "collapsed": normals.collapsed,
    }


def _vertices(
    corners: Floats, original: Triangles, quality: float | None
) -> dict[str, float | None]:
    """Errors of positions, which every face's corners say again."""
    errors = np.abs(corners[0] - corners[1])
    box = original.corners.reshape(-1, 3)
    side = float((box.max(axis=0) - box.min(axis=0)).max()) or 1.0
    step = side / (2 ** (quality or 1) - 1)
    return {"max_error_steps": float(errors.max()) / step}


def _surfaces(original: Triangles, decoded: Triangles) -> dict[str, float | None]:
    surface = surface_distance(original, decoded)
    before, after = (mesh.vertices.astype(np.float64) for mesh in (original, decoded))
    peak = box_diagonal(before) or 1.0
    points = cloud_distance(before, after, vertex_normals(original), peak=peak)
    return {
        "surface_mean_percent": surface.mean,
        "surface_rms_percent": surface.rms,
        "hausdorff_percent": surface.hausdorff,
        "surface_psnr_db": _finite(surface.psnr_db),
        "d1_psnr_db": _finite(points.d1_psnr_db),
        "d2_psnr_db": _finite(points.d2_psnr_db),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def planes_table(group: Sequence[Record]) -> str:
    """Lossless files beside their positions alone as byte planes through xz; "" of lossy ones."""
    lines = [
        "Whole files beside positions alone, in the order in which the codec gives them back, as "
        "byte planes through xz:",
        "",
        "| codec | bytes | positions through xz | bytes of all | mean of ratios |",
        "|---|---:|---:|---:|---:|",
    ]
    exact = [record for record in group if record.metrics.get("planes_bytes")]
    for codec in dict.fromkeys(record.codec for record in exact):
        own = [record for record in exact if record.codec == codec]
        sizes = [float(record.bytes or 0) for record in own]
        planes = [float(record.metrics["planes_bytes"] or 0) for record in own]
        shares = [a / b for a, b in zip(sizes, planes, strict=True)]
        total = change(sum(sizes) / sum(planes))
        lines.append(
            f"| {codec} | {sum(sizes):,.0f} | {sum(planes):,.0f} | {total} "
            f"| {change(sum(shares) / len(shares))} |"
        )
    return "\n".join(lines) if exact else ""


WORDS = Words(
    title="Benchmark of meshes",
    thing="mesh",
    unit="vertices",
    rate="bpv",
    notes=(
        "every codec gets the same positions and faces: welded bit by bit, isolated vertices "
        "dropped; bytes are whole files, decoded and compared triangle by triangle",
        "distances of surfaces are in % of the box diagonal; PSNR, D1 and D2 have it as peak; "
        "means over meshes, but the largest error of all, and flipped and collapsed faces in all",
    ),
    section=lambda bits: "Lossless float32" if bits is None else f"Positions of {bits:g} bits",
    references=("draco-10", "xz-planes"),
    columns=(
        Column("max_error_steps", "largest error, steps", 4, max),
        Column("surface_mean_percent", "mean %", 5),
        Column("surface_rms_percent", "RMS %", 5),
        Column("hausdorff_percent", "Hausdorff %", 4),
        Column("surface_psnr_db", "surface PSNR dB", 2),
        Column("d1_psnr_db", "D1 dB", 2),
        Column("d2_psnr_db", "D2 dB", 2),
        Column("normal_degrees", "normals, degrees", 3),
        Column("flipped", "flipped", 0, sum),
        Column("collapsed", "collapsed", 0, sum),
    ),
    peers=MESH_PEERS,
    more=planes_table,
)
MESHES = Medium(
    "mesh", "meshes", CODECS, BITS, is_mesh_file, load_triangles, lambda mesh: len(mesh.vertices),
    mesh_distances, partial(write_size_report, WORDS),
)  # fmt: skip
