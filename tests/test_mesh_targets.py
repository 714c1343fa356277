"""Faces and bits that meet a target, by real encodings."""

from __future__ import annotations

import dataclasses
import math
import zlib
from dataclasses import dataclass

import numpy as np
import pytest
from bumpy import sphere

import nacre
from nacre import mesh_targets
from nacre.errors import InputError
from nacre.media.mesh import Attribute, Mesh, Scene
from nacre.mesh_targets import (
    MeshProbe,
    encode_to_target,
    largest_within,
    simplify,
    smallest_reaching,
)
from nacre.transforms.surface_distance import Original


@dataclass(frozen=True)
class Settings:
    bits: int = 11
    lossless: bool = False


@dataclass(frozen=True)
class Packed:
    data: bytes
    sizes: tuple[tuple[int, int], ...]
    boxes: tuple[tuple[np.ndarray, float], ...]

    def to_bytes(self) -> bytes:
        return self.data


class Deflating:
    """A small codec of meshes: positions on a grid and vertex numbers, deflated."""

    def encode(self, scene: Scene, settings: Settings) -> Packed:
        raw, sizes, boxes = [], [], []
        for mesh in scene.meshes:
            low = mesh.vertices.min(axis=0).astype(np.float64)
            step = float((mesh.vertices.max(axis=0) - low).max()) / ((1 << settings.bits) - 1)
            grid = np.rint((mesh.vertices - low) / step).astype(np.int32)
            raw += [np.diff(grid, axis=0, prepend=0).astype(np.int32).tobytes()]
            raw += [np.diff(mesh.faces.ravel(), prepend=0).astype(np.int32).tobytes()]
            sizes.append((len(mesh.vertices), len(mesh.faces)))
            boxes.append((low, step))
        return Packed(zlib.compress(b"".join(raw), 9), tuple(sizes), tuple(boxes))

    def decode(self, stream: Packed) -> Scene:
        words = np.frombuffer(zlib.decompress(stream.data), np.int32)
        meshes, at = [], 0
        for (vertices, faces), (low, step) in zip(stream.sizes, stream.boxes, strict=True):
            grid = np.cumsum(words[at : at + 3 * vertices].reshape(-1, 3), axis=0)
            at += 3 * vertices
            index = np.cumsum(words[at : at + 3 * faces]).reshape(-1, 3)
            at += 3 * faces
            meshes.append(Mesh((low + step * grid).astype(np.float32), index.astype(np.int32)))
        return Scene(tuple(meshes))


VERTICES, FACES = sphere(12)
MESH = Mesh(VERTICES.astype(np.float32), FACES)
SMALL = Mesh((VERTICES[:3] + 5).astype(np.float32), np.array([[0, 1, 2]], np.int32))
SCENE = Scene((MESH, SMALL))


@pytest.fixture(autouse=True)
def few_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mesh_targets, "_SAMPLES", 2500)


def test_the_best_file_of_at_most_so_many_bytes() -> None:
    previous = 0.0
    for size in (1500, 4000):
        found = encode_to_target(Deflating(), SCENE, Settings(), "target_size", size)
        assert 0.85 * size < found.size_bytes <= size
        assert found.psnr_db > previous + 3
        previous = found.psnr_db


def test_the_smallest_file_of_at_least_so_many_decibels() -> None:
    coarse = encode_to_target(Deflating(), SCENE, Settings(), "target_psnr", 50)
    fine = encode_to_target(Deflating(), SCENE, Settings(), "target_psnr", 58)
    assert 50 <= coarse.psnr_db < 53
    assert 58 <= fine.psnr_db < 61
    assert coarse.size_bytes < fine.size_bytes


@pytest.mark.parametrize("effort", [2, 3])
def test_the_codec_of_meshes_meets_a_size_with_and_without_a_model(effort: int) -> None:
    data = nacre.encode(MESH, target_size=1200, effort=effort)
    assert len(data) <= 1200
    decoded = nacre.decode(data).mesh
    assert 300 < len(decoded.faces) <= len(FACES)
    original = Original.of(VERTICES[FACES], samples=2000, seed=3)
    found = original.psnr_db(decoded.vertices.astype(np.float64)[decoded.faces])
    assert found > 60


def test_targets_that_all_of_the_mesh_meets_get_more_bits() -> None:
    found = encode_to_target(Deflating(), SCENE, Settings(), "target_size", 10**6)
    assert (found.faces, found.bits) == (len(FACES) + 1, 24)


def test_targets_out_of_reach_are_said() -> None:
    codec = Deflating()
    with pytest.raises(InputError, match=r"40 bytes is out of reach.*take [\d,]+ bytes"):
        encode_to_target(codec, SCENE, Settings(), "target_size", 40)
    with pytest.raises(InputError, match=r"400 dB is out of reach.*24 bits give"):
        encode_to_target(codec, SCENE, Settings(), "target_psnr", 400)
    with pytest.raises(InputError, match="above 0"):
        encode_to_target(codec, SCENE, Settings(), "target_size", float("nan"))
    with pytest.raises(InputError, match="target_bpp"):
        encode_to_target(codec, SCENE, Settings(), "target_bpp", 1)
    with pytest.raises(InputError, match="exclude each other"):
        encode_to_target(codec, SCENE, Settings(lossless=True), "target_size", 1000)
    points = Scene((dataclasses.replace(MESH, faces=FACES[:0]),))
    with pytest.raises(InputError, match="without faces"):
        encode_to_target(codec, points, Settings(), "target_size", 1000)


def test_attributes_go_along() -> None:
    attributes = (
        Attribute("height", "generic", "vertex", VERTICES[:, 2:].astype(np.float32)),
        Attribute("side", "generic", "face", (VERTICES[FACES][:, :1, 0] > 0).astype(np.uint8)),
        Attribute("uv", "uv", "corner", np.zeros((1, 2), np.float32), 0 * FACES),
    )
    scene = Scene((dataclasses.replace(MESH, attributes=attributes),))
    assert simplify(scene, 1) is scene
    fewer = simplify(scene, 0.25).mesh
    assert [each.name for each in fewer.attributes] == ["height", "side", "uv"]
    height, side = (each.values[:, 0] for each in fewer.attributes[:2])
    assert np.abs(height - fewer.vertices[:, 2]).max() < 0.1
    centres = fewer.vertices[fewer.faces].mean(axis=1)[:, 0]
    clear = np.abs(centres) > 0.15
    assert np.array_equal(side[clear], centres[clear] > 0)


def test_searches_take_any_monotone_attempt() -> None:
    """Sizes and distances of a formula: the search must come near the optimum of all pairs."""

    def attempt(faces: int, bits: int) -> MeshProbe:
        error = 1 / faces**2 + 0.3 * 4.0**-bits
        size = 40 + int(faces * (1 + 0.14 * bits))
        return MeshProbe(faces, bits, bytes(size), -10 * math.log10(error))

    every = [attempt(faces, bits) for faces in range(4, 4001, 4) for bits in range(8, 25)]
    for size in (300, 3000):
        best = max(p.psnr_db for p in every if p.size_bytes <= size)
        assert largest_within(attempt, 4000, size).psnr_db > best - 0.2
    for wanted in (40, 58):
        least = min(p.size_bytes for p in every if p.psnr_db >= wanted)
        assert smallest_reaching(attempt, 4000, wanted).size_bytes < 1.04 * least
