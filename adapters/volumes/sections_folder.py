"""A folder of maps of parallel sections as one volume: serial sections by FIB or polishing.

There is no published layout: each file is a map of any format that polyrve reads, and the last number in its name says
where it lies. Sections follow each other along z, the first on top; all have one step, frame and list of phases.

Sections of an instrument that drifts do not lie above each other. How far each is shifted against the one before is
measured, a warning tells it, and ``align=True`` moves them back by whole points and cuts the volume to what all share.
The shifts are in the provenance.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np

from polyrve.adapters import registry
from polyrve.adapters.registry import FormatError
from polyrve.adapters.warned import warn
from polyrve.crystallography import rotation
from polyrve.crystallography.reference_frames import Frame
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainMap

_BESIDE = (".crc", ".xdmf")
"""Files that belong to one beside them: the data of a .cpr, and what ParaView opens of a .dream3d."""

_POINTS = 1500
"""Points that tell a shift: their share of one orientation is then known to 1 %."""

_ALIKE = np.deg2rad(5.0)
"""Disorientation below which a point and the one above it lie in one grain."""

_REACH = 12
"""Largest shift of a section against the one before, points."""

_GAIN = 0.02
"""Gain of alike points below which a section stays where it is: of noise alone a shift gains as much."""


def read(
    path: str | Path, *, frame: str | Frame | None = None, distance: float | None = None, align: bool = False
) -> OrientationVolume:
    """Read the maps of a folder as a volume.

    Parameters
    ----------
    path : path-like
        The folder; hidden files and those of formats that are not read do not count.
    frame : str or Frame, optional
        As for the maps themselves.
    distance : float, um
        Distance of the sections, which no file says.
    align : bool
        Whether sections that are shifted against each other are moved back.

    Returns
    -------
    OrientationVolume
        ``provenance["alignment"]`` holds the shift of each section, points along y and x, and whether it was undone.

    Raises
    ------
    FormatError
        If the distance is not given, a section is missing, or one has another step, frame, size or other phases.

    Warns
    -----
    UserWarning
        If sections are shifted against each other and not moved back.
    """
    path = Path(path)
    if distance is None or not 0.0 < distance < np.inf:
        raise FormatError(
            path,
            f"expected the distance of the sections of this folder in um; got {distance}: name it, as in "
            "--read distance=0.5 (distance=)",
        )
    files = _in_order(path)
    fields = [_map_of(file, frame) for file in files]
    first = fields[0]
    for file, field in zip(files[1:], fields[1:], strict=True):
        for what, mine, its in (
            ("a step of", first.spacing, field.spacing),
            ("the frame", first.frame.name, field.frame.name),
            ("the phases", [(p.name, p.laue) for p in first.phases], [(p.name, p.laue) for p in field.phases]),
            ("points along y and x:", first.shape, field.shape),
        ):
            same = np.allclose(mine, its, rtol=1e-4) if what.startswith("a step") else mine == its
            if not same:
                raise FormatError(file, f"expected {what} {mine}, as of {files[0].name}; got {its}")
    shifts = [(0, 0), *(_shift(below, above) for below, above in pairwise(fields))]
    places = np.cumsum(shifts, axis=0)
    if np.any(places) and not align:
        farthest = int(np.abs(places).max())
        warn(
            f"{path}: sections are shifted against each other, by up to {farthest} points in all; --read align=true "
            "(align=True) moves them back"
        )
    quaternions, phase_ids = (np.stack([getattr(one, name) for one in fields]) for name in ("quaternions", "phase_ids"))
    if align and np.any(places):
        low, high = places.min(axis=0), places.max(axis=0)
        shape = np.array(first.shape) - (high - low)
        if shape.min() < 2:
            raise FormatError(
                path, f"expected sections that overlap when they are moved back; got shifts of {high - low}"
            )
        cuts = [tuple(slice(a, a + n) for a, n in zip(place - low, shape, strict=True)) for place in places]
        quaternions = np.stack([one[cut] for one, cut in zip(quaternions, cuts, strict=True)])
        phase_ids = np.stack([one[cut] for one, cut in zip(phase_ids, cuts, strict=True)])
    return OrientationVolume(
        quaternions,
        phase_ids,
        first.phases,
        (distance, *first.spacing),
        frame=first.frame,
        provenance={
            "source": path.name,
            "sections": [field.provenance.get("source", file.name) for file, field in zip(files, fields, strict=True)],
            "distance": distance,
            "alignment": {"shifts_points": [list(map(int, shift)) for shift in shifts], "undone": bool(align)},
        },
    )


def _in_order(path: Path) -> list[Path]:
    """Sort the files of maps by the last number in their names, of which none may be missing."""
    endings = {end for row in registry.formats() if row.reads for end in (*row.suffixes, *row.packed)}
    files = [file for file in path.iterdir() if file.is_file() and not file.name.startswith(".")]
    files = [file for file in files if file.name.lower().endswith(tuple(endings))]
    files = [file for file in files if file.suffix.lower() not in _BESIDE]
    if len(files) < 2:
        raise FormatError(path, f"expected a folder of at least two maps; got {len(files)} that polyrve reads")
    numbered: dict[int, Path] = {}
    for file in files:
        found = re.findall(r"\d+", file.name.removesuffix(".gz").rpartition(".")[0])
        if not found:
            raise FormatError(path, f"expected a number in the name of each section; got {file.name}")
        if (number := int(found[-1])) in numbered:
            raise FormatError(path, f"expected one section of each number; got {numbered[number].name} and {file.name}")
        numbered[number] = file
    numbers = sorted(numbered)
    step = min(np.diff(numbers))
    wanted = set(range(numbers[0], numbers[-1] + 1, int(step)))
    if missing := sorted(wanted - set(numbers)) or sorted(set(numbers) - wanted):
        raise FormatError(
            path,
            f"expected a section for each number from {numbers[0]} to {numbers[-1]}; got none for {missing[0]}: put it "
            "there, or take sections on one side of it alone",
        )
    return [numbered[number] for number in numbers]


def _map_of(file: Path, frame: str | Frame | None) -> OrientationMap:
    found = registry.read(file, frame=frame)
    field = found.field if isinstance(found, GrainMap) else found
    if not isinstance(field, OrientationMap):
        raise FormatError(file, "expected a map of one section; it holds a volume")
    return field


def _shift(below: OrientationMap, above: OrientationMap) -> tuple[int, int]:
    """Find how far one section has to be read further along y and x to lie over the one before."""
    rng = np.random.default_rng(0)
    inside = np.array(below.shape) - 2 * _REACH
    if inside.min() < 2:
        return (0, 0)
    points = _REACH + np.stack([rng.integers(n, size=_POINTS) for n in inside], axis=1)
    known: dict[tuple[int, int], float] = {}

    def alike(shift: tuple[int, int]) -> float:
        if shift not in known:
            a, b = tuple(points.T), tuple((points + shift).T)
            both = (below.phase_ids[a] > 0) & (below.phase_ids[a] == above.phase_ids[b])
            same = 0
            for number, phase in enumerate(below.phases, start=1):
                of = both & (below.phase_ids[a] == number)
                q = below.quaternions[a][of], above.quaternions[b][of]
                same += int((rotation.disorientation_angle(*q, phase.symmetry) < _ALIKE).sum())
            known[shift] = same / len(points)
        return known[shift]

    best = (0, 0)
    for step in (4, 2, 1):
        while True:
            around = [
                (best[0] + i * step, best[1] + j * step) for i in (-1, 0, 1) for j in (-1, 0, 1)
                if max(abs(best[0] + i * step), abs(best[1] + j * step)) <= _REACH
            ]  # fmt: skip
            nearest = max(around, key=lambda shift: (alike(shift), -abs(shift[0]) - abs(shift[1])))
            if alike(nearest) <= alike(best):
                break
            best = nearest
    return best if alike(best) > alike((0, 0)) + _GAIN else (0, 0)
