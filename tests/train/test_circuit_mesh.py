"""The recipe of circuit-mesh: meshes in, an integer network and its card out."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
import trimesh

from nacre.cli import run
from nacre.entropy.mesh.connectivity import encode_connectivity
from nacre.entropy.mesh.positions import decode_positions, encode_positions
from nacre.entropy.mesh.surface import Surface
from nacre.errors import InputError
from nacre.mesh_models import load_model
from nacre.models import find_model
from nacre.train.circuit_mesh import PRESETS, train_circuit_mesh
from nacre.train.loop import Progress
from nacre.train.mesh_network import (
    MeshNet,
    float_answers,
    integer_answers,
    integer_network,
    measure,
)
from nacre.train.meshes import (
    SCALE,
    Shape,
    Variant,
    mirrored,
    moved,
    quantised,
    read_shape,
    rows_of,
    shape_of,
    thinned,
)

TINY = PRESETS["tiny"]


def bumpy(seed: int, rows: int = 14, columns: int = 18) -> trimesh.Trimesh:
    """A torus with bumps, triangulated at random."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns].reshape(2, -1)
    u, v = y * 2 * np.pi / rows, x * 2 * np.pi / columns
    radius = 1 + 0.15 * np.sin(3 * u + seed) * np.cos(2 * v) + rng.normal(0, 0.01, len(u))
    ring = 3 + radius * np.cos(u)
    points = np.stack([ring * np.cos(v), ring * np.sin(v), radius * np.sin(u)], axis=1)
    faces = []
    for i in range(rows):
        for k in range(columns):
            a, b = i * columns + k, i * columns + (k + 1) % columns
            c, d = ((i + 1) % rows) * columns + (k + 1) % columns, ((i + 1) % rows) * columns + k
            faces += [[a, b, c], [a, c, d]] if rng.random() < 0.5 else [[a, b, d], [b, c, d]]
    return trimesh.Trimesh(points, np.array(faces), process=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine meshes of three formats; the eighth will be held back."""
    found = tmp_path_factory.mktemp("meshes")
    for number in range(9):
        bumpy(number).export(found / f"{number}.{('ply', 'obj', 'off')[number % 3]}")
    return found


def test_a_model_is_trained_loaded_and_used(folder: Path, tmp_path: Path) -> None:
    reports: list[Progress] = []
    model = train_circuit_mesh([folder], tmp_path, TINY, name="tori", report=reports.append)
    assert model == tmp_path / "tori.safetensors"
    assert reports[-1].step == TINY.plan.steps
    card = find_model(model, codec="circuit-mesh")
    assert card.steps == TINY.plan.steps
    assert card.data == "8 meshes of 2,016 vertices"
    assert [figure["bits"] for figure in card.figures] == [11, 14]
    assert all(figure["held_out_meshes"] == 1 for figure in card.figures)
    assert all(abs(figure["bits_a_vertex"] - figure["in_floats"]) < 0.02 for figure in card.figures)
    loaded = load_model(model)
    network, primed = loaded.network, loaded.primed
    shape = shape_of("another", bumpy(20).vertices, bumpy(20).faces.astype(np.int32))
    assert primed is not None
    connectivity = json.loads(model.with_suffix(".json").read_text())["connectivity"]
    assert connectivity["table_bytes"] == len(primed)
    assert 0 < connectivity["bits_a_vertex"] < connectivity["without_table"]
    plain, coded = (
        encode_connectivity(shape.faces, len(shape.vertices), primed=table).data
        for table in (None, primed)
    )
    assert len(coded) < len(plain)
    lattice = quantised(shape.vertices, 11)
    data = encode_positions(shape.surface, lattice, effort=3, network=network)
    assert np.array_equal(decode_positions(data, shape.surface, network=network), lattice)
    with pytest.raises(InputError, match="exists already"):
        train_circuit_mesh([folder], tmp_path, TINY, name="tori")


def test_training_lowers_the_bits_of_meshes_that_were_not_seen(
    folder: Path, tmp_path: Path
) -> None:
    bits = []
    for steps in (1, 60):
        preset = replace(TINY, plan=replace(TINY.plan, steps=steps))
        model = train_circuit_mesh([folder], tmp_path / str(steps), preset)
        assert model is not None
        bits.append(find_model(model).figures[0]["bits_a_vertex"])
    assert bits[1] < bits[0] - 1


def _shape(folder: Path, number: int) -> Shape:
    (file,) = folder.glob(f"{number}.*")
    shape = read_shape(file)
    assert shape is not None
    return shape


def test_the_same_command_goes_on_and_gives_the_same_model(folder: Path, tmp_path: Path) -> None:
    preset = replace(TINY, plan=replace(TINY.plan, steps=12))
    whole = train_circuit_mesh([folder], tmp_path / "whole", preset)
    assert train_circuit_mesh([folder], tmp_path / "legs", preset, seconds=0) is None
    legs = train_circuit_mesh([folder], tmp_path / "legs", preset)
    assert whole is not None
    assert legs is not None
    assert whole.read_bytes() == legs.read_bytes()


def test_integers_lose_nothing_that_counts(folder: Path) -> None:
    torch.manual_seed(1)
    model = MeshNet(48)
    with torch.no_grad():
        for layer in (model.first, model.second):
            layer.weight.mul_(2)
    rows = rows_of(_shape(folder, 2), Variant(12, turned=True), np.random.default_rng(0))
    real = measure(float_answers(model), rows)
    whole = measure(integer_answers(integer_network(model)), rows)
    assert abs(real - whole) < 0.01 * real
    vectors = rows.targets[:, SCALE + 1 :].reshape(len(rows.features), -1, 3)
    one = float_answers(model)(rows.features, vectors)
    other = integer_answers(integer_network(model))(rows.features, vectors)
    assert float((one - other).detach().abs().max()) < 0.05


def _directed_edges(surface: Surface) -> set[tuple[int, int]]:
    at = surface.vertex[surface.triangles]
    pairs = [(int(t[k]), int(t[(k + 1) % 3])) for t in at for k in range(3)]
    assert len(set(pairs)) == len(pairs)
    return set(pairs)


def test_variants_are_the_same_shape(folder: Path) -> None:
    shape = _shape(folder, 0)
    edges = _directed_edges(shape.surface)
    other = moved(shape.surface, np.random.default_rng(0))
    assert _directed_edges(other) == edges
    assert _directed_edges(mirrored(shape.surface)) == {(b, a) for a, b in edges}
    for surface in (other, mirrored(shape.surface)):
        flat = surface.triangles.ravel()
        for corner in range(len(flat)):
            across = int(surface.opposite[corner])
            assert surface.opposite[across] == corner
            ring = [corner - corner % 3 + (corner + k) % 3 for k in (1, 2)]
            twin = [across - across % 3 + (across + k) % 3 for k in (2, 1)]
            assert flat[ring].tolist() == flat[twin].tolist()


def test_rows_say_where_the_vertex_is(folder: Path) -> None:
    rows = rows_of(_shape(folder, 1), Variant(11), np.random.default_rng(0))
    frames: npt.NDArray[np.float32] = rows.targets[:, 3:12].reshape(-1, 3, 3)
    turned = frames @ frames.transpose(0, 2, 1)
    assert np.allclose(turned, np.eye(3), atol=1e-5)
    # Along the lattice's own axes: whole numbers less a mean of one to six of them.
    plain = np.einsum("nij,ni->nj", frames, rows.targets[:, :3])
    assert np.allclose(plain * 60, np.rint(plain * 60), atol=0.2)


def test_a_thinned_shape_keeps_its_place(folder: Path) -> None:
    pytest.importorskip("fast_simplification")
    torus = bumpy(3, rows=30, columns=40)
    shape = shape_of("torus", torus.vertices, torus.faces.astype(np.int32))
    thin = thinned(shape, 0.4)
    assert thin is not None
    assert 800 < len(thin.faces) < 1100
    assert len(thin.surface.triangles) == len(thin.faces)
    for end in (np.min, np.max):
        assert np.allclose(end(thin.vertices, axis=0), end(shape.vertices, axis=0), atol=0.2)
    assert thinned(_shape(folder, 0), 0.1) is None


def test_meshes_that_cannot_be_learned_from_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        train_circuit_mesh([tmp_path / "none"], tmp_path, TINY)
    with pytest.raises(InputError, match="no meshes"):
        train_circuit_mesh([tmp_path], tmp_path, TINY)
    (tmp_path / "a.ply").write_bytes(b"ply\nnonsense")
    with pytest.raises(InputError, match="cannot be read"):
        train_circuit_mesh([tmp_path], tmp_path, TINY)


def test_the_command_line_trains(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["train", "circuit-mesh", str(folder), "--preset", "tiny", "-o", str(tmp_path)]
    assert run([*command, "--steps", "5", "--device", "cpu", "--name", "mine"]) == 0
    assert "bits/vertex" in capsys.readouterr().err
    assert find_model(tmp_path / "mine.safetensors").steps == 5
    assert run([*command, "--precision", "32-true"]) == 2


def test_models_load_without_torch(folder: Path, tmp_path: Path) -> None:
    preset = replace(TINY, plan=replace(TINY.plan, steps=2))
    model = train_circuit_mesh([folder], tmp_path, preset)
    script = f"""
import sys
from pathlib import Path
from nacre.mesh_models import load_model
assert load_model(Path({str(model)!r})).network.parameters > 100
assert "torch" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
