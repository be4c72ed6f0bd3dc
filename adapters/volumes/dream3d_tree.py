"""Where a .dream3d file keeps what: its image geometries and the attribute matrices that belong to one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

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


def _text(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).rstrip("\0")


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> str:
    """Text of an attribute, empty where there is none."""
    return _text(item.attrs.get(name, ""))


def _is_cell_matrix(group: Any, shape: tuple[int, ...]) -> bool:
    """Whether a group holds arrays with a tuple for every cell."""
    return isinstance(group, h5py.Group) and any(
        isinstance(item, h5py.Dataset) and item.shape[:3] == shape for item in group.values()
    )


def _images(file: h5py.File, path: str | Path) -> list[Image]:
    version = attribute(file, "FileVersion")
    if version == "8.0":
        return list(_images_v8(file, path))
    if version in ("6.0", "7.0"):
        return list(_images_v7(file, path))
    raise FormatError(path, f"expected FileVersion 6.0, 7.0 or 8.0; got {version or 'none'!r}")


def _images_v8(file: h5py.File, path: str | Path) -> Iterator[Image]:
    if "DataStructure" not in file:
        raise FormatError(path, "expected the group DataStructure; got none")
    groups: list[h5py.Group] = []

    def visit(_: str, item: Any) -> None:
        if isinstance(item, h5py.Group) and attribute(item, "ObjectType") == "ImageGeom":
            groups.append(item)

    file["DataStructure"].visititems(visit)
    for group in groups:
        try:
            shape, spacing, origin = (
                tuple(np.asarray(group.attrs[name]).tolist()[::-1]) for name in ("_DIMENSIONS", "_SPACING", "_ORIGIN")
            )
        except KeyError as error:
            raise FormatError(path, f"expected _DIMENSIONS, _SPACING and _ORIGIN; {error}", group.name) from None
        linked = int(np.asarray(group.attrs.get("Cell Data ID", 0)).ravel()[0])
        matrices = [name for name, item in group.items() if _is_cell_matrix(item, shape)]
        matrices.sort(key=lambda name: int(np.asarray(group[name].attrs.get("ObjectId", 0)).ravel()[0]) != linked)
        units = int(np.asarray(group.attrs["Units"]).ravel()[0]) if "Units" in group.attrs else None
        yield Image(group.name, shape, spacing, origin, units, tuple(matrices))


def _images_v7(file: h5py.File, path: str | Path) -> Iterator[Image]:
    if "DataContainers" not in file:
        raise FormatError(path, "expected the group DataContainers; got none")
    for container in file["DataContainers"].values():
        geometry = container.get("_SIMPL_GEOMETRY")
        if geometry is None or attribute(geometry, "GeometryTypeName") != "ImageGeometry":
            continue
        spacing_name = "SPACING" if "SPACING" in geometry else "RESOLUTION"
        try:
            shape, spacing, origin = (
                tuple(geometry[name][()].tolist()[::-1]) for name in ("DIMENSIONS", spacing_name, "ORIGIN")
            )
        except KeyError:
            raise FormatError(path, "expected DIMENSIONS, SPACING and ORIGIN", geometry.name) from None
        matrices = tuple(name for name, item in container.items() if _is_cell_matrix(item, shape))
        yield Image(container.name, shape, spacing, origin, None, matrices)


def find(group: h5py.Group, usual: Sequence[str], given: str | None = None) -> str | None:
    """Name of the first array of those; a given name is not replaced by a usual one."""
    names = (given,) if given is not None else usual
    return next((name for name in names if isinstance(group.get(name), h5py.Dataset)), None)


def choose(
    file: h5py.File,
    path: str | Path,
    geometry: str | None,
    cell_data: str | None,
    wanted: Mapping[str, str | None],
) -> tuple[Image, h5py.Group]:
    """The geometry and its cell matrix that hold orientations."""
    images = _images(file, path)
    if not images:
        raise FormatError(path, "expected an image geometry; got none")
    paths = [image.path for image in images]
    if geometry is not None:
        images = [image for image in images if geometry in (image.path, image.path.rsplit("/", 1)[1])
                  or image.path.endswith("/" + geometry.strip("/"))]  # fmt: skip
        if not images:
            raise FormatError(path, f"expected the image geometry {geometry!r}; got none of that name")
    found = [
        (image, file[image.path][name])
        for image in images
        for name in image.cells
        if cell_data in (None, name)
        and any(find(file[image.path][name], USUAL[kind], wanted[kind]) for kind in ("quaternions", "eulers"))
    ]
    if not found:
        looked = [wanted[kind] or " or ".join(USUAL[kind]) for kind in ("quaternions", "eulers")]
        present = sorted({name for image in images for c in image.cells for name in file[image.path][c]})
        raise FormatError(
            path,
            f"expected orientations per cell ({'; '.join(looked)}); got {', '.join(present) or 'no cell arrays'}",
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
    """Groups that may be attribute matrices, those of the geometry first, those of other geometries left out."""
    yield from (item for item in file[image.path].values() if isinstance(item, h5py.Group))
    found: list[h5py.Group] = []
    root = file["DataStructure"] if "DataStructure" in file else file["DataContainers"]
    root.visititems(lambda _, item: found.append(item) if isinstance(item, h5py.Group) else None)
    for group in found:
        if group.name != image.path and not any(f"{group.name}/".startswith(f"{other}/") for other in image.others):
            yield group


def feature_matrix(file: h5py.File, path: str | Path, image: Image, count: int, given: str | None) -> h5py.Group:
    """The attribute matrix of `count` features with mean orientations, by name where one is given."""
    known = (*USUAL["grain_quaternions"], *USUAL["grain_eulers"])
    for group in matrices(file, image):
        if given is not None and group.name.rsplit("/", 1)[1] != given:
            continue
        if any(name in group and len(group[name]) == count and group[name].ndim == 2 for name in known):
            return group
    raise FormatError(
        path,
        f"expected feature data of {count} rows (feature 0 ... {count - 1}) with AvgQuats or Euler angles; got none",
    )
