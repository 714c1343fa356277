"""Peers that are programs of their own, where they are on the PATH: WAV in, WAV out.

Their times contain the start of the process and the writing and reading of the WAV file.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from nacre.bench.peers import KBPS, PERCENT, Candidate
from nacre.errors import InputError
from nacre.media.audio import Audio, load_audio

_SECONDS = 600


@dataclass(frozen=True)
class Program:
    """A codec on the command line; ``{a}`` stands for the input, ``{b}`` for the output, ``{q}``
    for the quality.

    Attributes:
        name: of the peer.
        encode, decode: command lines.
        extension: of its files, which some programs insist on.
        settings: in words.
        version: command line whose output has the version in its first line that has a digit.
        qualities: in kbit/s; none: it is lossless.
    """

    name: str
    encode: str
    decode: str
    extension: str
    settings: str
    version: str
    qualities: tuple[float, ...] = ()


_FFMPEG = "ffmpeg -hide_banner -nostdin -loglevel error -y -threads 1 -i {a}"
_FLAC = "flac --silent --force --no-padding --no-seektable"

PROGRAMS = (
    Program(
        "flac-program", f"{_FLAC} -8 -o {{b}} {{a}}", "flac --silent --force -d -o {b} {a}",
        ".flac", "-8, no padding, no seek table", "flac --version",
    ),
    Program(
        "flac-program-ep", f"{_FLAC} -8 -e -p -o {{b}} {{a}}",
        "flac --silent --force -d -o {b} {a}", ".flac", "-8 -e -p", "flac --version",
    ),
    Program(
        "wavpack", "wavpack -q -y -hhx {a} -o {b}", "wvunpack -q -y {a} -o {b}", ".wv", "-hhx",
        "wavpack --version",
    ),
    Program(
        "wavpack-x6", "wavpack -q -y -hhx6 {a} -o {b}", "wvunpack -q -y {a} -o {b}", ".wv",
        "-hhx6", "wavpack --version",
    ),
    Program(
        "optimfrog", "ofr --encode --preset max --silent {a} --output {b}",
        "ofr --decode --silent {a} --output {b}", ".ofr", "preset max", "ofr --version",
    ),
    Program(
        "monkeys-audio", "mac {a} {b} -c4000", "mac {a} {b} -d", ".ape", "extra high", "mac",
    ),
    Program(
        "flac-ffmpeg", f"{_FFMPEG} -c:a flac -compression_level 12 {{b}}", f"{_FFMPEG} {{b}}",
        ".flac", "level 12", "ffmpeg -version",
    ),
    Program(
        "opus-ffmpeg", f"{_FFMPEG} -c:a libopus -b:a {{q}}k {{b}}",
        f"{_FFMPEG} -c:a pcm_f32le {{b}}", ".opus", "libopus, variable bit rate",
        "ffmpeg -version", (8, 12, 16, 24, 32, 64, 96, 128),
    ),
)  # fmt: skip


def _encode(program: Program, audio: Audio, quality: float | None, threads: int) -> bytes:
    with tempfile.TemporaryDirectory(prefix="nacre-bench-") as folder:
        source, target = Path(folder, "in.wav"), Path(folder, f"out{program.extension}")
        audio.save(source)
        _call(program.encode, source, target, quality)
        return target.read_bytes()


def _decode(program: Program, data: bytes, threads: int) -> Audio:
    with tempfile.TemporaryDirectory(prefix="nacre-bench-") as folder:
        source, target = Path(folder, f"in{program.extension}"), Path(folder, "out.wav")
        source.write_bytes(data)
        _call(program.decode, source, target, None)
        return load_audio(target, strip=("all",))


def _call(line: str, source: Path, target: Path, quality: float | None) -> None:
    """Run a command line; its parts are split first, so that paths may hold blanks."""
    words = {"a": str(source), "b": str(target), "q": "" if quality is None else f"{quality:g}"}
    parts = [part.format(**words) for part in line.split()]
    _found(parts[0])
    try:
        done = subprocess.run(parts, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError(f"{parts[0]}: {error}") from None
    if done.returncode or not target.exists():
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise InputError(f"{parts[0]} failed: {said[-1] if said else f'exit {done.returncode}'}")


def _found(name: str) -> None:
    if shutil.which(name) is None:
        raise InputError(f"the program {name!r} is not on the PATH")


def _version(program: Program) -> str:
    parts = program.version.split()
    try:
        done = subprocess.run(parts, capture_output=True, timeout=_SECONDS, check=False)
    except OSError:
        return f"{parts[0]} (not found)"
    lines = (done.stdout + done.stderr).decode(errors="replace").splitlines()
    return next((line.strip() for line in lines if any(map(str.isdigit, line))), parts[0])


PROGRAM_PEERS = tuple(
    Candidate(
        one.name, "audio", not one.qualities, partial(_encode, one), partial(_decode, one),
        one.qualities, KBPS if one.qualities else PERCENT, one.settings, partial(_version, one),
    )
    for one in PROGRAMS
)  # fmt: skip
"""All of them, on the PATH or not."""
