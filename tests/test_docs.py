"""Every example in README.md, docs/ and docstrings runs.

In README.md and docs/*.md all ``python`` blocks of a file run one after the other in one namespace,
and of its ``bash`` blocks all lines that call nacre's own quick commands, in a folder that holds
``photo.png``, ``photo.ncr`` (whose bytes are ``data``), a folder ``photos``, a set of pictures
``digits.npy``, a recording ``song.wav`` and a mesh, ``model.glb`` and ``model.ply``. A block below
``<!-- not run: reason -->`` is left out.
"""

from __future__ import annotations

import doctest
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from meshes import sphere

import nacre
from nacre import registry
from nacre.cli import run

ROOT = Path(__file__).parent.parent
PAGES = [
    path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if path.exists()
]
MODULES = [path for path in sorted((ROOT / "nacre").rglob("*.py")) if ">>> " in path.read_text()]
QUICK = ("encode", "decode", "info", "verify", "compare", "codecs")

BLOCK = re.compile(
    r"(?P<skip><!-- not run: [^>]+ -->\n+)?^```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """``(line number, code)`` of the blocks that run."""
    text = page.read_text()
    return [
        (text[: match.start("code")].count("\n"), match["code"])
        for match in BLOCK.finditer(text)
        if match["language"] == language and not match["skip"]
    ]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, photos: list[Path]) -> Path:
    """The folder in which examples run; skips where the default codec has no model yet."""
    try:
        registry.load_codec("walloc-rgb")
    except nacre.NacreError as error:
        pytest.skip(f"the default codec cannot be loaded: {error}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    for path in photos[:2]:
        with PIL.Image.open(path) as photo:
            small = photo.convert("RGB").resize((160, 120))
        small.save(tmp_path / "photos" / f"{path.stem}.png")
    small.save("photo.png")
    Path("photo.ncr").write_bytes(nacre.encode("photo.png", lossless=True))
    y, x = np.mgrid[:28, :28]
    digits = [
        np.clip(255 - abs((x - 14) ** 2 + (y - 13) ** 2 - 70 - n) * 4, 0, 255) for n in range(9)
    ]
    np.save("digits.npy", np.array(digits, np.uint8))
    wave = np.sin(np.arange(8000) / 20) * np.exp(-np.arange(8000) / 4000)
    song = np.rint(wave * 20000).astype(np.int16)
    nacre.load_audio(song, sample_rate_hz=8000).save("song.wav")
    for name in ("model.glb", "model.ply"):
        nacre.Scene((sphere(24, 36),)).save(name)
    return tmp_path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_examples(page: Path, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace: dict[str, object] = {"data": Path("photo.ncr").read_bytes()}
    for line, code in blocks(page, "python"):
        exec(compile("\n" * line + code, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(page: Path, desk: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wanted = re.compile(rf"(.*\| )?nacre ({'|'.join(QUICK)})\b")
    for line, code in blocks(page, "bash"):
        for command in filter(wanted.match, code.splitlines()):
            if "|" in command or ">" in command:
                status = call_shell(command)
            else:
                status = run(shlex.split(command, comments=True)[1:])
            assert status == 0, f"{page}:{line}: {command}: {capfd.readouterr().err}"


def call_shell(command: str) -> int:
    """The exit code of a line of shell in which ``nacre`` is this checkout's."""
    function = f'nacre() {{ "{sys.executable}" -m nacre "$@"; }}\nset -e -o pipefail\n'
    paths = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
    environment = os.environ | {"PYTHONPATH": paths}
    return subprocess.run(
        ["bash", "-c", function + command], env=environment, check=False
    ).returncode


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_docstring_examples(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(module))
    assert result.attempted > 0
    assert result.failed == 0


def test_blocks_are_found_and_left_out() -> None:
    assert blocks(ROOT / "docs" / "api.md", "python")
    text = "<!-- not run: slow -->\n```python\n1 / 0\n```\n\n```python\nx = 1\n```\n"
    assert [m["code"] for m in BLOCK.finditer(text) if not m["skip"]] == ["x = 1\n"]
