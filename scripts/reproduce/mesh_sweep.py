"""Every mesh file of some folders there and back: faces equal, errors within half a step.

    python scripts/reproduce/mesh_sweep.py data/eval/meshes data/train/meshes --bits 11 --effort 2

Each file is encoded on a grid and losslessly, written, read and decoded. On the grid, the decoded
faces must be the input's under the map of vertices (oriented, as often as they are there), each
coordinate within half a step of where it was, and coding what was decoded must give the same bytes.
Lossless files must hold the same scene bit by bit. Prints a line a file and what all took; the exit
code is 1 if anything failed.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

import nacre
from nacre.codecs.circuit_mesh import CircuitMesh, CircuitMeshSettings
from nacre.media.detect import MESHES
from nacre.media.mesh import Mesh, Scene, load_mesh
from nacre.media.mesh_compare import same_scene

HALF = 0.5 + 1e-3
"""Of a step: what rounding to float32 adds is less."""


@dataclass(frozen=True)
class Swept:
    """What became of one file.

    Attributes:
        name: of the file.
        vertices: of all its meshes.
        source_bytes, lossy_bytes, lossless_bytes: sizes of files.
        seconds: of the processor, encoding and decoding on the grid.
        problem: what is wrong; "" when nothing is.
    """

    name: str
    vertices: int
    source_bytes: int
    lossy_bytes: int
    lossless_bytes: int
    seconds: tuple[float, float]
    problem: str


def mesh_files(folders: list[Path]) -> list[Path]:
    """The mesh files in folders, in order."""
    found = (path for folder in folders for path in sorted(folder.rglob("*")))
    return [path for path in found if path.suffix.lower() in MESHES]


def oriented(faces: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Faces turned so that their least vertex is first, sorted."""
    turns = [np.roll(faces, -k, axis=1) for k in range(3)]
    size = int(faces.max(initial=0)) + 1
    keys = np.stack([(t[:, 0] * size + t[:, 1]) * size + t[:, 2] for t in turns])
    return np.sort(keys.min(axis=0))


def problems(source: Mesh, decoded: Mesh, order: npt.NDArray[np.int32]) -> Iterator[str]:
    """What is wrong with a decoded mesh, given the input's vertex of each of its own."""
    if not np.array_equal(np.sort(order), np.arange(len(source.vertices))):
        yield "the map is no permutation of the vertices"
        return
    if not np.array_equal(
        oriented(source.faces.astype(np.int64)), oriented(order[decoded.faces].astype(np.int64))
    ):
        yield "the faces differ"
    if decoded.lattice is None:
        yield "there is no lattice"
        return
    error = np.abs(decoded.vertices.astype(np.float64) - source.vertices[order])
    slack = np.spacing(np.abs(source.vertices).max(initial=0).astype(np.float32))
    if error.size and error.max() > HALF * decoded.lattice.step + slack:
        yield f"an error of {error.max() / decoded.lattice.step:.3f} steps"


def sweep(path: Path, bits: int, effort: int) -> Swept:
    """Encode and decode one file."""
    scene = load_mesh(path)
    settings = CircuitMeshSettings(bits=bits, effort=effort)
    start = time.process_time()
    mapped = CircuitMesh().encode_mapped(scene, settings)
    data = mapped.stream.to_bytes()
    middle = time.process_time()
    decoded: Scene = nacre.decode(data)
    end = time.process_time()
    found = [
        text
        for triple in zip(scene.meshes, decoded.meshes, mapped.vertex_maps, strict=True)
        for text in problems(*triple)
    ]
    if CircuitMesh().encode(decoded, settings).to_bytes() != data:
        found.append("coding what was decoded gives other bytes")
    exact = nacre.encode(scene, lossless=True, effort=effort)
    if not same_scene(nacre.decode(exact), scene):
        found.append("what was lossless differs")
    return Swept(
        path.name, scene.shape.vertices, path.stat().st_size, len(data), len(exact),
        (middle - start, end - middle), "; ".join(found),
    )  # fmt: skip


def main() -> int:
    """Sweep the folders of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--bits", type=int, default=14)
    parser.add_argument("--effort", type=int, default=2)
    arguments = parser.parse_args()
    failed, rows = 0, []
    for path in mesh_files(arguments.folders):
        try:
            row = sweep(path, arguments.bits, arguments.effort)
        except nacre.NacreError as error:
            row = Swept(path.name, 0, path.stat().st_size, 0, 0, (0, 0), str(error))
        rows.append(row)
        failed += bool(row.problem)
        print(
            f"{row.name:34}{row.vertices:>8,}{row.source_bytes:>11,}{row.lossy_bytes:>9,}"
            f"{row.lossless_bytes:>10,}{row.seconds[0]:>7.2f}{row.seconds[1]:>7.2f}  "
            f"{row.problem or 'equal'}",
            flush=True,
        )
    sums = [sum(getattr(row, name) for row in rows) for name in ("lossy_bytes", "lossless_bytes")]
    print(f"{len(rows)} files, {failed} failed; {sums[0]:,} bytes on grids, {sums[1]:,} lossless")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
