"""The table of formats: which module reads or writes which file."""

from __future__ import annotations

import importlib
import inspect
import re
import typing
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from polyrve.backend import offered, safe_text
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationMap, OrientationVolume, require_field
from polyrve.microstructure.grains import GrainMap, GrainVolume
from polyrve.spelling import did_you_mean


class FormatError(ValueError):
    """A file is not what its format asks for.

    The message has no control characters and is of bounded length, whatever the file holds.

    Parameters
    ----------
    path : path-like
        The file.
    reason : str
        What was expected and what was found.
    where : str
        Line or dataset within the file, e.g. ``"line 12"`` or ``"/1/EBSD/Data/Euler"``.
    """

    def __init__(self, path: str | Path, reason: str, where: str = "") -> None:
        self.path = str(path)
        self.reason, self.where = safe_text.message(reason, words=True), safe_text.message(where, words=True)
        super().__init__(f"{safe_text.escaped(self.path)}{', ' + self.where if where else ''}: {self.reason}")


@dataclass(frozen=True)
class Format:
    """One row of the table.

    Attributes
    ----------
    name : str
        What ``--to`` and ``format=`` take, e.g. ``"damask"``.
    suffixes : tuple of str
        File name endings in lower case with the dot, the usual one first; empty for a folder of files.
    module : str
        Import path of the module that holds ``read(path, **options)`` and/or ``write(data, path, **options)``. Where
        files may hold grains, also ``read_segmented(path, **options)``: grains, or the field where there are none.
    reads, writes : bool
    description : str
        One line for ``polyrve formats``.
    recognises : callable or None
        For a suffix that several formats share (.h5): takes the path, says whether the file is of this format.
    maps_only : bool
        Whether it holds one section and no volume.
    packed : tuple of str
        Further endings that are read and not written, those of packed files.
    mark : str
        Of a folder: the file by which it is known when it is read.
    by_slabs : bool
        Whether it takes a volume that is kept as cells; for others each voxel gets its orientation first.
    """

    name: str
    suffixes: tuple[str, ...]
    module: str
    reads: bool
    writes: bool
    description: str
    recognises: Callable[[Path], bool] | None = None
    maps_only: bool = False
    packed: tuple[str, ...] = ()
    mark: str = ""
    by_slabs: bool = False

    def load(self) -> Any:
        """Import the format's module."""
        return importlib.import_module(self.module)

    def ends(self, path: Path, *, writing: bool = False) -> bool:
        """Whether the name of a file ends as those of this format do, which is to be read or written."""
        endings = self.suffixes if writing else (*self.suffixes, *self.packed)
        return bool(endings) and path.name.lower().endswith(endings)


def _hdf5_with(*marks: str) -> Callable[[Path], bool]:
    """Whether an HDF5 file has an object of one of these names at its root, or a maker whose name holds one of them."""

    def recognises(path: Path) -> bool:
        from polyrve.adapters import hdf5

        try:
            with hdf5.opened(path) as file:
                names = [name.strip().lower() for name in hdf5.names(file)]
                texts = [hdf5.text(path, file, name).lower() for name in ("Manufacturer", " Manufacturer")]
        except (FileNotFoundError, FormatError):
            return False
        return any(mark in names or any(mark in text for text in texts) for mark in marks)

    return recognises


def _hdf5_that(module: str) -> Callable[[Path], bool]:
    """Whether ``recognises(path, file)`` of a module knows an HDF5 file by what is in it."""

    def recognises(path: Path) -> bool:
        from polyrve.adapters import hdf5

        try:
            with hdf5.opened(path) as file:
                return bool(importlib.import_module(module).recognises(path, file))
        except (FileNotFoundError, FormatError):
            return False

    return recognises


def _is_table(path: Path) -> bool:
    from polyrve.adapters.ebsd import table

    return table.recognises(path)


def _is_los_alamos(path: Path) -> bool:
    from polyrve.adapters.solvers import los_alamos

    return los_alamos.recognises(path)


_HDF5 = (".h5", ".hdf5")

