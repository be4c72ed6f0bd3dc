"""DREAM.3D files: versions 6 and 7 (SIMPL, DREAM.3D 6.x) and 8 (simplnx, DREAM3D-NX).

Specification: the readers and writers of simplnx (https://github.com/BlueQuartzSoftware/simplnx) and SIMPL
(https://github.com/BlueQuartzSoftware/SIMPL). Arrays are (z, y, x, component); dimensions, spacing and origin
are stored as x, y, z; quaternions as x, y, z, w with the sign of :mod:`polyrve.crystallography.rotation`; Euler angles
are Bunge's in rad.

An image geometry of one layer (nz = 1) is read as a map, every other one as a volume; ``volume=True`` keeps the layer.
What polyrve writes is read back exactly: beside the single-precision arrays that DREAM.3D needs the file holds the
orientations in double precision (in the root group ``polyrve``, which DREAM.3D passes over), and a string array with
provenance, frame, phases and spacing. DREAM.3D has no unit but the geometry's, which nobody sets: lengths are taken as
um, unless the file names another unit than the metre, or is in metres and has voxels below 1e-3 (then they are metres).

Links to other files are never followed. Points whose angles are all 4 pi are not indexed, which is EDAX's mark, where
there is no mask. Lattice angles below 2 pi are in rad, as DREAM3D-NX 7.0 to 7.4 wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.ebsd import angle_units
from polyrve.adapters.ebsd.tsl import UNINDEXED_ANGLE
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import dream3d_grains
from polyrve.adapters.volumes import dream3d_tree as tree
from polyrve.adapters.volumes.dream3d_pipeline import misread_h5oina, turning_filters
from polyrve.adapters.volumes.dream3d_write import (
    CRYSTAL_STRUCTURES,
    DOUBLE_CELL,
    MICROMETRE,
    NOTE,
    NOTE_GROUP,
    write,
)
from polyrve.adapters.warned import warn
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.sampled_volume import SampledVolume, sample_planes

__all__ = ["CRYSTAL_STRUCTURES", "read", "read_grains", "write"]

_MICROMETRES = {
    0: 1e-18, 1: 1e-15, 2: 1e-12, 3: 1e-9, 4: 1e-6, 5: 1e-3, MICROMETRE: 1.0, 7: 1e3, 8: 1e4, 9: 1e5, 10: 1e6,
}  # fmt: skip
_METRE = 10


def read(
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    geometry: str | None = None,
    cell_data: str | None = None,
    ensemble: str | None = None,
    quaternions: str | None = None,
    eulers: str | None = None,
    phases: str | int | None = None,
    feature_ids: str | None = None,
    mask: str | bool | None = None,
    laue: str | Sequence[str] | None = None,
    degrees: bool | None = None,
    volume: bool = False,
) -> OrientationMap | OrientationVolume:
    """Read the orientations of an image geometry.

    Every name is looked for under its usual spellings; the options say which one to take where a file holds
    several or uses another name.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map, a name of
        :data:`polyrve.crystallography.reference_frames.PRESETS`. DREAM.3D's own readers bring both into one frame; so
        none is applied by default. A file that polyrve wrote holds orientations in the map
        frame: its own frame is not applied again, another comes on top of it, with a warning.
    geometry : str, optional
        Name or path of the geometry (data container); needed where several hold orientations.
    cell_data, ensemble : str, optional
        Names of the attribute matrices of cells and of phases.
    quaternions, eulers, feature_ids : str, optional
        Names of the cell arrays. Quaternions are preferred to Euler angles, unless `eulers` is given or they
        disagree.
    phases : str or int, optional
        Name of the cell array of phases, or the number of the phase that every point has. Where a file of several
        phases has no such array, the phases of the features are taken.
    mask : str or bool, optional
        Name of the boolean cell array whose false points are taken as not indexed; False ignores the usual
        ones.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each: for files without crystal structures.
    degrees : bool, optional
        Whether the Euler angles are in degrees; by default they are in rad, as the format asks for.
    volume : bool
        Whether one layer is returned as a volume with nz = 1, too.

    Returns
    -------
    OrientationMap or OrientationVolume
        Further cell arrays are its ``properties`` under their own names, feature ids as ``"FeatureIds"``.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no .dream3d file of version 6, 7 or 8, holds no orientations under the names looked for, or does not
        say the phases of its points; also where one of these arrays is a link to another file.

    Warns
    -----
    UserWarning
        If a frame is given for a map that was turned before (by polyrve, or by the pipeline stored in the file),
        arrays disagree, angles look as if they were in another unit, or arrays are links to other files.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        return _read_field(
            file,
            path,
            frame=frame,
            geometry=geometry,
            cell_data=cell_data,
            ensemble=ensemble,
            quaternions=quaternions,
            eulers=eulers,
            phases=phases,
            feature_ids=feature_ids,
            mask=mask,
            laue=laue,
            degrees=degrees,
            volume=volume,
        )[0]


