"""Run the commands that stand in the documentation again, and say which numbers of the pages no run gives.

    make studies ARGS="--list"                         the commands, by page
    make studies ARGS="--only pooling ablation"        commands that have one of these words
    make studies ARGS="--data FOLDER"                  where the measured maps lie that some commands name

A command's numbers are those of the tables below it, up to the next heading or the next block of commands; all of the
page's where it has one block. A number agrees if a number that is printed rounds to it, also as a share where the page
has percent. Numbers of the first column are names, and integers below 100 settings; neither is looked for. What a
command prints is kept in ``--output``.
"""

from __future__ import annotations

import argparse
import re
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_COMMAND = re.compile(r"^ *python ((?:examples|benchmarks)/\S+\.py.*)$")
_NUMBER = re.compile(r"(?<![\w.^])[-−+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?![\w^]| ?x \d)")


@dataclass(frozen=True)
class Study:
    """Commands of one block of a page, and the numbers of the tables below it."""

    page: Path
    commands: tuple[str, ...]
    numbers: tuple[str, ...]


def studies(page: Path) -> list[Study]:
    """Find the blocks of commands of a page that run scripts of this repository."""
    found: list[Study] = []
    commands: list[str] = []
    numbers: list[str] = []
    everywhere: list[str] = []
    inside = continued = False

    def close() -> None:
        if commands:
            found.append(Study(page, tuple(commands), tuple(numbers)))
        commands.clear()
        numbers.clear()

    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = not inside
            if inside and numbers:
                close()
        elif inside and continued:
            commands[-1] += " " + line.strip().removesuffix("\\").strip()
            continued = line.endswith("\\")
        elif inside and (match := _COMMAND.match(line)):
            commands.append(match[1].removesuffix("\\").strip())
            continued = line.endswith("\\")
        elif line.startswith("#"):
            close()
        elif line.startswith("|"):
            cells = line.strip("|").split("|")[1:]
            of_line = [number for cell in cells for number in _NUMBER.findall(cell) if _is_result(number)]
            everywhere += of_line
            numbers += of_line if commands else []
    close()
    return [replace(found[0], numbers=tuple(everywhere))] if len(found) == 1 else found


def _is_result(number: str) -> bool:
    return "." in number or abs(float(number.replace("−", "-"))) >= 100


def given(number: str, printed: list[Decimal]) -> bool:
    """Whether a printed number, or a hundred times it, rounds to that of a page."""
    text = number.replace("−", "-")
    wanted = Decimal(text)
    half = Decimal(1).scaleb(int(wanted.as_tuple().exponent)) * Decimal("0.5000001")
    return any(abs(abs(value * factor) - abs(wanted)) <= half for value in printed for factor in (1, 100))


def run(command: str, folder: Path, data: Path | None) -> str:
    """Run a command in a folder of its own and return what it prints."""
    script, *arguments = shlex.split(command)
    for name in ("docs/figures", "docs/results"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for argument in arguments:
        if data is not None and (data / argument).is_file() and not (folder / argument).exists():
            (folder / argument).symlink_to((data / argument).resolve())
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, ROOT / script, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    text = f"{done.stdout}\n{done.stderr if done.returncode else ''}"
    (folder / "printed.txt").write_text(f"python {command}\n{text}", encoding="utf-8")
    state = "" if done.returncode == 0 else f", FAILED: {done.stderr.strip().splitlines()[-1:]}"
    print(f"{time.perf_counter() - began:8.0f} s  python {command}{state}", flush=True)
    return done.stdout


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", action="store_true", help="show the commands and run none")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORD", help="run the commands that have one of these")
    parser.add_argument("--data", type=Path, help="folder of the measured maps")
    parser.add_argument(
        "--output", type=Path, default=Path("build/studies"), help="folder for what is printed and drawn"
    )
    asked = parser.parse_args()

    moved = 0
    pages = sorted(page for page in (ROOT / "docs").rglob("*.md") if "gallery" not in page.parts)
    for study in (study for page in pages for study in studies(page)):
        name = study.page.relative_to(ROOT)
        chosen = [each for each in study.commands if not asked.only or any(word in each for word in asked.only)]
        if not chosen:
            continue
        if asked.list:
            print(f"{name}: {len(study.numbers)} numbers", *(f"    python {each}" for each in chosen), sep="\n")
            continue
        printed: list[Decimal] = []
        for command in chosen:
            folder = asked.output / re.sub(r"\W+", "-", command)[:100].strip("-")
            printed += [Decimal(text.replace("−", "-")) for text in _NUMBER.findall(run(command, folder, asked.data))]
        missing = [number for number in study.numbers if not given(number, printed)]
        moved += len(missing)
        if missing:
            partly = "" if len(chosen) == len(study.commands) else f" ({len(chosen)} of {len(study.commands)} commands)"
            print(f"{name}{partly}: {len(missing)} of {len(study.numbers)} numbers are not given: {' '.join(missing)}")
        else:
            print(f"{name}: all {len(study.numbers)} numbers are given")
    sys.exit(moved > 0)


if __name__ == "__main__":
    main()
