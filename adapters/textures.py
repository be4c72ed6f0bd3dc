"""Texture files: VPSC textures, ODFs that MTEX exported, columns of Bunge angles with weights (.wtd, .ori, .txt).

VPSC: C. N. Tome, R. A. Lebensohn, Manual for Code VPSC-7d (2012), 3.2. MTEX: ``export(odf, 'odf.txt', 'Bunge')``, a
value per point of a regular grid of Euler angles. Angles are degrees, and orientations are those of
:mod:`polyrve.crystallography.rotation`.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.adapters.text_lines import BYTE_ORDER_MARK, decoded
from polyrve.adapters.warned import warn
from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase, laue_group
from polyrve.crystallography.reference_frames import crystal_frame
from polyrve.crystallography.texture import WeightedOrientations

_WHOLE = (30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 360.0)
"""Ranges of an Euler angle in degrees after which an ODF repeats or is mirrored, by symmetry."""
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")


def read_texture(path: str | Path, phase: Phase, *, spread: float = 0.0, radians: bool = False) -> WeightedOrientations:
    """Read a texture from a file.

    Parameters
    ----------
    path : path-like
    phase : Phase
        Of the crystals; the crystal symmetry of an MTEX file is compared with its Laue group.
    spread : float, degrees
        Standard deviation about each orientation, for files of a few hundred orientations.
    radians : bool
        Whether the angles of a file of columns are radians.

    Returns
    -------
    WeightedOrientations

    Raises
    ------
    FormatError
        If the file is empty, not such a file, has angles in another convention, or an ODF below zero.
    OSError
        If it cannot be read.

    Warns
    -----
    UserWarning
        If a VPSC file has several textures; the last is taken.

    See Also
    --------
    polyrve.crystallography.texture.sample_texture : A given number of orientations that have the texture.
    """
    path = Path(path)
    lines = decoded(path.read_bytes().removeprefix(BYTE_ORDER_MARK)).splitlines()
    if lines and lines[0].startswith("% MTEX ODF"):
        quaternions, weights = _mtex(path, lines, phase)
    elif any(line.upper().startswith("TEXTURE AT STRAIN") for line in lines[:1]) or _is_block(lines, 0):
        quaternions, weights = _vpsc(path, lines)
    else:
        quaternions, weights = _columns(path, lines, radians)
    try:
        return WeightedOrientations(quaternions, weights, spread)
    except ValueError as error:
        raise FormatError(path, str(error).removeprefix("texture: ")) from None


def _rows(path: Path, lines: list[str], first: int, columns: int) -> np.ndarray:
    """Numbers of lines, of which each has so many columns or more; `first` is the number of the first line."""
    rows = []
    for number, line in enumerate(lines, start=first):
        words = re.split(r"[\s,;]+", line.strip())
        try:
            rows.append([float(word.lower().replace("d", "e")) for word in words[: max(columns, 4)]])
        except ValueError:
            raise FormatError(path, f"expected {columns} numbers or more", f"line {number}") from None
        if len(rows[-1]) < columns or len(rows[-1]) != len(rows[0]):
            raise FormatError(
                path, f"expected {max(columns, len(rows[0]))} numbers; got {len(rows[-1])}", f"line {number}"
            )
    if not rows:
        raise FormatError(path, "expected orientations; there are none")
    values = np.array(rows)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise FormatError(path, "expected finite numbers", f"line {first + bad}")
    return values


def _is_block(lines: list[str], start: int) -> bool:
    return len(lines) > start + 3 and bool(re.match(r"\s*[BKR]\s+\d+", lines[start + 3]))


def _vpsc(path: Path, lines: list[str]) -> tuple[np.ndarray, np.ndarray]:
    starts, line = [], 0
    while _is_block(lines, line):
        kind, count = lines[line + 3].split()[:2]
        if kind != "B":
            raise FormatError(path, f"expected Bunge angles (B); got convention {kind}", f"line {line + 4}")
        starts.append((line, int(count)))
        line += 4 + int(count)
    if not starts:
        raise FormatError(path, "expected 'B' and the number of orientations", "line 4")
    if len(starts) > 1:
        warn(f"{path}: has {len(starts)} textures; the last is taken")
    line, number = starts[-1]
    values = _rows(path, lines[line + 4 : line + 4 + number], line + 5, 4)
    if len(values) < number:
        raise FormatError(path, f"expected {number} orientations; got {len(values)}: the file was cut off")
    return rotation.from_euler(np.deg2rad(values[:, :3])), values[:, 3]


def _columns(path: Path, lines: list[str], radians: bool) -> tuple[np.ndarray, np.ndarray]:
    numbers = [i for i, line in enumerate(lines) if _is_row(line)]
    if not numbers:
        raise FormatError(path, "expected rows of phi1, Phi, phi2 and a weight; there are none")
    kept = [i for i in range(numbers[0], len(lines)) if lines[i].strip()]
    values = _rows(path, [lines[i] for i in kept], numbers[0] + 1, 3)
    angles = values[:, :3]
    if not radians and len(values) > 1 and np.abs(angles).max() <= 2.0 * np.pi + 1e-6:
        raise FormatError(
            path, f"expected angles in degrees; the largest is {np.abs(angles).max():.4g}: say radians if they are"
        )
    weights = values[:, 3] if values.shape[1] > 3 else np.ones(len(values))
    return rotation.from_euler(angles if radians else np.deg2rad(angles)), weights


def _is_row(line: str) -> bool:
    words = re.split(r"[\s,;]+", line.strip())
    return len(words) >= 3 and all(_NUMBER.fullmatch(word) for word in words)


def _mtex(path: Path, lines: list[str], phase: Phase) -> tuple[np.ndarray, np.ndarray]:
    """Values on a regular grid of Euler angles, each for the volume of its part of Euler space."""
    head = [line for line in lines if line.startswith("%")]
    told = {key.strip(): value.strip() for key, _, value in (line.lstrip("% ").partition(":") for line in head)}
    if not any(re.match(r"%\s*phi1\s+Phi\s+phi2", line) for line in head):
        raise FormatError(path, "expected columns phi1 Phi phi2: export it by export(odf, 'odf.txt', 'Bunge')")
    crystal = told.get("crystal symmetry", "")
    _check_laue(path, crystal, phase)
    values = _rows(path, [line for line in lines if line.strip() and not line.startswith("%")], len(head) + 1, 4)
    weights = values[:, 3] * _share(path, values[:, 0]) * _share(path, values[:, 2]) * _polar(path, values[:, 1])
    if values[:, 3].min() < 0:
        raise FormatError(
            path,
            f"expected an ODF that is nowhere below zero; its lowest value is {values[:, 3].min():g}: "
            "set such values to zero, or estimate the ODF with a kernel that is positive",
        )
    q = rotation.from_euler(np.deg2rad(values[:, :3]))
    if "X||a*" in crystal:
        q = crystal_frame(q, phase, "a*")
    specimen = told.get("specimen symmetry", "1").strip('"') or "1"
    if specimen in ("mmm", "222", "orthorhombic"):
        q = rotation.multiply(q[:, None], np.eye(4)).reshape(-1, 4)
        weights = np.repeat(weights, 4)
    elif specimen not in ("1", "-1", "triclinic"):
        raise FormatError(path, f"expected specimen symmetry 1 or mmm; got {specimen!r}")
    used = weights > 0
    return (q[used], weights[used]) if used.any() else (q, weights)


def _check_laue(path: Path, crystal: str, phase: Phase) -> None:
    for word in re.split(r"[\s,\"]+", crystal):
        try:
            found = laue_group(word)
        except ValueError:
            continue
        if found != phase.laue:
            raise FormatError(path, f"expected crystal symmetry {phase.laue}; the file has {found}")
        return


def _steps(path: Path, angles: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    places, of = np.unique(np.round(angles, 4), return_inverse=True)
    steps = np.diff(places)
    if len(places) < 3 or np.ptp(steps) > 0.01:
        raise FormatError(path, "expected a regular grid of Euler angles: export it by export(odf, 'odf.txt', 'Bunge')")
    return places, of.ravel(), float(steps.mean())


def _share(path: Path, angles: np.ndarray) -> np.ndarray:
    """Of phi1 or phi2: a half at both ends of a range that has both of them."""
    places, of, step = _steps(path, angles)
    span = places[-1] - places[0]
    share = np.ones(len(places))
    if not np.isclose(span + step, _WHOLE).any() and np.isclose(span, _WHOLE).any():
        share[[0, -1]] = 0.5
    return share[of]


def _polar(path: Path, angles: np.ndarray) -> np.ndarray:
    """Of Phi: the integral of its sine over the step."""
    places, of, step = _steps(path, angles)
    top = next(whole for whole in (*_WHOLE[3:], 360.0) if places[-1] <= whole + 1e-6)
    low, high = np.clip([places - step / 2, places + step / 2], 0.0, top)
    return np.asarray((np.cos(np.deg2rad(low)) - np.cos(np.deg2rad(high)))[of])
