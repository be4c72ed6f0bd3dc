"""What the command line says: errors and warnings as one sentence, numbers as words."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

import typer

from polyrve.spelling import did_you_mean

if TYPE_CHECKING:
    from polyrve.microstructure.cell_volume import CellVolume
    from polyrve.microstructure.grains import GrainMap, GrainVolume


class Interrupted(Exception):
    """A command was interrupted from the keyboard, and left less than it should have."""


_OF_NO_MEMORY = ("without exception set", "without setting an exception", "can't start new thread")
"""How Python says that it could not allocate, where it cannot make a MemoryError."""


def told_of(error: BaseException) -> tuple[str, int] | None:
    """Return an error as one sentence and the exit code that goes with it; None where the command has told of it."""
    if isinstance(error, (Interrupted, KeyboardInterrupt, typer.Abort)):
        return one_line(str(error)) or "interrupted", 130
    if isinstance(error, (SystemExit, typer.Exit)):
        return None
    if isinstance(error, (SystemError, RuntimeError)) and any(sign in str(error) for sign in _OF_NO_MEMORY):
        error = MemoryError()
    if isinstance(error, (ValueError, OSError, MemoryError, ImportError)):
        return sentence(error), 2
    if hasattr(error, "format_message"):
        return misuse(error), 2
    return (
        f"this is a fault of polyrve, please report it: {type(error).__name__}: {sentence(error)} "
        "(POLYRVE_TRACEBACK=1 shows where)"
    ), 1


def fail(text: str, code: int) -> NoReturn:
    """End the program with one sentence on stderr."""
    typer.secho(f"polyrve: {text}", fg=typer.colors.RED, err=True)
    sys.exit(code)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning as one sentence on stderr; takes the place of :func:`warnings.showwarning`."""
    if is_told(category):
        typer.secho(f"polyrve: warning: {one_line(str(message))}", fg=typer.colors.YELLOW, err=True)


def is_told(category: type[Warning]) -> bool:
    """Return whether warnings of a category are for who runs a command, and not for who writes Python."""
    return not issubclass(category, (DeprecationWarning, PendingDeprecationWarning))


def sentence(error: BaseException) -> str:
    """Return an error as one sentence."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {one_line(str(error)) or 'choose a smaller shape'}"
    if hasattr(error, "errors") and callable(error.errors):
        return "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}; got {e['input']!r}" for e in error.errors())
    return one_line(str(error)) or type(error).__name__


def misuse(error: Any) -> str:
    """Return what is wrong with the words of a command, an error of click."""
    context = getattr(error, "ctx", None)
    help_of = context.command_path if context else "polyrve"
    text = one_line(error.format_message()).rstrip(".")
    if hasattr(error.__cause__, "errors"):
        found, option = error.__cause__.errors()[0], error.param
        kind = found["msg"].split(",")[0].removeprefix("Input should be ")
        expected = f"{option.metavar}, each {kind}" if option.nargs > 1 else kind
        text = f"{option.opts[0]}: expected {expected}; got {found['input']!r}"
    commands = getattr(getattr(context, "command", None), "commands", {})
    asked = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if commands and "ean" not in text:
        text += did_you_mean(asked, commands)
    if context and getattr(error, "option_name", "") in ("-o", "--output"):
        arguments = [each.metavar for each in context.command.params if each.param_type_name == "argument"]
        text += f"; this command is {' '.join([help_of, *arguments])}" * ("TARGET" in arguments)
    return f"{text} ({help_of} --help shows how)"


def one_line(text: str) -> str:
    """Return a text without line breaks and repeated blanks."""
    return " ".join(text.split())


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, as ``"1 map"`` or ``"2 maps"``."""
    return f"{number} {noun}{'s' * (number != 1)}"


def times(values: Iterable[float]) -> str:
    """Return lengths or numbers of points as ``"3 x 4 x 5"``."""
    return " x ".join(f"{value:g}" for value in values)


def grains_of(data: GrainMap | GrainVolume | CellVolume) -> str:
    """Return how many grains there are, and how many of them are more than specks."""
    from polyrve.microstructure.cell_volume import CellVolume
    from polyrve.microstructure.stereology import SPECK, count_grains

    if isinstance(data, CellVolume):
        return counted(data.number_of_grains, "grain")
    return f"{counted(data.number_of_grains, 'grain')}, {count_grains(data.grain_ids)} of {SPECK + 1} points or more"
