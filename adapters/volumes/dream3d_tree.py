"""Where a .dream3d file keeps what: its image geometries and the attribute matrices that belong to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from polyrve.adapters import hdf5
from polyrve.adapters.registry import FormatError

USUAL = {
    "quaternions": ("Quats", "Quaternions"),
    "eulers": ("EulerAngles", "Eulers", "Euler Angles", "Euler"),
    "phases": ("Phases", "Phase"),
    "feature_ids": ("FeatureIds", "GrainIds", "Feature Ids"),
    "mask": ("Mask", "GoodVoxels"),
    "grain_quaternions": ("AvgQuats",),
    "grain_eulers": ("AvgEulerAngles", "EulerAngles", "AvgEulers"),
}
"""Usual names of arrays, the likeliest first."""


@dataclass(frozen=True)
class Image:
    """An image geometry in a file; shape, spacing and origin in the order z, y, x; `others`: paths of further ones."""

    path: str
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    units: int | None
    cells: tuple[str, ...]
    others: tuple[str, ...] = ()


def _is_cell_matrix(group: Any, shape: tuple[int, ...]) -> bool:
    """Whether a group holds arrays with a tuple for every cell."""
    return isinstance(group, h5py.Group) and any(
        isinstance(item, h5py.Dataset) and item.shape is not None and item.shape[:3] == shape
        for item in hdf5.members(group).values()
    )


def _images(file: h5py.File, path: str | Path) -> list[Image]:
    version = hdf5.attribute_text(file, "FileVersion")
    if version == "8.0":
        return list(_images_v8(file, path))
    if version in ("6.0", "7.0"):
        return list(_images_v7(file, path))
    raise FormatError(path, f"expected FileVersion 6.0, 7.0 or 8.0; got {version or 'none'!r}")


def _images_v8(file: h5py.File, path: str | Path) -> Iterator[Image]:
    for group in hdf5.groups_below(hdf5.group(Path(path), file, "DataStructure")):
        if hdf5.attribute_text(group, "ObjectType") != "ImageGeom":
            continue
        shape, spacing, origin = (_triple(path, group, name) for name in ("_DIMENSIONS", "_SPACING", "_ORIGIN"))
        linked = hdf5.attribute(group, "Cell Data ID")
        found = {name: item for name, item in hdf5.members(group).items() if _is_cell_matrix(item, shape)}
        matrices = sorted(found, key=lambda name: hdf5.attribute(found[name], "ObjectId") != linked)
        units = next((int(value) for value in hdf5.attribute(group, "Units") if isinstance(value, int)), None)
        yield Image(group.name, shape, spacing, origin, units, tuple(matrices))


def _triple(path: str | Path, group: h5py.Group, name: str) -> tuple[Any, Any, Any]:
    """Three numbers that a geometry has as an attribute, in the order z, y, x."""
    values = hdf5.attribute(group, name)
    if len(values) != 3 or not all(isinstance(value, (int, float)) for value in values):
        raise FormatError(path, f"expected three numbers as attribute {name}; got {values[:3] or 'none'}", group.name)
    x, y, z = values
    return z, y, x


def _images_v7(file: h5py.File, path: str | Path) -> Iterator[Image]:
    for container in hdf5.members(hdf5.group(Path(path), file, "DataContainers")).values():
        geometry = hdf5.get(container, "_SIMPL_GEOMETRY") if isinstance(container, h5py.Group) else None
        if not isinstance(geometry, h5py.Group) or hdf5.attribute_text(geometry, "GeometryTypeName") != "ImageGeometry":
            continue
        shape, spacing, origin = (
            tuple(hdf5.array(Path(path), geometry, name, (3,)).tolist()[::-1])
            for name in ("DIMENSIONS", ("SPACING", "RESOLUTION"), "ORIGIN")
        )
        matrices = tuple(name for name, item in hdf5.members(container).items() if _is_cell_matrix(item, shape))
        yield Image(container.name, shape, spacing, origin, None, matrices)


def find(group: h5py.Group, usual: Sequence[str], given: str | None = None) -> str | None:
    """Return the name of the first array of those; a given name is not replaced by a usual one."""
    names = (given,) if given is not None else usual
    return next((name for name in names if hdf5.has(group, name)), None)


def linked(group: h5py.Group, usual: Sequence[str], given: str | None = None) -> str:
    """Say where the first of those arrays lies that is not in it, ``"Phases is a link to 'a.h5'"``; or nothing."""
    names = (given,) if given is not None else usual
    return next((f"{name} is {place}" for name in names if (place := hdf5.elsewhere(group, name))), "")


def choose(
    file: h5py.File,
    path: str | Path,
    geometry: str | None,
    cell_data: str | None,
    wanted: Mapping[str, str | None],
) -> tuple[Image, h5py.Group]:
    """Return the geometry and its cell matrix that hold orientations."""
    images = _images(file, path)
    if not images:
        raise FormatError(path, "expected an image geometry; got none")
    paths = [image.path for image in images]
    if geometry is not None:
        images = [image for image in images if geometry in (image.path, image.path.rsplit("/", 1)[1])
                  or image.path.endswith("/" + geometry.strip("/"))]  # fmt: skip
        if not images:
            raise FormatError(path, f"expected the image geometry {geometry!r}; got none of that name")
    kinds = ("quaternions", "eulers")
    cells = [
        (image, hdf5.group(Path(path), file, f"{image.path}/{name}"))
        for image in images
        for name in image.cells
        if cell_data in (None, name)
    ]
    found = [(image, group) for image, group in cells if any(find(group, USUAL[kind], wanted[kind]) for kind in kinds)]
    if not found:
        looked = [wanted[kind] or " or ".join(USUAL[kind]) for kind in kinds]
        present = sorted({name for _, group in cells for name in hdf5.names(group)})
        groups = [item for image in images for item in hdf5.groups_below(hdf5.group(Path(path), file, image.path))]
        links = [place for group in groups for kind in kinds if (place := linked(group, USUAL[kind], wanted[kind]))]
        told = f"; {links[0]}, which is not followed: copy it into the file" if links else ""
        raise FormatError(
            path,
            f"expected orientations per cell ({'; '.join(looked)}); got {', '.join(present) or 'no cell arrays'}{told}",
            images[0].path,
        )
    if len({image.path for image, _ in found}) > 1:
        names = ", ".join(image.path.rsplit("/", 1)[1] for image, _ in found)
        raise FormatError(
            path,
            f"several geometries hold orientations ({names}); name one by the option geometry (--read geometry=NAME)",
        )
    image, matrix = found[0]
    return replace(image, others=tuple(path for path in paths if path != image.path)), matrix


def matrices(file: h5py.File, image: Image) -> Iterator[h5py.Group]:
    """Yield groups that may be attribute matrices: the geometry's first, those of other geometries left out."""
    inside = hdf5.get(file, image.path)
    if isinstance(inside, h5py.Group):
        yield from (item for item in hdf5.members(inside).values() if isinstance(item, h5py.Group))
    root = hdf5.get(file, "DataStructure") or hdf5.get(file, "DataContainers")
    for group in hdf5.groups_below(root) if isinstance(root, h5py.Group) else ():
        if group.name != image.path and not any(f"{group.name}/".startswith(f"{other}/") for other in image.others):
            yield group


