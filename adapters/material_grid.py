"""What a solver's input is written from: voxels with material ids 1 ... N, each an orientation of a phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from polyrve.adapters.warned import warn
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure import grains, segmentation
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.microstructure.resolution import majority

AXES = "zyx"
_SMALLEST = 1e-4
"""Micrometres, the width of an atom: a smaller voxel is one whose size is in another unit."""
_TINY = 2
"""Voxels of a grain that has no inside and no shape in a grid; validation counts the same grains as specks."""


@dataclass(frozen=True, eq=False)
class MaterialGrid:
    """Voxels of a volume, ready for a solver: every voxel has a material, every material a voxel.

    Attributes
    ----------
    ids : ndarray, shape (nz, ny, nx), int32
        Material of each voxel, 1 ... N without gaps.
    quaternions : ndarray, shape (N, 4), float64
        Orientation of material i at row i - 1, as in :mod:`polyrve.crystallography.rotation`.
    phase_ids : ndarray, shape (N,), int32
        Phase of material i at row i - 1, an index to `phases` from 1.
    phases : tuple of Phase
    spacing : tuple of float, um
        dz, dy, dx.
    origin : tuple of float, um
        Corner of the first voxel: z, y, x.
    by : str
        ``"grain"`` or ``"voxel"``: what the materials are.
    seams : str
        Axes out of ``"xyz"`` along which opposite faces neither continue each other nor are kept apart.
    """

    ids: np.ndarray
    quaternions: np.ndarray
    phase_ids: np.ndarray
    phases: tuple[Phase, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]
    by: str
    seams: str

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of voxels nz, ny, nx."""
        return self.ids.shape

    @property
    def size(self) -> tuple[float, ...]:
        """Edge lengths in um along z, y, x."""
        return tuple(n * d for n, d in zip(self.shape, self.spacing, strict=True))

    def members(self) -> Iterator[np.ndarray]:
        """Yield the voxels of material 1, 2, ..., N: their numbers from 0, x fastest, in rising order."""
        order = np.argsort(self.ids, axis=None, kind="stable")
        end = 0
        for count in np.bincount(self.ids.ravel(), minlength=len(self.quaternions) + 1)[1:]:
            start, end = end, end + count
            yield order[start:end]


def material_grid(
    data: OrientationField | GrainMap | GrainVolume | CellVolume,
    *,
    by: str = "grain",
    fill: bool = False,
    min_grain: int = 1,
) -> MaterialGrid:
    """Return the materials of a map or a volume.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap, GrainVolume or CellVolume
        A map becomes one layer, as thick as its points are wide. Where there are no grains yet, feature ids
        of the source (``properties["FeatureIds"]``) make them, or else a segmentation with the usual
        tolerance.
    by : {"grain", "voxel"}
        One material per grain with its mean orientation, or one per voxel.
    fill : bool
        Whether voxels without orientation or grain are given to the nearest one that has; they are refused
        otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Returns
    -------
    MaterialGrid

    Raises
    ------
    ValueError
        If voxels are not indexed or in no grain and `fill` is not given, a grain has points of several phases, no grain
        has `min_grain` voxels, or the spacing is so small that it must be in metres.

    Warns
    -----
    UserWarning
        If most grains have one or two voxels, and `min_grain` is 1.
    """
    if by not in ("grain", "voxel"):
        raise ValueError(f"by: expected 'grain' or 'voxel'; got {by!r}")
    if min_grain < 1 or (min_grain > 1 and by == "voxel"):
        raise ValueError(f"min_grain: expected 1 or more voxels, and 1 where by is 'voxel'; got {min_grain}")
    if isinstance(data, CellVolume) and by == "voxel":
        data = data.whole()
    field = data.field if isinstance(data, (GrainMap, GrainVolume)) else data
    spacing, origin = field.spacing, field.origin
    if min(spacing) < _SMALLEST:
        raise ValueError(
            f"spacing: expected um; got {min(spacing):g}, which is less than an atom is wide: is it in metres?"
        )
    if isinstance(field, OrientationMap):
        spacing, origin = (min(spacing), *spacing), (0.0, *origin)
    if isinstance(data, CellVolume):
        ids, quaternions, phase_ids = data.grain_ids(0, len(data.labels)), data.grain_quaternions, data.grain_phases
    elif by == "voxel" and not isinstance(field, CellVolume):
        ids = np.where(field.indexed, np.arange(1, field.indexed.size + 1).reshape(field.shape), 0).astype(np.int32)
        quaternions, phase_ids = field.quaternions.reshape(-1, 4), field.phase_ids.ravel()
    else:
        if isinstance(data, OrientationField):
            data = by_feature_ids(data) if "FeatureIds" in data.properties else segmentation.segment(data)  # type: ignore[call-overload]
        ids, quaternions, phase_ids = data.grain_ids, data.quaternions, data.phase_ids
    if isinstance(field, OrientationMap):
        ids = ids[None]
    vacant = int((ids == 0).sum())
    if vacant and not fill:
        raise ValueError(
            f"every voxel needs an orientation: {vacant} of {ids.size} are not indexed or in no grain; "
            "the option fill (--set fill=true) gives them to the nearest grain"
        )
    if vacant == ids.size:
        raise ValueError("every voxel needs an orientation: none is indexed")
    if vacant:
        ids = _filled(ids, spacing, field.periodic)
    dissolved = by == "grain" and _dissolved(ids, min_grain)
    if dissolved is not False:
        ids = _filled(np.where(dissolved[ids], 0, ids), spacing, field.periodic)
    open_axes = [letter for letter, n in zip(AXES, ids.shape, strict=True) if n > 1 and not field.periodic]
    seams = "".join(sorted(open_axes))
    whole = MaterialGrid(ids, quaternions, phase_ids, field.phases, spacing, origin, by, seams)  # type: ignore[arg-type]
    return _without_gaps(whole) if dissolved is not False or (by == "voxel" and vacant) else whole


