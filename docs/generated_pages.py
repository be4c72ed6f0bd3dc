"""Pages that are made from the code: the command line, the settings, the formats and the filters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import filter_pages
import typer
from docutils import nodes
from sphinx.application import Sphinx

import polyrve
from polyrve.adapters import registry
from polyrve.cli.app import app as command_line
from polyrve.settings import ReconstructionSettings

HERE = Path(__file__).parent


def write(app: Sphinx) -> None:
    """Write all of them, each only where its text has changed."""
    folder = HERE / "reference"
    pages = {"cli": _commands(), "settings": _settings(), "formats": _formats()}
    pages |= {f"filters/{name}": filter_pages.page(name) for name in filter_pages.names()}
    for name, text in pages.items():
        page = folder / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        if not page.exists() or page.read_text(encoding="utf-8") != text:
            page.write_text(text, encoding="utf-8")


def public_name(app: Sphinx, env: Any, node: Any, content: nodes.Element) -> nodes.Element | None:
    """Link the full name of something public, such as polyrve.adapters.registry.read, to its page as polyrve.read."""
    target = node.get("reftarget", "")
    parts = target.split(".")
    if node.get("refdomain") != "py" or parts[0] != "polyrve":
        return None
    for count in range(len(parts), 1, -1):
        name = parts[count - 1]
        if name not in dir(polyrve):
            continue
        public = getattr(polyrve, name)
        if f"{getattr(public, '__module__', '')}.{name}" == ".".join(parts[:count]):
            short = ".".join(["polyrve", *parts[count - 1 :]])
            domain = env.get_domain("py")
            found = domain.find_obj(env, None, None, short, None, 0)
            if found:
                place = found[0][1]
                link = nodes.reference("", "", internal=True)
                link["refuri"] = app.builder.get_relative_uri(node["refdoc"], place.docname) + f"#{place.node_id}"
                link += content
                return link
    return None


def escape_asterisks(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Keep the asterisk of a type such as ``ndarray, shape (*shape, 4)`` from beginning an emphasis."""
    lines[:] = [line.replace("shape (*", "shape (\\*") for line in lines]


def _commands() -> str:
    command = typer.main.get_command(command_line)
    parts = ["# Command line", "`polyrve COMMAND --help` prints the same."]
    context = typer.Context(command, info_name="polyrve")
    names = command.list_commands(context)
    for name in names:
        part = command.get_command(context, name)
        if part is None or part.hidden:
            continue
        inner = typer.Context(part, parent=context, info_name=name)
        parts.append(f"## polyrve {name}\n\n{part.help or ''}".replace("\b", ""))
        pieces = " ".join(part.collect_usage_pieces(inner)).translate({ord("{"): None, ord("}"): None})
        parts.append(f"```\npolyrve {name} {pieces}\n```")
        rows = [option.get_help_record(inner) for option in part.get_params(inner)]
        rows = [(_cell(a), _cell(b)) for a, b in filter(None, rows)]
        if rows:
            parts.append("\n".join(["| option | meaning |", "|---|---|", *(f"| `{a}` | {b} |" for a, b in rows)]))
    return "\n\n".join(parts) + "\n"


def _settings() -> str:
    parts = [
        "# Settings",
        "Each is a keyword of {func}`polyrve.reconstruct`, `--set name=value` on the command line, and a line of the "
        "TOML file that `--config` reads; `polyrve settings > run.toml` prints them all.",
        "| setting | default | meaning |\n|---|---|---|\n"
        + "\n".join(
            f"| `{name}` | `{_cell(str(field.default))}` | {_cell(field.description or '')} |"
            for name, field in ReconstructionSettings.model_fields.items()
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _formats() -> str:
    rows = ["| format | suffixes | reads | writes | what it is |", "|---|---|---|---|---|"]
    for form in registry.formats():
        reads, writes = ("yes" if form.reads else "", "yes" if form.writes else "")
        suffixes = " ".join(f"`{suffix}`" for suffix in form.suffixes) or "a folder"
        rows.append(f"| `{form.name}` | {suffixes} | {reads} | {writes} | {_cell(form.description)} |")
    return (
        "\n\n".join(
            [
                "# Formats",
                "[](../formats-in.md) and [](../formats-out.md) have the options of each and what was tested.",
                "\n".join(rows),
            ]
        )
        + "\n"
    )


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()).replace("[default", "\\[default")