def feature_matrix(file: h5py.File, path: str | Path, image: Image, count: int, given: str | None) -> h5py.Group:
    """Return the attribute matrix of `count` features with mean orientations, by name where one is given."""
    known = (*USUAL["grain_quaternions"], *USUAL["grain_eulers"])
    for group in matrices(file, image):
        if given is not None and group.name.rsplit("/", 1)[1] != given:
            continue
        arrays = (hdf5.get(group, name) for name in known)
        if any(
            isinstance(item, h5py.Dataset) and item.shape and item.shape[0] == count and item.ndim == 2
            for item in arrays
        ):
            return group
    links = [place for group in matrices(file, image) if (place := linked(group, known))]
    raise FormatError(
        path,
        f"expected feature data of {count} rows (feature 0 ... {count - 1}) with AvgQuats or Euler angles; got "
        f"{f'none: {links[0]}, which is not followed' if links else 'none'}",
    )


def scalar_first(xyzw: np.ndarray) -> np.ndarray:
    """Return quaternions w, x, y, z of those stored as x, y, z, w."""
    return np.roll(np.asarray(xyzw, dtype=np.float64), 1, axis=-1)


def double(path: Path, group: h5py.Group, single: str | None, name: str) -> np.ndarray | None:
    """Return the orientations in double precision of an array, None where it was changed since or there are none."""
    kept, array = hdf5.get(group.file["/"], name), hdf5.get(group, single) if single is not None else None
    if not isinstance(kept, h5py.Dataset) or not isinstance(array, h5py.Dataset) or kept.shape != array.shape:
        return None
    if array.dtype.kind != "f" or kept.dtype.kind != "f":
        return None
    hdf5.check_size(path, kept)
    q = np.empty(array.shape)
    for i, block in enumerate(kept):
        if not np.array_equal(block.astype(np.float32), array[i]):
            return None
        q[i] = scalar_first(block)
    return q
