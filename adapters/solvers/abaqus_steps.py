"""Steps of a deck for Abaqus or CalculiX: the loads of the export to DAMASK, as displacements that both programs take.

On a periodic deck the displacements are those of the reference nodes, whose reaction forces over the areas of the faces
are the mean first Piola-Kirchhoff stress; directions that are free have no force. On others the lower faces slide in
their planes, and the upper faces of the load's directions move; the others are free.

CalculiX (2.20) tells no reaction force of a node that equations alone connect to elements: there the stress of all
points is printed, in the axes of the volume, whose mean is the Cauchy stress.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TextIO

import numpy as np

from polyrve.adapters.material_grid import MaterialGrid
from polyrve.adapters.solvers.loads import Load, Path

DIALECTS = ("abaqus", "calculix")


def write_steps(
    file: TextIO,
    whole: MaterialGrid,
    load: Load,
    *,
    periodic: bool = True,
    dialect: str = "abaqus",
    large: bool = True,
    states: bool = False,
) -> None:
    """Write a step for each part of a load, with boundary conditions and output requests.

    Parameters
    ----------
    file : text file, open for writing
    whole : MaterialGrid
    load : Load
    periodic : bool
        Whether opposite faces are tied through the reference nodes.
    dialect : {"abaqus", "calculix"}
    large : bool
        Whether deformations are large (``nlgeom``).
    states : bool
        Whether state variables of a user material are stored.

    Raises
    ------
    ValueError
        If the load is a shear of a volume that is not periodic.
    """
    if load.case == "shear" and not periodic:
        raise ValueError("load: expected a load along the axes for a volume that is not periodic; got shear")
    file.write(f"** {load.title}; strain {load.strain:g} at {load.rate:g} 1/s\n")
    reached = np.zeros((3, 3))
    for number, path in enumerate(load.paths()):
        seconds = path.times * load.strain / load.rate
        for (i, j), speed in path.rates.items():
            reached[i, j] += speed * seconds
        n = max(1, round(path.times * load.increments))
        step = seconds / n
        file.write(
            f"*Step, nlgeom={'YES' if large else 'NO'}, inc={20 * n}\n*Static\n"
            f"{step:.9g}, {seconds:.9g}, {step * 1e-4:.9g}, {step:.9g}\n*Boundary\n"
        )
        file.writelines(_boundary(whole, path, reached, periodic, fixed=number == 0))
        file.writelines(_output(periodic, states, dialect, max(1, n // 10)))
        file.write("*End Step\n")


def _boundary(whole: MaterialGrid, path: Path, gradient: np.ndarray, periodic: bool, *, fixed: bool) -> Iterable[str]:
    """Displacements at the end of a step: those of the reference nodes, or of faces."""
    size = whole.size[::-1]
    if periodic:
        if fixed:
            yield "X0-Y0-Z0, 1, 3, 0.\n"
        for j, face in enumerate("XYZ"):
            for i in range(3):
                if not (i == j and i in path.free):
                    yield f"REF-{face}, {i + 1}, {i + 1}, {gradient[i, j] * size[j]:.12g}\n"
        return
    for j, face in enumerate("XYZ"):
        if fixed:
            yield f"{face}0, {j + 1}, {j + 1}, 0.\n"
        if j not in path.free:
            yield f"{face}1, {j + 1}, {j + 1}, {gradient[j, j] * size[j]:.12g}\n"


def _output(periodic: bool, states: bool, dialect: str, every: int) -> Iterable[str]:
    """Fields for viewers, and what mean deformation and stress follow from, as text."""
    often = f", frequency={every}"
    yield f"*Node File{often}\nU\n*El File{often}\nS, E{', SDV' if states else ''}\n"
    if not periodic:
        yield from (f"*Node Print, nset={face}1, totals=ONLY{often}\nRF\n" for face in "XYZ")
        return
    yield from (f"*Node Print, nset=REF-{face}{often}\nU, RF\n" for face in "XYZ")
    if dialect == "calculix":
        yield f"*El Print, elset=ALL, global=YES{often}\nS\n"
