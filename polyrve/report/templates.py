"""The templates of the page, filled by Jinja2, which escapes what is put into them."""

from __future__ import annotations

import base64
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render(template: str, **values: Any) -> str:
    """Fill a template of this package.

    Parameters
    ----------
    template : str
        Name of the file.
    **values
        What it asks for; text is escaped.

    Returns
    -------
    str
    """
    return _environment().get_template(template).render(**values)


def source(name: str) -> str:
    """Return the text of a file of this package."""
    return files("polyrve.report").joinpath(name).read_text(encoding="utf-8")


def address(picture: bytes) -> str:
    """Return a PNG picture as an address."""
    return f"data:image/png;base64,{base64.b64encode(picture).decode('ascii')}"


@cache
def _environment() -> Environment:
    return Environment(
        loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
