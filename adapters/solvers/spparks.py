"""SPPARKS: the grains as a .vti with the array Spin (dump vtk), and as text for read_sites; text dumps are read too.

Formats: https://spparks.github.io/doc/dump.html and read_sites.html. Lengths are lattice units, and there are no
orientations. A site is a voxel of a simple cubic lattice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from polyrve.adapters.ebsd import grid
from polyrve.adapters.material_grid import material_grid
from polyrve.adapters.number_table import read_table
from polyrve.adapters.registry import FormatError
from polyrve.adapters.replacing import replacing
from polyrve.adapters.text_rows import write_rows
from polyrve.adapters.volumes import grain_table
from polyrve.adapters.volumes.vti import write_image
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationField, OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap, GrainVolume


def write(
    data: OrientationField | GrainMap | GrainVolume,
    path: str | Path,
    *,
    force: bool = False,
    fill: bool = False,
    min_grain: int = 1,
) -> None:
    """Write the grain ids as spins 1 ... N, one site per voxel, in lattice units.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap or GrainVolume
    path : path-like
        .vti for the image; any other suffix for the text of ``read_sites``.
    force : bool
        Whether an existing file may be replaced.
    fill : bool
        Whether voxels without grain are given to the nearest grain; they are refused otherwise.
    min_grain : int
        Grains of fewer voxels are dissolved: each of their voxels goes to the nearest other grain. 1 dissolves none.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    ValueError
        If voxels have no grain.
    OSError
        If the disk is full.
    """
    whole = material_grid(data, fill=fill, min_grain=min_grain)
    with replacing(path, force=force) as partial:
        if partial.suffix.lower() == ".vti":
            write_image(partial, whole.shape, (1.0,) * 3, (0.0,) * 3, [("Spin", whole.ids)], compress=False)
            return
        nz, ny, nx = whole.shape
        with open(partial, "w", encoding="ascii") as file:
            file.write(f"Grains of polyrve\n\n3 dimension\n{whole.ids.size} sites\n")
            for axis, length in zip("xyz", (nx, ny, nz), strict=True):
                file.write(f"0 {length} {axis}lo {axis}hi\n")
            file.write("\nValues\n\n")
            write_rows(file, "%d %d", [np.arange(1, whole.ids.size + 1), whole.ids.ravel()])


def read(
    path: str | Path,
    *,
    frame: str | Frame | None = None,
    spacing: float = 1.0,
    laue: str | Sequence[str] | None = None,
    seed: int = 0,
) -> OrientationMap | OrientationVolume:
    """Read the spins of sites, or of the last snapshot of a text dump, as grains.

    Parameters
    ----------
    path : path-like
        Sites as ``write_sites`` and polyrve write them, or a text dump with the columns x, y, z and type, spin or i1.
    frame : str or Frame, optional
        What turns the orientations; none by default.
    spacing : float, um
        Of a lattice unit.
    laue : str or sequence of str, optional
        Laue group of the grains; m-3m by default, with a warning.
    seed : int
        Of the orientations, which the file does not have.

    Returns
    -------
    OrientationMap or OrientationVolume

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is no such file, or its sites form no grid.

    Warns
    -----
    UserWarning
        Since orientations are given at random.
    """
    path = Path(path)
    if not (np.isfinite(spacing) and spacing > 0):
        raise FormatError(path, f"spacing: expected a positive length in um; got {spacing}")
    data = path.read_bytes()
    spins, shape, origin = _dump(path, data) if data.lstrip().startswith(b"ITEM:") else _sites(path, data)
    ids = spins.reshape(shape)
    table = grain_table.oriented_at_random(path, np.unique(spins), laue, seed)
    return grain_table.assemble(
        path, "spparks", ids, table, (spacing,) * 3, [spacing * value for value in origin], frame=frame
    )


def _sites(path: Path, data: bytes) -> tuple[np.ndarray, tuple[int, ...], tuple[float, ...]]:
    head, mark, _ = data.partition(b"Values")
    text = head.decode("latin-1")
    bounds = re.findall(r"^\s*(\S+)\s+(\S+)\s+([xyz])lo\s+[xyz]hi", text, re.MULTILINE)
    number = re.search(r"^\s*(\d+)\s+sites", text, re.MULTILINE)
    if not mark or number is None or [axis for *_, axis in bounds] != ["x", "y", "z"]:
        raise FormatError(path, "expected sites of SPPARKS: 'N sites', xlo xhi, ylo yhi, zlo zhi and Values")
    try:
        low, high = (np.array([float(bound[i]) for bound in bounds]) for i in (0, 1))
    except ValueError:
        raise FormatError(path, "expected numbers as bounds of the box") from None
    count = int(number[1])
    size = high - low
    if not ((size >= 1) & (size < 1e6)).all() or (np.abs(size - np.round(size)) > 1e-6).any():
        raise FormatError(path, f"expected a box of whole lattice units; got {size.tolist()}")
    shape = tuple(round(value) for value in size[::-1].tolist())
    if int(np.prod([float(n) for n in shape])) != count:
        raise FormatError(
            path, f"expected a site per lattice unit, as in a simple cubic lattice; got {count} in {shape[::-1]}"
        )
    start = data.index(b"Values") + len(b"Values")
    values = read_table(data, path, data[:start].count(b"\n") + 1, start, least=2)
    numbers = grain_table.whole_numbers(path, values[:, :2], "Values")
    if not np.array_equal(np.sort(numbers[:, 0]), np.arange(1, count + 1)):
        raise FormatError(path, f"expected each site 1 ... {count} once", "Values")
    spins = np.empty(count, dtype=np.int64)
    spins[numbers[:, 0] - 1] = numbers[:, 1]
    return spins, shape, tuple(low[::-1].tolist())


def _dump(path: Path, data: bytes) -> tuple[np.ndarray, tuple[int, ...], tuple[float, ...]]:
    start = data.rfind(b"ITEM: ATOMS")
    if start < 0:
        raise FormatError(path, "expected a text dump of SPPARKS with 'ITEM: ATOMS' and names of columns")
    line, _, _ = data[start:].partition(b"\n")
    names = line.decode("latin-1").split()[2:]
    spin = next((name for name in ("spin", "i1", "type", "site") if name in names), None)
    if spin is None or not {"x", "y", "z"} <= set(names):
        raise FormatError(path, f"expected columns x, y, z and type, spin or i1; got {', '.join(names)}")
    end = data.find(b"ITEM:", start + 5)
    body = data[start + len(line) + 1 : len(data) if end < 0 else end]
    values = read_table(body, path, data[:start].count(b"\n") + 2, least=len(names))
    found = grid.of_coordinates(path, [values[:, names.index(axis)] for axis in "zyx"])
    if len(found.shape) != 3 or max(found.spacing) > 1.001 * min(found.spacing):
        raise FormatError(path, "expected sites of a simple cubic lattice in three dimensions")
    spins = grain_table.whole_numbers(path, values[:, names.index(spin)], spin)
    if found.cells is not None:
        ordered = np.zeros(int(np.prod(found.shape)), dtype=np.int64)
        ordered[found.cells.ravel()] = spins
        spins = ordered
    return spins, found.shape, found.origin
