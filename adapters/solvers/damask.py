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
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from polyrve.adapters import material_grid
from polyrve.adapters.material_grid import MaterialGrid
from polyrve.adapters.replacing import replacing_folder
from polyrve.adapters.solvers import damask_phases
from polyrve.adapters.solvers.damask_loads import load_case
from polyrve.adapters.solvers.loads import LOAD_CASES, load_of
from polyrve.adapters.text_rows import decimals
from polyrve.adapters.volumes import vti
from polyrve.adapters.volumes.vti import write_image
from polyrve.adapters.warned import warn
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.rotation import conjugate
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
    ratio: float = -1.0,
    cycles: int = 1,
    angle: float = 45.0,
    temperature: float | None = None,
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
        ``"tension"``, ``"compression"``, ``"shear"``, ``"plane-strain"``, ``"rolling"``, ``"biaxial"`` or
        ``"cyclic"`` (:data:`LOAD_CASES`), written to load.yaml; further ones to load_<case>.yaml.
    axes : str, optional
        Directions of the load cases; see :data:`LOAD_CASES`.
    strain : float, optional
        Largest change of the component of F that is prescribed, positive.
    rate : float, 1/s
        Its rate, positive.
    increments : int, optional
        Number of increments. Where there are four or more, a tenth of them, or five, or half of fewer than ten, are
        fine: they grow from a strain of 1e-5, which is elastic, to the size of the others, so that modulus and yield
        are seen.
    f_out : int, optional
        Every how manyth increment is stored; by default all fine ones, and ten or more of the others with
        the last.
    f_restart : int, optional
        Every how manyth increment a restart file is written; by default never.
    ratio : float
        Of cyclic loads, the R-ratio: smallest over largest strain of a cycle, below 1; -1 is fully reversed, 0
        pulsating.
    cycles : int
        Of cyclic loads, their number.
    angle : float, degrees
        Of biaxial loads, the direction of the path in the plane of the two strains: 0 is along the first axis with the
        second held, 45 equibiaxial tension, 225 equibiaxial compression.
    temperature : float, K, optional
        Of the volume, held during the load; by default DAMASK's 293.15 K. The definitions must depend on it: a
        definition from a file with ``rho`` and ``thermal``, whose parameters have coefficients such as ``C_11,T``.
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
    loads = [
        load_of(
            case, axes=axes, strain=strain, rate=rate, increments=increments, ratio=ratio, cycles=cycles, angle=angle
        )
        for case in cases
    ]
    text_of = partial(load_case, f_out=f_out, f_restart=f_restart, temperature=temperature)
    for one in loads:
        text_of(one)
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
    if temperature is not None:
        _check_thermal(definitions)
    material_grid.warn_of_seams(whole, path, ": the options mirror and buffer (--set mirror=xyz) help")
    with replacing_folder(path, force=force) as folder:
        metres = tuple(d * _UM for d in whole.spacing), tuple(o * _UM for o in whole.origin)
        values = [("material", whole.ids - 1)]
        values += [] if temperature is None else [("T", np.full(whole.shape, float(temperature)))]
        write_image(folder / "grid.vti", whole.shape, *metres, values, compress=compress)
        _write_material(folder / "material.yaml", whole, names, definitions, thermal=temperature is not None)
        voids = any("dilatation: true" in text for text in definitions.values())
        for i, one in enumerate(loads):
            name = "load.yaml" if i == 0 else f"load_{one.case}.yaml"
            (folder / name).write_text(text_of(one, voids=voids), encoding="ascii")
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
phase:
  mechanical:
    # DAMASK's own 1.0e-6 of both take 1.7 times the time and move the mean stress by 0.01 % (copper, 10^3 voxels, 1 %)
    eps_rel_state: 1.0e-3
    plastic: {eps_rel_Lp: 1.0e-4}
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


def _check_thermal(definitions: Mapping[str, str]) -> None:
    """Refuse a temperature where nothing depends on it, or DAMASK could not keep it (error 211)."""
    import yaml

    for name, text in definitions.items():
        found = yaml.safe_load(text)
        if not isinstance(found, dict) or "thermal" not in found or "rho" not in found:
            raise ValueError(
                f"temperature: expected definitions with rho and thermal (C_p, K_11); that of phase {name} has none, "
                "and what it holds is at 293.15 K: give a YAML file with coefficients of temperature such as C_11,T"
            )


def write_material(
    path: Path, whole: MaterialGrid, phase: str | Sequence[str] | Mapping[str, str] | None = None
) -> None:
    """Write a material.yaml; `phase` as in :func:`write`."""
    _write_material(path, whole, *_definitions(whole, _chosen(phase, whole.phases, np.unique(whole.phase_ids))))


def _write_material(
    path: Path, whole: MaterialGrid, names: Sequence[str], definitions: Mapping[str, str], *, thermal: bool = False
) -> None:
    nz, ny, nx = whole.shape
    homogenization = "{N_constituents: 1, mechanical: {type: pass}" + ", thermal: {type: pass}" * thermal + "}"
    head = (
        f"# {nx} x {ny} x {nz} voxels, {len(whole.quaternions)} materials, one per {whole.by}; "
        "O: passive, sample to crystal\n"
        f"homogenization:\n  SX: {homogenization}\nphase:\n"
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
