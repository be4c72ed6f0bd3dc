"""Small pictures of maps and volumes for notebooks."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image

from polyrve.adapters.ipf_colors import ipf_colors
from polyrve.microstructure.fields import OrientationField

LARGEST = 180
"""Pixels on the longer side; larger maps are thinned to about so many points."""


def ipf(field: OrientationField) -> bytes | None:
    """Draw a field in IPF-Z colours, of a volume the middle layer.

    Parameters
    ----------
    field : OrientationMap or OrientationVolume

    Returns
    -------
    bytes or None
        PNG, rows down and columns across at one scale; None where no point that would be drawn is indexed.
    """
    layer = (len(field.phase_ids) // 2,) * (len(field.shape) - 2)
    dy, dx = field.spacing[-2:]
    ny, nx = field.shape[-2:]
    step = max(1, -(-max(ny, nx) // LARGEST))
    thin: Any = (*layer, slice(None, None, step), slice(None, None, step))
    ids = field.phase_ids[thin]
    if not ids.any():
        return None
    picture = Image.fromarray(ipf_colors(field.quaternions[thin], ids, field.phases))
    scale = LARGEST / max(ny * dy, nx * dx)
    size = (max(1, round(nx * dx * scale)), max(1, round(ny * dy * scale)))
    buffer = io.BytesIO()
    picture.resize(size, Image.Resampling.NEAREST).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
