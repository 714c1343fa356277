"""What the commands share: messages, exit codes, and flags that several of them have."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nacre.errors import FormatError, InputError, NacreError, NotNacre, UnsupportedVersion
from nacre.files import write_atomically
from nacre.stream import PipeSource

if TYPE_CHECKING:
    from nacre.media.audio_pcm import RawFormat

FAILED, UNUSABLE, INTERRUPTED = 1, 2, 130

# Top-level modules that come with an extra of the package, for the message when one is missing.
EXTRAS = {
    "compressai": "train",
    "lightning_fabric": "train",
    "tensorboard": "train",
    "torchaudio": "train",
    "torchvision": "train",
    "DracoPy": "bench",
    "matplotlib": "bench",
    "pillow_jxl": "bench",
    "pytorch_msssim": "bench",
}

OutputFlag = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        "--output-dir",
        metavar="OUT",
        help="Output file, or folder for several inputs; - is standard output.",
    ),
]
ForceFlag = Annotated[
    bool, typer.Option("-f", "--force", help="Overwrite outputs; do finished ones again.")
]
ModelFlag = Annotated[
    str | None, typer.Option("--model", help="A model's name, path or id (nacre codecs lists).")
]
DeviceFlag = Annotated[
    str, typer.Option("--device", help="cpu, cuda, mps, or auto: an accelerator if there is one.")
]
LimitFlag = Annotated[
    str,
    typer.Option(
        "--limit",
        metavar="LIMIT",
        help="What a file may ask for: default, strict, unlimited, or pixels=5000000,bytes=1000.",
    ),
]
JobsFlag = Annotated[
    int,
    typer.Option("-j", "--jobs", min=1, help="Processes for several files; never changes bytes."),
]
ThreadsFlag = Annotated[
    int | None,
    typer.Option("--threads", min=1, help="Threads of each process; never changes bytes."),
]
JsonFlag = Annotated[
    bool, typer.Option("--json", help="Write one JSON object a file to standard output.")
]
QuietFlag = Annotated[bool, typer.Option("--quiet", help="Say nothing but errors.")]
VerboseFlag = Annotated[bool, typer.Option("-v", "--verbose", help="Say more.")]


def say(text: str) -> None:
    """One line to standard error."""
    print(text, file=sys.stderr, flush=True)


def exit_code(error: BaseException) -> int:
    """The exit code that an error stands for."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, NacreError):
        damaged = isinstance(error, FormatError) and not isinstance(
            error, NotNacre | UnsupportedVersion
        )
        return FAILED if damaged else UNUSABLE
    return UNUSABLE if _extra(error) else FAILED


def _extra(error: BaseException) -> str | None:
    """The extra that would bring the module whose absence ``error`` is."""
    if not isinstance(error, ModuleNotFoundError) or error.name is None:
        return None
    return EXTRAS.get(error.name.partition(".")[0])


def message(error: BaseException) -> str:
    """One line for people; anything that is not nacre's or the system's is owned as a bug."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, OSError):
        name = f"{error.filename}: " if error.filename is not None else ""
        return f"{name}{error.strerror or error}"
    if isinstance(error, MemoryError):
        return "out of memory; try fewer --jobs, or a --region"
    if isinstance(error, NacreError):
        return " ".join(str(error).split())
    if extra := _extra(error):
        return f"{error}; it comes with: pip install 'nacre[{extra}]'"
    return (
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())}; this is a bug in "
        "nacre, please report it with what NACRE_DEBUG=1 shows"
    )


def failure(error: BaseException, source: str | None = None) -> int:
    """Report ``error`` (about the file ``source``) on standard error; its exit code.

    A reader that went away before everything was written is not worth a word.
    """
    if isinstance(error, BrokenPipeError):
        _discard_output()
        return FAILED
    if os.environ.get("NACRE_DEBUG", "0") not in ("", "0"):
        say("".join(traceback.format_exception(error)).rstrip())
    text = message(error)
    named = source is None or text.startswith((f"{source}:", f"{source} "))
    say(f"nacre: {text}" if named else f"nacre: {source}: {text}")
    return exit_code(error)


def usage_error(error: Any) -> int:
    """Report what typer found wrong with the command line; its exit code."""
    if type(error).__name__ == "NoArgsIsHelpError":  # typer keeps this class to itself
        typer.echo(error.format_message())
        return UNUSABLE
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "nacre"
    text = " ".join(error.format_message().split())
    say(f"nacre: {text} ({command} --help says more)")
    return UNUSABLE


def _discard_output() -> None:
    """Let the interpreter's last flush go nowhere instead of failing again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def read_stdin() -> bytes:
    """All of standard input.

    Raises:
        InputError: it is a terminal.
    """
    return open_stdin().read()


def open_stdin() -> PipeSource:
    """Standard input, to be read piece by piece.

    Raises:
        InputError: it is a terminal.
    """
    if sys.stdin.isatty():
        raise InputError("standard input is a terminal; pipe a file into it")
    return PipeSource(sys.stdin.buffer)


def check_stdout() -> None:
    """Raise :class:`InputError` when binary output would go to a terminal."""
    if sys.stdout.isatty():
        raise InputError("refusing to write binary data to a terminal; use -o FILE or a pipe")


def write_output(target: str, data: bytes, *, force: bool) -> None:
    """Binary data to a file, whole or not at all, or to standard output (``-``).

    Raises:
        OSError: it cannot be written, which is a failure and not an unusable input.
    """
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    try:
        write_atomically(target, data, force=force)
    except InputError as error:
        raise OSError(str(error)) from error


def print_json(value: object) -> None:
    """One line of JSON on standard output.

    Dataclasses become objects; numbers that JSON lacks (infinite PSNR) become strings.
    """
    print(json.dumps(_plain(value), ensure_ascii=False))


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def parse_region(text: str | None) -> tuple[int, int, int, int] | None:
    """``x,y,w,h``.

    Raises:
        InputError: it is not four whole numbers.
    """
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
        raise InputError(f"--region {text!r} is not understood; use x,y,width,height in pixels")
    x, y, width, height = (int(part) for part in parts)
    return x, y, width, height


def parse_raw(text: str, rate_hz: int | None, channels: int) -> RawFormat:
    """Plain samples in the words of other programs: ``s16le``, ``u8``, ``s24be``, ``f32le``.

    Raises:
        InputError: it is none of these, or the rate is missing.
    """
    from nacre.media.audio_pcm import RawFormat

    match = re.fullmatch(r"([suf])(8|16|24|32)(le|be)?", text.lower())
    if match is None:
        raise InputError(
            f"--raw {text!r} is not understood; use s, u or f, bits, and le or be, such as s16le"
        )
    if rate_hz is None:
        raise InputError("--raw needs --rate HZ (and --channels N, unless it is mono)")
    kinds = {"s": "signed", "u": "unsigned", "f": "float"}
    kind: Any = kinds[match[1]]
    return RawFormat(
        rate_hz, channels, int(match[2]), kind, "big" if match[3] == "be" else "little"
    )


def use_threads(count: int) -> None:
    """Let this process and its children compute with ``count`` threads each."""
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
