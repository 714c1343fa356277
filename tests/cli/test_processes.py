"""The command as other programs meet it: pipes, terminals, full disks, closed readers, speed."""

from __future__ import annotations

import io
import os
import resource
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import nacre
from nacre.cli import run

ROOT = Path(__file__).parent.parent.parent
NACRE = [sys.executable, "-m", "nacre"]


def call(
    arguments: Sequence[str],
    *,
    data: bytes = b"",
    cwd: Path,
    before: Callable[[], None] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``nacre`` in a process of its own."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.run(
        [*NACRE, *arguments],
        input=data,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        preexec_fn=before,
        capture_output=True,
        check=False,
    )


def one_line(result: subprocess.CompletedProcess[bytes]) -> str:
    """What was said, if it is one line."""
    text = result.stderr.decode()
    assert text.count("\n") == 1, text
    return text


def test_a_pipe_there_and_back(picture_file: Path) -> None:
    encoded = call(["encode", "-", "--lossless"], data=picture_file.read_bytes(), cwd=ROOT)
    assert encoded.returncode == 0, encoded.stderr
    assert encoded.stdout == nacre.encode(picture_file, lossless=True)
    decoded = call(["decode", "-"], data=encoded.stdout, cwd=ROOT)
    assert decoded.returncode == 0, decoded.stderr
    with PIL.Image.open(io.BytesIO(decoded.stdout)) as back, PIL.Image.open(picture_file) as photo:
        assert back.format == "PNG"
        assert np.array_equal(np.asarray(back), np.asarray(photo))


def test_nothing_binary_goes_to_a_terminal(picture_file: Path) -> None:
    terminal, inner = os.openpty()
    try:
        result = subprocess.run(
            [*NACRE, "encode", str(picture_file), "--lossless", "-o", "-"],
            cwd=ROOT,
            stdin=inner,
            stdout=inner,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(inner)
        os.close(terminal)
    assert result.returncode == 2
    assert b"refusing to write binary data to a terminal" in result.stderr


def test_a_progress_bar_on_a_terminal_only(picture_file: Path) -> None:
    for name in ("b.png", "c.png"):
        picture_file.with_name(name).write_bytes(picture_file.read_bytes())
    terminal, inner = os.openpty()

    def waiting() -> bool:
        return bool(select.select([terminal], [], [], 0)[0])

    try:
        result = subprocess.run(
            [*NACRE, "encode", str(picture_file.parent), "--lossless"],
            cwd=ROOT,
            env=os.environ | {"NO_COLOR": "1", "TERM": "xterm-256color"},
            stdout=subprocess.PIPE,
            stderr=inner,
            check=False,
        )
        shown = os.read(terminal, 1 << 16)
    finally:
        os.close(inner)
        os.close(terminal)
    assert (result.returncode, result.stdout) == (0, b"")
    assert b"3/3" in shown
    assert b"3 encoded: " in shown
    assert b"\x1b[3" not in shown, "a colour, in spite of NO_COLOR"


def fill_the_disk() -> None:
    """Let every write of this process fail once a file has 4,096 bytes, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3)).astype(np.uint8)
    PIL.Image.fromarray(noise).save(tmp_path / "noise.png")
    before = (tmp_path / "noise.png").read_bytes()
    (tmp_path / "old.ncr").write_bytes(b"precious")
    arguments = ["encode", "noise.png", "--lossless", "-o", "old.ncr", "--force"]
    result = call(arguments, cwd=tmp_path, before=fill_the_disk)
    assert result.returncode == 1
    assert "old.ncr" in one_line(result)
    assert "too large" in one_line(result)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["noise.png", "old.ncr"]
    assert (tmp_path / "old.ncr").read_bytes() == b"precious"
    assert (tmp_path / "noise.png").read_bytes() == before


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc")
def test_a_place_that_cannot_be_written(picture_file: Path) -> None:
    result = call(["encode", str(picture_file), "--lossless", "-o", "/proc/x.ncr"], cwd=ROOT)
    assert result.returncode == 1
    assert "/proc/x.ncr" in one_line(result)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(
    picture_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture_file.chmod(0)
    assert run(["encode", str(picture_file), "--lossless"]) == 2
    assert "permission" in capsys.readouterr().err.lower()


def test_a_reader_that_goes_away(picture_file: Path) -> None:
    stream = picture_file.with_name("a.ncr")
    stream.write_bytes(nacre.encode(picture_file, lossless=True))
    reader, writer = os.pipe()
    os.close(reader)
    try:
        result = subprocess.run(
            [*NACRE, "info", str(stream)],
            cwd=ROOT,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert result.returncode == 1
    assert result.stderr == b""


def test_ctrl_c_ends_in_one_line(
    picture_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
) -> None:
    from nacre.codecs.adaptive_image import AdaptiveImage

    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(AdaptiveImage, "encode", interrupted)
    # A shell starts what runs in the background with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    assert run(["encode", str(picture_file), "--lossless"]) == 130
    assert capsys.readouterr().err.count("\n") <= 1
    assert not picture_file.with_name("photo.png.ncr").exists()
