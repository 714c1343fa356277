"""Imports run one way, and what must start at once imports nothing heavy."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "nacre").rglob("*.py"))

# A module may import modules of its own layer and of lower ones.
LAYERS = [
    {"errors", "limits", "files"},
    {"stream", "models"},
    {"media", "transforms", "entropy"},
    {"circuit_models", "circuit_photos", "mesh_models"},
    {"mesh_attributes", "mesh_decoding", "mesh_payload", "walloc_audio", "walloc_pieces"},
    {"codecs", "compare", "walloc_codec"},
    {"registry"},
    {"choices", "recordings", "decoding", "targets", "mesh_targets", "textures"},
    {"api", "inspection", "circuits"},
    {"pillow_plugin"},
    {"cli", "bench", "data", "train"},
]
LAYER_OF = {name: number for number, names in enumerate(LAYERS) for name in names}

# What only some parts may import, and only when it is needed.
TORCH_FREE_AT_IMPORT = {"stream", "media", "cli"} | {
    name for names in (*LAYERS[:2], *LAYERS[6:10]) for name in names
}


def module_name(path: Path) -> str:
    """``nacre.cli.encode`` of its file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def part(module: str) -> str:
    """The part of nacre that a module belongs to: ``cli`` of ``nacre.cli.encode``."""
    return [*module.split("."), ""][1]


def imports(path: Path, *, at_import_only: bool = False) -> set[str]:
    """Modules that a file imports, type-checking blocks left out."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if at_import_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports hide where a name comes from"
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


def test_there_are_files_to_check() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_run_one_way(path: Path) -> None:
    own = part(module_name(path))
    if own in ("", "__main__"):
        return
    assert own in LAYER_OF, f"nacre.{own} has no layer: add it to LAYERS"
    for name in imports(path):
        if name.startswith("nacre.") and part(name) in LAYER_OF:
            assert LAYER_OF[part(name)] <= LAYER_OF[own], f"{module_name(path)} imports {name}"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_codecs_do_not_import_each_other(path: Path) -> None:
    if part(module_name(path)) == "codecs":
        others = {
            name for name in imports(path) if part(name) == "codecs" and ".codecs.base" not in name
        }
        assert not others


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_entropy_knows_no_medium_and_transforms_no_bytes(path: Path) -> None:
    own = part(module_name(path))
    forbidden = {"entropy": {"media", "transforms"}, "transforms": {"entropy", "media"}}
    used = {part(name) for name in imports(path) if name.startswith("nacre.")}
    assert not used & forbidden.get(own, set())


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_heavy_packages_stay_where_they_belong(path: Path) -> None:
    own, module = part(module_name(path)), module_name(path)
    tops = {name.split(".")[0] for name in imports(path)}
    at_import = {name.split(".")[0] for name in imports(path, at_import_only=True)}
    if own != "train" and module != "nacre.entropy.priors":
        assert "compressai" not in tops
    assert "compressai" not in at_import
    if module != "nacre.entropy.coder":
        assert "constriction" not in tops
    if own in TORCH_FREE_AT_IMPORT:
        assert "torch" not in at_import
    assert not tops & {"pickle", "marshal", "shelve", "dill", "joblib"}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_only_the_command_line_prints(path: Path) -> None:
    if part(module_name(path)) == "cli":
        return
    for node in ast.walk(ast.parse(path.read_text())):
        called = node.func if isinstance(node, ast.Call) else None
        assert not (isinstance(called, ast.Name) and called.id == "print"), (
            f"{path}:{node.lineno} prints"
        )


def test_what_must_start_at_once_imports_nothing_heavy(tmp_path: Path) -> None:
    import numpy as np

    import nacre

    stream = tmp_path / "a.ncr"
    stream.write_bytes(nacre.encode(np.zeros((2, 2), np.uint8), lossless=True))
    script = f"""
import contextlib, io, sys
heavy = lambda: sorted({{"torch", "compressai", "matplotlib", "numba", "PIL"}} & set(sys.modules))
import nacre
assert not heavy() and "numpy" not in sys.modules, heavy()
from nacre.cli import run
for arguments in (["--help"], ["encode", "--help"], ["info", {str(stream)!r}], ["codecs"]):
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert run(arguments) == 0, arguments
    assert shown.getvalue(), arguments
    assert not heavy(), (arguments, heavy())
import nacre.registry, nacre.stream, nacre.api, nacre.inspection
assert not heavy(), heavy()
import nacre.media.image
assert heavy() == ["PIL"], heavy()
"""
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
