"""The command ``nacre``. Each command is a file beside this one, imported when it is called.

Exit codes: 0 done; 1 failed, or a mismatch or damage was found; 2 usage, or an input that cannot be
used; 130 interrupted. Results go to standard output, messages to standard error.
"""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from nacre.cli.common import INTERRUPTED, failure, usage_error

# Module, function or sub-app, and the line that ``nacre --help`` shows without importing it.
COMMANDS = {
    "encode": ("nacre.cli.encode", "encode", "Turn pictures, sound and meshes into .ncr files."),
    "decode": ("nacre.cli.decode", "decode", "Turn .ncr files back into what they were."),
    "info": ("nacre.cli.info", "info", "Show what .ncr files say of themselves."),
    "verify": ("nacre.cli.verify", "verify", "Check .ncr files: checksums and a full decode."),
    "compare": ("nacre.cli.compare", "compare", "Compare pictures, and show them side by side."),
    "codecs": ("nacre.cli.codecs", "codecs", "List codecs and models."),
    "bench": ("nacre.cli.bench", "bench", "Compare codecs on a folder of files."),
    "train": ("nacre.cli.train", "train", "Train a model and export it."),
}


class _Commands(TyperGroup):
    """Commands that are imported when they are called, not when they are listed."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """What help and completion need of a command: its name and one line."""
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][2])

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command itself, for calling it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load(name) if name in COMMANDS else command, rest


def _load(name: str) -> Any:
    """The command ``name``: a function or a :class:`typer.Typer` of its module."""
    module, attribute, _ = COMMANDS[name]
    loaded = importlib.import_module(module)
    found = getattr(loaded, attribute, None) or loaded.app
    if not isinstance(found, typer.Typer):
        wrapper = typer.Typer(add_completion=False, rich_markup_mode=None)
        wrapper.command(name)(found)
        found = wrapper
    command = typer.main.get_command(found)
    command.name = name
    return command


app = typer.Typer(
    cls=_Commands,
    rich_markup_mode=None,  # plain help: drawing it would take rich half a second
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from nacre import __version__

        typer.echo(f"nacre {__version__}")
        raise typer.Exit


@app.callback()
def nacre(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Images, audio and 3D into small files with learned models, and back, exactly as promised."""


def run(arguments: list[str] | None = None) -> int:
    """Do what ``arguments`` say (None: those of this process); the exit code.

    Every error ends in one line on standard error.
    """
    try:
        code = app(arguments, prog_name="nacre", standalone_mode=False)
        sys.stdout.flush()  # a closed pipe shows here and not after the last line
    except typer.Abort:
        return INTERRUPTED
    except (Exception, KeyboardInterrupt) as error:
        if hasattr(error, "format_message"):  # an error of usage, found by typer
            return usage_error(error)
        return failure(error)
    return code or 0


def main() -> None:
    """The console script ``nacre``."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # file names need not be valid text
    sys.exit(run())
