"""Orientation maps to and from orix, whose orientations have the same sign, order and crystal frame.

But for monoclinic phases: orix's two-fold axis is z, that of :mod:`polyrve.crystallography.phase` is y (b).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from polyrve.adapters.ebsd import grid, scan
from polyrve.adapters.ebsd.map_text import unit_cell
from polyrve.adapters.sections import planar
from polyrve.adapters.warned import warn
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame, standard_setting
from polyrve.microstructure.fields import OrientationMap, OrientationVolume

if TYPE_CHECKING:
    from orix.crystal_map import CrystalMap


def to_orix(data: OrientationMap | OrientationVolume) -> CrystalMap:
    """Return an orix crystal map of an orientation map.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume or GrainMap
        A volume must have nz = 1: take a section first.

    Returns
    -------
    orix.crystal_map.CrystalMap
        Points that are not indexed have the phase id -1, others their place in ``data.phases``, from 0. Properties of
        one number per point are taken over. Monoclinic phases have c as the two-fold axis, as orix's symmetry asks:
        a, b, c are polyrve's c, a, b, and the orientations are turned accordingly; :func:`from_orix` turns both back.

    Raises
    ------
    ValueError
        If the data is no map.

    Warns
    -----
    UserWarning
        If the lattice of a monoclinic phase is not known or has right angles only, which does not tell the two-fold
        axis: its orientations stay as they are, and orix applies another symmetry to them.
    """
    from diffpy.structure import Lattice, Structure
    from orix.crystal_map import CrystalMap, PhaseList
    from orix.crystal_map import Phase as OrixPhase
    from orix.quaternion import Rotation

    field = planar(data)
    phases, quaternions = {}, field.quaternions.reshape(-1, 4).copy()
    for number, phase in enumerate(field.phases):
        if phase.laue == "2/m":
            points = field.phase_ids.ravel() == number + 1
            phase, quaternions[points] = _with_c_unique(phase, quaternions[points])
        structure = Structure(title=phase.name, lattice=Lattice(*unit_cell(phase)))
        phases[number] = OrixPhase(
            name=phase.name, space_group=phase.space_group or None, structure=structure,
            point_group=None if phase.space_group else phase.laue,
        )  # fmt: skip
    phase_list = PhaseList(phases=phases)
    if not field.indexed.all():
        phase_list.add_not_indexed()
    rows, columns = field.shape
    return CrystalMap(
        rotations=Rotation(quaternions),
        phase_id=field.phase_ids.ravel() - 1,
        x=np.tile(grid.centres(field.origin[1], field.spacing[1], columns), rows),
        y=np.repeat(grid.centres(field.origin[0], field.spacing[0], rows), columns),
        phase_list=phase_list,
        prop={name: np.ravel(values) for name, values in field.properties.items() if values.shape == field.shape},
        scan_unit="um",
    )


def _with_c_unique(phase: Phase, quaternions: np.ndarray) -> tuple[Phase, np.ndarray]:
    """A monoclinic phase and its orientations with c as the two-fold axis; the inverse of `standard_setting`."""
    a, b, c, alpha, beta, gamma = phase.lattice
    turned = replace(phase, lattice=(c, a, b, gamma, alpha, beta))
    turn = standard_setting(turned)[1]
    if turn is None:
        warn(
            f"phase {phase.name!r}: its lattice does not tell the two-fold axis, which is y here and z in orix: "
            "orix applies another symmetry"
        )
        return phase, quaternions
    return turned, rotation.multiply(rotation.conjugate(turn), quaternions)


def from_orix(crystal_map: CrystalMap, frame: Frame | None = None, path: Path | None = None) -> OrientationMap:
    """Return an orientation map of an orix crystal map.

    Parameters
    ----------
    crystal_map : orix.crystal_map.CrystalMap
        Of one or two dimensions. Of several rotations per point the first, the best, is taken.
    frame : Frame, optional
        Relation of the frame of its rotations to its pixels; by default the two are one.
    path : Path, optional
        File that it was read from, for errors and provenance.

    Returns
    -------
    OrientationMap
        Points outside the map's mask (``is_in_data``) are not indexed.

    Raises
    ------
    FormatError
        If the points make no regular grid.
    """
    path = path or Path("orix")
    points = len(crystal_map._phase_id)
    quaternions = np.asarray(crystal_map._rotations.data, dtype=np.float64).reshape(points, -1, 4)[:, 0]
    phases, place = _phases(path, crystal_map.phases)
    phase_ids = np.zeros(points, dtype=np.int32)
    for number, index in place.items():
        phase_ids[crystal_map._phase_id == number] = index
    phase_ids[~np.asarray(crystal_map.is_in_data)] = 0
    scale = {"nm": 1e-3, "mm": 1e3}.get(crystal_map.scan_unit, 1.0)
    x, y = (
        np.zeros(points) if values is None else np.asarray(values, dtype=np.float64) * scale
        for values in (crystal_map._x, crystal_map._y)
    )
    found = grid.of_coordinates(path, (y, x), partial=True)
    properties = {str(name): np.asarray(values) for name, values in crystal_map._prop.items()}
    field = scan.assemble(
        path, "orix", quaternions=quaternions, phase_ids=phase_ids, phases=phases, shape=found.shape,
        spacing=found.spacing, origin=found.origin, frame=frame or Frame(), cells=found.cells, steps=found.steps,
        properties={name: values for name, values in properties.items() if values.shape[:1] == (points,)},
    )  # fmt: skip
    return cast(OrientationMap, field)


def _phases(path: Path, phase_list: Any) -> tuple[Sequence[Phase], dict[int, int]]:
    phases: list[Phase] = []
    place = {}
    for number, phase in phase_list:
        if number < 0:
            continue
        cell = phase.structure.lattice
        lattice = np.round([cell.a, cell.b, cell.c, cell.alpha, cell.beta, cell.gamma], 6).tolist()
        group = phase.space_group.number if phase.space_group is not None else 0
        symbol = phase.point_group.name if phase.point_group is not None else "-1"
        phases.append(scan.make_phase(path, phase.name or f"phase {number}", symbol, lattice, group))
        place[int(number)] = len(phases)
    return phases, place