SECTIONS = "sections"
"""The format of a folder that is read."""

FORMATS: list[Format] = [
    Format(
        "ang", (".ang",), "polyrve.adapters.ebsd.ang", True, True,
        "EDAX OIM text, square and hexagonal grids, also .gz", maps_only=True, packed=(".ang.gz",),
    ),
    Format(
        "ctf", (".ctf",), "polyrve.adapters.ebsd.ctf", True, True, "Oxford/HKL Channel text, also .gz", maps_only=True,
        packed=(".ctf.gz",),
    ),
    Format(
        "cpr", (".cpr", ".crc"), "polyrve.adapters.ebsd.cpr_crc", True, False, "Oxford/HKL Channel 5 project",
        maps_only=True,
    ),
    Format(
        "h5oina", (".h5oina", *_HDF5), "polyrve.adapters.ebsd.h5oina", True, False, "Oxford Instruments AZtec HDF5",
        _hdf5_with("oxford"),
    ),
    Format(
        "edax-h5", (".oh5", ".edaxh5", *_HDF5), "polyrve.adapters.ebsd.edax_h5", True, False, "EDAX OIM HDF5",
        _hdf5_with("edax"),
    ),
    Format(
        "bruker-h5", _HDF5, "polyrve.adapters.ebsd.bruker_h5", True, False, "Bruker ESPRIT HDF5", _hdf5_with("bruker"),
    ),
    Format("orix-h5", _HDF5, "polyrve.adapters.ebsd.orix_h5", True, False, "orix HDF5", _hdf5_with("crystal_map")),
    Format(
        "emsoft-h5", _HDF5, "polyrve.adapters.ebsd.emsoft_h5", True, False, "EMsoft dictionary indexing HDF5",
        _hdf5_with("emheader", "emdata"),
    ),
    Format(
        "kikuchipy-h5", _HDF5, "polyrve.adapters.ebsd.kikuchipy_h5", True, False, "kikuchipy HDF5, its orix map",
        _hdf5_that("polyrve.adapters.ebsd.kikuchipy_h5"),
    ),
    Format(
        "mtex-h5", _HDF5, "polyrve.adapters.ebsd.mtex_h5", True, False, "MTEX HDF5",
        _hdf5_that("polyrve.adapters.ebsd.mtex_h5"),
    ),
    Format(
        "table", (".txt", ".csv"), "polyrve.adapters.ebsd.table", True, False,
        "Channel 5, OIM and MTEX: points in columns", _is_table, maps_only=True, packed=(".txt.gz", ".csv.gz"),
    ),
    Format("h5ebsd", (".h5ebsd",), "polyrve.adapters.ebsd.h5ebsd", True, False, "DREAM.3D stack of EBSD sections"),
    Format(
        SECTIONS, (), "polyrve.adapters.volumes.sections_folder", True, False,
        "a folder of maps of parallel sections, with their distance",
    ),
    Format(
        "dream3d", (".dream3d",), "polyrve.adapters.volumes.dream3d", True, True, "DREAM.3D 6.x and DREAM3D-NX",
        by_slabs=True,
    ),
    Format(
        "damask", (), "polyrve.adapters.solvers.damask", True, True, "DAMASK_grid 3: all it needs, runs as it is",
        mark="grid.vti", by_slabs=True,
    ),
    Format(
        "vti", (".vti",), "polyrve.adapters.volumes.vti", True, True, "VTK image with IPF colours, for ParaView",
        by_slabs=True,
    ),
    Format(
        "vtkhdf", (".vtkhdf",), "polyrve.adapters.volumes.vtkhdf", True, True, "VTK HDF image, as vti", by_slabs=True,
    ),
    Format("vtp", (".vtp",), "polyrve.adapters.volumes.vtp", False, True, "grain boundaries as a VTK surface"),
    Format(
        "meshio", (".vtu", ".xdmf", ".msh", ".med", ".bdf"), "polyrve.adapters.solvers.meshio_hex", True, True,
        "voxel hexahedra with grain sets, in what meshio writes",
    ),
    Format(
        "abaqus", (".inp",), "polyrve.adapters.solvers.abaqus", True, True, "Abaqus: C3D8 voxels, sets, orientations",
    ),
    Format(
        "los-alamos", (".txt",), "polyrve.adapters.solvers.los_alamos", True, True,
        "Los Alamos FFT text (EVPFFT, MASSIF)", _is_los_alamos,
    ),
    Format(
        "moose", (".inl", ".e", ".exo"), "polyrve.adapters.solvers.moose", True, True,
        "MOOSE EBSD text, or Exodus (.e)",
    ),
    Format("tesr", (".tesr",), "polyrve.adapters.solvers.tesr", True, True, "Neper raster tessellation"),
    Format(
        "prisms", (), "polyrve.adapters.solvers.prisms", True, True, "PRISMS-Plasticity: grain ids, orientations",
        mark="grainID.txt",
    ),
    Format(
        "amitex", (), "polyrve.adapters.solvers.amitex", True, True, "AMITEX_FFTP: materials, zones, orientations",
        mark="zone.vtk",
    ),
    Format(
        "damask-mesh", (), "polyrve.adapters.solvers.damask_mesh", False, True,
        "DAMASK_mesh: Gmsh mesh, materials, load",
    ),
    Format(
        "spparks", (".sites", ".dump"), "polyrve.adapters.solvers.spparks", True, True,
        "SPPARKS sites, text dumps, or .vti with Spin",
    ),
    Format(
        "labdct", _HDF5, "polyrve.adapters.volumes.labdct", True, False, "GrainMapper3D HDF5 (LabDCT)",
        _hdf5_with("labdct"),
    ),
    Format(
        "3dxrd", _HDF5, "polyrve.adapters.volumes.xrd3d", True, False, "ImageD11 HDF5 (3DXRD, scanning 3DXRD)",
        _hdf5_with("tensormap"),
    ),
    Format("midas", (".mic",), "polyrve.adapters.volumes.midas", True, False, "MIDAS near-field HEDM: a layer, text"),
    Format(
        "mfem", (".mesh",), "polyrve.adapters.solvers.mfem", False, True, "MFEM cubes, orientations for ExaConstit",
    ),
    Format("vpsc", (".tex",), "polyrve.adapters.solvers.vpsc", False, True, "VPSC texture: orientations and weights"),
    Format(
        "tetrahedra", (".inp", ".msh", ".vtu", ".e", ".exo", ".mesh"), "polyrve.adapters.solvers.tetrahedra", False,
        True, "tetrahedra that follow the grain boundaries; polyrve mesh",
    ),
]  # fmt: skip


