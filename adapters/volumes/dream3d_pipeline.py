"""What the pipeline that is stored in a .dream3d file did to the frame and the angles of its map."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_TURNING = ("RotateEulerRefFrame", "RotateSampleRefFrame")
_READER = re.compile(r"(Read|Import).*(Ebsd|EBSD|Ang|Ctf|Oina|Oim|Esprit|Edax|Channel|Cpr|Aztec)")
_TRANSFORM = re.compile(r"transform|reference_?frame|vendor", re.IGNORECASE)
_TURNS_GEOMETRY = (1, 2, 3)
"""Values of ApplyTransformationToGeometry's transformation_type_index: by an array, by a matrix, by axis and angle."""
_OFF = (None, False, 0, "", "0", "false", "none", "no transform", "no_transform")


def turning_filters(pipeline: str) -> list[str]:
    """Return the filters of a pipeline that turned a map, its Euler angles or both, into another frame.

    Those are the two filters that do nothing else, rotations of the geometry, readers with a transformation switched on
    (as that of .h5ebsd files has it, and as further readers of simplnx are to have it, simplnx issue 1675), and
    polyrve's own reader, which always turns.

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
    return [told for name, arguments in _steps(pipeline) if (told := _turning(name, arguments))]


def misread_h5oina(pipeline: str, hexagonal: bool) -> list[str]:
    """Return what the reader of .h5oina files in DREAM3D-NX 7.0 to 7.4 did wrong to the orientations of a map.

    It added 30 rad instead of 30 degrees to phi2 of hexagonal phases where their x axis was to be that of EDAX, as is
    its default, and wrote the angles of the second and further scans of a stack to the place of the first
    (src/Plugins/OrientationAnalysis/vv/deviations/ReadH5OinaDataFilter.md of simplnx, D1 and D2). The same pipeline is
    right from 7.5 on; files of 7.0 to 7.4 have the lattice angles in rad (D6), by which the caller tells them.

    Parameters
    ----------
    pipeline : str
        As in :func:`turning_filters`.
    hexagonal : bool
        Whether a phase of the map is of Laue group 6/mmm.

    Returns
    -------
    list of str
        What is wrong, to be read behind the name of a file.
    """
    wrong = []
    for name, arguments in _steps(pipeline):
        if name != "ReadH5OinaData":
            continue
        settings = dict(_settings(arguments, 0))
        scans = settings.get("scan_names")
        if hexagonal and settings.get("edax_hexagonal_alignment", True):
            wrong.append("phi2 of the hexagonal phases is wrong by 30 rad - 30 degrees")
        if isinstance(scans, list) and len(scans) > 1:
            wrong.append(f"the angles of {len(scans)} scans were written over each other")
    return wrong


def _steps(pipeline: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        return list(_filters(json.loads(pipeline), 0))
    except (ValueError, RecursionError):
        return []


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
    if name == "ApplyTransformationToGeometry":
        kind = dict(_settings(arguments, 0)).get("transformation_type_index", _TURNS_GEOMETRY[-1])
        return name if kind in _TURNS_GEOMETRY else ""
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
