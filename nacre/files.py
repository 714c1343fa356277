"""Writing files so that nothing is lost: all of a file or none of it, and no silent overwriting."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from nacre.errors import InputError

PICTURES = (
    *(".apng", ".avif", ".bmp", ".gif", ".j2k", ".jp2", ".jpeg", ".jpg", ".jxl", ".pbm", ".pgm"),
    *(".png", ".pnm", ".ppm", ".qoi", ".tga", ".tif", ".tiff", ".webp"),
)
"""Extensions of the files that are taken out of a folder; a file that is named is always tried."""


def write_atomically(path: str | Path, data: bytes, *, force: bool = False) -> None:
    """Write ``data`` to ``path``, which then holds all of it, or what it held before.

    The bytes go to a temporary file in the same folder first. Without ``force`` an existing file is
    never replaced, not even one that appears while this runs. A symbolic link is followed; a
    device or pipe (``/dev/null``) is written to directly.

    Raises:
        InputError: the file exists, or the system refuses (no folder, no permission, disk full).
    """
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise InputError(f"cannot write {path}: it is a folder")
        if target.exists() and not target.is_file():
            with target.open("wb") as device:
                device.write(data)
            return
        if target.exists() and not force:
            raise _exists(path)
        _write(target, data, force=force)
    except FileExistsError:
        raise _exists(path) from None
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from None


def _exists(path: str | Path) -> InputError:
    return InputError(f"{path} exists; choose another name, or allow overwriting with --force")


def _write(target: Path, data: bytes, *, force: bool) -> None:
    """Write a temporary file beside ``target`` and give it that name.

    Raises:
        OSError: the system refuses; :class:`FileExistsError` when ``target`` exists by now.
    """
    # A name of limited length, opened by O_EXCL with ordinary permissions (mkstemp's are 0600).
    temporary = target.with_name(f".{target.name[:80]}.{secrets.token_hex(4)}.part")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        if force:
            temporary.replace(target)
            return
        try:
            target.hardlink_to(temporary)
        except FileExistsError:
            raise
        except OSError:
            # A file system without hard links: claim the name, then replace the claim.
            target.touch(exist_ok=False)
            temporary.replace(target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
