"""Every mesh file of the data folder comes back."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = ("eval/meshes", "eval/meshes_textured", "train/meshes")


def script() -> ModuleType:
    """``scripts/reproduce/mesh_sweep.py`` as a module."""
    spec = importlib.util.spec_from_file_location(
        "mesh_sweep", ROOT / "scripts" / "reproduce" / "mesh_sweep.py"
    )
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["mesh_sweep"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_comes_back(folder: str, shared_data: Path) -> None:
    module = script()
    paths = module.mesh_files([shared_data / folder])
    assert len(paths) >= 12
    for path in paths:
        assert module.sweep(path, 11, 2).problem == "", path


def test_the_sweep_sees_what_is_wrong(tmp_path: Path) -> None:
    import numpy as np
    from meshes import sphere

    import nacre

    module = script()
    mesh = sphere()
    nacre.Scene((mesh,)).save(tmp_path / "a.ply")
    assert module.sweep(tmp_path / "a.ply", 12, 1).problem == ""
    decoded = nacre.decode(nacre.encode(mesh, keep_order=True, effort=1)).mesh
    order = np.arange(len(mesh.vertices), dtype=np.int32)
    assert list(module.problems(mesh, decoded, order)) == []
    wrong = nacre.Mesh(
        decoded.vertices + np.float32(0.01), decoded.faces[:, ::-1].copy(), lattice=decoded.lattice
    )
    found = " ".join(module.problems(mesh, wrong, order))
    assert "faces differ" in found and "steps" in found
    assert "permutation" in next(module.problems(mesh, decoded, order * 0))
