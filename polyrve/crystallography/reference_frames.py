r"""Named reference frames of EBSD vendors and the crystal's x axis.

A map has two frames: the *map frame*, in which the pixels lie (x along a row, y from row to row, z completes the
right-handed system, so that z points into the sample when row 0 is drawn on top), and the *Euler frame*, to which
the vendor's angles refer. polyrve keeps the pixels where they are and brings every orientation into the map frame:
a :class:`Frame` holds the rotation that takes map-frame to Euler-frame coordinates, and applying it multiplies the
orientations from the right (:mod:`polyrve.crystallography.rotation`).

=================  ======================  =======================================================================
preset             map to Euler frame      axes of the Euler frame in the map frame
=================  ======================  =======================================================================
``none``           identity                x, y, z
``edax-1``         180 degrees, x + y      A1 = y, A2 = x, A3 = -z
``edax-2``         180 degrees, x - y      A1 = -y, A2 = -x, A3 = -z
``edax-3``         180 degrees, x          A1 = x, A2 = -y, A3 = -z
``edax-4``         180 degrees, y          A1 = -x, A2 = y, A3 = -z
``oxford-cs1``     180 degrees, x          the acquisition surface: x along a row, y up, z out of the sample
``oxford-cs0``     180 degrees, x, then    the sample's primary frame; with the specimen orientation that the file
                   CS1 to CS0              gives, else equal to ``oxford-cs1``
``bruker``         180 degrees, x          x along a row, y up, z out of the sample
``bruker-5``       180 degrees, y          coordinate system ID 5 of ESPRIT: x against a row, y down, z out
=================  ======================  =======================================================================

The *crystal frame* has ``x || a`` and ``z || c*`` (:mod:`polyrve.crystallography.phase`), as EDAX, EMsoft and orix have
it. Oxford (HKL) and Bruker software has ``x || a*`` and ``z || c``. For hexagonal and trigonal lattices a then lies 30
degrees before x, so phi2 of the same crystal is 30 degrees smaller here; for hexagonal Laue groups that is the same as
30 degrees larger, which DREAM.3D adds, for trigonal ones it is not. :func:`crystal_frame` converts.

References
----------
MTEX, documentation "Reference Frame Alignment" and the loaders of .ang (settings 1 to 4, of which 2 is EDAX's
default), .ctf and .crc (180 degrees about x), https://mtex-toolbox.github.io/EBSDReferenceFrame.html.
Oxford Instruments, H5OINA file format, https://github.com/oinanoanalysis/h5oina.
T. B. Britton et al., Materials Characterization 117 (2016) 113-126, doi:10.1016/j.matchar.2016.04.008.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from polyrve.crystallography import rotation
from polyrve.crystallography.phase import Phase
from polyrve.spelling import did_you_mean
from polyrve.user_line import user_line

_HALF = math.sqrt(0.5)

PRESETS: dict[str, tuple[float, float, float, float]] = {
    "none": (1.0, 0.0, 0.0, 0.0),
    "edax-1": (0.0, _HALF, _HALF, 0.0),
    "edax-2": (0.0, _HALF, -_HALF, 0.0),
    "edax-3": (0.0, 1.0, 0.0, 0.0),
    "edax-4": (0.0, 0.0, 1.0, 0.0),
    "oxford-cs0": (0.0, 1.0, 0.0, 0.0),
    "oxford-cs1": (0.0, 1.0, 0.0, 0.0),
    "bruker": (0.0, 1.0, 0.0, 0.0),
    "bruker-5": (0.0, 0.0, 1.0, 0.0),
}
"""Rotation from the map frame to the Euler frame of every named frame, unit quaternions, scalar first."""


SIX_AND_THREE_FOLD: tuple[str, ...] = ("-3", "-3m", "6/m", "6/mmm")
"""Laue groups whose lattice vectors a and a* differ in direction by 30 degrees."""


class FrameWarning(UserWarning):
    """The frame that a file's angles refer to is not certain."""