def read_grains(
    path: str | Path, *, feature_data: str | None = None, volume: bool = False, **options: Any
) -> GrainMap | GrainVolume:
    """Read a segmented map or volume: orientations, feature ids and the orientation and phase of each grain.

    The orientation of a grain is that of the feature data where it fits the voxels of the grain; where it does not, or
    their phase does not, the mean of the voxels is taken for all grains, with a warning.

    Parameters
    ----------
    path : path-like
    feature_data : str, optional
        Name of the attribute matrix of features.
    volume : bool
        Whether one layer is returned as a volume with nz = 1, too.
    **options
        As in :func:`read`. `frame` and `degrees` hold for the grains' means, too.

    Returns
    -------
    GrainMap or GrainVolume
        Points that are not indexed, by the mask too, are in no grain.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If the file holds no feature ids or no feature data, or ids without a cell.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        found = _read_field(file, path, volume=volume, **options)
        return dream3d_grains.grains(file, Path(path), *found, feature_data, degrees=bool(options.get("degrees")))


def read_segmented(path: str | Path, **options: Any) -> GrainMap | GrainVolume | OrientationMap | OrientationVolume:
    """Read the grains where the file holds them, as :func:`read_grains`, else the orientations, as :func:`read`.

    Parameters
    ----------
    path : path-like
    **options
        As in :func:`read`.

    Returns
    -------
    GrainMap, GrainVolume, OrientationMap or OrientationVolume

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        As in :func:`read`.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        found = _read_field(file, path, **options)
        try:
            return dream3d_grains.grains(file, path, *found, degrees=bool(options.get("degrees")))
        except FormatError as error:
            if "FeatureIds" in found[0].properties and dream3d_grains.linked_features(file, found[1]):
                warn(f"{error}; the grains are left out")
            return found[0]


LARGE = 8_000_000
"""Voxels from which some sections of a file stand for the volume where that is enough, 200^3."""


def read_sampled(path: str | Path, *, voxels: int = LARGE) -> SampledVolume | None:
    """Read some sections of a large volume that polyrve wrote, plane by plane.

    Parameters
    ----------
    path : path-like
    voxels : int
        Least number of voxels.

    Returns
    -------
    SampledVolume or None
        None where the volume is smaller, or the file is another program's or has no grains.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no .dream3d file, or its arrays are not those of its geometry.
    """
    path = Path(path)
    with hdf5.opened(path) as file:
        image, cells = tree.choose(file, path, None, None, {"quaternions": None, "eulers": None})
        note = _note(file, path, image)
        arrays = {name: hdf5.get(cells, name) for name in ("Quats", "Phases", "FeatureIds")}
        if np.prod(image.shape) < voxels or not {"phases", "frame"} <= note.keys() or not _fits(note, image.shape):
            return None
        items: dict[str, h5py.Dataset] = {}
        for name, components in (("Quats", 4), ("Phases", 1), ("FeatureIds", 1)):
            item = arrays[name]
            if not isinstance(item, h5py.Dataset):
                return None
            items[name] = item
            if item.shape != (*image.shape, components):
                raise FormatError(path, f"expected shape {(*image.shape, components)}; got {item.shape}", item.name)
            hdf5.require_proportion(path, item)
        phases = tuple(Phase(**{**row, "lattice": tuple(row["lattice"])}) for row in note["phases"])
        frame = Frame(note["frame"]["name"], tuple(note["frame"]["map_to_euler"]), note["frame"]["source"])
        spacing, origin, _ = _lengths(image, note)
        grains = 0

        def planes(first: int, last: int) -> OrientationVolume:
            nonlocal grains
            quaternions, phase_ids, ids = (items[name][first:last] for name in ("Quats", "Phases", "FeatureIds"))
            grains = max(grains, int(ids.max()))
            try:
                return OrientationVolume(
                    tree.scalar_first(quaternions), phase_ids[..., 0], phases, spacing, origin, frame,
                    provenance=note.get("provenance", {}),
                )  # fmt: skip
            except ValueError as error:
                raise FormatError(path, str(error), cells.name) from None

        found = sample_planes(planes, image.shape, bool(note.get("periodic", False)))
        return replace(found, number_of_grains=grains)


