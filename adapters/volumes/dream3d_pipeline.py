"""What the pipeline that is stored in a .dream3d file did to the frame of its map."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TURNING = ("RotateEulerRefFrame", "RotateSampleRefFrame")
_READER = re.compile(r"(Read|Import).*(Ebsd|EBSD|Ang|Ctf|Oina|Oim|Esprit|Edax|Channel|Cpr|Aztec)")
_TRANSFORM = re.compile(r"transform|reference_?frame|vendor", re.IGNORECASE)
_OFF = (None, False, 0, "", "0", "false", "none", "no transform", "no_transform")


def turning_filters(pipeline: str) -> list[str]:
    """Return the filters of a pipeline that turned a map, its Euler angles or both, into another frame.

    Those are the two filters that do nothing else, readers with a transformation switched on (as that of .h5ebsd files
    has it, and as further readers of simplnx are to have it), and polyrve's own reader, which always turns.

    Parameters
    ----------
    pipeline : str
        JSON as DREAM.3D 6.x or DREAM3D-NX stores it; any other text has no filters.

    Returns
    -------
    list of str
        Names of the filters in their order, readers with what is switched on: ``"ReadH5Ebsd (UseTransformations)"``.
        Filters that are switched off are left out.
    """
    try:
        steps = json.loads(pipeline)
    except (ValueError, RecursionError):
        return []
    return [told for name, arguments in _filters(steps, 0) if (told := _turning(name, arguments))]


def _filters(steps: Any, depth: int) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Short name and arguments of every filter that is switched on."""
    if depth > 16 or not isinstance(steps, Mapping):
        return
    if isinstance(steps.get("pipeline"), list):
        for item in steps["pipeline"]:
            if not isinstance(item, Mapping) or item.get("isDisabled"):
                continue
            if isinstance(item.get("filter"), Mapping):
                yield _short(item["filter"].get("name")), _mapping(item.get("args"))
            else:
                yield from _filters(item, depth + 1)
        return
    for key in sorted((key for key in steps if key.isdecimal()), key=int):
        item = steps[key]
        if isinstance(item, Mapping) and item.get("Filter_Enabled", True):
            yield _short(item.get("Filter_Name")), item


def _short(name: Any) -> str:
    return str(name).rsplit("::", 1)[-1].removesuffix("Filter")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _turning(name: str, arguments: Mapping[str, Any]) -> str:
    if name in (*_TURNING, "ReadEBSD"):
        return name
    if _READER.match(name):
        switched_on = [key for key, value in _settings(arguments, 0) if _TRANSFORM.search(key) and _on(value)]
        if switched_on:
            return f"{name} ({', '.join(switched_on)})"
    return ""


def _settings(arguments: Mapping[str, Any], depth: int) -> Iterator[tuple[str, Any]]:
    """Keys and values of all levels; ``{"value": ...}`` counts as its value."""
    for key, value in arguments.items():
        value = value["value"] if isinstance(value, Mapping) and "value" in value else value
        if isinstance(value, Mapping) and depth < 16:
            yield from _settings(value, depth + 1)
        else:
            yield str(key), value


def _on(value: Any) -> bool:
    return not isinstance(value, (list, Mapping)) and (value.lower() if isinstance(value, str) else value) not in _OFF