class DefaultFrameWarning(FrameWarning):
    """Files do not say which frame their angles refer to, and the vendor's default was applied.

    Attributes
    ----------
    files : tuple of str
    frame : str
        The preset.
    """

    def __init__(self, files: Sequence[str], frame: str) -> None:
        self.files, self.frame = tuple(files), frame
        super().__init__(
            f"{', '.join(files)} {'does' if len(files) == 1 else 'do'} not say how the Euler frame lies in the map; "
            f"frame {frame!r}, the vendor's default, is applied: --frame (frame=) sets another, one of "
            f"{', '.join(PRESETS)}"
        )


@dataclass(frozen=True)
class Frame:
    """The relation between the Euler frame of a file and its map frame.

    Attributes
    ----------
    name : str
        Preset name or ``"custom"``.
    map_to_euler : tuple of float, length 4
        Unit quaternion r, scalar first, with ``v_euler = to_matrix(r) @ v_map``.
    source : str
        Who says so: ``"user"``, ``"file"``, ``"vendor default"`` or ``"polyrve"`` (already in the map frame).

    Raises
    ------
    ValueError
        If the rotation is no unit quaternion.

    See Also
    --------
    named : The frame of a preset.

    Examples
    --------
    >>> q = rotation.from_euler(np.deg2rad([40.0, 35.0, 20.0]))
    >>> np.rad2deg(rotation.to_euler(named("edax-2").apply(q))).round(6)
    array([ 50., 145., 200.])
    """

    name: str = "none"
    map_to_euler: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    source: str = "polyrve"

    def __post_init__(self) -> None:
        r = tuple(float(value) for value in self.map_to_euler)
        norm = math.sqrt(sum(value * value for value in r))
        if len(r) != 4 or not abs(norm - 1.0) < 1e-6:
            raise ValueError(f"map_to_euler: expected a unit quaternion (w, x, y, z); got {self.map_to_euler}")
        object.__setattr__(self, "map_to_euler", r)

    def apply(self, quaternions: np.ndarray) -> np.ndarray:
        """Return orientations read in the Euler frame, expressed in the map frame.

        Parameters
        ----------
        quaternions : ndarray, shape (..., 4)

        Returns
        -------
        ndarray, shape (..., 4)
        """
        w, x, y, z = self.map_to_euler
        return _times(quaternions, w, x, y, z)

    def undo(self, quaternions: np.ndarray) -> np.ndarray:
        """Return orientations in the map frame, expressed in the Euler frame; the inverse of :meth:`apply`.

        Parameters
        ----------
        quaternions : ndarray, shape (..., 4)

        Returns
        -------
        ndarray, shape (..., 4)
        """
        w, x, y, z = self.map_to_euler
        return _times(quaternions, w, -x, -y, -z)

    def turns_as(self, map_to_euler: Sequence[float]) -> bool:
        """Return whether this frame applies the same rotation, whatever it is called.

        Parameters
        ----------
        map_to_euler : sequence of float, length 4
            Unit quaternion.

        Returns
        -------
        bool
        """
        return bool(abs(np.dot(self.map_to_euler, map_to_euler)) > 1.0 - 1e-9)

    def record(self) -> dict[str, Any]:
        """Return the frame as JSON types, for provenance.

        Returns
        -------
        dict of str to object
        """
        return {"name": self.name, "map_to_euler": list(self.map_to_euler), "source": self.source}


def _times(q: np.ndarray, w: float, x: float, y: float, z: float) -> np.ndarray:
    """Return products of quaternions with one from the right, as one product of matrices: much the fastest way."""
    if w == 1.0:
        return q
    return np.asarray(q) @ np.array([[w, x, y, z], [-x, w, -z, y], [-y, z, w, -x], [-z, -y, x, w]])


