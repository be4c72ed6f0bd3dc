"""DAMASK: a folder that DAMASK_grid runs as it is: grid.vti, material.yaml, load.yaml, numerics.yaml.

Written for DAMASK 3.0 and 3.1 (https://damask-multiphysics.org, documentation/file_formats), and for the next, whose
program has the one name damask_grid; 3.1 answers to both. Lengths are converted from um to m. DAMASK's quaternion of an
orientation is the conjugate of that of :mod:`polyrve.crystallography.rotation`.

DAMASK keeps the whole of material.yaml on the stack while it reads it: one that is larger than the stack (8 MB, if
nobody asks for more) ends in a segmentation fault. Written by voxel that happens from 39^3 voxels of different
orientation on (seen with 3.0.2: 8.2 MB start, 9.5 MB do not); with ``ulimit -s unlimited`` they start.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from polyrve.adapters import material_grid
from polyrve.adapters.material_grid import MaterialGrid
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.solvers import damask_phases
from polyrve.adapters.text_rows import decimals
from polyrve.adapters.volumes import vti
from polyrve.adapters.volumes.vti import write_image
from polyrve.adapters.warned import warn
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import conjugate
from polyrve.microstructure.axes import in_plane
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

_UM = 1e-6
_LAUE_OF_LATTICE = {
    "cF": ("m-3m", "m-3"),
    "cI": ("m-3m", "m-3"),
    "hP": ("6/mmm", "6/m"),
    "tI": ("4/mmm", "4/m"),
}
_ROWS = 1 << 14
_STACK = 8 << 20
"""Usual size of the stack, bytes."""
_FINE, _FEW = 1e-4, 10
"""Strain of the first increment, and the number of increments from which on a load begins with fine ones."""

LOAD_CASES: dict[str, tuple[str, float, int, str]] = {
    "tension": ("x", 0.05, 100, "uniaxial tension along {0}"),
    "compression": ("x", 0.05, 100, "uniaxial compression along {0}"),
    "shear": ("xy", 0.05, 100, "simple shear of the {1} planes along {0}"),
    "plane-strain": (
        "xz",
        0.05,
        100,
        "plane-strain tension along {0}, free along {1}, the third direction held",
    ),
    "rolling": (
        "xz",
        0.2,
        200,
        "plane-strain compression along {1} (ND), free along {0} (RD), the third (TD) held",
    ),
    "cyclic": ("x", 0.01, 20, "tension and compression along {0}: to +strain, to -strain, to +strain"),
}
"""Load cases: usual directions, strain, increments (for cyclic, of each quarter), and what they are."""


_SOLVER = "solver: {mechanical: spectral_basic}"
_SOLVER_OF_VOIDS = "solver: {mechanical: spectral_polarization}  # the basic scheme does not converge with voids"
"""Solvers of DAMASK: with 5 % of voids in 12^3 voxels of aluminium, the first stopped at a strain of 0.7 %."""


def write(
    data: OrientationField | GrainMap | GrainVolume | CellVolume,
    path: str | Path,
    *,
    force: bool = False,
    by: str = "grain",
    phase: str | Sequence[str] | Mapping[str, str] | None = None,
    load: str | Sequence[str] = "tension",
    axes: str | None = None,
    strain: float | None = None,
    rate: float = 1e-3,
    increments: int | None = None,
    f_out: int | None = None,
    f_restart: int | None = None,
    output: str | Sequence[str] | None = None,
    resolution: Sequence[int] | None = None,
    columns: int = 1,
    mirror: str = "",
    buffer: int = 0,
    buffer_axes: str = "",
    buffer_phase: str | None = None,
    fill: bool = False,
    min_grain: int = 1,
    compress: bool = True,
) -> None:
    """Write a folder for DAMASK_grid.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap, GrainVolume or CellVolume
    path : path-like
        The folder.
    force : bool
        Whether its files may be replaced.
    by : {"grain", "voxel"}
        One material per grain with its mean orientation, or one per voxel; voxels of the same phase and orientation
        share one.
    phase : str, sequence of str or mapping, optional
        Definition of each phase: ``"Al"`` where there is one phase, else ``"name=definition"`` per phase or a
        mapping of names to definitions. A definition is a name of
        :data:`polyrve.adapters.solvers.damask_phases.LIBRARY`, a YAML file with one, or ``"template"``, which leaves
        the values to be filled in. By default the phase's own name is looked up in the library.
    load : str or sequence of str
        ``"tension"``, ``"compression"``, ``"shear"``, ``"plane-strain"``, ``"rolling"`` or ``"cyclic"``
        (:data:`LOAD_CASES`), written to load.yaml; further ones to load_<case>.yaml.
    axes : str, optional
        Directions of the load cases; see :data:`LOAD_CASES`.
    strain : float, optional
        Largest change of the component of F that is prescribed, positive.
    rate : float, 1/s
        Its rate, positive.
    increments : int, optional
        Number of increments. Where there are ten or more, a tenth of them, or five, are fine: they grow from a strain
        of 1e-4 to the size of the others, so that modulus and yield are seen.
    f_out : int, optional
        Every how manyth increment is stored; by default all fine ones, and ten or more of the others with
        the last.
    f_restart : int, optional
        Every how manyth increment a restart file is written; by default never.
    output : str or sequence of str, optional
        Fields that are stored: names of DAMASK such as ``F``, ``P``, ``O``, ``F_p``, ``xi_sl`` or ``gamma_sl``; F and P
        always are. By default those of the definitions. Definitions from a file keep their own.
    resolution : sequence of int, length 3, optional
        nz, ny, nx of the grid, if not that of the volume.
    columns : int
        Number of times each layer is repeated along z: quasi-2D model of a map.
    mirror : str
        Axes out of ``"xyz"`` along which the volume is continued by its mirror image.
    buffer : int
        Thickness in voxels of a layer that separates the periodic images of a map or volume that is not
        periodic.
    buffer_axes : str
        Axes along which the layer is added; by default all along which there is more than one voxel.
    buffer_phase : str, optional
        Definition of the layer; by default that of the phase with most voxels.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.
    compress : bool
        Whether the grid is compressed (zlib).

    Raises
    ------
    FileExistsError
        If the folder holds files and `force` is not given.
    ValueError
        If voxels have no grain, a phase has no definition, or an option is out of its range.
    OSError
        If the disk is full.

    Warns
    -----
    UserWarning
        If material.yaml outgrows the usual stack of 8 MB, a definition is a template, or the volume does not continue
        itself across its faces.
    """
    cases = [load] if isinstance(load, str) else list(load)
    if not cases:
        raise ValueError(f"load: expected one or more of {', '.join(LOAD_CASES)}; got none")
    options = {"axes": axes, "strain": strain, "rate": rate, "increments": increments, "f_out": f_out,
               "f_restart": f_restart}  # fmt: skip
    loads = {case: load_case(case, **options) for case in cases}  # type: ignore[arg-type]
    whole = material_grid.material_grid(data, by=by, fill=fill, min_grain=min_grain)
    if resolution is not None:
        whole = material_grid.resample(whole, resolution)
    whole = material_grid.columns(whole, columns)
    if mirror:
        whole = material_grid.mirror(whole, mirror)
    chosen = _chosen(phase, whole.phases, np.unique(whole.phase_ids))
    if buffer:
        layer = None if buffer_phase is None else Phase(f"buffer {buffer_phase}", _laue_of(buffer_phase))
        if layer is not None:
            chosen[layer.name] = str(buffer_phase)
        along = buffer_axes or "".join(a for a, n in zip(material_grid.AXES, whole.shape, strict=True) if n > 1)
        whole = material_grid.buffer(whole, buffer, along, layer)
    if whole.shape[2] < 2:
        raise ValueError(f"DAMASK needs two or more voxels along x; got {whole.shape[2]}")
    whole = _shared(whole)
    names, definitions = _definitions(whole, chosen, output)
    material_grid.warn_of_seams(whole, path, ": the options mirror and buffer (--set mirror=xyz) help")
    with replacing_folder(path, force=force) as folder:
        metres = tuple(d * _UM for d in whole.spacing), tuple(o * _UM for o in whole.origin)
        write_image(folder / "grid.vti", whole.shape, *metres, [("material", whole.ids - 1)], compress=compress)
        _write_material(folder / "material.yaml", whole, names, definitions)
        soft = any("dilatation: true" in text for text in definitions.values())
        for i, (case, text) in enumerate(loads.items()):
            text = text.replace(_SOLVER, _SOLVER_OF_VOIDS) if soft else text
            (folder / ("load.yaml" if i == 0 else f"load_{case}.yaml")).write_text(text, encoding="ascii")
        (folder / "numerics.yaml").write_text(_NUMERICS, encoding="ascii")
        size = (folder / "material.yaml").stat().st_size
    if size > 0.95 * _STACK:
        warn(
            f"{path}: material.yaml has {size / 1e6:.0f} MB, {len(whole.quaternions)} materials, and outgrows the "
            "usual stack of 8 MB: DAMASK ends in a segmentation fault unless `ulimit -s unlimited` comes before it, in "
            "the same shell or job script"
        )


def read(
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    grid: str = "grid.vti",
    material: str = "material.yaml",
) -> OrientationMap | OrientationVolume:
    """Read the volume of a folder for DAMASK_grid.

    Parameters
    ----------
    path : path-like
        The folder.
    frame : str or Frame, optional
        What turns the orientations; none by default.
    grid, material : str
        Names of its files.

    Returns
    -------
    OrientationMap or OrientationVolume
        The materials as grains, ``properties["FeatureIds"]``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If one of them is not as DAMASK asks for.
    """
    folder = Path(path)
    return vti.read(folder / grid, frame=frame, material=str(folder / material))


def load_case(
    case: str,
    *,
    axes: str | None = None,
    strain: float | None = None,
    rate: float = 1e-3,
    increments: int | None = None,
    f_out: int | None = None,
    f_restart: int | None = None,
) -> str:
    """Return the text of a load.yaml; parameters as in :func:`write`."""
    if case not in LOAD_CASES:
        raise ValueError(f"load: expected one of {', '.join(LOAD_CASES)}; got {case!r}")
    usual_axes, usual_strain, usual_increments, meaning = LOAD_CASES[case]
    axes = usual_axes if axes is None else axes
    strain = usual_strain if strain is None else strain
    increments = usual_increments if increments is None else increments
    if len(axes) != len(usual_axes) or set(axes) - set("xyz") or len(set(axes)) != len(axes):
        raise ValueError(f"axes of load {case!r}: expected {len(usual_axes)} different letters of xyz; got {axes!r}")
    if not (strain > 0 and rate > 0 and int(increments) == increments and increments >= 1):
        raise ValueError(
            f"load {case!r}: expected positive strain, rate and increments; got {strain}, {rate}, {increments}"
        )
    for name, number in (("f_out", f_out), ("f_restart", f_restart)):
        if number is not None and not (number == int(number) and number >= 1):
            raise ValueError(f"{name}: expected 1 or more increments; got {number}")
    n = int(increments)
    first, last = "xyz".index(axes[0]), "xyz".index(axes[-1])
    parts: list[tuple[dict[tuple[int, int], float], tuple[int, ...], int]]
    if case == "shear":
        parts = [({(first, last): rate}, (), 1)]
    elif case == "plane-strain":
        parts = [({(first, first): rate}, (last,), 1)]
    elif case == "rolling":
        parts = [({(last, last): -rate}, (first,), 1)]
    else:
        signs = {"tension": ((1, 1),), "compression": ((-1, 1),), "cyclic": ((1, 1), (-1, 2), (1, 2))}[case]
        parts = [({(first, first): sign * rate}, in_plane(first), times) for sign, times in signs]
    steps = [
        _step(prescribed, free, part, rate, f_out, f_restart)
        for prescribed, free, times in parts
        for part in _increments(times * strain, times * n)
    ]
    head = [
        f"# {meaning.format(*axes)}; strain {strain:g} at {rate:g} 1/s",
        "# damask_grid --geom grid.vti --load load.yaml --material material.yaml --numerics numerics.yaml",
        "# (DAMASK 3.0 has it under the name DAMASK_grid; MPI ranks: no more than there are voxels along z)",
        "# a segmentation fault while it reads material.yaml: ulimit -s unlimited gives it a larger stack",
        _SOLVER,
        "loadstep:",
    ]
    return "\n".join([*head, *steps]) + "\n"


@dataclass(frozen=True)
class _Increments:
    """Part of a load: strain, number of increments, ratio of each to the one before, how often one is stored."""

    strain: float
    number: int
    ratio: float = 1.0
    f_out: int = 1


def _every(n: int) -> int:
    """Every how manyth of `n` increments is stored: the last is one of those, and ten or more are."""
    return max(k for k in range(1, max(1, n // 10) + 1) if n % k == 0)


def _increments(strain: float, n: int) -> list[_Increments]:
    """Fine increments that grow, each stored, and those of equal size after them, or these alone where n is small."""
    usual = strain / n
    few = max(n // 10, 5)
    if n < _FEW or usual <= _FINE:
        return [_Increments(strain, n, f_out=_every(n))]
    ratio = round((usual / _FINE) ** (1.0 / (few - 1)), 6)
    fine = _FINE * few if ratio == 1.0 else _FINE * (ratio**few - 1.0) / (ratio - 1.0)
    rest = n - few
    return [_Increments(fine, few, ratio), _Increments(strain - fine, rest, f_out=_every(rest))]


def _step(
    prescribed: Mapping[tuple[int, int], float],
    free: Iterable[int],
    part: _Increments,
    rate: float,
    f_out: int | None,
    f_restart: int | None,
) -> str:
    """A load step: rates of F, all others 0, but stress-free on the diagonal where `free`."""
    free = tuple(free)
    rows: dict[str, list[str]] = {"dot_F": [], "P": []}
    for i in range(3):
        F = [repr(float(prescribed.get((i, j), 0.0))) if i != j or i not in free else "x" for j in range(3)]
        P = ["0.0" if i == j and i in free else "x" for j in range(3)]
        rows["dot_F"].append(f"[{', '.join(F)}]")
        rows["P"].append(f"[{', '.join(P)}]")
    lines = ["  - boundary_conditions:", "      mechanical:"]
    lines += [f"        {key}: [{', '.join(value)}]" for key, value in rows.items()]
    r = f", r: {part.ratio!r}" if part.ratio != 1.0 else ""
    lines += [f"    discretization: {{t: {part.strain / rate!r}, N: {part.number}{r}}}"]
    lines += [f"    f_out: {part.f_out if f_out is None else int(f_out)}"]
    lines += [] if f_restart is None else [f"    f_restart: {int(f_restart)}"]
    return "\n".join(lines)


_NUMERICS = """\
# see examples/config/numerics.yaml of DAMASK for all keys
solver:
  grid:
    N_cutback_max: 5           # an increment that does not converge is halved up to five times (DAMASK: 3)
    mechanical:
      # stress equilibrium and boundary conditions, relative; DAMASK's own 5.0e-4 and 1.0e-3 take twice the iterations
      # and move the mean stress by 0.1 % at most (30 grains of copper, 12^3 voxels, tension to 2 %)
      eps_rel_div(P): 5.0e-3
      eps_rel_P: 2.0e-3
