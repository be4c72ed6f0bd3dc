"""Help pages of the DREAM3D-NX filters: the table of their parameters, made from the filters themselves.

``python docs/filter_pages.py`` writes the tables into ``filters/docs``; DREAM3D-NX shows those pages, as the site does.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
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
        """Record a call."""
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


@dataclass(frozen=True)
class Parameter:
    """A parameter of a filter.

    Attributes
    ----------
    heading : str
        Heading of the dialog that it stands under.
    key, title, text : str
    kind : str
        Its class in simplnx.
    value : object
        Default, as simplnx takes it.
    choices : sequence of str
        Of a parameter that has such.
    """

    heading: str
    key: str
    title: str
    text: str
    kind: str
    value: Any
    choices: Sequence[str]

    def shown(self, value: Any) -> str:
        """Return a value as the dialog shows it."""
        if self.choices:
            return self.choices[value]
        if isinstance(value, bool):
            return "on" if value else "off"
        if isinstance(value, Recorder):
            return "/".join(map(str, value.arguments[0])) if value.arguments else ""
        return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    @property
    def default(self) -> str:
        """The default, as the dialog shows it."""
        return "" if self.value is None else self.shown(self.value)


def parameters(name: str) -> list[Parameter]:
    """Return the parameters of a filter, in the order of its dialog.

    Parameters
    ----------
    name : str
        Of its module and class.
    """
    with _recorded_simplnx():
        recorded = getattr(importlib.import_module(f"polyrve.filters.{name}"), name)().parameters()
    titles = {p.arguments[0]: p.arguments[1] for p in recorded.inserted if p.name != "Separator"}
    heading, found = "", []
    for one in recorded.inserted:
        if one.name == "Separator":
            heading = one.arguments[0]
            continue
        key, title, text, *rest = one.arguments
        if key in recorded.links:
            switch, value = recorded.links[key]
            text = f"{text} Shown with *{titles[switch]}* {_switched(value)}."
        choices = rest[1] if one.name == "ChoicesParameter" else ()
        found.append(
            Parameter(heading, key, title, " ".join(text.split()), one.name, rest[0] if rest else None, choices)
        )
    return found


def table(name: str) -> str:
    """Make the tables of the parameters of a filter in Markdown, one below each heading of its dialog.

    Parameters
    ----------
    name : str
        Of its module and class.
    """
    lines: list[str] = []
    for heading, some in groupby(parameters(name), lambda one: one.heading):
        lines += ["", f"### {heading}", "", "| Parameter | Key | Default | |", "|---|---|---|---|"]
        for one in some:
            cells = (one.title, f"`{one.key}`", one.default + _others(one), one.text.replace("|", "\\|"))
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


@contextmanager
def _recorded_simplnx() -> Iterator[None]:
    before = sys.modules.get("simplnx")
    sys.modules["simplnx"] = Recorder("simplnx")  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["simplnx"]
        if before is not None:
            sys.modules["simplnx"] = before


def _switched(value: Any) -> str:
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else f"at choice {value}"


def _others(parameter: Parameter) -> str:
    others = [choice for choice in parameter.choices if choice != parameter.default]
    if not others:
        return ""
    return f" (or {', '.join(others) if len(others) <= 6 else f'{len(others)} others'})"


if __name__ == "__main__":
    for each in names():
        (HELP / f"{each}.md").write_text(page(each), encoding="utf-8")
