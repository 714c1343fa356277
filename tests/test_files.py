"""Files are written whole or not at all, and nothing that existed is lost."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pictures import noise

from nacre.errors import InputError
from nacre.files import write_atomically
from nacre.media.image import Image, load_image


@pytest.fixture
def nobody() -> Iterator[None]:
    """Ordinary permissions even where tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_files_without_permission(tmp_path: Path, nobody: None) -> None:
    with pytest.raises(InputError, match="no permission"):
        load_image("/proc/1/mem")
    with pytest.raises(InputError, match="cannot write"):
        Image(noise(2, 2, 3)).save("/proc/x.png")


@contextmanager
def full_disk(limit: int) -> Iterator[None]:
    """No file may grow beyond ``limit`` bytes (the system's EFBIG stands for ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("force", [False, True])
def test_a_full_disk_loses_nothing_and_leaves_nothing(tmp_path: Path, force: bool) -> None:
    old = tmp_path / "old.bin"
    old.write_bytes(b"precious")
    target = old if force else tmp_path / "new.bin"
    with full_disk(1000), pytest.raises(InputError, match=r"cannot write .*too large"):
        write_atomically(target, bytes(100_000), force=force)
    assert [p.name for p in tmp_path.iterdir()] == ["old.bin"]
    assert old.read_bytes() == b"precious"


def test_writing_to_odd_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder"):
        write_atomically(tmp_path, b"x")
    with pytest.raises(InputError, match="No such file"):
        write_atomically(tmp_path / "missing" / "x", b"x")
    with pytest.raises(InputError, match="No space left"):
        write_atomically("/dev/full", b"x")
    write_atomically("/dev/null", b"x", force=True)
    assert not Path("/dev/null").is_file()
    real = tmp_path / "real.bin"
    (tmp_path / "link.bin").symlink_to(real)
    write_atomically(tmp_path / "link.bin", b"x")
    assert real.read_bytes() == b"x"
    assert real.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_that_appears_meanwhile_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "x.bin"

    def rival(_: object, other: object) -> None:
        target.write_bytes(b"rival")
        raise FileExistsError

    monkeypatch.setattr(Path, "hardlink_to", rival)
    with pytest.raises(InputError, match="exists"):
        write_atomically(target, b"mine")
    assert target.read_bytes() == b"rival"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]


def test_file_systems_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object, other: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    write_atomically(tmp_path / "x.bin", b"mine")
    with pytest.raises(InputError, match="exists"):
        write_atomically(tmp_path / "x.bin", b"other")
    assert (tmp_path / "x.bin").read_bytes() == b"mine"
    assert [p.name for p in tmp_path.iterdir()] == ["x.bin"]