def named(name: str, source: str = "user", specimen_orientation: np.ndarray | None = None) -> Frame:
    """Return the frame of a preset.

    Parameters
    ----------
    name : str
        One of :data:`PRESETS`.
    source : str
        See :attr:`Frame.source`.
    specimen_orientation : ndarray, shape (4,), optional
        For ``"oxford-cs0"``: unit quaternion that takes CS0 to CS1 coordinates, as :func:`rotation.from_euler`
        gives it for the acquisition (specimen orientation) angles of the file.

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If there is no such preset.

    See Also
    --------
    choose : What a file states before what the vendor does by default.

    Examples
    --------
    >>> named("edax-4").map_to_euler
    (0.0, 0.0, 1.0, 0.0)
    """
    if name not in PRESETS:
        raise ValueError(f"frame: expected one of {', '.join(PRESETS)}; got {name!r}{did_you_mean(name, PRESETS)}")
    r = PRESETS[name]
    if name == "oxford-cs0" and specimen_orientation is not None:
        q = rotation.multiply(rotation.conjugate(specimen_orientation), np.array(r))
        r = (float(q[0]), float(q[1]), float(q[2]), float(q[3]))
    return Frame(name, r, source)


def choose(
    asked: str | Frame | None,
    stated: Frame | None,
    default: str,
    file: str,
    specimen_orientation: np.ndarray | None = None,
) -> Frame:
    """Return the frame to read a file in: as asked, else as the file states, else the vendor's default with a warning.

    Parameters
    ----------
    asked : str, Frame or None
        What the user set.
    stated : Frame or None
        What the file says.
    default : str
        Preset that the vendor's software uses by default.
    file : str
        File name, for the warning.
    specimen_orientation : ndarray, shape (4,), optional
        See :func:`named`.

    Returns
    -------
    Frame

    Raises
    ------
    ValueError
        If there is no preset of the name asked for.

    Warns
    -----
    DefaultFrameWarning
        If neither the user nor the file says the frame.

    Examples
    --------
    >>> choose(None, named("edax-3", "file"), "edax-2", "scan.ang").name
    'edax-3'
    """
    if isinstance(asked, Frame):
        return asked
    if asked is not None:
        return named(asked, "user", specimen_orientation)
    if stated is not None:
        return stated
    warnings.warn(DefaultFrameWarning([file], default), stacklevel=user_line())
    return named(default, "vendor default", specimen_orientation)


def crystal_frame(quaternions: np.ndarray, phase: Phase, x_axis: str) -> np.ndarray:
    """Return orientations of one phase, brought from the vendor's crystal frame to ``x || a, z || c*``.

    Parameters
    ----------
    quaternions : ndarray, shape (..., 4)
        Orientations as the vendor gives them; indexed points only.
    phase : Phase
        Monoclinic and triclinic lattices need the angles; of orthogonal ones the two frames are the same.
    x_axis : {"a", "a*"}
        What the vendor's crystal frame has along x: ``"a"`` with ``z || c*``, or ``"a*"`` with ``z || c``.

    Returns
    -------
    ndarray, shape (..., 4)

    Raises
    ------
    ValueError
        If the vendor's x axis is neither, or the lattice has no angles of a unit cell.

    See Also
    --------
    vendor_crystal_frame : The inverse, for writing.

    Examples
    --------
    >>> angles = np.deg2rad([10.0, 20.0, 45.0])
    >>> q = crystal_frame(rotation.from_euler(angles), Phase("Mg", "6/mmm"), "a*")
    >>> np.rad2deg(rotation.to_euler(q)).round(6)
    array([10., 20., 15.])
    """
    turn = _vendor_to_internal(phase, x_axis)
    return quaternions if turn is None else rotation.multiply(turn, quaternions)


def vendor_crystal_frame(quaternions: np.ndarray, phase: Phase, x_axis: str) -> np.ndarray:
    """Return orientations of one phase as the vendor gives them; the inverse of :func:`crystal_frame`.

    Parameters and errors are those of :func:`crystal_frame`.

    Returns
    -------
    ndarray, shape (..., 4)
    """
    turn = _vendor_to_internal(phase, x_axis)
    return quaternions if turn is None else rotation.multiply(rotation.conjugate(turn), quaternions)


