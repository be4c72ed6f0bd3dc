"""DREAM.3D files: versions 6 and 7 (SIMPL, DREAM.3D 6.x) and 8 (simplnx, DREAM3D-NX).

Specification: the readers and writers of simplnx (https://github.com/BlueQuartzSoftware/simplnx) and SIMPL
(https://github.com/BlueQuartzSoftware/SIMPL). Arrays are (z, y, x, component); dimensions, spacing and origin
are stored as x, y, z; quaternions as x, y, z, w with the sign of :mod:`polyrve.crystallography.rotation`; Euler angles are
Bunge's in rad.

An image geometry of one layer (nz = 1) is read as a map, every other one as a volume; ``volume=True`` keeps the layer.
What polyrve writes is read back exactly: beside the single-precision arrays that DREAM.3D needs the file holds the
orientations in double precision (in the root group ``polyrve``, which DREAM.3D passes over), and a string array with
provenance, frame, phases and spacing. DREAM.3D has no unit but the geometry's, which nobody sets: lengths are taken as
um, unless the file names another unit than the metre, or is in metres and has voxels below 1e-3 (then they are metres).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.registry import FormatError
from polyrve.adapters.volumes import dream3d_tree as tree
from polyrve.adapters.volumes.dream3d_write import (
    CRYSTAL_STRUCTURES,
    DOUBLE_CELL,
    DOUBLE_GRAIN,
    MICROMETRE,
    NOTE,
    NOTE_GROUP,
    write,
)
from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume

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
    phases: str | None = None,
    feature_ids: str | None = None,
    mask: str | bool | None = None,
    laue: str | Sequence[str] | None = None,
    degrees: bool = False,
    volume: bool = False,
) -> OrientationMap | OrientationVolume:
    """Read the orientations of an image geometry.

    Every name is looked for under its usual spellings; the options say which one to take where a file holds
    several or uses another name.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map, a name of :data:`polyrve.crystallography.reference_frames.PRESETS`. DREAM.3D's own readers bring
        both into one frame; so none is applied by default. A file that polyrve wrote holds orientations in the map
        frame: its own frame is not applied again, another comes on top of it, with a warning.
    geometry : str, optional
        Name or path of the geometry (data container); needed where several hold orientations.
    cell_data, ensemble : str, optional
        Names of the attribute matrices of cells and of phases.
    quaternions, eulers, phases, feature_ids : str, optional
        Names of the cell arrays. Quaternions are preferred to Euler angles, unless `eulers` is given or they
        disagree.
    mask : str or bool, optional
        Name of the boolean cell array whose false points are taken as not indexed; False ignores the usual
        ones.
    laue : str or sequence of str, optional
        Laue group of all phases, or of each: for files without crystal structures.
    degrees : bool
        Whether the Euler angles are in degrees (the format asks for rad).
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
        If it is no .dream3d file of version 6, 7 or 8, or holds no orientations under the names looked for.
    """
    with _open(path) as file:
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
    with _open(path) as file:
        found = _read_field(file, path, volume=volume, **options)
        return _grains(file, path, *found, feature_data, degrees=options.get("degrees", False))


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
    with _open(path) as file:
        found = _read_field(file, path, **options)
        try:
            return _grains(file, path, *found, degrees=options.get("degrees", False))
        except FormatError:
            return found[0]


def _grains(
    file: h5py.File,
    path: str | Path,
    field: OrientationMap | OrientationVolume,
    image: tree.Image,
    applied: Frame,
    feature_data: str | None = None,
    *,
    degrees: bool,
) -> GrainMap | GrainVolume:
    try:
        grain_ids = field.properties["FeatureIds"]
    except KeyError:
        raise FormatError(
            path,
            f"expected feature ids (one of {', '.join(tree.USUAL['feature_ids'])}); got none",
            image.path,
        ) from None
    count = int(grain_ids.max()) + 1
    matrix = tree.feature_matrix(file, path, image, count, feature_data)
    where = matrix.name
    double = _double(matrix, tree.find(matrix, tree.USUAL["grain_quaternions"]), DOUBLE_GRAIN)
    found = tree.find(matrix, tree.USUAL["grain_eulers"])
    if double is not None:
        mean = double[1:]
    elif (name := tree.find(matrix, tree.USUAL["grain_quaternions"])) is not None:
        mean = _scalar_first(matrix[name][1:])
    elif found is not None:
        angles = np.asarray(matrix[found][1:], dtype=np.float64)
        mean = rotation.from_euler(np.deg2rad(angles) if degrees else angles)
    else:
        raise FormatError(path, "expected AvgQuats or AvgEulerAngles; got neither", where)
    name = tree.find(matrix, tree.USUAL["phases"])
    if name is None:
        raise FormatError(path, "expected the array Phases; got none", where)
    phase_ids = np.asarray(matrix[name]).reshape(count)[1:]
    mean = applied.apply(mean)
    grain_ids = np.where(field.indexed, grain_ids, 0).astype(np.int32)
    properties = {name: values for name, values in field.properties.items() if name != "FeatureIds"}
    field = field.evolve(properties=properties)
    try:
        if isinstance(field, OrientationMap):
            return GrainMap(field, grain_ids, mean, phase_ids)
        return GrainVolume(field, grain_ids, mean, phase_ids)
    except ValueError as error:
        raise FormatError(path, str(error), where) from None


@contextmanager
def _open(path: str | Path) -> Iterator[h5py.File]:
    with hdf5.opened(Path(path)) as file:
        hdf5.check_sizes(Path(path), file)
        yield file


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
    phases: str | None = None,
    feature_ids: str | None = None,
    mask: str | bool | None = None,
    laue: str | Sequence[str] | None = None,
    degrees: bool = False,
    volume: bool = False,
) -> tuple[OrientationMap | OrientationVolume, tree.Image, Frame]:
    """The field, its geometry, and the frame that was applied to the orientations."""
    image, cells = tree.choose(file, path, geometry, cell_data, {"quaternions": quaternions, "eulers": eulers})
    note = _note(file, path, image)
    name_q = None if eulers is not None else tree.find(cells, tree.USUAL["quaternions"], quaternions)
    name_e = None if quaternions is not None else tree.find(cells, tree.USUAL["eulers"], eulers)
    name_p = tree.find(cells, tree.USUAL["phases"], phases)
    name_i = tree.find(cells, tree.USUAL["feature_ids"], feature_ids)
    name_m = None if mask is False else tree.find(cells, tree.USUAL["mask"], mask if isinstance(mask, str) else None)
    for option, given, found in (
        ("quaternions", quaternions, name_q), ("eulers", eulers, name_e), ("phases", phases, name_p),
        ("feature_ids", feature_ids, name_i), ("mask", mask if isinstance(mask, str) else None, name_m),
    ):  # fmt: skip
        if given is not None and found is None:
            raise FormatError(path, f"expected the array {given!r} (option {option}); got none", cells.name)
    for name, components in ((name_q, 4), (name_e, 3)):
        if name is not None and cells[name].shape != (*image.shape, components):
            raise FormatError(
                path,
                f"expected shape {(*image.shape, components)}; got {cells[name].shape}",
                cells[name].name,
            )

    phase_ids = (
        np.ones(image.shape, dtype=np.int32) if name_p is None else _scalars(cells[name_p], image.shape, np.int32)
    )
    field_phases = _phases(file, path, image, phase_ids, ensemble, laue, note)
    if phase_ids.min() < 0 or phase_ids.max() > len(field_phases):
        raise FormatError(
            path,
            f"expected phases 0 ... {len(field_phases)}; got {phase_ids.min()} ... {phase_ids.max()}",
            cells.name,
        )
    if name_m is not None:
        phase_ids = np.where(_scalars(cells[name_m], image.shape, np.bool_), phase_ids, 0).astype(np.int32)
    q = _orientations(path, cells, name_q, name_e, phase_ids, field_phases, degrees)

    properties = {
        name: item[()].reshape(image.shape) if item.shape[3:] == (1,) else item[()]
        for name, item in cells.items()
        if isinstance(item, h5py.Dataset)
        and item.dtype.kind in "biuf"
        and item.shape[:3] == image.shape
        and name not in (name_q, name_e, name_p, name_i, name_m, *note.get("derived", ()))
    }
    for name in properties:
        if "bool" in tree.attribute(cells[name], "ObjectType"):
            properties[name] = properties[name].astype(np.bool_)
    if name_i is not None:
        properties["FeatureIds"] = _scalars(cells[name_i], image.shape, np.int32)
    spacing, origin, scale = _lengths(image, note)
    provenance = dict(note.get("provenance", {}))
    if not note:
        provenance = {
            "source": Path(path).name,
            "geometry": image.path,
            "FileVersion": tree.attribute(file, "FileVersion"),
        }
        pipeline = file.get("Pipeline/Pipeline")
        if isinstance(pipeline, h5py.Dataset) and pipeline.shape == ():
            provenance["pipeline"] = hdf5.strings(Path(path), pipeline)[0]
    if scale != 1.0:
        provenance["length scale to um"] = scale
    applied, chosen = Frame(), Frame("none", source="file")
    if "frame" in note:
        chosen = Frame(note["frame"]["name"], tuple(note["frame"]["map_to_euler"]), note["frame"]["source"])
    asked = chosen if frame is None else reference_frames.choose(frame, None, "none", Path(path).name)
    if frame is not None and not ("frame" in note and asked.name == chosen.name != "custom"):
        if "frame" in note:
            warnings.warn(
                f"{path}: its orientations were brought from frame {chosen.name!r} into that of the map when polyrve "
                f"wrote it; frame {asked.name!r} is applied on top of that",
                stacklevel=4,
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


def _scalars(item: h5py.Dataset, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    return np.asarray(item[()].reshape(shape), dtype=dtype)


def _scalar_first(xyzw: np.ndarray) -> np.ndarray:
    return np.roll(np.asarray(xyzw, dtype=np.float64), 1, axis=-1)


def _double(group: h5py.Group, single: str | None, double: str) -> np.ndarray | None:
    """The orientations in double precision, unless the single-precision array was changed since."""
    if single is None or double not in group.file or group.file[double].shape != group[single].shape:
        return None
    q = np.empty(group[single].shape)
    for i, block in enumerate(group.file[double]):
        if not np.array_equal(block.astype(np.float32), group[single][i]):
            return None
        q[i] = _scalar_first(block)
    return q


def _orientations(
    path: str | Path,
    cells: h5py.Group,
    name_q: str | None,
    name_e: str | None,
    phase_ids: np.ndarray,
    phases: tuple[Phase, ...],
    degrees: bool,
) -> np.ndarray:
    indexed = phase_ids > 0
    q = _double(cells, name_q, DOUBLE_CELL)
    if q is not None:
        return q
    if name_q is not None:
        q = _scalar_first(cells[name_q][()])
        norm = np.linalg.norm(q, axis=-1)
        if name_e is not None and (~(np.abs(norm - 1.0) < 1e-3) & indexed).any():
            q = None
        elif name_e is not None and not _agree(q, cells[name_e], phase_ids, phases, degrees):
            warnings.warn(
                f"{path}, {cells.name}: {name_q} and {name_e} disagree; {name_e} taken "
                f"(the option quaternions={name_q!r} takes the other)",
                stacklevel=2,
            )
            q = None
        if q is not None:
            q[~indexed] = (1.0, 0.0, 0.0, 0.0)
            return q
    angles = cells[name_e][()]
    angles = np.deg2rad(angles.astype(np.float64)) if degrees else angles
    if not degrees and indexed.any():
        largest = float(np.abs(angles[indexed]).max())
        if largest > 4.0 * np.pi + 1e-3:
            raise FormatError(
                path,
                f"expected Euler angles in rad; got {largest:.6g} (the option degrees takes degrees: "
                "--read degrees=true)",
                cells[name_e].name,
            )
    if not np.isfinite(angles[indexed]).all():
        raise FormatError(path, "expected finite Euler angles at every indexed point", cells[name_e].name)
    q = np.empty((*angles.shape[:3], 4))
    for i, layer in enumerate(angles):
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


def _phases(
    file: h5py.File,
    path: str | Path,
    image: tree.Image,
    phase_ids: np.ndarray,
    ensemble: str | None,
    laue: str | Sequence[str] | None,
    note: Mapping[str, Any],
) -> tuple[Phase, ...]:
    needed = int(phase_ids.max())
    given = None if laue is None else [laue] * max(needed, 1) if isinstance(laue, str) else list(laue)
    known = [
        group
        for group in tree.matrices(file, image if ensemble is None else replace(image, others=()))
        if "CrystalStructures" in group and (ensemble is None or group.name.rsplit("/", 1)[1] == ensemble)
    ]
    matrix = next((group for group in known if len(group["CrystalStructures"]) > needed), None)
    if matrix is None and known and given is None:
        length = len(known[0]["CrystalStructures"])
        raise FormatError(path, f"expected phases 0 ... {length - 1}; got {needed}", known[0].name)
    if matrix is None:
        if ensemble is not None:
            raise FormatError(path, f"expected CrystalStructures of {needed} phases in {ensemble!r}; got none")
        if given is None:
            warnings.warn(
                f"{path}: no crystal structures of {image.path}; m-3m taken for all phases "
                "(the option laue sets them: --read laue=6/mmm)",
                stacklevel=2,
            )
            given = ["m-3m"] * max(needed, 1)
        return tuple(Phase(f"Phase {i}", group) for i, group in enumerate(given, start=1))
    numbers = np.asarray(matrix["CrystalStructures"]).ravel()[1:]
    names = next(
        (hdf5.strings(Path(path), matrix[name]) for name in ("PhaseName", "MaterialName") if hdf5.has(matrix, name)),
        [f"Phase {i}" for i in range(len(numbers) + 1)],
    )[1:]
    lattices = np.asarray(matrix["LatticeConstants"], dtype=np.float64)[1:] if "LatticeConstants" in matrix else None
    if lattices is not None and lattices.shape != (len(numbers), 6):
        lattices = None
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
        phases.append(Phase(name, group) if lattices is None else Phase(name, group, tuple(lattices[i].tolist())))
    written = [Phase(**{**row, "lattice": tuple(row["lattice"])}) for row in note.get("phases", ())]
    same = len(written) == len(phases) and all(
        (a.name, a.laue) == (b.name, b.laue) and _same_single(a.lattice, b.lattice)
        for a, b in zip(written, phases, strict=True)
    )
    return tuple(written if same else phases)


def _note(file: h5py.File, path: str | Path, image: tree.Image) -> dict[str, Any]:
    """What polyrve wrote beside the arrays of this geometry, empty for those of other programs."""
    name = image.path.rsplit("/", 1)[1]
    for group in tree.matrices(file, image):
        if group.name.endswith("/" + NOTE_GROUP) and isinstance(group.get(NOTE), h5py.Dataset):
            texts = hdf5.strings(Path(path), group[NOTE])
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
