"""A MATLAB script beside an exported file that opens it in MTEX with the right axes.

Specification: MTEX's loadEBSD_ang, loadEBSD_ctf and loadEBSD_dream3d
(https://github.com/mtex-toolbox/mtex/tree/develop/interfaces). Without a flag MTEX takes Euler angles as referring to
the map's own axes; ``convertEuler2SpatialReferenceFrame`` turns them by 180 degrees about an axis: that of EDAX's
setting in an .ang file, about x in a .ctf file. DREAM.3D files are volumes of MTEX 6 (``EBSD3``), whose reader knows
neither lattices nor how the crystal lies in its cell, so the script says both.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from polyrve.adapters.replacing import replacing
from polyrve.crystallography.phase import Phase

_TURNED = "'convertEuler2SpatialReferenceFrame'"
_FLAGS = {
    ".ang": {"none": "", **{f"edax-{n}": f", {_TURNED}, 'setting {n}'" for n in (1, 2, 3, 4)}},
    ".ctf": {"none": "", "oxford-cs1": f", {_TURNED}"},
    ".dream3d": {"none": ""},
}


def script_path(target: str | Path, frame: str = "none") -> Path:
    """Return where the script of an exported file stands: its name is one that MATLAB can call.

    Parameters
    ----------
    target : path-like
        An .ang, .ctf or .dream3d file.
    frame : str
        Frame that its angles are written in.

    Raises
    ------
    ValueError
        If MTEX does not read such a file, or has no flag for the frame.

    Examples
    --------
    >>> script_path("out/rve-64.dream3d").name
    'open_rve_64.m'
    """
    target = Path(target)
    flags = _FLAGS.get(target.suffix.lower())
    if flags is None:
        raise ValueError(f"MTEX script: expected a file of {', '.join(_FLAGS)}; got {target.name!r}")
    if frame not in flags:
        raise ValueError(
            f"MTEX script: expected a frame that MTEX has for {target.suffix}, {', '.join(flags)}; got {frame!r}"
        )
    return target.with_name(f"open_{re.sub(r'[^A-Za-z0-9_]', '_', target.stem)}.m")


def write(target: str | Path, phases: Sequence[Phase], *, frame: str = "none", force: bool = False) -> Path:
    """Write the script that opens an exported file in MTEX.

    Parameters
    ----------
    target : path-like
        The .ang, .ctf or .dream3d file, which lies in the same folder.
    phases : sequence of Phase
        Of the file, in their order.
    frame : str
        Frame that its angles are written in.
    force : bool
        Whether an existing script is replaced.

    Returns
    -------
    Path
        The script.

    Raises
    ------
    ValueError
        As :func:`script_path`.
    FileExistsError
        If the script exists and `force` is not given.

    Examples
    --------
    >>> import tempfile
    >>> from polyrve.crystallography.phase import Phase
    >>> made = write(Path(tempfile.mkdtemp()) / "top.ang", [Phase("Al", "m-3m")], frame="edax-2")
    >>> made.read_text().splitlines()[-1]
    "ebsd = EBSD.load(fname, 'convertEuler2SpatialReferenceFrame', 'setting 2')"
    """
    target = Path(target)
    path = script_path(target, frame)
    suffix = target.suffix.lower()
    lines = [f"fname = fullfile(fileparts(mfilename('fullpath')), {_quoted(target.name)});"]
    if suffix == ".dream3d":
        lines += [
            "% x || a and z || c* in every crystal; x of the file along rows, y from row to row, z from layer on",
            ", ...\n  ".join(["cs = {'notIndexed'", *map(_symmetry, phases)]) + "};",
            "ebsd = EBSD3.load(fname, 'CS', cs)",
        ]
    else:
        lines += [
            "% x along rows, y from row to row, z away from the viewer, for orientations and points alike",
            f"ebsd = EBSD.load(fname{_FLAGS[suffix][frame]})",
        ]
    with replacing(path, force=force) as made:
        made.write_text(
            "\n".join([f"% Opens {target.name} in MTEX; written by polyrve.", *lines, ""]), encoding="utf-8"
        )
    return path


def _symmetry(phase: Phase) -> str:
    lattice = "" if phase.lattice is None else "[{:g} {:g} {:g}], [{:g} {:g} {:g}]*degree, ".format(*phase.lattice)
    return f"crystalSymmetry({_quoted(phase.laue)}, {lattice}'X||a', 'Z||c*', 'mineral', {_quoted(phase.name)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