def turns_crystal(phase: Phase, x_axis: str) -> bool:
    """Return whether :func:`crystal_frame` changes the orientations of a phase.

    Parameters
    ----------
    phase : Phase
    x_axis : {"a", "a*"}
        See :func:`crystal_frame`.

    Returns
    -------
    bool

    Examples
    --------
    >>> turns_crystal(Phase("Mg", "6/mmm"), "a*"), turns_crystal(Phase("Al", "m-3m"), "a*")
    (True, False)
    """
    return _vendor_to_internal(phase, x_axis) is not None


def standard_setting(phase: Phase) -> tuple[Phase, np.ndarray | None]:
    """Return a monoclinic phase with its axes named such that b is the unique one, whatever the file calls it.

    Parameters
    ----------
    phase : Phase
        The lattice tells: the one angle that is not 90 degrees lies between the other two axes.

    Returns
    -------
    phase : Phase
        With b as the two-fold axis; the same where it was so already, or is not monoclinic.
    turn : ndarray, shape (4,), or None
        Unit quaternion that takes the old crystal frame to the new one (to be multiplied from the left); None where
        nothing changes.

    Examples
    --------
    >>> phase, turn = standard_setting(Phase("gypsum", "2/m", (6.3, 6.5, 15.2, 90, 90, 127.4)))
    >>> phase.lattice
    (6.5, 15.2, 6.3, 90.0, 127.4, 90.0)
    """
    oblique = [abs(angle - 90.0) > 1e-3 for angle in phase.lattice[3:]]
    if phase.laue != "2/m" or oblique not in ([False, False, True], [True, False, False]):
        return phase, None
    a, b, c, alpha, beta, gamma = phase.lattice
    if oblique[2]:
        lattice, angle = (b, c, a, beta, gamma, alpha), math.radians(gamma)
        x, y = (math.cos(angle), math.sin(angle), 0.0), (0.0, 0.0, 1.0)
    else:
        lattice, angle = (c, a, b, gamma, alpha, beta), math.radians(alpha)
        x, y = (0.0, math.cos(angle), math.sin(angle)), (1.0, 0.0, 0.0)
    return replace(phase, lattice=lattice), rotation.from_matrix(np.array([x, y, np.cross(x, y)]))


def _vendor_to_internal(phase: Phase, x_axis: str) -> np.ndarray | None:
    if x_axis not in ("a", "a*"):
        raise ValueError(f"x_axis: expected 'a' or 'a*'; got {x_axis!r}")
    if x_axis == "a" or phase.laue not in (*SIX_AND_THREE_FOLD, "-1", "2/m"):
        return None
    if phase.laue in SIX_AND_THREE_FOLD:
        return rotation.from_euler(np.deg2rad([0.0, 0.0, -30.0]))
    alpha, beta, gamma = np.deg2rad(phase.lattice[3:])
    b = np.array([math.cos(gamma), math.sin(gamma), 0.0])
    c_y = (math.cos(alpha) - math.cos(beta) * math.cos(gamma)) / math.sin(gamma) if math.sin(gamma) else math.nan
    c_z = 1.0 - math.cos(beta) ** 2 - c_y**2
    if not c_z > 1e-9:
        raise ValueError(f"lattice of phase {phase.name!r}: expected angles of a unit cell; got {phase.lattice[3:]}")
    c = np.array([math.cos(beta), c_y, math.sqrt(c_z)])
    x, z = np.cross(b, c), c
    rows = np.stack([x / np.linalg.norm(x), np.cross(z, x) / np.linalg.norm(np.cross(z, x)), z])
    if np.allclose(rows, np.eye(3), rtol=0.0, atol=1e-12):
        return None
    return rotation.from_matrix(rows.T)
