"""The public functions with meshes, scenes and folders of several media."""

from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from meshes import box_glb, faces_by_position, sphere, with_everything
from pictures import file_bytes

import nacre
from nacre.media.detect import kind_of_file, medium_of
from nacre.media.mesh_compare import same_scene
from nacre.media.mesh_files import to_files
from nacre.stream import MeshShape


def test_round_trips_of_arrays() -> None:
    mesh = sphere()
    data = nacre.encode((mesh.vertices, mesh.faces), lossless=True)
    scene = nacre.decode(data)
    assert same_scene(scene, nacre.Scene((mesh,)))
    info = nacre.info(data)
    assert (info.codec, info.lossless, info.bpp) == ("circuit-mesh", True, None)
    assert info.shape == MeshShape(len(mesh.vertices), len(mesh.faces))
    assert info.details["positions"] == "exact"
    small = nacre.encode(mesh, bits=8)
    assert len(small) < len(data)
    told = nacre.info(small)
    assert (told.lossless, told.details["positions"]) == (False, "8 bits")
    assert nacre.decode(small).lattice.integers.max() == 255


def test_every_kind_of_source_gives_the_same_file(tmp_path: Path) -> None:
    mesh = sphere()
    nacre.Scene((mesh,)).save(tmp_path / "a.ply")
    content = (tmp_path / "a.ply").read_bytes()
    sources = [tmp_path / "a.ply", str(tmp_path / "a.ply"), content, io.BytesIO(content), mesh,
               (mesh.vertices, mesh.faces), nacre.load_mesh(content)]  # fmt: skip
    assert len({nacre.encode(source, effort=1) for source in sources}) == 1


@pytest.mark.parametrize("kind", [".ply", ".obj", ".stl", ".off", ".glb", ".gltf", ".3mf"])
def test_files_are_told_by_content(kind: str, tmp_path: Path) -> None:
    scene = nacre.Scene((sphere(),))
    files = to_files(scene, Path("x" + kind))
    content = files[0][1]
    found = kind_of_file(content)
    assert found is not None and found.extension == kind
    assert medium_of(content) == medium_of(io.BytesIO(content)) == "mesh"
    if kind != ".gltf":
        decoded = nacre.decode(nacre.encode(content, lossless=True, effort=1))
        assert np.array_equal(faces_by_position(decoded), faces_by_position(scene))


def test_pictures_are_still_pictures(tmp_path: Path) -> None:
    assert medium_of(np.zeros((4, 3))) == "image"
    assert medium_of(b"\x89PNG\r\n\x1a\n") == medium_of(b"vanilla v 1 2 3") == "image"
    assert medium_of(tmp_path) == medium_of(tmp_path / "none.ply") == "image"
    assert medium_of(b"P6\n2 2\n255\n" + bytes(12)) == "image"


def test_verify_compares_in_any_order(tmp_path: Path) -> None:
    mesh = with_everything(sphere())
    exact = nacre.encode(mesh, lossless=True)
    report = nacre.verify(exact, original=mesh)
    assert (report.ok, report.equal, report.psnr_db) == (True, True, math.inf)
    nudged = mesh.vertices.copy()
    nudged[0] *= 2
    other = nacre.Mesh(nudged, mesh.faces, mesh.attributes, mesh.name)
    report = nacre.verify(exact, original=other)
    assert not report.ok and "differs" in str(report.problem)
    lossy = nacre.encode(mesh, bits=10)
    report = nacre.verify(lossy, original=mesh)
    assert report.ok and report.equal is False
    assert report.psnr_db is not None and 60 < report.psnr_db < 120
    finer = nacre.verify(nacre.encode(mesh, bits=16), original=mesh).psnr_db
    assert finer is not None and finer > report.psnr_db + 20


def test_a_glb_comes_back_with_all_it_holds(tmp_path: Path) -> None:
    (tmp_path / "box.glb").write_bytes(box_glb())
    scene = nacre.decode(nacre.encode(tmp_path / "box.glb", lossless=True))
    scene.save(tmp_path / "again.glb")
    assert same_scene(nacre.load_mesh(tmp_path / "again.glb"), nacre.load_mesh(box_glb()))
    bare = nacre.decode(nacre.encode(tmp_path / "box.glb", strip="scene,uvs"))
    assert (bare.document, bare.blobs, bare.mesh.attributes) == ({}, (), ())