_EXPORT = {
    ".osc": "EDAX OIM's own file has no published layout: export the scan from OIM Analysis as .ang or .oh5",
    ".up1": "these are patterns: index them, and export the map as .ang or .oh5",
    ".up2": "these are patterns: index them, and export the map as .ang or .oh5",
    ".ebsp": "these are patterns: index them, and export the map as .ctf or .h5oina",
    ".bcf": "Bruker's own file has no published layout: export the map from ESPRIT as .h5 or .ctf",
    ".oip": "an AZtec project has no published layout: export the map from AZtec as .h5oina or .ctf",
    ".oipx": "an AZtec project has no published layout: export the map from AZtec as .h5oina or .ctf",
    ".cprx": "a project of HKL Fast Acquisition has no published layout: export the map as .ctf, or as .cpr with .crc",
    ".res": "a result of ASTAR has no published layout: export the map as .ang or .ctf",
    ".blo": "these are diffraction patterns: index them in ASTAR, and export the map as .ang or .ctf",
    ".mat": "this is MATLAB's: write the map in MTEX by export(ebsd, 'scan.h5') or export(ebsd, 'scan.ctf')",
    ".xlsx": "save the table as .csv",
}
"""What to do with files of EBSD software that cannot be read, by suffix."""


@cache
def formats() -> tuple[Format, ...]:
    """Return all formats, polyrve's own first, then those of installed packages.

    A package adds one by an entry point of the group ``polyrve.formats`` that names a :class:`Format`. Where it has the
    suffix of one of polyrve's own, that one is taken unless ``format=`` names the other.

    Returns
    -------
    tuple of Format

    Warns
    -----
    UserWarning
        If an entry point cannot be loaded, is no :class:`Format`, or has the name of another format; it is left out.
        If it has the suffix of another format.
    """
    rows = list(FORMATS)

    def accept(row: Format) -> None:
        offered.check(row, Format, "name", [other.name for other in rows])
        alike = {suffix for other in rows if _same_work(row, other) for suffix in other.suffixes}
        shared = [suffix for suffix in row.suffixes if suffix in alike and row.recognises is None]
        rows.append(row)
        if shared:
            warnings.warn(
                f"format {row.name!r} of an installed package has the suffix {', '.join(shared)} of another format, "
                f"which is taken unless --format (format=) says {row.name}",
                stacklevel=4,
            )

    offered.take("polyrve.formats", "format", accept)
    return tuple(rows)


