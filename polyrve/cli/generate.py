"""``polyrve generate``: a polycrystal from numbers, without a map."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyrve.cli import outputs, progress
from polyrve.cli.messages import counted
from polyrve.cli.options import ForceOption, FormatOption

if TYPE_CHECKING:
    from polyrve.crystallography.phase import Phase
    from polyrve.crystallography.texture import TextureSample
    from polyrve.microstructure.generation import Generated


def generate(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write, usually a .dream3d.")],
    grains: Annotated[int, typer.Option(metavar="N", min=1, help="Number of grains.")] = 500,
    size_lognormal: Annotated[
        str,
        typer.Option(metavar="MU,SIGMA", help="Mean and standard deviation of ln(grain diameter in um)."),
    ] = "2,0.35",
    diameter: Annotated[
        str | None,
        typer.Option(
            metavar="MEAN,SD", help="Instead: mean and standard deviation of the diameter in um, as Neper's diameq."
        ),
    ] = None,
    aspect: Annotated[
        str, typer.Option(metavar="A,B,C", help="Lengths of the grains along x, y, z relative to each other.")
    ] = "1,1,1",
    shape: Annotated[str, typer.Option(metavar="NZ,NY,NX", help="Voxels; their size follows.")] = "64,64,64",
    texture: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE",
            help="random, weak, strong, fibre or basal; or a VPSC texture, an ODF of MTEX, or columns of Bunge angles "
            "and weights.",
        ),
    ] = "random",
    component: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PHI1,PHI,PHI2:SHARE:SPREAD",
            help="A texture component, Bunge angles and standard deviation in degrees; may be repeated.",
        ),
    ] = None,
    fibre: Annotated[
        list[str] | None,
        typer.Option(
            metavar="U,V,W:X,Y,Z:SHARE:SPREAD",
            help="A fibre, the crystal direction uvw along the sample direction xyz; may be repeated.",
        ),
    ] = None,
    texture_spread: Annotated[
        float, typer.Option(metavar="DEG", min=0.0, help="Standard deviation about each orientation of a file.")
    ] = 0.0,
    phase: Annotated[str, typer.Option(metavar="NAME", help="Name of the phase.")] = "Aluminium",
    laue: Annotated[str, typer.Option(metavar="GROUP", help="Laue group of the phase.")] = "m-3m",
    seed: Annotated[int, typer.Option(metavar="N", min=0)] = 0,
    to: FormatOption = None,
    force: ForceOption = False,
) -> None:
    """Make a polycrystal from sizes and a texture, without a map.

    A TARGET .tex has as many orientations of one weight, and no volume.
    """
    from polyrve.adapters import registry
    from polyrve.crystallography.phase import Phase
    from polyrve.microstructure import generation

    row = outputs.check_target(target, to, force)
    crystal = Phase(phase, laue)
    parts = _texture(texture, component or [], fibre or [], crystal, texture_spread)
    sizes = numbers("--size-lognormal", size_lognormal, 2)
    mean, deviation = sizes if diameter is None else generation.lognormal(*numbers("--diameter", diameter, 2))
    a, b, c = numbers("--aspect", aspect, 3)
    nz, ny, nx = map(int, numbers("--shape", shape, 3, whole=True))
    if row.name == "vpsc":
        typer.echo(_orientations(target, grains, crystal, parts, seed, force))
        return
    with progress.reporter() as reporter:
        reporter.step("generating", f"generating {counted(grains, 'grain')}")
        made = generation.generate(
            grains,
            size_lognormal=(mean, deviation),
            aspect=(a, b, c),
            shape=(nz, ny, nx),
            phase=crystal,
            texture=parts,
            seed=seed,
        )
        reporter.step("writing", f"writing {target}")
        registry.write(made.grains, target, format=row.name, force=force)
    typer.echo(f"{target}: {row.name}, {nz} x {ny} x {nx} voxels of {made.grains.field.spacing[0]:.4g} um")
    typer.echo(_table(made))


def _orientations(target: Path, number: int, phase: Phase, parts: Any, seed: int, force: bool) -> str:
    """Write orientations of one weight, without a volume; return what to say."""
    import numpy as np

    from polyrve.adapters.solvers import vpsc
    from polyrve.crystallography.texture import sample_texture

    made = sample_texture(parts, phase.laue, number, np.random.default_rng(seed))
    vpsc.write_texture(made.quaternions, target, name=phase.name, force=force)
    return f"{target}: {counted(number, 'orientation')} of one weight\n{'texture':<18}{_exactness(made)}"


def _exactness(made: TextureSample) -> str:
    exact = f"exact up to degree {made.exact_degree}" if made.exact_degree else "not exact: too few grains"
    return f"{exact}, orientations moved by {made.moved:.1f} degrees in the mean"


def _table(made: Generated) -> str:
    asked, found = made.asked, made.found
    rows = {
        "grains": f"{made.grains.number_of_grains}",
        "ln(diameter/um)": f"mean {found[0]:.3f} of {asked[0]:.3f}, "
        f"standard deviation {found[1]:.3f} of {asked[1]:.3f}",
        "sizes": f"largest difference of the distributions {made.size_distance:.3f}",
        "texture": _exactness(made.texture),
    }
    return "\n".join(f"{name:<18}{value}" for name, value in rows.items())


def _texture(name: str, components: list[str], fibres: list[str], phase: Phase, spread: float) -> Any:
    from polyrve.adapters.textures import read_texture
    from polyrve.crystallography import texture
    from polyrve.spelling import did_you_mean

    parts: list[texture.Component] = []
    for text in components:
        angles, share, width = _fields("--component", text, "PHI1,PHI,PHI2:SHARE:SPREAD")
        phi1, Phi, phi2 = numbers("--component", angles, 3)
        fraction, degrees = numbers("--component", f"{share},{width}", 2)
        parts.append(texture.Component((phi1, Phi, phi2), fraction, degrees))
    for text in fibres:
        uvw, xyz, share, width = _fields("--fibre", text, "U,V,W:X,Y,Z:SHARE:SPREAD")
        along = numbers("--fibre", xyz, 3)
        parts.append(
            texture.fibre(phase, numbers("--fibre", uvw, 3), along, *numbers("--fibre", f"{share},{width}", 2))
        )
    if parts and name != "random":
        raise ValueError(f"--texture: expected no other texture beside --component and --fibre; got {name!r}")
    if parts or name in texture.TEXTURES:
        return texture.components_of(parts or name)
    if Path(name).exists():
        return read_texture(Path(name), phase, spread=spread)
    raise ValueError(
        f"--texture: expected a file or one of {', '.join(texture.TEXTURES)}; got {name!r}"
        f"{did_you_mean(name, texture.TEXTURES)}"
    )


def _fields(option: str, text: str, form: str) -> list[str]:
    fields = text.split(":")
    if len(fields) != form.count(":") + 1:
        raise ValueError(f"{option}: expected {form}; got {text!r}")
    return fields


def numbers(option: str, text: str, number: int, *, whole: bool = False) -> tuple[float, ...]:
    """Return the numbers of an option that are separated by commas.

    Raises
    ------
    ValueError
        If there are not so many.
    """
    try:
        values = tuple((int if whole else float)(word) for word in text.split(","))
    except ValueError:
        values = ()
    if len(values) != number:
        raise ValueError(f"{option}: expected {number} {'whole ' * whole}numbers with commas; got {text!r}")
    return values
