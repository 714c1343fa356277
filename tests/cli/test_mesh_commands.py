"""The commands with meshes: names, kinds of files, folders of several media, errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from meshes import box_glb, faces_by_position, sphere

import nacre
from nacre.cli import run
from nacre.media.mesh_compare import same_scene

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def work_in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_encode_info_verify_decode(capsys: Capture) -> None:
    Path("box.glb").write_bytes(box_glb())
    assert run(["encode", "box.glb", "--lossless", "--verify"]) == 0
    line = capsys.readouterr().err
    assert "box.glb -> box.glb.ncr: circuit-mesh, 4 vertices, 2 faces, " in line
    assert "bits a vertex, exact" in line
    assert run(["info", "box.glb.ncr"]) == 0
    shown = capsys.readouterr().out
    for text in ("circuit-mesh (lossless)", "vertices 4, faces 2", "positions       exact"):
        assert text in shown, shown
    assert run(["verify", "box.glb.ncr", "--original", "box.glb"]) == 0
    assert "equal to the original" in capsys.readouterr().err
    assert run(["decode", "box.glb.ncr", "-o", "back.glb", "--json", "--quiet"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["medium"], record["shape"]) == ("mesh", {"vertices": 4, "faces": 2})
    assert record["bytes"] == Path("back.glb").stat().st_size
    assert same_scene(nacre.load_mesh("back.glb"), nacre.load_mesh("box.glb"))


def test_bits_and_records(capsys: Capture) -> None:
    nacre.Scene((sphere(),)).save("ball.ply")
    sizes = []
    for bits in ("8", "12", "20"):
        arguments = ["encode", "ball.ply", "--bits", bits, "-e", "1", "-o", f"{bits}.ncr", "--json"]
        assert run([*arguments, "--quiet", "--verify"]) == 0
        record = json.loads(capsys.readouterr().out)
        assert record["bpv"] == 8 * record["bytes"] / record["shape"]["vertices"]
        assert record["bpp"] is None and record["psnr_db"] > 40
        sizes.append(record["bytes"])
    assert sizes == sorted(set(sizes))
    assert run(["encode", "ball.ply", "--keep-order", "--lossless", "-o", "kept.ncr"]) == 0
    assert np.array_equal(nacre.decode("kept.ncr").faces, sphere().faces)


def test_decoded_names_and_kinds() -> None:
    scene = nacre.Scene((sphere(),))
    for name, result in {
        "a.ply.ncr": "a.ply",
        "b.obj.ncr": "b.obj",
        "c.stl.ncr": "c.stl",
        "d.ncr": "d.glb",
        "e.zip.ncr": "e.zip.glb",
    }.items():
        Path(name).write_bytes(nacre.encode(scene, lossless=True, effort=1))
        assert run(["decode", name]) == 0
        back = nacre.load_mesh(result)
        assert np.array_equal(faces_by_position(back), faces_by_position(scene))
    for kind in ("ply", "obj", "stl", "off", "glb", "gltf", "3mf"):
        assert run(["decode", "d.ncr", "-o", f"x.{kind}", "-f"]) == 0
        back = nacre.load_mesh(f"x.{kind}")
        assert np.array_equal(faces_by_position(back), faces_by_position(scene))


def test_an_obj_with_its_textures(capsys: Capture) -> None:
    folder = Path("in")
    folder.mkdir()
    (folder / "m.mtl").write_text("newmtl a\nmap_Kd the skin.png\n")
    (folder / "the skin.png").write_bytes(b"pixels")
    (folder / "m.obj").write_text(
        "mtllib m.mtl\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"
    )
    assert run(["encode", "in/m.obj", "-o", "m.obj.ncr"]) == 0
    Path("out").mkdir()
    assert run(["decode", "m.obj.ncr", "-o", "out/"]) == 0
    assert Path("out/the skin.png").read_bytes() == b"pixels"
    assert nacre.load_mesh("out/m.obj").document == nacre.load_mesh("in/m.obj").document
    assert run(["decode", "m.obj.ncr", "-o", "out/other.obj"]) == 1  # its m.mtl is there
    assert "exists" in capsys.readouterr().err


def test_folders_of_several_media(capsys: Capture) -> None:
    root = Path("in/deep")
    root.mkdir(parents=True)
    nacre.Scene((sphere(),)).save(root / "a.PLY")
    nacre.Scene((sphere(),)).save("in/b.stl")
    PIL.Image.fromarray(np.zeros((5, 6), np.uint8)).save("in/c.png")
    Path("in/notes.txt").write_text("neither")
    Path("in/bad.obj").write_text("v 0 0\n")
    assert run(["encode", "in", "-o", "packed", "--lossless"]) == 2
    shown = capsys.readouterr().err
    assert "3 encoded" in shown and "1 failed" in shown
    assert "nacre: in/bad.obj: OBJ: line 1 is not understood" in shown
    assert run(["verify", "packed"]) == 0
    assert run(["decode", "packed", "-o", "out"]) == 0
    assert sorted(str(path) for path in Path("out").rglob("*.*")) == [
        "out/b.stl", "out/c.png", "out/deep/a.PLY"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "flags", "message"),
    [
        (b"ply\nnonsense\n", [], "the header has no end_header"),
        (b"glTF\x02\0\0\0", [], "GLB: 8 bytes"),
        (b"v 0 0 0\nv 1 0 0\nv 0 0 nan\nf 1 2 3\n", [], "vertex 2 is nan in z"),
        (b"v 0 0 0\nf 1 2 3\n", [], "names vertex"),
        (b"v 0 0 0\nv 1 1 1\nv 2 0 0\nf 1 2 3\n", ["--bits", "7"], "bits 7 is outside 8..24"),
        (b"v 0 0 0\nv 1 1 1\nv 2 0 0\nf 1 2 3\n", ["-q", "5"], "no setting 'quality'"),
        (b"v 0 0 0\nv 1 1 1\nv 2 0 0\nf 1 2 3\n", ["--limit", "vertices=2"], "over the limit of 2"),
        (b"v 0 0 0\nv 1 1 1\nv 2 0 0\nf 1 2 3\n", ["--grid", "x"], "scene, mesh"),
        (b"v 0 0 0\nv 1 1 1\nv 2 0 0\nf 1 2 3\n", ["--strip", "exif"], "strip 'exif'"),
        (b"v 0 0 0\nv 1 1 1\nv 2 0 0\nf 1 2 3\n", ["-e", "9"], "effort 9 is outside 1..4"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    content: bytes, flags: list[str], message: str, capsys: Capture
) -> None:
    Path("a.obj").write_bytes(content)
    assert run(["encode", "a.obj", *flags]) == 2
    out, err = capsys.readouterr()
    assert out == "" and len(err.splitlines()) == 1, err
    assert err.startswith("nacre: a.obj: ") and message in err
    assert not Path("a.obj.ncr").exists()


def test_pipes() -> None:
    script = (
        f'"{sys.executable}" -m nacre encode - --lossless | "{sys.executable}" -m nacre decode -'
    )
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script], input=box_glb(), capture_output=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert same_scene(nacre.load_mesh(result.stdout), nacre.load_mesh(box_glb()))
