"""Splats in the benchmark: errors known by hand, integers in any order, files beside codecs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from nacre import registry
from nacre.bench.candidates import candidate
from nacre.bench.media import medium_of
from nacre.bench.meshes import MESHES
from nacre.bench.splats import (
    SPLAT_PEERS,
    SPLATS,
    load_splat_file,
    same_integers,
    splat_distances,
    splat_errors,
)
from nacre.cli import run
from nacre.errors import InputError
from nacre.media.splat import Splats, from_quantized

Capture = pytest.CaptureFixture[str]


def cloud(count: int = 300, degree_values: int = 0) -> Splats:
    random = np.random.default_rng(count)
    rotations = random.normal(size=(count, 4))
    return Splats(
        random.normal(size=(count, 3)).astype(np.float32),
        random.normal(-4, 1, (count, 3)).astype(np.float32),
        (rotations / np.linalg.norm(rotations, axis=1, keepdims=True)).astype(np.float32),
        random.normal(0, 2, count).astype(np.float32),
        random.normal(0, 1, (count, 3)).astype(np.float32),
        random.normal(0, 0.3, (count, degree_values, 3)).astype(np.float32),
    )


def test_errors_are_those_that_were_made():
    one = cloud(500, 3)
    assert dataclasses.astuple(splat_errors(one, one)) == pytest.approx([0] * 6, abs=1e-9)
    shift = np.float32([3e-3, 4e-3, 0])
    box = np.linalg.norm(np.ptp(one.positions.astype(float), axis=0))
    half = np.radians(7.0) / 2
    turn = np.array([np.cos(half), 0, np.sin(half), 0])
    w, x, y, z = one.rotations.astype(float).T
    a, b, c, d = turn
    turned = np.stack(
        [
            w * a - x * b - y * c - z * d,
            w * b + x * a + y * d - z * c,
            w * c - x * d + y * a + z * b,
            w * d + x * c - y * b + z * a,
        ],
        axis=1,
    )
    signs = np.where(np.arange(500) % 2, 3.0, -1.0)[:, None]
    other = dataclasses.replace(
        one,
        positions=one.positions + shift,
        log_scales=one.log_scales + np.float32(0.1),
        rotations=(turned * signs).astype(np.float32),
        opacities=np.zeros(500, np.float32),
        sh0=one.sh0 + np.float32(0.5),
        shN=one.shN - np.float32(0.25),
    )
    found = splat_errors(one, other)
    assert found.position_percent == pytest.approx(100 * 5e-3 / box, rel=1e-4)
    assert found.log_scale == pytest.approx(0.1, rel=1e-4)
    assert found.rotation_degrees == pytest.approx(7, rel=1e-5)
    share = 1 / (1 + np.exp(-one.opacities.astype(float)))
    assert found.opacity == pytest.approx(np.sqrt(np.mean((share - 0.5) ** 2)))
    assert found.colour == pytest.approx(0.5 * 0.2820948, rel=1e-5)
    assert found.harmonics == pytest.approx(0.25, rel=1e-5)
    with pytest.raises(InputError, match="do not correspond"):
        splat_errors(one, cloud(400, 3))


@pytest.mark.parametrize(("kind", "harmonics"), [("spz", 3), ("sog", 0)])
def test_integers_are_compared_in_any_order(tmp_path: Path, kind: str, harmonics: int):
    cloud(degree_values=harmonics).save(tmp_path / f"a.{kind}")
    file = load_splat_file(tmp_path / f"a.{kind}")
    own = file.splats.quantized
    order = np.random.default_rng(0).permutation(300)
    labels = None if own.labels is None else own.labels[order]
    shuffled = dataclasses.replace(
        own, points=own.points[order], values=own.values[order], labels=labels
    )
    assert same_integers(own, shuffled)
    values = shuffled.values.copy()
    values[7, 3] ^= 1
    assert not same_integers(own, dataclasses.replace(shuffled, values=values))
    swapped = shuffled.points.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    assert not same_integers(own, dataclasses.replace(shuffled, points=swapped))
    fewer = dataclasses.replace(own, points=own.points[:-1], values=own.values[:-1])
    assert not same_integers(own, fewer)
    figures = splat_distances(SPLAT_PEERS["file"], file, from_quantized(shuffled), None)
    assert figures["identical"] is True
    assert figures["position_percent"] == 0
    with pytest.raises(InputError, match="not the 300"):
        wrong = dataclasses.replace(own, values=own.values[order])
        splat_distances(SPLAT_PEERS["file"], file, from_quantized(wrong), None)


@pytest.mark.parametrize("name", ["a.ply", "a.spz", "a.sog"])
@pytest.mark.parametrize("peer", SPLAT_PEERS)
def test_peers_give_back_what_they_say(tmp_path: Path, name: str, peer: str):
    cloud().save(tmp_path / name)
    file = load_splat_file(tmp_path / name)
    one = SPLAT_PEERS[peer]
    figures = splat_distances(one, file, one.decode(one.encode(file, None, 1), 1), None)
    exact = peer == "file" or name.endswith(peer)
    assert figures["identical"] is exact
    assert (figures["log_scale"] > 0) is not exact
    assert figures["position_percent"] < 0.1 and figures["rotation_degrees"] < 2


def test_a_run_over_splats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("a.spz", "b.sog", "c.ply"):
        cloud().save(Path("in", name))
    Path("in", "mesh.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    assert medium_of(Path("in")) is SPLATS
    assert medium_of(Path("in/mesh.obj")) is MESHES
    codecs = ["file", "spz"]
    if "circuit-splat" in registry.CODECS:
        codecs += ["circuit-splat", "circuit-splat:precision=low"]
    arguments = ["bench", "in", "--codecs", ",".join(codecs), "--repeat", "1", "--out", "results"]
    assert run(arguments) == 0
    out, _ = capsys.readouterr()
    assert out == Path("results/table.md").read_text()
    records = json.loads(Path("results/records.json").read_text())
    assert len(records) == 3 * len(codecs)
    assert {record["error"] for record in records} == {None}
    size = {(r["codec"], r["file"]): r["bytes"] for r in records}
    for name in ("a.spz", "b.sog", "c.ply"):
        assert size["file", name] == Path("in", name).stat().st_size
    share = size["spz", "c.ply"] / size["file", "c.ply"]
    assert f"| c.ply | 300 | {size['file', 'c.ply']:,} | {size['spz', 'c.ply']:,} " in out
    assert f"({100 * (share - 1):+.1f} %)" in out
    assert "## Splats" in out and "rotation, degrees" in out


def test_options_of_nacres_own_codec_say_what_is_expected(tmp_path: Path):
    if "circuit-splat" not in registry.CODECS:
        pytest.skip("there is no codec of splats here")
    cloud().save(tmp_path / "a.spz")
    file = load_splat_file(tmp_path / "a.spz")
    rates = []
    for options, exact in (("", True), (":precision=high", False), (":precision=low", False)):
        one = candidate(f"circuit-splat{options}")
        figures = splat_distances(one, file, one.decode(one.encode(file, None, 1), 1), None)
        assert figures["identical"] is exact
        rates.append(figures["rotation_degrees"])
    assert rates[0] == 0 < rates[1] < rates[2]