def test_textures_as_pixels() -> None:
    y, x = np.mgrid[:48, :48]
    pixels = np.stack([x * 5 % 256, y * 5 % 256, (x * y) % 256], axis=2).astype(np.uint8)
    png = file_bytes(PIL.Image.fromarray(pixels))
    scene = nacre.load_mesh(box_glb())
    place = next(i for i, blob in enumerate(scene.blobs) if blob.startswith(b"\x89PNG"))
    blobs = tuple(png if i == place else blob for i, blob in enumerate(scene.blobs))
    document = {**scene.document, "files": [{"name": "b.png", "blob": len(blobs)}]}
    scene = nacre.Scene(scene.meshes, document, (*blobs, png))
    kept = nacre.encode(scene, lossless=True)
    short = nacre.encode(scene, lossless=True, textures="lossless")
    assert len(short) < len(kept) - 200
    decoded = nacre.decode(short)
    assert np.array_equal(nacre.load_image(decoded.blobs[place]).pixels, pixels)
    assert np.array_equal(nacre.load_image(decoded.blobs[-1]).pixels, pixels)
    assert dict(decoded.document) == document
    assert nacre.verify(short, original=scene).equal is True
    pixels[0, 0, 0] ^= 1
    other = file_bytes(PIL.Image.fromarray(pixels))
    changed = nacre.Scene(scene.meshes, document, (*blobs[:place], other, *blobs[place + 1 :], png))
    assert nacre.verify(short, original=changed).equal is False
    with pytest.raises(nacre.InputError, match="keep, lossless, lossy"):
        nacre.encode(scene, textures="tiny")
    with pytest.raises(nacre.InputError, match="is for meshes"):
        nacre.encode(pixels, lossless=True, textures="lossless")


@pytest.mark.slow
def test_targets_of_meshes() -> None:
    mesh = sphere(24, 36)
    whole = nacre.encode(mesh, effort=1)
    small = nacre.encode(mesh, effort=1, target_size=len(whole) // 3)
    assert len(small) <= len(whole) // 3
    assert nacre.info(small).shape.faces < len(mesh.faces)  # type: ignore[union-attr]
    with pytest.raises(nacre.InputError, match="exclude each other"):
        nacre.encode(mesh, target_size=900, bits=9)
    with pytest.raises(nacre.InputError, match="no bits to search"):
        nacre.encode(mesh, target_size=900, lossless=True)
    with pytest.raises(nacre.InputError, match="target_size and target_psnr"):
        nacre.encode(mesh, target_bpp=1.0)


def test_what_does_not_go_together() -> None:
    mesh, picture = sphere(), np.zeros((4, 4), np.uint8)
    with pytest.raises(nacre.InputError, match="cannot read a picture"):
        nacre.encode(mesh, codec="stored")
    with pytest.raises(nacre.InputError, match="cannot read a mesh"):
        nacre.encode(picture, codec="circuit-mesh")
    with pytest.raises(nacre.InputError, match="has no setting 'quality'"):
        nacre.encode(mesh, quality=3)
    with pytest.raises(nacre.InputError, match="strip 'exif'"):
        nacre.encode(mesh, strip="exif")
    data = nacre.encode(mesh, effort=1)
    with pytest.raises(nacre.InputError, match="region can only be cut out of a picture"):
        nacre.decode(data, region=(0, 0, 1, 1))
    with pytest.raises(nacre.InputError, match="no latents"):
        nacre.latents(data)


def test_damage_is_reported() -> None:
    data = bytearray(nacre.encode(sphere(), effort=1))
    data[-9] ^= 1
    with pytest.raises(nacre.ChecksumMismatch):
        nacre.decode(bytes(data))
    assert not nacre.verify(bytes(data)).ok


def test_splats_go_through(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    count = 300
    arrays = {
        "positions": random.standard_normal((count, 3)).astype(np.float32),
        "log_scales": random.standard_normal((count, 3)).astype(np.float32) - 4,
        "rotations": random.standard_normal((count, 4)).astype(np.float32),
        "opacities": random.standard_normal(count).astype(np.float32),
        "sh0": random.standard_normal((count, 3)).astype(np.float32),
        "shN": np.zeros((count, 0, 3), np.float32),
    }
    from nacre.media.splat import load_splats

    load_splats(arrays).save(tmp_path / "a.spz")
    assert medium_of(tmp_path / "a.spz") == "splat"
    data = nacre.encode(tmp_path / "a.spz", lossless=True)
    assert nacre.info(data).codec == "circuit-splat"
    assert nacre.verify(data, original=tmp_path / "a.spz").equal is True
    load_splats(arrays).save(tmp_path / "b.ply")
    assert medium_of((tmp_path / "b.ply").read_bytes()) == "splat"