def _same_work(row: Format, other: Format) -> bool:
    return (row.reads and other.reads) or (row.writes and other.writes)


def read(
    path: str | Path, *, frame: str | Frame | None = None, format: str | None = None, **options: Any
) -> OrientationMap | OrientationVolume:
    """Read an orientation map or volume from a file of any known format.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        Relation of the Euler frame to the map, a name of
        :data:`polyrve.crystallography.reference_frames.PRESETS`; by default what the file says, else the vendor's
        default with a warning.
    format : str, optional
        Name of the format (:func:`formats`); by default from the suffix, and the content where several share it.
    **options
        Further arguments of the format's own ``read``.

    Returns
    -------
    OrientationMap or OrientationVolume
        Orientations in the map frame, whatever frame the file has. Where the file has a grain id per point,
        ``properties["FeatureIds"]`` holds them; :func:`polyrve.read_grains` reads the grains themselves.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is a folder or empty, the format is not known or cannot be read, or the content is not of the format.

    See Also
    --------
    polyrve.read_map, polyrve.read_volume : The same for one kind alone, which type checkers can follow.
    polyrve.read_grains : Read the grains of the file.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.read(polyrve.data.path("scan.ang"), frame="edax-2").shape
    (64, 64)
    """
    row = reader(path, format)
    if frame is not None:
        options["frame"] = frame
    return row.load().read(Path(path), **options)


def read_map(
    path: str | Path, *, frame: str | Frame | None = None, format: str | None = None, **options: Any
) -> OrientationMap:
    """Read a planar orientation map.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        As for :func:`read`.
    format : str, optional
        Name of the format; by default from the suffix, and the content where several share it.
    **options
        Further arguments of the format's own ``read``.

    Returns
    -------
    OrientationMap

    Raises
    ------
    FormatError
        If the file holds a volume.

    See Also
    --------
    polyrve.read_volume : Read a volume.
    polyrve.read_grains : Read the grains of a file.

    Examples
    --------
    >>> import polyrve
    >>> scan = polyrve.read_map(polyrve.data.path("scan.ang"), frame="edax-2")
    >>> scan.spacing
    (1.0, 1.0)
    """
    field = read(path, frame=frame, format=format, **options)
    if not isinstance(field, OrientationMap):
        raise FormatError(path, f"expected a planar map; got a volume of {_times(field.shape)} voxels: use read_volume")
    return field


def read_volume(
    path: str | Path, *, frame: str | Frame | None = None, format: str | None = None, **options: Any
) -> OrientationVolume:
    """Read an orientation volume.

    Parameters
    ----------
    path : path-like
    frame : str or Frame, optional
        As for :func:`read`.
    format : str, optional
        Name of the format; by default from the suffix, and the content where several share it.
    **options
        Further arguments of the format's own ``read``.

    Returns
    -------
    OrientationVolume

    Raises
    ------
    FormatError
        If the file holds a planar map.

    See Also
    --------
    polyrve.read_map : Read a planar map.
    polyrve.read_grains : Read the grains of a file.

    Examples
    --------
    >>> import polyrve
    >>> polyrve.read_volume(polyrve.data.path("truth.dream3d")).shape
    (24, 64, 64)
    """
    field = read(path, frame=frame, format=format, **options)
    if not isinstance(field, OrientationVolume):
        raise FormatError(path, f"expected a volume; got a map of {_times(field.shape)} points: use read_map")
    return field


