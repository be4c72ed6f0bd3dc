"""Orientation maps to and from orix, whose orientations have the same sign, order and crystal frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from polyrve.adapters import scan
from polyrve.crystal import Phase
from polyrve.frames import Frame
from polyrve.orientation import OrientationMap, OrientationVolume

if TYPE_CHECKING:
    from orix.crystal_map import CrystalMap


def to_orix(data: OrientationMap | OrientationVolume) -> CrystalMap:
    """An orix crystal map of an orientation map.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume or GrainMap
        A volume must have nz = 1: take a section first.

    Returns
    -------
    orix.crystal_map.CrystalMap
        Points that are not indexed have the phase id -1, others their place in ``data.phases``, from 0. Properties of
        one number per point are taken over.

    Raises
    ------
    ValueError
        If the data is no map.
    """
    from diffpy.structure import Lattice, Structure
    from orix.crystal_map import CrystalMap, PhaseList
    from orix.crystal_map import Phase as OrixPhase
    from orix.quaternion import Rotation

    field = scan.planar(data)
    phases = {}
    for number, phase in enumerate(field.phases):
        structure = Structure(title=phase.name, lattice=Lattice(*scan.unit_cell(phase)))
        phases[number] = OrixPhase(
            name=phase.name, space_group=phase.space_group or None, structure=structure,
            point_group=None if phase.space_group else phase.laue,
        )  # fmt: skip
    phase_list = PhaseList(phases=phases)
    if not field.indexed.all():
        phase_list.add_not_indexed()
    rows, columns = field.shape
    y, x = np.divmod(np.arange(rows * columns), columns)
    return CrystalMap(
        rotations=Rotation(field.quaternions.reshape(-1, 4)),
        phase_id=field.phase_ids.ravel() - 1,
        x=x * field.spacing[1] + field.origin[1],
        y=y * field.spacing[0] + field.origin[0],
        phase_list=phase_list,
        prop={name: np.ravel(values) for name, values in field.properties.items() if values.shape == field.shape},
        scan_unit="um",
    )


def from_orix(crystal_map: CrystalMap, frame: Frame | None = None, path: Path | None = None) -> OrientationMap:
    """An orientation map of an orix crystal map.

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
    shape, spacing = scan.infer_grid(path, x, y)
    cells, origin = scan.place(path, (y, x), shape, spacing)
    properties = {str(name): np.asarray(values) for name, values in crystal_map._prop.items()}
    field = scan.assemble(
        path, "orix", quaternions=quaternions, phase_ids=phase_ids, phases=phases, shape=shape, spacing=spacing,
        origin=origin, frame=frame or Frame(), cells=cells,
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
