"""Codecs of meshes in the benchmark: peers, what a record says, tables, the command line."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from nacre import registry
from nacre.bench.candidates import candidate
from nacre.bench.media import medium_of
from nacre.bench.mesh_peers import MESH_PEERS, draco_expected
from nacre.bench.meshes import MESHES, WORDS, mesh_distances
from nacre.bench.records import Record
from nacre.bench.runner import PICTURES, Plan, run
from nacre.bench.size_report import ratios, size_table
from nacre.bench.triangles import Triangles, same_order, welded
from nacre.cli import run as command_line
from nacre.errors import InputError

pytest.importorskip("DracoPy", reason="the peer needs nacre[bench]")
trimesh = pytest.importorskip("trimesh")

Capture = pytest.CaptureFixture[str]


def blob(seed: int, subdivisions: int = 3) -> Triangles:
    """A bumpy ball."""
    ball = trimesh.creation.icosphere(subdivisions=subdivisions)
    random = np.random.default_rng(seed)
    waves = np.sin(ball.vertices @ random.normal(0, 3, (3, 4))).mean(axis=1)
    scale = (1 + 0.3 * waves + random.normal(0, 1e-3, len(waves)))[:, None]
    return welded(ball.vertices * scale * 37.5 + [5, -2, 1000], ball.faces)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two meshes, and files of other kinds, in a tree."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for seed, name in enumerate(("a.ply", "deep/b.obj")):
        mesh = blob(seed)
        trimesh.Trimesh(mesh.vertices, mesh.faces, process=False).export(tmp_path / "in" / name)
    (tmp_path / "in" / "texture.png").write_bytes(b"no picture, and not looked at")
    return tmp_path / "in"


@pytest.mark.parametrize("bits", [4, 8, 11, 14, 20])
@pytest.mark.parametrize("level", [7, 10])
def test_draco_gives_back_what_is_expected_bit_by_bit(bits: int, level: int):
    peer = MESH_PEERS[f"draco-{level}"]
    mesh = blob(bits)
    broken = Triangles(mesh.vertices, np.concatenate([mesh.faces, [[0, 1, 1], [2, 2, 2]]]))
    for one in (mesh, broken):
        decoded = peer.decode(peer.encode(one, bits, 1), 1)
        assert same_order(draco_expected(one, bits), decoded) is not None
    assert same_order(draco_expected(mesh, bits + 1), decoded) is None


def test_lossless_peers_give_back_every_bit():
    mesh = blob(0)
    mesh.vertices[0] = [-0.0, 1e-42, 3e38]
    peer = MESH_PEERS["xz-planes"]
    data = peer.encode(mesh, None, 1)
    decoded = peer.decode(data, 1)
    assert decoded.vertices.tobytes() == mesh.vertices.tobytes()
    assert np.array_equal(decoded.faces, mesh.faces)
    assert len(data) < mesh.vertices.nbytes + mesh.faces.nbytes / 2


@pytest.mark.parametrize("bits", [None, 0, 10.5, 31])
def test_bits_are_whole_numbers(bits):
    with pytest.raises(InputError, match="1 to 30"):
        MESH_PEERS["draco-10"].encode(blob(0), bits, 1)


def test_a_record_says_how_far_off_the_mesh_is():
    mesh, one = blob(1), MESH_PEERS["draco-10"]
    figures = mesh_distances(one, mesh, one.decode(one.encode(mesh, 9, 1), 1), 9)
    assert 0.4 < figures["max_error_steps"] < 0.51
    assert figures["hausdorff_percent"] < 100 * 0.87 / 511
    assert 0 < figures["surface_mean_percent"] < figures["surface_rms_percent"]
    assert figures["surface_rms_percent"] < figures["hausdorff_percent"]
    assert figures["d1_psnr_db"] < figures["d2_psnr_db"]
    assert 0.05 < figures["normal_degrees"] < 5
    assert (figures["flipped"], figures["collapsed"]) == (0, 0)
    finer = mesh_distances(one, mesh, one.decode(one.encode(mesh, 12, 1), 1), 12)
    assert finer["surface_psnr_db"] - figures["surface_psnr_db"] == pytest.approx(18, abs=1)
    assert finer["normal_degrees"] < figures["normal_degrees"] / 4


def test_other_triangles_are_a_failure():
    mesh, one = blob(1), MESH_PEERS["draco-10"]
    decoded = one.decode(one.encode(mesh, 9, 1), 1)
    with pytest.raises(InputError, match="not the original's"):
        mesh_distances(one, mesh, Triangles(decoded.vertices, decoded.faces[:, ::-1]), 9)
    with pytest.raises(InputError, match="not the original's"):
        mesh_distances(MESH_PEERS["xz-planes"], mesh, decoded, None)
    one = dataclasses.replace(MESH_PEERS["xz-planes"], decode=lambda data, threads: decoded)
    assert one.lossless


def test_a_run_over_meshes(folder: Path, capsys: Capture):
    arguments = "bench in --codecs draco-7,draco-10,xz-planes --bits 8,12 --repeat 1 --out results"
    assert command_line(arguments.split()) == 0
    out, err = capsys.readouterr()
    assert out == Path("results/table.md").read_text()
    assert [line.split("/")[-1] for line in err.splitlines()] == ["records.json", "table.md"]
    records = json.loads(Path("results/records.json").read_text())
    assert len(records) == 2 * (2 + 2 + 1)
    assert {record["medium"] for record in records} == {"mesh"}
    sizes = {(r["codec"], r["quality"], r["file"]): r["bytes"] for r in records}
    for bits in (8, 12):
        shares = [
            sizes["draco-7", bits, file] / sizes["draco-10", bits, file]
            for file in ("a.ply", "deep/b.obj")
        ]
        total = sum(sizes["draco-7", bits, file] for file in ("a.ply", "deep/b.obj"))
        section = out.split(f"## Positions of {bits} bits")[1]
        mean = f"{100 * (np.mean(shares) - 1):+.1f} %"
        worst = f"{100 * (max(shares) - 1):+.1f} %"
        row = re.search(rf"\| draco-7 \| {total:,} \| .*", section)
        assert row is not None
        assert f"| {mean} |" in row[0] and f"{worst} |" in row[0]
        size = sizes["draco-7", bits, "a.ply"]
        assert f"| a.ply | 642 | {size:,} ({100 * (shares[0] - 1):+.1f} %) |" in section
    exact = [record for record in records if record["codec"] == "xz-planes"]
    assert all(record["identical"] and record["planes_bytes"] < record["bytes"] for record in exact)
    assert "## Lossless float32" in out
    shares = [record["bytes"] / record["planes_bytes"] for record in exact]
    mean = f"{100 * (np.mean(shares) - 1):+.1f} %"
    assert re.search(rf"\| xz-planes \| [\d,]+ \| [\d,]+ \| .* \| {re.escape(mean)} \|", out)


def test_the_medium_is_that_of_the_files(folder: Path, capsys: Capture):
    assert medium_of(folder) is MESHES
    assert medium_of(folder / "texture.png") is PICTURES
    (folder / "texture.png").unlink()
    for arguments, says in (
        ("in/a.png --codecs draco-10", "no such file"),
        ("in --codecs draco-10,jpeg", "jpeg is for the medium image, not for meshes"),
        ("in --codecs draco-10 --halve", "cannot be halved"),
        ("in --codecs draco-10 --bits 25", "off its scale, bits of a grid, 8 to 24"),
        ("in --codecs circuit-mesh --bits 11,7", "quality 7.0 is off its scale"),
        ("in/a.ply --codecs jpeg --bits 9", "--bits is for meshes"),
        ("in --codecs draco-10:effort=2", "takes no options"),
    ):
        assert command_line(["bench", *arguments.split(), "--out", "o"]) == 2
        error = capsys.readouterr().err
        assert says in error
        assert error.count("\n") == 1


def test_a_bad_mesh_is_reported_and_the_rest_is_measured(folder: Path):
    (folder / "bad.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 9\nend_header\n")
    (folder / "points.obj").write_text("v 0 0 0\nv 1 1 1\n")
    files = sorted(path for path in folder.rglob("*") if MESHES.is_file(path))
    plan = Plan.of(folder, files, [candidate("draco-10")], qualities={"": (9,)}, medium=MESHES)
    records = run(plan)
    errors = {record.file: record.error for record in records}
    assert errors["a.ply"] is errors["deep/b.obj"] is None
    assert errors["bad.ply"].startswith("InputError: ")
    assert errors["points.obj"].startswith("InputError: ")
    text = size_table(WORDS, records, command="nacre bench x")
    assert "figures are over the 2 on which" in text
    assert "| bad.ply | draco-10 | 9 | InputError" in text


def record(codec: str, file: str, size: int, seconds: float) -> Record:
    figures = {"max_error_steps": 0.25 * seconds, "flipped": 2, "surface_mean_percent": seconds}
    return Record(
        codec, "mesh", 11, file, size, 1000, figures, 9, 9, 1, 1, "v", None, 0, None, seconds, 0.5
    )


def test_the_table_has_means_of_ratios_and_the_worst_mesh():
    records = [record("draco-10", "a", 100, 1), record("draco-10", "b", 400, 1)]
    records += [record("own", "a", 110, 1), record("own", "b", 320, 2)]
    assert ratios(records, "own", "draco-10") == {"a": 1.1, "b": 0.8}
    text = size_table(WORDS, records, command="x")
    assert "| own | 430 | 1.72 | -14.0 % | -5.0 % | a +10.0 % | 3.00 | 1.00 |" in text
    assert "| b | 1,000 | 400 | 320 (-20.0 %) |" in text
    assert "| own | 0.5000 | 1.50000 |" in text, "the largest, the mean"
    other = size_table(WORDS, records, command="x", reference="own")
    assert "| draco-10 | 500 | 2.00 | +16.3 % | +8.0 % | b +25.0 % |" in other


@pytest.mark.parametrize("options", ["effort=1", "effort=2", "effort=2:lossless=true"])
def test_nacres_own_codec_is_held_to_its_grid(options: str):
    if "circuit-mesh" not in registry.CODECS:
        pytest.skip("there is no codec of meshes here")
    mesh, one = blob(3), candidate(f"circuit-mesh:{options}")
    bits = None if one.lossless else 11
    assert one.qualities == (() if one.lossless else (11.0, 14.0))
    data = one.encode(mesh, bits, 1)
    figures = mesh_distances(one, mesh, one.decode(data, 1), bits)
    assert figures["identical"] is one.lossless
    reference = MESH_PEERS["xz-planes" if one.lossless else "draco-10"]
    assert len(data) < len(reference.encode(mesh, bits, 1))
    if not one.lossless:
        assert 0.4 < figures["max_error_steps"] < 0.501
        with pytest.raises(InputError, match="not the original's"):
            mesh_distances(one, mesh, one.decode(data, 1), 12)
        with pytest.raises(InputError, match="asked for by --bits"):
            candidate(f"circuit-mesh:{options}:bits=9")