def _times(shape: Iterable[int]) -> str:
    return " x ".join(map(str, shape))


def reader(path: str | Path, format: str | None = None) -> Format:
    """The format that :func:`read` takes for a file.

    Parameters
    ----------
    path : path-like
    format : str, optional
        As in :func:`read`.

    Returns
    -------
    Format

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FormatError
        If it is a folder or empty, or the format is not known or cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        return _of_folder(path, format)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise FormatError(path, "expected data; the file is empty")
    row = _named(path, format) if format else _of_content(path)
    if not row.reads:
        raise FormatError(path, f"format {row.name!r} can be written, not read")
    return row


def write(data: Any, path: str | Path, *, format: str | None = None, force: bool = False, **options: Any) -> None:
    """Write a map or volume to a file of any known format.

    Parameters
    ----------
    data : OrientationMap, OrientationVolume, GrainMap, GrainVolume or CellVolume
        What the format can hold.
    path : path-like
    format : str, optional
        Name of the format (:func:`formats`); by default from the suffix.
    force : bool
        Whether existing files may be replaced.
    **options
        Further arguments of the format's own ``write``.

    Raises
    ------
    FileExistsError
        If the file exists and `force` is not given.
    FormatError
        If the format is not known or cannot be written.

    See Also
    --------
    polyrve.read : Read a file.

    Examples
    --------
    >>> import polyrve, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> polyrve.write(polyrve.data.load("truth"), f"{folder.name}/truth.vti")
    """
    row = writer(path, format)
    if not isinstance(data, CellVolume):
        require_field("data", data.field if isinstance(data, (GrainMap, GrainVolume)) else data)
    elif not row.by_slabs:
        data = data.whole()
    row.load().write(data, Path(path), force=force, **options)


def writer(path: str | Path, format: str | None = None) -> Format:
    """The format that :func:`write` takes for a path.

    Parameters
    ----------
    path : path-like
    format : str, optional
        As in :func:`write`.

    Returns
    -------
    Format

    Raises
    ------
    FormatError
        If the format is not known or cannot be written.
    """
    path = Path(path)
    rows = [_named(path, format, writing=True)] if format else _of_suffix(path, writing=True)
    row = next((row for row in rows if row.writes), None)
    if row is None:
        names = " and ".join(row.name for row in rows) if len(rows) < 3 else f"those of {path.suffix}"
        raise FormatError(path, f"expected a format that can be written; {names} can be read, not written")
    return row


def options_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Options of a format's ``read`` or ``write`` with their defaults."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY and name != "force"
    }


def descriptions_of(function: Callable[..., Any]) -> dict[str, str]:
    """What the parameters of a format's ``read`` or ``write`` do, as its docstring says, without markup."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?:\n\n|\Z)", inspect.getdoc(function) or "", re.MULTILINE | re.DOTALL)
    told: dict[str, str] = {}
    names: list[str] = []
    for line in section[1].splitlines() if section else ():
        if not line.startswith(" "):
            names = [name.strip() for name in line.split(" : ")[0].split(",")]
            told |= dict.fromkeys(names, "")
        else:
            text = re.sub(r":\w+:`([^`]*)`|`+", r"\1", line.strip())
            told |= {name: f"{told[name]} {text}".strip() for name in names}
    return told