"""


def _laue_of(definition: str) -> str:
    found = damask_phases.find(definition)
    if found is None:
        raise ValueError(f"buffer_phase: expected one of {', '.join(damask_phases.LIBRARY)}; got {definition!r}")
    return _LAUE_OF_LATTICE[found.lattice][0]


def definitions(
    phases: Sequence[Phase], used: Iterable[int], phase: str | Sequence[str] | Mapping[str, str] | None = None
) -> dict[int, str]:
    """Return the definitions of phases as they stand in a material.yaml.

    Parameters
    ----------
    phases : sequence of Phase
    used : iterable of int
        Numbers from 1 of those that are wanted.
    phase : str, sequence of str or mapping, optional
        As for :func:`write`.

    Returns
    -------
    dict of int to str
        YAML by number.

    Raises
    ------
    ValueError
        If a phase has no definition.
    """
    numbers = [int(number) for number in used]
    chosen = _chosen(phase, phases, numbers)
    return {n: _definition(phases[n - 1], chosen.get(phases[n - 1].name), None) for n in numbers}


def _chosen(
    phase: str | Sequence[str] | Mapping[str, str] | None, phases: Sequence[Phase], used: Iterable[int]
) -> dict[str, str]:
    """The definition that was asked for, by phase name; phases without a voxel need none."""
    if phase is None:
        return {}
    if isinstance(phase, Mapping):
        pairs = dict(phase)
    else:
        items = [item.strip() for item in phase.split(",")] if isinstance(phase, str) else list(phase)
        if len(items) == 1 and "=" not in items[0]:
            names = [phases[i - 1].name for i in used]
            if len(names) > 1:
                raise ValueError(f"phase: expected name=definition for each of {', '.join(names)}; got {items[0]!r}")
            return {names[0]: items[0]}
        if any("=" not in item for item in items):
            raise ValueError(f"phase: expected name=definition; got {', '.join(items)}")
        pairs = dict(item.split("=", 1) for item in items)
    unknown = set(pairs) - {p.name for p in phases}
    if unknown:
        raise ValueError(
            f"phase: expected names out of {', '.join(p.name for p in phases)}; got {', '.join(sorted(unknown))}"
        )
    return pairs


def _shared(whole: MaterialGrid) -> MaterialGrid:
    """The same voxels, those of one phase and orientation with one material, in the order of their first voxels."""
    if whole.by != "voxel":
        return whole
    rows = np.column_stack([whole.quaternions, whole.phase_ids])
    _, first, place = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    if len(first) == len(rows):
        return whole
    order = np.argsort(first, kind="stable")
    number = np.empty(len(order), dtype=np.int32)
    number[order] = np.arange(1, len(order) + 1)
    kept = first[order]
    ids = number[place.ravel()][whole.ids - 1]
    return replace(whole, ids=ids, quaternions=whole.quaternions[kept], phase_ids=whole.phase_ids[kept])


def _definitions(
    whole: MaterialGrid, chosen: Mapping[str, str], output: str | Sequence[str] | None = None
) -> tuple[list[str], dict[str, str]]:
    """Key of each phase in material.yaml, and the definition of each phase that a voxel has."""
    names: list[str] = []
    for phase in whole.phases:
        name = re.sub(r"[^A-Za-z0-9_+-]+", "_", phase.name).strip("_") or "phase"
        name = name if name[0].isalpha() else f"phase_{name}"
        names.append(name if name not in names else f"{name}_{len(names) + 1}")
    definitions = {}
    for number in np.unique(whole.phase_ids):
        phase = whole.phases[number - 1]
        definitions[names[number - 1]] = f"# {phase.name}\n" + _definition(phase, chosen.get(phase.name), output)
    return names, definitions


def _definition(phase: Phase, wanted: str | None, output: str | Sequence[str] | None) -> str:
    lattices = [lattice for lattice, groups in _LAUE_OF_LATTICE.items() if phase.laue in groups]
    if not lattices:
        raise ValueError(f"DAMASK has no lattice for Laue group {phase.laue} of phase {phase.name!r}")
    if wanted == "template":
        a, _, c = phase.lattice[:3]
        warn(
            f"definition of phase {phase.name!r}: a template is written, which DAMASK cannot run (error 111 or 143) "
            "before every ??? in material.yaml is replaced by a value"
        )
        return damask_phases.template(phase.name, lattices[0], c / a if min(a, c) > 0 else None)
    if wanted is not None and Path(wanted).suffix.lower() in (".yaml", ".yml"):
        try:
            text = Path(wanted).read_text(encoding="utf-8")
        except OSError as error:
            raise ValueError(f"definition of phase {phase.name!r}: cannot read {wanted} ({error.strerror})") from None
        found = re.search(r"^lattice:\s*(\w+)", text, re.MULTILINE)
        if found is None or found[1] not in _LAUE_OF_LATTICE:
            raise ValueError(f"{wanted}: expected a phase definition with 'lattice: cF, cI, hP or tI' at its top level")
        _check_mechanical(wanted, text)
        lattice, definition = found[1], text
    else:
        known = damask_phases.find(phase.name if wanted is None else wanted)
        if known is None:
            raise ValueError(
                f"phase {phase.name!r} has no definition{'' if wanted is None else f' {wanted!r}'}: expected "
                f"'{phase.name}=NAME' with one of {', '.join(damask_phases.LIBRARY)}, a YAML file, or 'template'"
            )
        lattice, definition = known.lattice, known.yaml(output)
    if phase.laue not in _LAUE_OF_LATTICE[lattice]:
        raise ValueError(
            f"definition of phase {phase.name!r}: expected a lattice of Laue group {phase.laue} "
            f"({' or '.join(lattices)}); got {lattice}"
        )
    return definition


def _check_mechanical(path: str, text: str) -> None:
    """Refuse a phase definition without elasticity, or with blanks: DAMASK ends with error 143 or 111."""
    content = "\n".join(line.split("#", 1)[0].rstrip() for line in text.splitlines())
    block = re.search(r"^mechanical:(.*\n?(?:^[ \t].*\n?|^\s*\n)*)", content, re.MULTILINE)
    if block is None or not re.search(r"\belastic:", block[1]):
        raise ValueError(f"{path}: expected 'mechanical' with 'elastic' in a phase definition; got none")
    if "???" in content:
        raise ValueError(f"{path}: expected values; got ??? of a template: fill them in")


def write_material(
    path: Path, whole: MaterialGrid, phase: str | Sequence[str] | Mapping[str, str] | None = None
) -> None:
    """Write a material.yaml; `phase` as in :func:`write`."""
    _write_material(path, whole, *_definitions(whole, _chosen(phase, whole.phases, np.unique(whole.phase_ids))))


def _write_material(path: Path, whole: MaterialGrid, names: Sequence[str], definitions: Mapping[str, str]) -> None:
    nz, ny, nx = whole.shape
    head = (
        f"# {nx} x {ny} x {nz} voxels, {len(whole.quaternions)} materials, one per {whole.by}; "
        "O: passive, sample to crystal\n"
        "homogenization:\n  SX: {N_constituents: 1, mechanical: {type: pass}}\nphase:\n"
    )
    for name, definition in definitions.items():
        head += f"  {name}:\n{textwrap.indent(definition, '    ')}"
    with open(path, "wb") as file:
        file.write(f"{head}material:\n".encode("ascii", "replace"))
        for lines in _material_lines(whole, names):
            file.write(lines)


def _material_lines(whole: MaterialGrid, names: Sequence[str]) -> Iterator[bytes]:
    """Blocks of lines, one line per material, all of one width."""
    width = max(map(len, names))
    line = "- {{homogenization: SX, constituents: [{{phase: {}, v: 1.0, O: [{}]}}]}}\n"
    blank = ", ".join([" " * 19] * 4)
    heads = np.array([list(line.format(name.ljust(width), blank).encode("ascii")) for name in names], dtype=np.uint8)
    first = line.format(" " * width, blank).index(blank)
    for start in range(0, len(whole.quaternions), _ROWS):
        q = conjugate(whole.quaternions[start : start + _ROWS])
        q = np.where(q[:, :1] < 0, -q, q) / np.linalg.norm(q, axis=1, keepdims=True)
        lines = heads[whole.phase_ids[start : start + _ROWS] - 1]
        for component in range(4):
            place = first + 21 * component
            lines[:, place : place + 19] = decimals(q[:, component])
        yield lines.tobytes()
