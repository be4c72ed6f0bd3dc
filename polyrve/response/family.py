"""Several runs of one volume that belong together: a yield locus, strain rates, or temperatures.

A family is a folder with a folder for each run and ``runs.json``, which says what they differ in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.solvers import damask, loads
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.response import simulate as runs
from polyrve.response.results import Response, offset_point, read_response

if TYPE_CHECKING:
    import pandas as pd

LIST = "runs.json"
KINDS = {"yield-locus": "angle", "rates": "rate", "temperatures": "temperature"}
"""What the runs of a family differ in: an option of :func:`polyrve.adapters.solvers.damask.write`."""
UNITS = {"yield-locus": "degrees", "rates": "1/s", "temperatures": "K"}


@dataclass(frozen=True)
class Family:
    """Runs that belong together.

    Attributes
    ----------
    kind : str
        A key of :data:`KINDS`.
    values : tuple of float
        What the runs differ in.
    folders : tuple of Path
    axes : str
        Directions of the load.
    """

    kind: str
    values: tuple[float, ...]
    folders: tuple[Path, ...]
    axes: str


def write_family(
    data: GrainMap | GrainVolume,
    folder: str | Path,
    kind: str,
    values: Sequence[float],
    *,
    force: bool = False,
    **options: Any,
) -> Family:
    """Write a folder for each run.

    Parameters
    ----------
    data : GrainMap or GrainVolume
    folder : path-like
    kind : str
        A key of :data:`KINDS`.
    values : sequence of float
        One for each run.
    force : bool
        Whether files may be replaced.
    **options
        Of :func:`polyrve.adapters.solvers.damask.write`.

    Returns
    -------
    Family

    Raises
    ------
    FileExistsError
        If the folder holds files and `force` is not given.
    ValueError
        If the kind is unknown, values occur twice, or an option is out of its range.
    """
    if kind not in KINDS:
        raise ValueError(f"kind: expected one of {', '.join(KINDS)}; got {kind!r}")
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{KINDS[kind]}: expected different values; got {', '.join(map(str, values)) or 'none'}")
    if kind == "yield-locus":
        options = {**options, "load": "biaxial"}
    names = [f"{KINDS[kind]}_{value:g}" for value in values]
    axes = options.get("axes") or loads.LOAD_CASES[options.get("load", "tension")][0]
    with replacing_folder(folder, force=force) as unfinished:
        for name, value in zip(names, values, strict=True):
            damask.write(data, unfinished / name, **{**options, KINDS[kind]: value})
        record = {"kind": kind, "values": list(values), "folders": names, "axes": axes}
        (unfinished / LIST).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return read_family(folder)


def is_family(folder: str | Path) -> bool:
    """Tell whether a folder holds runs that belong together."""
    return (Path(folder) / LIST).is_file()


def read_family(folder: str | Path) -> Family:
    """Read what the runs of a folder differ in.

    Raises
    ------
    FormatError
        If ``runs.json`` is not as :func:`write_family` leaves it.
    """
    path = Path(folder) / LIST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        values = tuple(float(value) for value in found["values"])
        folders = tuple(Path(folder) / Path(name).name for name in found["folders"])
        made = Family(str(found["kind"]), values, folders, str(found["axes"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FormatError(path, f"expected the list of runs that belong together; got {error}") from None
    if made.kind not in KINDS or len(values) != len(folders):
        raise FormatError(path, f"expected a kind out of {', '.join(KINDS)} and a folder per value; got {made.kind}")
    return made


def simulate_family(
    family: Family,
    solver: Sequence[str],
    *,
    threads: int = 1,
    told: Callable[[int, runs.State], object] = lambda run, state: None,
) -> None:
    """Run those of a family that are not done, one after the other.

    Parameters
    ----------
    family : Family
    solver, threads
        As for :func:`polyrve.response.simulate.simulate`.
    told : callable
        Called with the number of the run and its state.

    Raises
    ------
    SolverError
        If a run ends before its load does.
    KeyboardInterrupt
        If it is interrupted; runs that are done are kept, the others go on.
    """
    for number, folder in enumerate(family.folders):
        if not runs.finished(folder):
            runs.simulate(folder, solver, resume=True, threads=threads, told=partial(told, number))


def responses(family: Family) -> list[Response]:
    """Read the curves of all runs, as :func:`polyrve.response.results.read_response` does."""
    return [read_response(folder) for folder in family.folders]


def yield_locus(family: Family, offset: float = 0.002) -> pd.DataFrame:
    """Find where plastic strain along each biaxial path reaches an offset.

    Parameters
    ----------
    family : Family
        Of the kind ``"yield-locus"``.
    offset : float
        Plastic strain along the path; the elastic one is that of its first loaded state.

    Returns
    -------
    pandas.DataFrame
        Indexed by the angle of the path in degrees: ``stress_x_Pa`` and ``stress_y_Pa`` (by the axes of the load), the
        Cauchy stress, and ``angle_of_stress_deg``. NaN where the offset is not reached.

    Raises
    ------
    ValueError
        If it is a family of another kind.
    """
    import pandas as pd

    if family.kind != "yield-locus":
        raise ValueError(f"family: expected a yield-locus; got {family.kind}")
    first, second = ("xyz".index(axis) for axis in family.axes)
    rows = {}
    for angle, found in zip(family.values, responses(family), strict=True):
        direction = np.array([math.cos(math.radians(angle)), math.sin(math.radians(angle))])
        strain = np.stack([found.F[:, i, i] - 1.0 for i in (first, second)], axis=1) @ direction
        components = np.stack([found.cauchy[:, i, i] for i in (first, second)], axis=1)
        along = components @ direction
        loaded = int(np.argmax(strain > 1e-9))
        at = offset_point(strain, along, along[loaded] / strain[loaded], offset)
        states = np.arange(len(strain))
        x, y = (math.nan, math.nan) if at is None else (float(np.interp(at, states, part)) for part in components.T)
        rows[angle] = {
            f"stress_{family.axes[0]}_Pa": x, f"stress_{family.axes[1]}_Pa": y,
            "angle_of_stress_deg": math.degrees(math.atan2(y, x)) % 360.0,
        }  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index.name = "angle_of_path_deg"
    return table


def figures(family: Family) -> pd.DataFrame:
    """Return modulus, yield stress and stresses of each run, Pa, indexed by what the runs differ in."""
    import pandas as pd

    table = pd.DataFrame([found.figures for found in responses(family)], index=pd.Index(family.values))
    table.index.name = f"{KINDS[family.kind]} ({UNITS[family.kind]})"
    return table
