"""The constants of ``adaptive-audio``, one at a time, on recordings to train on.

    python scripts/reproduce/audio_constants.py data/train/music data/train/sounds_sonicpi \\
        --predictor regressions --seconds 4 --every 4

Codes the first seconds of some of the files as frames, with the constants that nacre has and with
others in place of one of them, and prints bits a sample and seconds of sound in a CPU second.
The bits of a folder are those of all its samples together; the last column is the mean of the
folders' changes, so that no folder counts for more than another. A change of a constant changes
streams; files of another constant cannot be decoded by nacre.

Constants are compiled into the kernels, so each setting runs in a process of its own with an empty
cache of compiled code.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

AUDIO = "nacre.entropy.audio"
CACHE = "NUMBA_CACHE_DIR"


class Constant(NamedTuple):
    """A constant, where it is, and what to try in its place."""

    name: str
    module: str
    values: tuple[Any, ...]


MIXTURE = (
    Constant("_RATES", "residuals", ((9362, 2048, 410), (6554, 2979, 410), (6554, 1638, 205),
                                     (5461, 1365, 256), (6554, 2048, 205))),
    Constant("_SHARE", "residuals", (8, 9, 11, 12)),
)  # fmt: skip
CONSTANTS = {
    "cascade": (
        Constant("_FIRST_STEP", "cascade", (1024, 2048, 8192)),
        Constant("_STEPS", "cascade", ((2048, 4096, 4096), (8192, 4096, 4096), (4096, 2048, 4096),
                                       (4096, 8192, 4096), (4096, 4096, 2048), (4096, 4096, 8192),
                                       (4096, 4096, 1024))),
        Constant("TAPS", "cascade", ((128, 32, 8), (512, 32, 8), (256, 16, 8), (256, 32, 16),
                                     (256, 64, 8))),
        Constant("_LEAK", "cascade", (13, 14)),
        *MIXTURE,
    ),
    "regressions": (
        Constant("_KEEP_LONG", "regressions", (0.997, 0.998, 0.9988, 0.999, 0.9995)),
        Constant("_KEEP_SHORT", "regressions", (0.975, 0.98, 0.9875, 0.99, 0.993)),
        Constant("_STEPS", "regressions", ((4096, 4096, 1024), (16384, 4096, 1024),
                                           (8192, 2048, 1024), (8192, 8192, 1024),
                                           (8192, 4096, 512), (8192, 4096, 2048))),
        Constant("TAPS", "regressions", ((256, 32, 16), (128, 32, 8), (512, 32, 8), (256, 16, 8),
                                         (256, 64, 8), (1024, 256, 16))),
        Constant("_STEP", "regressions", (0.0025, 0.005, 0.01, 0.015)),
        Constant("_RATE", "regressions", (0.02, 0.1)),
        Constant("OWN", "regressions", (12, 20, 24)),
        Constant("OTHER_LONG", "regressions", (8, 12, 24)),
        Constant("OTHER_SHORT", "regressions", (4, 12)),
        Constant("ALONE", "regressions", (16, 24, 40)),
        Constant("PERIOD", "regressions", (16, 64)),
        Constant("_ERROR_RATE", "least_squares", (0.05, 0.2)),
        Constant("_RIDGE", "least_squares", (1e-5, 0.1)),
        *MIXTURE,
    ),
}  # fmt: skip


class Coded(NamedTuple):
    """What all files of a folder came to."""

    bits_a_sample: float
    speed: float


def worker(order: dict[str, Any]) -> None:
    """Set the constant, code every file, print the totals by folder as JSON."""
    # Before anything of the codec is compiled.
    if order["name"]:
        module = importlib.import_module(f"{AUDIO}.{order['module']}")
        if not hasattr(module, order["name"]):
            raise SystemExit(f"{order['module']} has no {order['name']}")
        value = order["value"]
        setattr(module, order["name"], tuple(value) if isinstance(value, list) else value)
    import numpy as np

    from nacre.entropy.audio import frames
    from nacre.media.audio import load_audio

    predictor = getattr(frames, order["predictor"].upper())
    frames.encode_frame(np.arange(64, dtype=np.int32).reshape(2, 32), 16, predictor=predictor)
    found = {}
    for folder, paths in order["files"].items():
        size, samples, seconds, taken = 0, 0, 0.0, 0.0
        for path in paths:
            audio = load_audio(path)
            piece = audio.samples[:, : int(order["seconds"] * audio.sample_rate_hz)]
            start = time.process_time()
            size += len(frames.encode_frame(piece, audio.depth, predictor=predictor))
            taken += time.process_time() - start
            samples += piece.size
            seconds += piece.shape[1] / audio.sample_rate_hz
        found[folder] = (8 * size / samples, seconds / taken)
    print(json.dumps(found))


def measure(order: dict[str, Any]) -> dict[str, Coded]:
    """Run :func:`worker` in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="nacre-constants-") as cache:
        environment = {**os.environ, CACHE: cache, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, __file__, "--worker", json.dumps(order)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    totals = json.loads(done.stdout.splitlines()[-1])
    return {folder: Coded(*figures) for folder, figures in totals.items()}


def chosen_files(folders: Sequence[Path], every: int) -> dict[str, list[str]]:
    """Each ``every``-th sound file of each folder, by the folder's name."""
    from nacre.media.audio_kinds import EXTENSIONS

    found = {}
    for folder in folders:
        paths = sorted(p for p in folder.rglob("*") if p.suffix.lower() in EXTENSIONS)
        if not paths:
            raise SystemExit(f"{folder}: no sound files")
        found[folder.name] = [str(path) for path in paths[::every]]
    return found


def row(label: str, coded: dict[str, Coded], base: dict[str, Coded]) -> str:
    """A line of the table."""
    changes = [coded[f].bits_a_sample / base[f].bits_a_sample - 1 for f in base]
    cells = [
        f"{coded[f].bits_a_sample:.4f} ({100 * change:+.2f} %)"
        for f, change in zip(base, changes, strict=True)
    ]
    speeds = " / ".join(f"{coded[f].speed:.0f}" for f in base)
    mean = 100 * sum(changes) / len(changes)
    return f"| {label} | {' | '.join(cells)} | {speeds} | {mean:+.3f} % |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER")
    parser.add_argument("--predictor", choices=sorted(CONSTANTS), default="regressions")
    parser.add_argument("--only", default="", help="names of constants, joined by commas")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each file")
    parser.add_argument("--every", type=int, default=4, help="take each so many-th file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(json.loads(arguments.worker))
        return
    if not arguments.folders:
        parser.error("a folder of sounds is expected")
    known = CONSTANTS[arguments.predictor]
    wanted = set(filter(None, arguments.only.split(",")))
    if unknown := wanted - {constant.name for constant in known}:
        parser.error(f"no constant is called {', '.join(sorted(unknown))}")
    order = {
        "predictor": arguments.predictor, "seconds": arguments.seconds, "name": "",
        "files": chosen_files(arguments.folders, arguments.every),
    }  # fmt: skip
    base = measure(order)
    print(f"| {arguments.predictor} | {' | '.join(base)} | x real time | mean change |")
    print("|---|" + "---:|" * (len(base) + 2))
    print(row("as it is", base, base), flush=True)
    for constant in known:
        if wanted and constant.name not in wanted:
            continue
        shipped = getattr(importlib.import_module(f"{AUDIO}.{constant.module}"), constant.name)
        for value in constant.values:
            if value == shipped:
                continue
            one = {**order, "name": constant.name, "module": constant.module, "value": value}
            label = f"{constant.name} {value}, not {shipped}"
            print(row(label, measure(one), base), flush=True)


if __name__ == "__main__":
    main()
