"""``polyrve insert`` and ``shape``: particles in a volume, and a volume in an outer shape."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.generate import numbers
from polyrve.cli.messages import counted, grains_of, times
from polyrve.cli.options import (
    ForceOption,
    FormatOption,
    FrameOption,
    GivenThresholdOption,
    ReadOptions,
    ScaleOption,
)

if TYPE_CHECKING:
    from polyrve.microstructure.particles import Place, Shape

_Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="A volume, usually a .dream3d.")]
_Target = Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write, usually a .dream3d.")]
_Phase = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the phase; Void is empty to DAMASK, and no elements to Abaqus.")
]


def insert(
    source: _Source,
    target: _Target,
    fraction: Annotated[float, typer.Option(metavar="SHARE", help="Share of the volume, 0 ... 1.")],
    size: Annotated[float, typer.Option(metavar="UM", help="Diameter of the sphere of the mean volume.")],
    spread: Annotated[
        float, typer.Option(metavar="SIGMA", help="Standard deviation of the logarithm of the diameters.")
    ] = 0.0,
    shape: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="sphere, needle, plate, ellipsoid (with --aspect), a closed .stl; or a map or volume by --shapes-of.",
        ),
    ] = "sphere",
    shapes_of: Annotated[
        str | None, typer.Option(metavar="PHASE", help="Phase of a map or volume whose particles' shapes are taken.")
    ] = None,
    aspect: Annotated[
        str | None, typer.Option(metavar="A,B,C", help="Lengths of the axes of needle, plate or ellipsoid.")
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="PLACE", help="anywhere, grains (wholly within one), boundaries, triple-lines, quadruple-points."
        ),
    ] = "anywhere",
    direction: Annotated[
        str | None,
        typer.Option(metavar="X,Y,Z", help="Sample direction of the long axis, of a plate of the short one."),
    ] = None,
    habit: Annotated[
        str | None, typer.Option(metavar="U,V,W", help="The same as a crystal direction of the grain around it.")
    ] = None,
    orientation: Annotated[
        str,
        typer.Option(metavar="random|parent", help="Crystal orientation: at random, or that of the grain around it."),
    ] = "random",
    gap: Annotated[int, typer.Option(metavar="N", min=0, help="Voxels that stay free between particles.")] = 1,
    phase: _Phase = "Void",
    laue: Annotated[str, typer.Option(metavar="GROUP", help="Laue group of the phase.")] = "m-3m",
    seed: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    to: FormatOption = None,
    threshold: GivenThresholdOption = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
) -> None:
    """Set voids or particles into the grains of a volume."""
    from polyrve.adapters import registry
    from polyrve.crystallography.phase import Phase
    from polyrve.microstructure import particles

    row = outputs.check_target(target, to, force)
    if at not in particles.PLACES:
        raise ValueError(f"--at: expected one of {', '.join(particles.PLACES)}; got {at!r}")
    place: Place = at  # type: ignore[assignment]
    if orientation not in ("random", "parent"):
        raise ValueError(f"--orientation: expected random or parent; got {orientation!r}")
    if direction is not None and habit is not None:
        raise ValueError("--direction, --habit: expected one of them; got both")
    own: Literal["random", "parent"] = "parent" if orientation == "parent" else "random"
    x = numbers("--direction", direction, 3) if direction is not None else None
    wanted = particles.Particles(
        phase=Phase(phase, laue),
        fraction=fraction,
        diameter=size,
        spread=spread,
        shape=_shape(shape, aspect, shapes_of),
        place=place,
        along=None if x is None else (x[0], x[1], x[2]),
        habit=None if habit is None else numbers("--habit", habit, 3),
        orientation=own,
        gap=gap,
    )
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        data = inputs.read_volume(source, threshold, read, frame)
        reporter.step("placing", "placing particles")
        made = particles.insert_particles(data, wanted, seed=seed)
        reporter.step("writing", f"writing {target}")
        registry.write(made, target, format=row.name, force=force)
    record: Any = made.field.provenance["particles"][-1]
    typer.echo(f"{target}: {row.name}, {times(made.field.shape)} voxels, {grains_of(made)}")
    typer.echo(
        f"{counted(record['number'], 'particle')} of {phase}, {100.0 * record['fraction']:.3g} % of the volume for "
        f"{100.0 * fraction:.3g} %"
    )


def shape(
    source: _Source,
    target: _Target,
    solid: Annotated[Path, typer.Option(metavar="FILE", help="A closed .stl, or a mask of voxels (.npy, z y x).")],
    scale: ScaleOption = 1.0,
    phase: _Phase = "Void",
    to: FormatOption = None,
    threshold: GivenThresholdOption = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
) -> None:
    """Fill a closed surface with a volume, another phase outside."""
    from polyrve.adapters import registry, solids
    from polyrve.crystallography.phase import Phase
    from polyrve.microstructure.outer_shape import fill_shape

    row = outputs.check_target(target, to, force)
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        data = inputs.read_volume(source, threshold, read, frame)
        edge = solids.cube_edge(data.field.spacing, str(source))
        made = fill_shape(data, solids.read_solid(solid, edge, scale=scale), Phase(phase))
        reporter.step("writing", f"writing {target}")
        registry.write(made, target, format=row.name, force=force)
    share = 100.0 * made.field.provenance["outer_shape"]["share"]
    typer.echo(
        f"{target}: {row.name}, {times(made.field.shape)} voxels, {grains_of(made)}; {share:.3g} % of the box is inside"
    )


def _shape(name: str, aspect: str | None, phase: str | None) -> Shape | Sequence[Shape]:
    import numpy as np

    from polyrve.microstructure import particles

    if phase is not None:
        from polyrve.adapters.grains import read_grains

        if aspect is not None:
            raise ValueError("--aspect: expected none for the shapes of a phase; got one")
        return particles.shapes_of_phase(read_grains(Path(name)), phase)
    if Path(name).suffix.lower() == ".stl":
        from polyrve.adapters import solids

        if aspect is not None:
            raise ValueError("--aspect: expected none for the shape of a file; got one")
        return particles.from_mask(np.transpose(solids.read_solid(Path(name))))
    if name not in (*particles.ASPECTS, "ellipsoid"):
        raise ValueError(
            f"--shape: expected {', '.join(particles.ASPECTS)}, ellipsoid or a .stl file, or --shapes-of; got {name!r}"
        )
    if name == "ellipsoid" and aspect is None:
        raise ValueError("--aspect: expected the lengths of an ellipsoid's axes, such as 3,2,1; got none")
    return particles.ellipsoid(particles.ASPECTS[name] if aspect is None else numbers("--aspect", aspect, 3))
