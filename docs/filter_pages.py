"""Help pages of the DREAM3D-NX filters: the table of their parameters, made from the filters themselves.

``python docs/filter_pages.py`` writes the tables into ``filters/docs``; DREAM3D-NX shows those pages, and so does the site.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

HELP = Path(__file__).parent.parent / "filters" / "docs"
HEADING = "## Parameters"


class Recorder:
    """Stands in for simplnx: a call of any of its classes is recorded by name and arguments."""

    def __init__(self, name: str, *arguments: Any) -> None:
        self.name, self.arguments = name, arguments
        self.inserted: list[Recorder] = []
        self.links: dict[str, tuple[str, Any]] = {}

    def __getattr__(self, name: str) -> Recorder:
        if name.startswith("__"):
            raise AttributeError(name)
        return Recorder(name)

    def __call__(self, *arguments: Any) -> Recorder:
        return Recorder(self.name, *arguments)

    def __hash__(self) -> int:
        return hash(self.name)

    def insert(self, parameter: Recorder) -> None:
        """Take a parameter or a heading."""
        self.inserted.append(parameter)

    insert_linkable_parameter = insert

    def link_parameters(self, switch: str, key: str, value: Any) -> None:
        """Take that a parameter is shown where a switch has a value."""
        self.links[key] = (switch, value)


def names() -> list[str]:
    """Names of the filters that have a help page."""
    return sorted(path.stem for path in HELP.glob("*Filter.md"))


def table(name: str) -> str:
    """Make the table of the parameters of a filter.

    Parameters
    ----------
    name : str
        Of its module and class.

    Returns
    -------
    str
        Markdown, a table below each heading of the dialog.
    """
    with _recorded_simplnx():
        parameters = getattr(importlib.import_module(f"polyrve.filters.{name}"), name)().parameters()
    titles = {p.arguments[0]: p.arguments[1] for p in parameters.inserted if p.name != "Separator"}
    lines: list[str] = []
    for parameter in parameters.inserted:
        if parameter.name == "Separator":
            lines += ["", f"### {parameter.arguments[0]}", "", "| Parameter | Key | Default | |", "|---|---|---|---|"]
            continue
        key, title, text, *rest = parameter.arguments
        if key in parameters.links:
            switch, value = parameters.links[key]
            text = f"{text} Shown with *{titles[switch]}* {_switched(value)}."
        cells = (title, f"`{key}`", _default(parameter.name, rest), " ".join(text.replace("|", "\\|").split()))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines).strip()


def page(name: str) -> str:
    """Return the help page of a filter with the table of today's parameters."""
    before, _, after = (HELP / f"{name}.md").read_text(encoding="utf-8").partition(f"{HEADING}\n")
    if after:
        after = after[after.index("\n## ") + 1 :]
    else:
        before, errors, after = before.partition("## Errors\n")
        after = errors + after
    return f"{before}{HEADING}\n\n{table(name)}\n\n{after}"


class _recorded_simplnx:
    def __enter__(self) -> None:
        self.before = sys.modules.get("simplnx")
        sys.modules["simplnx"] = Recorder("simplnx")  # type: ignore[assignment]

    def __exit__(self, *_: object) -> None:
        if self.before is None:
            del sys.modules["simplnx"]
        else:
            sys.modules["simplnx"] = self.before


def _switched(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"at choice {value}"


def _default(kind: str, rest: list[Any]) -> str:
    if not rest:
        return ""
    value = rest[0]
    if kind == "ChoicesParameter":
        others = [choice for choice in rest[1] if choice != rest[1][value]]
        return f"{rest[1][value]} (or {', '.join(others) if len(others) <= 6 else f'{len(others)} others'})"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, Recorder):
        return "/".join(map(str, value.arguments[0])) if value.arguments else ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


if __name__ == "__main__":
    for each in names():
        (HELP / f"{each}.md").write_text(page(each), encoding="utf-8")
