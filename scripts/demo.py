"""What ``make demo`` shows: photos, a mesh and sound become .ncr files and come back.

    python scripts/demo.py [FILE or FOLDER ...] [--out demo]

Every file is encoded, decoded, verified and measured, beside a peer at the same quality: JPEG and
JPEG XL, Draco, FLAC. Pictures show the originals and what came back. Without arguments the photos
and the mesh are from what installed packages carry, and the sound is made by code.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from demo_rows import Row, Shown
from nacre.cli.encode import is_source
from nacre.errors import InputError, NacreError
from nacre.media.detect import medium_of

SHOW = {
    "image": ("demo_photos", "show"),
    "mesh": ("demo_meshes", "show"),
    "splat": ("demo_meshes", "show_splats"),
    "audio": ("demo_sound", "show"),
}
"""Modules and functions that measure and draw a file of a medium; imported when there is one."""

CAPTION = """dB: PSNR of pixels and surfaces, SI-SDR of sound
(Opus does not aim at that); seconds of CPU time"""


def main(arguments: list[str] | None = None) -> int:
    """Exit code: 0 when every file came back as promised, 1 when one did not, 2 without files."""
    options = _arguments(arguments)
    console, messages = Console(), Console(stderr=True)
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        files = _files(options.input, options.out)
        shown = _measure(files[: options.limit], options.out, messages)
    except (NacreError, OSError) as error:
        print(f"demo: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    console.print(_table(shown))
    if len(files) > options.limit:
        left_out = len(files) - options.limit
        print(f"demo: {left_out} more files; --limit N takes more", file=sys.stderr)
    print(f"files and pictures are in {options.out}/", file=sys.stderr)
    return 0 if shown and all(row.verified for one in shown for row in one.rows) else 1


def _arguments(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("input", nargs="*", help="files or folders of pictures, meshes, sound")
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder for the results")
    parser.add_argument("--limit", type=int, default=8, help="files at most (default 8)")
    return parser.parse_args(arguments)


def _files(names: list[str], out: Path) -> list[Path]:
    """The files that were named, or the demo's own.

    Raises:
        InputError: there is none.
    """
    found: list[Path] = []
    for path in [Path(name) for name in names if name]:
        if not path.exists():
            raise InputError(f"{path}: no such file or folder")
        inside = (
            sorted(p for p in path.rglob("*") if p.is_file() and is_source(p.name))
            if path.is_dir()
            else [path]
        )
        if not inside:
            raise InputError(f"{path}: no pictures, meshes or sound in this folder")
        found += inside
    if not any(names):
        found += _function("demo_photos", "installed")()
        found += _function("demo_meshes", "write_terrain")(out)
        found += _function("demo_sound", "write_music")(out)
    return found


def _function(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def _measure(files: list[Path], out: Path, messages: Console) -> list[Shown]:
    """All files, in files and pictures; one that cannot be used is reported and left out."""
    shown = []
    with Progress(console=messages, disable=not messages.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=len(files))
        for path in files:
            bar.update(task, description=path.name)
            try:
                shown.append(_function(*SHOW[medium_of(path)])(path, out))
            except NacreError as error:
                messages.print(f"demo: {error}", markup=False, highlight=False, soft_wrap=True)
            bar.advance(task)
    return shown


def _table(shown: list[Shown]) -> Table:
    table = Table(box=box.SIMPLE, padding=0, title="There and back", caption=CAPTION)
    table.add_column("file, codec", no_wrap=True)
    for name in ("bytes", "ratio", "quality", "same quality", "enc s", "dec s"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("ok", no_wrap=True)
    for one in shown:
        table.add_section()
        table.add_row(f"[bold]{escape(one.name)}", f"{one.bytes:,}")
        for row in one.rows:
            table.add_row(*_cells(row, one.bytes))
    return table


def _cells(row: Row, raw_bytes: int) -> tuple[str, ...]:
    return (
        f"  {row.codec}",
        f"{row.bytes:,}",
        f"{raw_bytes / row.bytes:.1f}",
        row.quality,
        f"{row.peer} {row.peer_bytes:,}" if row.peer else "",
        f"{row.encode_seconds:.2f}",
        f"{row.decode_seconds:.2f}",
        "yes" if row.verified else "[red]NO",
    )


if __name__ == "__main__":
    sys.exit(main())
