"""Decimation in front of Draco: the files are as small as asked and as good as they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from nacre.bench.low_rates import LowRate, compare, low_rate_table
from nacre.bench.mesh_metrics import surface_distance
from nacre.bench.mesh_peers import MESH_PEERS
from nacre.bench.triangles import Triangles, load_triangles
from nacre.cli import run
from nacre.errors import InputError
from nacre.transforms.decimate import decimate

pytest.importorskip("DracoPy", reason="the peer needs nacre[bench]")
pytest.importorskip("fast_simplification", reason="the peer needs nacre[mesh]")
trimesh = pytest.importorskip("trimesh")

PEER = "decimate+draco-10"


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    mesh = trimesh.creation.icosphere(subdivisions=3)
    mesh.vertices *= [[1, 2, 3]]
    mesh.export(tmp_path / "ball.ply")
    return tmp_path / "ball.ply"


def test_each_target_has_the_best_file_of_its_size(ball: Path):
    seen: list[str] = []
    rows = compare([ball], [PEER], [500, 900], on_row=lambda row: seen.append(row.codec))
    assert seen == [PEER, PEER]
    assert [row.error for row in rows] == [None, None]
    for row in rows:
        assert 0.8 * row.target_bytes < row.bytes <= row.target_bytes
        assert row.faces < 1280 and row.encode_seconds > 0
    assert rows[1].faces > rows[0].faces
    assert rows[1].psnr_db > rows[0].psnr_db + 1
    # Nothing that is easily made of the same size is better.
    mesh, draco = load_triangles(ball), MESH_PEERS["draco-10"]
    for bits in (7, 9, 12):
        for count in (150, 200, 280):
            vertices, faces = decimate(mesh.vertices, mesh.faces, count)
            data = draco.encode(Triangles(vertices.astype("f4"), faces), bits, 1)
            if len(data) <= 500:
                other = surface_distance(mesh, draco.decode(data, 1), seed=5).psnr_db
                assert other < rows[0].psnr_db + 0.3, (bits, count)


def test_what_cannot_be_is_said_in_the_row(ball: Path, capsys: pytest.CaptureFixture[str]):
    command = ["bench", "low-rates", str(ball), "--codecs", PEER, "--bytes", "20"]
    assert run(command) == 1
    assert (
        "| ball.ply | 20 | decimate+draco-10 | InputError: no number of faces gives 20 bytes"
        in (capsys.readouterr().out)
    )
    with pytest.raises(InputError, match="above 0"):
        compare([ball], [PEER], [0])


def test_the_table_says_who_is_ahead():
    rows = [
        LowRate("a", "circuit-mesh", 3000, 2990, 1200, 50.0, 2.0),
        LowRate("a", PEER, 3000, 2980, 1000, 48.5, 3.0, 9),
        LowRate("b", "circuit-mesh", 3000, 2990, 1200, 50.0, 2.0),
    ]
    text = low_rate_table(rows, command="nacre bench x")
    assert "| a | 3,000 | circuit-mesh | 2,990 | 1,200 |  | 50.00 | +1.50 dB | 2.0 |" in text
    assert "| a | 3,000 | decimate+draco-10 | 2,980 | 1,000 | 9 | 48.50 | +0.00 dB | 3.0 |" in text
    assert "| b | 3,000 | circuit-mesh | 2,990 | 1,200 |  | 50.00 |  | 2.0 |" in text