def by_feature_ids(field: OrientationField) -> GrainMap | GrainVolume:
    """Return the grains by the feature ids of the source, numbered anew without gaps."""
    ids = np.asarray(field.properties["FeatureIds"]).reshape(field.shape)
    if ids.min() < 0:
        raise ValueError(f"FeatureIds: expected 0 (no grain) or more; got {ids.min()}")
    ids = np.where(field.indexed, ids, 0)
    used, inverse = np.unique(ids, return_inverse=True)
    first = 0 if used[0] == 0 else 1
    ids = (inverse.reshape(ids.shape) + first).astype(np.int32)
    inside = ids > 0
    members, phase_of = ids[inside], field.phase_ids[inside]
    n = int(ids.max())
    phase_ids = np.zeros(n, dtype=np.int32)
    phase_ids[members - 1] = phase_of
    mixed = np.unique(members[phase_ids[members - 1] != phase_of])
    if len(mixed):
        raise ValueError(
            f"FeatureIds: expected one phase per grain; feature {used[mixed[0] - first]} has several, "
            f"and {len(mixed)} such features in all"
        )
    mean = grains.mean_orientations(field.quaternions[inside], members, phase_ids, field.phases)
    if isinstance(field, OrientationMap):
        return GrainMap(field, ids, mean, phase_ids)
    return GrainVolume(field, ids, mean, phase_ids)  # type: ignore[arg-type]


def _dissolved(ids: np.ndarray, min_grain: int) -> np.ndarray | Literal[False]:
    """Whether each id, 0 first, has fewer voxels than asked for; False where none has."""
    count = np.bincount(ids.ravel())
    tiny, n = int((count[1:] <= _TINY).sum()), int((count[1:] > 0).sum())
    if min_grain == 1 and n > 2 and 2 * tiny > n:
        warn(
            f"{tiny} of {n} grains have one or two voxels: the option min_grain (--set min_grain=4) gives their "
            "voxels to the grains beside them"
        )
    if count.max() < min_grain:
        raise ValueError(f"min_grain: expected at most {count.max()}, the voxels of the largest grain; got {min_grain}")
    small = (count < min_grain) & (count > 0)
    return small if small.any() else False