def _read_field(
    file: h5py.File,
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    geometry: str | None = None,
    cell_data: str | None = None,
    ensemble: str | None = None,
    quaternions: str | None = None,
    eulers: str | None = None,
    phases: str | int | None = None,
    feature_ids: str | None = None,
    mask: str | bool | None = None,
    laue: str | Sequence[str] | None = None,
    degrees: bool | None = None,
    volume: bool = False,
) -> tuple[OrientationMap | OrientationVolume, tree.Image, Frame]:
    """The field, its geometry, and the frame that was applied to the orientations."""
    path = Path(path)
    image, cells = tree.choose(file, path, geometry, cell_data, {"quaternions": quaternions, "eulers": eulers})
    note = _note(file, path, image)
    one_phase = None if phases is None or hdf5.has(cells, str(phases)) else _number(phases)
    given = {
        "quaternions": quaternions, "eulers": eulers, "phases": str(phases) if phases and one_phase is None else None,
        "feature_ids": feature_ids, "mask": mask if isinstance(mask, str) else None,
    }  # fmt: skip
    found = {option: tree.find(cells, tree.USUAL[option], name) for option, name in given.items()}
    name_q = None if eulers is not None else found["quaternions"]
    name_e = None if quaternions is not None else found["eulers"]
    name_p = None if one_phase is not None else found["phases"]
    name_i = found["feature_ids"]
    name_m = None if mask is False else found["mask"]
    for option, name in given.items():
        unused = (option == "phases" and one_phase is not None) or (option == "mask" and mask is False)
        place = "" if unused or found[option] else tree.linked(cells, tree.USUAL[option], name)
        if place and (name is not None or option in ("phases", "mask")):
            raise FormatError(
                path,
                f"expected the {option.replace('_', ' ')} within the file; {place}, which is not followed: copy it "
                f"into the file, or name another array by the option {option} (--read {option}=NAME)",
                cells.name,
            )
        if name is not None and found[option] is None:
            raise FormatError(path, f"expected the array {name!r} (option {option}); got none", cells.name)
    arrays = {name: item for name, item in hdf5.members(cells).items() if isinstance(item, h5py.Dataset)}
    for name, components in ((name_q, 4), (name_e, 3)):
        if name is not None and arrays[name].shape != (*image.shape, components):
            raise FormatError(
                path,
                f"expected shape {(*image.shape, components)}; got {arrays[name].shape}",
                arrays[name].name,
            )
        if name is not None:
            hdf5.require_proportion(path, arrays[name])

    ids = None if name_i is None else _scalars(path, arrays[name_i], image.shape, np.int32)
    matrices = _ensembles(file, path, image, ensemble)
    if one_phase is not None:
        phase_ids = np.full(image.shape, one_phase, dtype=np.int32)
    elif name_p is not None:
        phase_ids = _scalars(path, arrays[name_p], image.shape, np.int32)
    else:
        phase_ids = _phases_unsaid(file, path, image, cells, ids, matrices, laue)
    field_phases = _phases(path, image, phase_ids, matrices, ensemble, laue, note)
    if phase_ids.min() < 0 or phase_ids.max() > len(field_phases):
        raise FormatError(
            path,
            f"expected phases 0 ... {len(field_phases)}; got {phase_ids.min()} ... {phase_ids.max()}",
            cells.name,
        )
    if name_m is not None:
        phase_ids = np.where(_scalars(path, arrays[name_m], image.shape, np.bool_), phase_ids, 0).astype(np.int32)
    elif name_e is not None:
        phase_ids = _without_marked(path, arrays[name_e], phase_ids, bool(degrees))
    q = _orientations(path, cells, name_q, name_e, phase_ids, field_phases, degrees)

    hdf5.warn_of_links(path, cells)
    properties = {
        name: values.reshape(image.shape) if values.shape[3:] == (1,) else values
        for name, item in arrays.items()
        if item.shape is not None
        and item.dtype.kind in "biuf"
        and item.shape[:3] == image.shape
        and name not in (name_q, name_e, name_p, name_i, name_m, *note.get("derived", ()))
        for values in (hdf5.contents(path, item),)
    }
    for name in properties:
        if "bool" in hdf5.attribute_text(arrays[name], "ObjectType"):
            properties[name] = properties[name].astype(np.bool_)
    if name_m is None:
        _doubt_negative_confidence(path, properties, phase_ids)
    if ids is not None:
        properties["FeatureIds"] = ids
    spacing, origin, scale = _lengths(image, note)
    provenance = dict(note.get("provenance", {}))
    if not note:
        provenance = {
            "source": path.name,
            "geometry": image.path,
            "FileVersion": hdf5.attribute_text(file, "FileVersion"),
        }
        provenance |= _pipeline(file, path)
        _doubt_h5oina(path, provenance.get("pipeline", ""), matrices, field_phases, phase_ids)
    if scale != 1.0:
        provenance["length scale to um"] = scale
    applied, chosen = Frame(), Frame("none", source="file")
    if "frame" in note:
        chosen = Frame(note["frame"]["name"], tuple(note["frame"]["map_to_euler"]), note["frame"]["source"])
    asked = chosen if frame is None else reference_frames.choose(frame, None, "none", path.name)
    if frame is not None and "turned by" in provenance and asked.name != "none":
        warn(
            f"{path}: the pipeline that is stored in it turned the map already ({', '.join(provenance['turned by'])}); "
            f"frame {asked.name!r} is applied on top of that"
        )
    if frame is not None and not ("frame" in note and asked.name == chosen.name != "custom"):
        if "frame" in note:
            warn(
                f"{path}: its orientations were brought from frame {chosen.name!r} into that of the map when polyrve "
                f"wrote it; frame {asked.name!r} is applied on top of that"
            )
        q, chosen, applied = asked.apply(q), asked, asked
    try:
        whole = OrientationVolume(
            quaternions=q,
            phase_ids=phase_ids,
            phases=field_phases,
            spacing=spacing,
            origin=origin,
            frame=chosen,
            periodic=bool(note.get("periodic", False)) and _fits(note, image.shape),
            properties=properties,
            provenance=provenance,
        )
    except ValueError as error:
        raise FormatError(path, str(error), cells.name) from None
    if image.shape[0] > 1 or volume:
        return whole, image, applied
    return whole.section(0, 0), image, applied


