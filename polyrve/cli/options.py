"""Options that several commands share."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from polyrve.spelling import did_you_mean


def _check_threshold(degrees: float | None) -> float | None:
    if degrees is not None and not 0.0 < degrees < 180.0:
        raise ValueError(f"--threshold: expected degrees between 0 and 180; got {degrees:g}")
    return degrees


def _check_scale(length: float) -> float:
    if not 0.0 < length < math.inf:
        raise ValueError(f"--scale: expected a positive length in um; got {length:g}")
    return length


def _check_frame(name: str | None) -> str | None:
    if name is None:
        return None
    from polyrve.crystallography.reference_frames import PRESETS

    if name not in PRESETS:
        raise ValueError(f"--frame: expected one of {', '.join(PRESETS)}; got {name!r}{did_you_mean(name, PRESETS)}")
    return name


FrameOption = Annotated[
    str | None,
    typer.Option(
        callback=_check_frame,
        help="Frame of the Euler angles: none, edax-1, edax-2, edax-3, edax-4, oxford-cs0, oxford-cs1, bruker or "
        "bruker-5; by default what the file says, else the vendor's default with a warning.",
        metavar="NAME",
    ),
]
MtexOption = Annotated[
    bool,
    typer.Option("--mtex", help="Write a MATLAB script beside it that opens the file in MTEX with the right axes."),
]
SolidOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Body that the volume fills: a closed .stl, or a mask of voxels (.npy, z y x)."),
]
ScaleOption = Annotated[
    float,
    typer.Option(callback=_check_scale, metavar="UM", help="Length of the unit of the .stl in um, e.g. 1000 for mm."),
]
DropPhaseOption = Annotated[
    list[str] | None,
    typer.Option("--drop-phase", metavar="NAME", help="Leave a phase out; may be repeated."),
]
NormalsOption = Annotated[
    str | None,
    typer.Option(metavar="AXES", help="Axes that the maps are normal to, in their order, e.g. zx; xyz for three."),
]
MapOption = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar="AXIS:FILE",
        help="A map and the axis that it is normal to, such as z:a.ang, or all:a.ang for all directions; may be "
        "repeated, also for one axis, whose maps are then pooled. A file with a volume stands for all of its sections.",
    ),
]
AxisymmetricOption = Annotated[
    str | None,
    typer.Option(
        "--axisymmetric",
        metavar="x|y",
        help="One map alone, of an axisymmetric specimen such as a wire, an extrusion or a build: the symmetry axis, "
        "which lies within the map.",
    ),
]
FormerAxisOption = Annotated[str | None, typer.Option("--axis", hidden=True)]
ThresholdOption = Annotated[
    float, typer.Option(callback=_check_threshold, help="Degrees between neighbours of a grain.")
]
GivenThresholdOption = Annotated[
    float | None,
    typer.Option(
        callback=_check_threshold,
        help="Degrees between neighbours of a grain, for a source that has no grains yet; by default 5.",
    ),
]
MinGrainOption = Annotated[
    int | None,
    typer.Option("--min-grain", metavar="N", min=1, help="Give grains of fewer than N points to their neighbours."),
]
ResolutionOption = Annotated[
    str | None,
    typer.Option(
        "--resolution",
        metavar="N|NZ,NY,NX",
        help="Voxels of what is written, if not those of the source: along the longest edge, or along each. Each new "
        "voxel belongs to the grain that has the largest part of it.",
    ),
]
PhaseOption = Annotated[
    str | None,
    typer.Option(
        "--phase",
        metavar="DEFINITION",
        help="Elasticity and slip: Al, Cu, Mg, ... of DAMASK's phase definitions or a YAML file; NAME=DEFINITION,... "
        "where there are several phases; by default from the names.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace existing files.")]
WriterOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Option of the target's writer (polyrve formats NAME), a list as 16,16,16; may be repeated.",
    ),
]
ReadOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--read",
        metavar="NAME=VALUE",
        help="Option of the source's reader (polyrve formats NAME), such as slice_name=2, geometry=Small or "
        "laue=6/mmm; may be repeated.",
    ),
]
FormatOption = Annotated[
    str | None, typer.Option(metavar="FORMAT", help="Format of the target, where its suffix does not say it.")
]
