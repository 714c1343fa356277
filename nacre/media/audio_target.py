"""A file that appears when it is complete."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path
from typing import Any, BinaryIO

from nacre.errors import InputError


class Target:
    """Where bytes go: a temporary file that takes its name at the end, or an open stream.

    :func:`nacre.files.write_atomically` does the same for bytes that are all there at once.

    Attributes:
        file: to write to.
        folder: where temporary files may lie; None: the system's.

    Raises:
        InputError: the file exists, or is a folder.
        OSError: the system refuses.
    """

    def __init__(self, path: str | Path | BinaryIO, *, force: bool) -> None:
        self._temporary: Path | None = None
        self._path, self._force, self._owned = Path(), force, False
        self.folder: Path | None = None
        self.file: Any = path
        if not isinstance(path, str | Path):
            return
        self._path, self._owned = Path(os.path.realpath(path)), True
        if self._path.is_dir():
            raise InputError(f"cannot write {path}: it is a folder")
        if self._path.exists() and not self._path.is_file():
            self.file = self._path.open("wb")
            return
        if self._path.exists() and not force:
            raise _exists(self._path)
        self.folder = self._path.parent
        name = f".{self._path.name[:80]}.{secrets.token_hex(4)}.part"
        self._temporary = self._path.with_name(name)
        self.file = self._temporary.open("xb")

    def finish(self) -> None:
        """All was written: the file takes its name.

        Raises:
            OSError: the system refuses; :class:`FileExistsError` when the file exists by now.
        """
        if not self._owned:
            self.file.flush()
            return
        self.file.close()
        if self._temporary is None:
            return
        try:
            if self._force:
                self._temporary.replace(self._path)
                return
            try:
                self._path.hardlink_to(self._temporary)
            except FileExistsError:
                raise
            except OSError:
                # A file system without hard links: claim the name, then replace the claim.
                self._path.touch(exist_ok=False)
                self._temporary.replace(self._path)
        finally:
            self.discard()

    def discard(self) -> None:
        """Leave nothing behind."""
        if self._owned:
            with contextlib.suppress(OSError):
                self.file.close()
        if self._temporary is not None:
            self._temporary.unlink(missing_ok=True)


def _exists(path: Path) -> InputError:
    return InputError(f"{path} exists; choose another name, or allow overwriting with --force")