def checked_options(function: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Options as a user wrote them, in the types that a format's ``read`` or ``write`` asks for.

    Parameters
    ----------
    function : callable
        ``read`` or ``write`` of a format's module; its annotations say the types.
    given : mapping of str to object
        Texts, numbers, booleans, lists and tables, as of a command line or a TOML file; the text ``"False"`` will do
        for a boolean.

    Returns
    -------
    dict of str to object

    Raises
    ------
    ValueError
        If the function has no such option, or the value is not of its type.
    """
    from pydantic import ConfigDict, TypeAdapter, ValidationError

    known = options_of(function)
    hints = typing.get_type_hints(function) if given else {}
    checked = {}
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"expected an option out of {', '.join(known) or 'none'}; got {name!r}")
        adapter = TypeAdapter(hints.get(name, Any), config=ConfigDict(coerce_numbers_to_str=True))
        try:
            checked[name] = adapter.validate_python(value)
        except ValidationError as error:
            kinds = dict.fromkeys(item["msg"].split(",")[0].removeprefix("Input should be ") for item in error.errors())
            expected = " or ".join(kinds).replace("an instance of Sequence", "a list").replace("dictionary", "table")
            raise ValueError(f"option {name}: expected {expected}; got {value!r}") from None
    return checked


def _of_folder(path: Path, format: str | None) -> Format:
    if format is not None:
        row = _named(path, format)
        if row.reads and (row.mark or row.name == SECTIONS):
            return row
        raise FormatError(path, f"expected a file of format {format!r}; it is a folder")
    rows = [row for row in formats() if row.reads and row.mark and (path / row.mark).is_file()]
    if rows:
        return rows[0]
    if any(row.ends(file) for file in path.iterdir() for row in _able(writing=False)):
        return _named(path, SECTIONS)
    marks = ", ".join(row.mark for row in formats() if row.mark)
    raise FormatError(
        path, f"expected a file, maps of serial sections, or a folder with one of {marks}; it is a folder"
    )


def _named(path: Path, name: str, *, writing: bool = False) -> Format:
    for row in formats():
        if row.name == name:
            return row
    known = [row.name for row in _able(writing)]
    meant = did_you_mean(name, known)
    raise FormatError(path, f"expected a format of {', '.join(known)}; got {safe_text.quoted(name)}{meant}")


def _able(writing: bool) -> list[Format]:
    return [row for row in formats() if (row.writes if writing else row.reads)]


def _of_suffix(path: Path, *, writing: bool = False) -> list[Format]:
    rows = [row for row in formats() if row.ends(path, writing=writing)]
    if rows:
        return rows
    suffix = "".join(path.suffixes[-2:]).lower() if path.suffix.lower() == ".gz" else path.suffix
    if not writing and suffix.lower() in _EXPORT:
        raise FormatError(path, f"expected a file that polyrve reads; {_EXPORT[suffix.lower()]}")
    able = _able(writing)
    known = sorted({end for row in able for end in (*row.suffixes, *(() if writing else row.packed))})
    folders = [row.name for row in able if writing and not row.suffixes]
    remedy = "" if path.suffix or not folders else f": --to (format=) names one of folders, {', '.join(folders)}"
    got = safe_text.shown(suffix) or "no suffix"
    meant = remedy or did_you_mean(suffix.lower(), known)
    raise FormatError(path, f"expected a file name that ends in {', '.join(known)}; got {got}{meant}")


def _of_content(path: Path) -> Format:
    """The format of a file: the first of its suffix that knows it, polyrve's own before those of other packages.

    The first of all, whose reader says what it can read, where none of them knows a text.
    """
    rows = [row for row in _of_suffix(path) if row.reads] or _of_suffix(path)
    for row in rows:
        if row.recognises is None or _recognised(row, path):
            return row
    if len(rows) == 1 or not set(rows[0].suffixes) & set(_HDF5):
        return rows[0]
    names = ", ".join(row.name for row in rows)
    raise FormatError(path, f"expected a file of {names}; its content is of none of them")


def _recognised(row: Format, path: Path) -> bool:
    if row.recognises is None:
        return True
    if row in FORMATS:
        return row.recognises(path)
    try:
        return bool(row.recognises(path))
    except Exception as error:
        text = safe_text.message(f"format {row.name!r} of an installed package is left out: {error}")
        warnings.warn(text, stacklevel=2)
        return False
