"""``polyrve mesh``: smooth bodies of tetrahedra for finite elements."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polyrve.cli import inputs, outputs, progress
from polyrve.cli.messages import counted
from polyrve.cli.options import ForceOption, FrameOption, GivenThresholdOption, MinGrainOption, ReadOptions

if TYPE_CHECKING:
    from polyrve.meshing.tetrahedra import TetrahedralMesh


def mesh(
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A volume, usually the .dream3d of a reconstruction.")
    ],
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The mesh: .inp, .msh, .vtu, .e, .exo or .mesh.")],
    size: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Size of the elements; by default a sixth of the mean grain's diameter."),
    ] = None,
    quadratic: Annotated[bool, typer.Option("--quadratic", help="Elements of ten nodes.")] = False,
    periodic: Annotated[
        bool | None,
        typer.Option("--periodic/--free", help="Whether opposite faces match; by default as the volume is."),
    ] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Leave out the improvement of badly shaped elements.")] = False,
    stl: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Also write the surface of each grain as STL.")
    ] = None,
    materials: Annotated[
        str, typer.Option(metavar="orientation|user", help="What an .inp says of each grain.")
    ] = "orientation",
    cohesive: Annotated[
        bool, typer.Option("--cohesive", help="Cohesive elements between the grains of an .inp; needs --free.")
    ] = False,
    msh_version: Annotated[str, typer.Option(metavar="4.1|2.2", help="Version of a .msh; Neper reads 2.2.")] = "4.1",
    threshold: GivenThresholdOption = None,
    min_grain: MinGrainOption = None,
    frame: FrameOption = None,
    read: ReadOptions = None,
    force: ForceOption = False,
) -> None:
    """Fill the grains of a volume with tetrahedra.

    Needs Gmsh: pip install gmsh.
    """
    from polyrve.adapters.material_grid import material_grid
    from polyrve.adapters.solvers import tetrahedra

    tetrahedra.check(target, materials, quadratic=quadratic, cohesive=cohesive, version=msh_version)
    outputs.check_file(target, force)
    if stl is not None:
        outputs.check_folder(stl, force)
    with progress.reporter() as reporter:
        reporter.step("reading", f"reading {source}")
        data = inputs.read_grains(source, threshold, read, frame, min_grain=min_grain, tell=True)
        reporter.step("meshing", "meshing")
        start = time.monotonic()
        whole = material_grid(data)
        made = tetrahedra.mesh_of(data, whole, size=size, quadratic=quadratic, periodic=periodic, improve=not fast)
        seconds = time.monotonic() - start
        reporter.step("writing", f"writing {target}")
        tetrahedra.write_mesh(
            made, whole, target, force=force, materials=materials, cohesive=cohesive, version=msh_version
        )
        if stl is not None:
            tetrahedra.write_stl(made, stl, force=force)
    typer.echo(f"{target}: {counted(len(made.target), 'grain')}, {len(made.tetrahedra)} tetrahedra")
    typer.echo(_table(made, seconds))


def _table(made: TetrahedralMesh, seconds: float) -> str:
    quality = made.quality
    rows = {
        "elements": f"{len(made.tetrahedra)} of {made.tetrahedra.shape[1]} nodes, size {made.size:.4g} um",
        "nodes": f"{len(made.points)}",
        "boundary triangles": f"{int((made.faces == 0).sum())}",
        "opposite faces": "match" if made.periodic else "free",
        "volume of a grain": f"within {100.0 * made.volume_error():.2g} % of its voxels",
        "dihedral angles": f"{quality.smallest_dihedral:.1f} ... {quality.largest_dihedral:.1f} degrees, "
        f"99 % above {quality.dihedral_percentile:.1f}, {quality.below_10} elements below 10",
        "scaled Jacobian": f"{quality.scaled_jacobian:.2f} at least, "
        f"99 % above {quality.scaled_jacobian_percentile:.2f}",
        "inverted elements": f"{quality.inverted}",
        "time": f"{seconds:.1f} s",
    }
    return "\n".join(f"{name:<20}{value}" for name, value in rows.items())