def _number(value: str | int) -> int | None:
    """A phase number that may stand for the name of an array."""
    return int(value) if str(value).isdecimal() and 0 < int(value) < 1 << 31 else None


def _scalars(path: Path, item: h5py.Dataset, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    if item.shape is None or item.size != int(np.prod(shape)):
        raise FormatError(path, f"expected shape {shape}; got {item.shape}", item.name)
    return np.asarray(hdf5.contents(path, item).reshape(shape), dtype=dtype)


def _pipeline(file: h5py.File, path: Path) -> dict[str, Any]:
    """The pipeline that is stored in a file, and the filters of it that turned the map, for provenance."""
    pipeline = hdf5.get(file["/"], "Pipeline/Pipeline")
    if not isinstance(pipeline, h5py.Dataset) or pipeline.shape != ():
        return {}
    text = hdf5.strings(path, pipeline)[0]
    turned = turning_filters(text)
    return {"pipeline": text, **({"turned by": turned} if turned else {})}


def _doubt_h5oina(
    path: Path, pipeline: str, matrices: Sequence[h5py.Group], phases: Sequence[Phase], phase_ids: np.ndarray
) -> None:
    """Warn of orientations that DREAM3D-NX 7.0 to 7.4, whose files have lattice angles in rad, read from .h5oina."""
    constants = (hdf5.get(matrix, "LatticeConstants") for matrix in matrices)
    tables = [
        hdf5.contents(path, item) for item in constants if isinstance(item, h5py.Dataset) and item.shape[1:] == (6,)
    ]
    if not any(angle_units.is_lattice_in_rad(row[3:]) for table in tables for row in table[1:]):
        return
    hexagonal = any(phases[number - 1].laue == "6/mmm" for number in np.unique(phase_ids[phase_ids > 0]))
    for wrong in misread_h5oina(pipeline, hexagonal):
        warn(f"{path}: DREAM3D-NX 7.0 to 7.4 read it from an .h5oina file, and {wrong}: read the .h5oina file itself")


def _without_marked(path: Path, eulers: h5py.Dataset, phase_ids: np.ndarray, degrees: bool) -> np.ndarray:
    """Phases with 0 where all three angles are 4 pi, which is how EDAX marks points that are not indexed."""
    hdf5.check_size(path, eulers)
    marked, mark = np.zeros(phase_ids.shape, dtype=bool), np.rad2deg(UNINDEXED_ANGLE) if degrees else UNINDEXED_ANGLE
    for i, layer in enumerate(eulers):
        marked[i] = (np.abs(layer - mark) < 1e-4 * mark).all(axis=-1)
    marked &= phase_ids > 0
    if not marked.any():
        return phase_ids
    warn(
        f"{path}, {eulers.name}: {int(marked.sum())} of {marked.size} points have angles of 4 pi and no mask; they are "
        "taken as not indexed"
    )
    return np.where(marked, 0, phase_ids).astype(np.int32)


def _doubt_negative_confidence(path: Path, properties: Mapping[str, np.ndarray], phase_ids: np.ndarray) -> None:
    """Warn of points that are indexed though EDAX's confidence index says that they are not, where there is no mask."""
    for name in ("Confidence Index", "CI"):
        values = properties.get(name)
        if values is not None and values.shape == phase_ids.shape and (count := int((values[phase_ids > 0] < 0).sum())):
            warn(
                f"{path}: {count} of {values.size} points have {name} below 0, EDAX's mark of points that are not "
                "indexed, and the file has no mask: they are taken as indexed"
            )


def _orientations(
    path: Path,
    cells: h5py.Group,
    name_q: str | None,
    name_e: str | None,
    phase_ids: np.ndarray,
    phases: tuple[Phase, ...],
    degrees: bool | None,
) -> np.ndarray:
    indexed = phase_ids > 0
    q = tree.double(path, cells, name_q, DOUBLE_CELL)
    if q is not None:
        return q
    if name_q is not None:
        q = tree.scalar_first(hdf5.array(path, cells, name_q))
        norm = np.linalg.norm(q, axis=-1)
        if name_e is not None and (~(np.abs(norm - 1.0) < 1e-3) & indexed).any():
            q = None
        elif name_e is not None and not _agree(q, cells[name_e], phase_ids, phases, bool(degrees)):
            warn(
                f"{path}, {cells.name}: {name_q} and {name_e} disagree; {name_e} taken "
                f"(the option quaternions={name_q!r} takes the other)"
            )
            q = None
        if q is not None:
            q[~indexed] = (1.0, 0.0, 0.0, 0.0)
            return q
    angles = hdf5.array(path, cells, str(name_e))
    where = f"{cells.name}/{name_e}"
    if not np.isfinite(angles[indexed]).all():
        raise FormatError(path, "expected finite Euler angles at every indexed point", where)
    flat = angle_units.euler_in_rad(
        path, angles.reshape(-1, 3), indexed.ravel(), degrees=degrees, usual="rad", where=where
    )
    q = np.empty((*angles.shape[:3], 4))
    for i, layer in enumerate(flat.reshape(angles.shape)):
        q[i] = rotation.from_euler(np.where(indexed[i][..., None], layer, 0.0))
    return q


def _agree(
    q: np.ndarray, eulers: h5py.Dataset, phase_ids: np.ndarray, phases: tuple[Phase, ...], degrees: bool
) -> bool:
    """Whether the two arrays hold the same orientations, up to symmetry, on a few thousand points of three layers."""
    for i in sorted({0, len(q) // 2, len(q) - 1}):
        angles = eulers[i].astype(np.float64)
        angles = np.deg2rad(angles) if degrees else angles
        step = max(1, angles.shape[0] * angles.shape[1] // 2000)
        other = rotation.from_euler(angles.reshape(-1, 3)[::step])
        one, ids = q[i].reshape(-1, 4)[::step], phase_ids[i].ravel()[::step]
        for k, phase in enumerate(phases, start=1):
            here = ids == k
            if (rotation.disorientation_angle(one[here], other[here], phase.symmetry) > 2e-3).any():
                return False
    return True


def _lengths(image: tree.Image, note: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """Spacing and origin in um, and the factor applied.

    DREAM.3D gives every geometry the unit metre unless somebody sets another, while EBSD readers fill in um:
    metres are believed only below 1e-3, which no EBSD spacing in um can be.
    """
    units = image.units
    if units is None or units == _METRE:
        units = _METRE if min(image.spacing) < 1e-3 else MICROMETRE
    scale = _MICROMETRES.get(units, 1.0)
    spacing, origin = (tuple(value * scale for value in values) for values in (image.spacing, image.origin))
    if _same_single(note.get("spacing", ()), spacing) and _same_single(note.get("origin", ()), origin):
        spacing, origin = tuple(note["spacing"]), tuple(note["origin"])
    return spacing, origin, scale


def _same_single(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether two tuples of numbers are the same in single precision."""
    return np.array_equal(np.array(a, dtype=np.float32), np.array(b, dtype=np.float32))


def _ensembles(file: h5py.File, path: Path, image: tree.Image, ensemble: str | None) -> list[h5py.Group]:
    """The matrices with crystal structures, those of the geometry first."""
    inside = image if ensemble is None else replace(image, others=())
    groups = [
        group for group in tree.matrices(file, inside) if ensemble is None or group.name.rsplit("/", 1)[1] == ensemble
    ]
    known = [group for group in groups if hdf5.has(group, "CrystalStructures")]
    if not known:
        for group in groups:
            if place := tree.linked(group, ("CrystalStructures",)):
                raise FormatError(
                    path, f"expected crystal structures within the file; {place}, which is not followed", group.name
                )
    return known


def _phases_unsaid(
    file: h5py.File,
    path: Path,
    image: tree.Image,
    cells: h5py.Group,
    ids: np.ndarray | None,
    matrices: Sequence[h5py.Group],
    laue: str | Sequence[str] | None,
) -> np.ndarray:
    """Phases of the points where no array says them: 1 in a file of one phase, else those of the features."""
    several = len(laue) if laue is not None and not isinstance(laue, str) else 0
    several = max([several, *(item.size - 1 for group in matrices[:1] for item in (group["CrystalStructures"],))])
    if several <= 1:
        return np.ones(image.shape, dtype=np.int32)
    by_feature = None if ids is None else dream3d_grains.phases_of_features(file, path, image, ids)
    if by_feature is None:
        raise FormatError(
            path,
            f"expected the phase of every point ({' or '.join(tree.USUAL['phases'])}), for the file has {several} "
            "phases; got none: name the array, or the one phase of all points, by the option phases "
            "(--read phases=NAME)",
            cells.name,
        )
    warn(f"{path}, {cells.name}: no phases of the points; those of the features are taken")
    return by_feature


def _phases(
    path: Path,
    image: tree.Image,
    phase_ids: np.ndarray,
    known: Sequence[h5py.Group],
    ensemble: str | None,
    laue: str | Sequence[str] | None,
    note: Mapping[str, Any],
) -> tuple[Phase, ...]:
    needed = int(phase_ids.max())
    given = None if laue is None else [laue] * max(needed, 1) if isinstance(laue, str) else list(laue)
    sizes = [int(group["CrystalStructures"].size or 0) for group in known]
    matrix = next((group for group, size in zip(known, sizes, strict=True) if size > needed), None)
    if matrix is None and known and given is None:
        raise FormatError(path, f"expected phases 0 ... {sizes[0] - 1}; got {needed}", known[0].name)
    if matrix is None:
        if ensemble is not None:
            raise FormatError(path, f"expected CrystalStructures of {needed} phases in {ensemble!r}; got none")
        if given is None:
            warn(
                f"{path}: no crystal structures of {image.path}; m-3m taken for all phases "
                "(the option laue sets them: --read laue=6/mmm)"
            )
            given = ["m-3m"] * max(needed, 1)
        return tuple(Phase(f"Phase {i}", group) for i, group in enumerate(given, start=1))
    numbers = hdf5.array(path, matrix, "CrystalStructures").ravel()[1:]
    hdf5.warn_of_links(path, matrix)
    usual = (f"Phase {i}" for i in range(len(numbers) + 1))
    texts = (hdf5.get(matrix, name) for name in ("PhaseName", "MaterialName"))
    text = next((item for item in texts if isinstance(item, h5py.Dataset) and item.dtype.kind in "SO"), None)
    names = [*(hdf5.strings(path, text) if text is not None else usual)][1:]
    constants = hdf5.get(matrix, "LatticeConstants")
    lattices = None
    if isinstance(constants, h5py.Dataset) and constants.shape == (len(numbers) + 1, 6):
        lattices = hdf5.array(path, matrix, "LatticeConstants").astype(np.float64)[1:]
    phases = []
    for i, number in enumerate(numbers):
        if given is not None and i < len(given):
            group = given[i]
        elif number < len(CRYSTAL_STRUCTURES):
            group = CRYSTAL_STRUCTURES[number]
        elif i < needed and not (phase_ids == i + 1).any():
            group = "-1"
        elif i < needed:
            raise FormatError(
                path,
                f"expected a crystal structure 0 ... {len(CRYSTAL_STRUCTURES) - 1} of phase {i + 1}; got {number} "
                "(the option laue sets it: --read laue=6/mmm)",
                matrix.name,
            )
        else:
            continue
        name = names[i].strip() or f"Phase {i + 1}"
        if lattices is None:
            phases.append(Phase(name, group))
            continue
        a, b, c, *angles = lattices[i].tolist()
        angles = angle_units.lattice_in_degrees(path, angles, where=f"{matrix.name}/LatticeConstants, phase {i + 1}")
        phases.append(Phase(name, group, (a, b, c, *angles)))
    written = [Phase(**{**row, "lattice": tuple(row["lattice"])}) for row in note.get("phases", ())]
    same = len(written) == len(phases) and all(
        (a.name, a.laue) == (b.name, b.laue) and _same_single(a.lattice, b.lattice)
        for a, b in zip(written, phases, strict=True)
    )
    return tuple(written if same else phases)


def _note(file: h5py.File, path: Path, image: tree.Image) -> dict[str, Any]:
    """What polyrve wrote beside the arrays of this geometry, empty for those of other programs."""
    name = image.path.rsplit("/", 1)[1]
    for group in tree.matrices(file, image):
        kept = hdf5.get(group, NOTE) if group.name.endswith("/" + NOTE_GROUP) else None
        if isinstance(kept, h5py.Dataset):
            texts = hdf5.strings(path, kept)
            try:
                note = json.loads(texts[0])
            except (ValueError, IndexError):
                return {}
            inside = group.parent.name == image.path
            return note if isinstance(note, dict) and (inside or note.get("geometry", name) == name) else {}
    return {}


def _fits(note: Mapping[str, Any], shape: tuple[int, ...]) -> bool:
    """Whether a note was written for this number of points; notes of earlier versions do not say it."""
    written = tuple(note.get("shape", shape))
    return written == shape[-len(written) :]
