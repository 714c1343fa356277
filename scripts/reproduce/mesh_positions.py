"""Bits a vertex of meshes' positions, and without loss; with Draco's bytes if DracoPy is there.

    mesh_positions.py FOLDER_OR_FILE ... [--bits 11 14] [--efforts 1 2] [--model MODEL] [--lossless]

Vertices are welded bit by bit, isolated ones left out; every message is decoded and compared.
Draco's bytes of positions are those of level 10 on the same grid less those of a run in which all
positions are one point. Bytes planes are transposed bytes of float32 under xz. Seconds are CPU
seconds. One thread: OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import lzma
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nacre.entropy.mesh.connectivity import encode_connectivity
from nacre.entropy.mesh.network import Network
from nacre.entropy.mesh.positions import decode_positions, encode_positions
from nacre.entropy.mesh.positions_floats import decode_floats, encode_floats
from nacre.entropy.mesh.surface import Surface
from nacre.transforms.lattice import find_lattice, quantize, split_zeros

Array = npt.NDArray[Any]


def read(path: Path) -> tuple[Array, Array]:
    """Vertices float32 ``[V, 3]``, each once and all in faces, and faces int32 ``[F, 3]``."""
    import trimesh

    mesh = trimesh.load(path, process=False, force="mesh")
    vertices, faces = np.asarray(mesh.vertices, np.float32), np.asarray(mesh.faces)
    bits = np.ascontiguousarray(vertices).view(np.uint32).reshape(-1, 3)
    _, first, inverse = np.unique(bits, axis=0, return_index=True, return_inverse=True)
    faces = first[inverse.ravel()][faces]
    used, names = np.unique(faces, return_inverse=True)
    return vertices[used], names.reshape(-1, 3).astype(np.int32)


def draco_bytes(vertices: Array, faces: Array, bits: int) -> float:
    """Bytes of positions in Draco's level 10; NaN without DracoPy."""
    try:
        import DracoPy
    except ImportError:
        return float("nan")
    low = vertices.astype(float).min(axis=0)
    side = float((vertices.astype(float).max(axis=0) - low).max())
    whole, one = (
        DracoPy.encode(
            vertices.astype(float),
            faces,
            quantization_bits=bits,
            compression_level=10,
            quantization_range=side * scale,
            quantization_origin=low,
        )
        for scale in (1.0, 1e9)
    )
    return len(whole) - len(one)


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """What a function returns, and its CPU seconds."""
    start = time.process_time()
    return function(), time.process_time() - start


def lossy_row(
    surface: Surface, vertices: Array, peer: float, bits: int, effort: int, network: Network | None
) -> tuple[str, float]:
    """A line of figures, and the ratio to Draco."""
    lattice, _ = quantize(vertices, bits)
    coder = network if effort > 2 else None
    data, encoding = timed(lambda: encode_positions(surface, lattice, effort=effort, network=coder))
    found, decoding = timed(lambda: decode_positions(data, surface, network=coder))
    assert np.array_equal(found, lattice)
    bpv = 8 * len(data) / len(vertices)
    line = f"{bits} bits, effort {effort}: {bpv:.3f} bpv, {len(data) / peer:.4f} of Draco"
    return f"{line}, {encoding:.3f} s, {decoding:.3f} s", len(data) / peer


def lossless_row(surface: Surface, vertices: Array) -> tuple[str, float]:
    """A line of figures, and the ratio to byte planes."""
    plain, zeros = split_zeros(vertices)
    grid = find_lattice(plain)
    if grid is None:
        data = encode_floats(surface, vertices)
        assert decode_floats(data, surface).tobytes() == vertices.tobytes()
    else:
        lattice = grid.quantize(plain)
        data = encode_positions(surface, lattice)
        assert grid.dequantize(decode_positions(data, surface)).tobytes() == plain.tobytes()
    planes = vertices.view(np.uint8).reshape(-1, 3, 4).transpose(1, 2, 0)
    peer = len(lzma.compress(planes.tobytes(), preset=9))
    size = len(data) + 2 * len(zeros)
    how = "floats" if grid is None else f"lattice of {grid.step:g}"
    return f"lossless ({how}): {8 * size / len(vertices):.3f} bpv", size / peer


def main() -> None:
    """Print a line for each mesh and setting, and the means of ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", nargs="+", type=Path)
    parser.add_argument("--bits", nargs="*", type=int, default=[11, 14])
    parser.add_argument("--efforts", nargs="*", type=int, default=[2])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--lossless", action="store_true")
    chosen = parser.parse_args()
    network = None
    if chosen.model is not None:
        from nacre.mesh_models import load_model

        network = load_model(chosen.model).network
    ratios: dict[str, list[float]] = {}
    files = [file for s in chosen.sources for file in (sorted(s.iterdir()) if s.is_dir() else [s])]
    for path in files:
        vertices, faces = read(path)
        coded = encode_connectivity(faces, len(vertices))
        surface, ordered = coded.surface, vertices[coded.vertex_map]
        for bits in chosen.bits:
            peer = draco_bytes(vertices, faces, bits)
            for effort in chosen.efforts:
                line, ratio = lossy_row(surface, ordered, peer, bits, effort, network)
                print(f"{path.stem} ({len(vertices)}): {line}", flush=True)
                ratios.setdefault(f"{bits} bits, effort {effort}", []).append(ratio)
        if chosen.lossless:
            line, ratio = lossless_row(surface, ordered)
            print(f"{path.stem}: {line}, {ratio:.4f} of byte planes", flush=True)
            ratios.setdefault("lossless", []).append(ratio)
    for name, values in ratios.items():
        print(f"mean of {len(values)} ratios, {name}: {np.mean(values):.4f}")


if __name__ == "__main__":
    main()