def _filled(ids: np.ndarray, spacing: Sequence[float], periodic: bool) -> np.ndarray:
    """Vacant voxels take the id of the nearest one that has an id."""
    from scipy.ndimage import distance_transform_edt

    margin = tuple((n // 2 if periodic else 0,) * 2 for n in ids.shape)
    padded = np.pad(ids, margin, mode="wrap")
    nearest = distance_transform_edt(padded == 0, sampling=spacing, return_distances=False, return_indices=True)
    inner = tuple(slice(a, a + n) for (a, _), n in zip(margin, ids.shape, strict=True))
    return padded[tuple(nearest)][inner]


def _without_gaps(whole: MaterialGrid) -> MaterialGrid:
    """The same voxels, materials without a voxel left out."""
    used, inverse = np.unique(whole.ids, return_inverse=True)
    return replace(
        whole,
        ids=(inverse.reshape(whole.shape) + 1).astype(np.int32),
        quaternions=whole.quaternions[used - 1],
        phase_ids=whole.phase_ids[used - 1],
    )


def resample(whole: MaterialGrid, shape: Sequence[int]) -> MaterialGrid:
    """Return the same volume in another number of voxels, each with the material that has the largest part of it.

    Parameters
    ----------
    whole : MaterialGrid
    shape : sequence of int, length 3
        nz, ny, nx.
    """
    ids = whole.ids.reshape(-1)[majority(whole.ids, shape)]
    spacing = tuple(length / n for length, n in zip(whole.size, shape, strict=True))
    return _without_gaps(replace(whole, ids=ids, spacing=spacing))


def columns(whole: MaterialGrid, number: int) -> MaterialGrid:
    """Repeat the layers along z: columns through the thickness (quasi-2D model of a map)."""
    if number < 1:
        raise ValueError(f"columns: expected 1 or more layers; got {number}")
    return replace(whole, ids=np.repeat(whole.ids, number, axis=0))


def mirror(whole: MaterialGrid, axes: str) -> MaterialGrid:
    """Continue the volume by its mirror image along axes, which makes it periodic.

    The image consists of the same grains: their shapes are mirrored, their orientations are kept, so that no
    boundary appears on the mirror plane.

    Parameters
    ----------
    whole : MaterialGrid
    axes : str
        Letters out of ``"xyz"``.
    """
    _check_axes("mirror", axes)
    ids = whole.ids
    for letter in axes:
        axis = AXES.index(letter)
        ids = np.concatenate([ids, np.flip(ids, axis=axis)], axis=axis)
    return replace(whole, ids=ids, seams=_without(whole.seams, axes))


def buffer(whole: MaterialGrid, thickness: int, axes: str, phase: Phase | None = None, seed: int = 0) -> MaterialGrid:
    """Add a layer behind the last voxels that keeps the periodic images of the volume apart.

    The layer is a random polycrystal of single voxels with uniformly distributed orientations.

    Parameters
    ----------
    whole : MaterialGrid
    thickness : int
        Number of voxels.
    axes : str
        Letters out of ``"xyz"``.
    phase : Phase, optional
        Phase of the layer; the one with most voxels by default.
    seed : int
        Of the random orientations.
    """
    _check_axes("buffer", axes)
    if thickness < 1:
        raise ValueError(f"buffer: expected 1 or more voxels; got {thickness}")
    phases = whole.phases
    if phase is None:
        number = int(np.bincount(whole.phase_ids[whole.ids.ravel() - 1]).argmax())
    else:
        phases, number = (*phases, phase), len(phases) + 1
    padded = np.pad(whole.ids, [(0, thickness if letter in axes else 0) for letter in AXES])
    layer = padded == 0
    n = len(whole.quaternions)
    rng = np.random.default_rng(seed)
    random = rotation.random_orientations(min(int(layer.sum()), 1024), rng)
    padded[layer] = n + 1 + np.arange(int(layer.sum())) % len(random)
    return replace(
        whole,
        ids=padded,
        quaternions=np.concatenate([whole.quaternions, random]),
        phase_ids=np.concatenate([whole.phase_ids, np.full(len(random), number, dtype=np.int32)]),
        phases=phases,
        seams=_without(whole.seams, axes),
    )


def warn_of_seams(whole: MaterialGrid, path: str | Path, remedy: str = "") -> None:
    """Warn that a solver that repeats the volume finds boundaries at its faces which the material does not have.

    Parameters
    ----------
    whole : MaterialGrid
    path : path-like
        What is written.
    remedy : str
        What to do about it, appended to the sentence.
    """
    if whole.seams:
        warn(
            f"{path}: expected a periodic volume; its opposite faces do not fit along {', '.join(whole.seams)}, and "
            f"are grain boundaries to a solver that repeats it{remedy}"
        )


def _without(letters: str, others: str) -> str:
    return "".join(letter for letter in letters if letter not in others)


def _check_axes(option: str, axes: str) -> None:
    if not axes or set(axes) - set(AXES) or len(set(axes)) != len(axes):
        raise ValueError(f"{option}: expected axes out of 'xyz', each once; got {axes!r}")


def as_volume(field: OrientationField) -> OrientationVolume:
    """Return a map as a volume of one layer, as thick as its points are wide; a volume as it is."""
    if isinstance(field, OrientationVolume):
        return field
    return OrientationVolume(
        quaternions=field.quaternions[None],
        phase_ids=field.phase_ids[None],
        phases=field.phases,
        spacing=(min(field.spacing), *field.spacing),
        origin=(0.0, *field.origin),
        frame=field.frame,
        periodic=field.periodic,
        properties={name: values[None] for name, values in field.properties.items()},
        provenance=field.provenance,
    )
