"""Pieces of HTML that the parts of a report share."""

from __future__ import annotations

import base64
import json
from html import escape
from typing import Any


def image(content: bytes, alternative: str) -> str:
    """A PNG picture within the page."""
    return f'<img alt="{escape(alternative)}" src="{address(content)}">'


def address(content: bytes) -> str:
    """A PNG picture as an address."""
    return f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}"


def explain(text: str) -> str:
    """A paragraph that tells how to read what follows; its text is HTML."""
    return f'<p class="explanation">{text}</p>'


def details(title: str, content: Any) -> str:
    """JSON types, folded away under a title."""
    text = escape(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))
    return f"<details><summary>{escape(title)}</summary><pre>{text}</pre></details>"
