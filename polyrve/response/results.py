"""What a run of DAMASK says: the stress-strain curve, and where stress, strain and orientations are.

Files are read by :class:`damask.Result`, from runs of :mod:`polyrve.response.simulate` and from any other that has F
and P. Averages over a periodic volume are exact for F and P; the Cauchy stress of the volume follows from them.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve.adapters.registry import FormatError
from polyrve.crystallography.phase import Phase
from polyrve.crystallography.rotation import conjugate, to_euler
from polyrve.microstructure.fields import OrientationVolume
from polyrve.microstructure.grains import GrainVolume, mean_orientations
from polyrve.microstructure.response_bounds import response_bounds

if TYPE_CHECKING:
    import damask
    import pandas as pd

_UM = 1e-6
_OFFSET = 0.002
_LAUE = {"cF": "m-3m", "cI": "m-3m", "hP": "6/mmm", "tI": "4/mmm"}
_ELASTIC = 0.9
"""Share of Reuss's modulus that a secant of elastic states keeps: aluminium's at a strain of 1e-4 is 7 % less."""
_ROUNDING = 1e-6
"""Share of a strain by which the solver may stay below what was asked for."""
_STRAINED = 1e-9
"""Smallest strain of a state that counts as loaded."""


@dataclass(frozen=True, eq=False)
class Response:
    """The results of a run, by stored states.

    Attributes
    ----------
    path : Path
        The HDF5 file.
    increments : ndarray, shape (n,), int
    times : ndarray, shape (n,), s
    F, P : ndarray, shape (n, 3, 3)
        Mean deformation gradient, and mean first Piola-Kirchhoff stress in Pa.
    component : tuple of int
        Row and column of the component of F that changed most: the load.
    shape : tuple of int
        nz, ny, nx; empty for a mesh.
    bounds : tuple of float, Pa
        Young's modulus along the load by Reuss, Hill and Voigt, of the orientations and elastic constants that the run
        began with; NaN where they are not known.

    See Also
    --------
    read_response : Makes one from a file or the folder of a run.
    """

    path: Path
    increments: np.ndarray
    times: np.ndarray
    F: np.ndarray
    P: np.ndarray
    component: tuple[int, int]
    shape: tuple[int, ...]
    bounds: tuple[float, float, float] = (math.nan, math.nan, math.nan)

    @property
    def axis(self) -> str:
        """The load as letters, ``"x"`` or ``"xy"``."""
        row, column = self.component
        return "xyz"[row] if row == column else f"{'xyz'[row]}{'xyz'[column]}"

    @property
    def strain(self) -> np.ndarray:
        """Engineering strain along the load, shape (n,); of shear, its angle."""
        row, column = self.component
        return self.F[:, row, column] - (row == column)

    @property
    def stress(self) -> np.ndarray:
        """Engineering stress along the load, shape (n,), Pa."""
        return self.P[:, self.component[0], self.component[1]]

    @cached_property
    def cauchy(self) -> np.ndarray:
        """Cauchy stress of the volume, shape (n, 3, 3), Pa."""
        sigma = self.P @ self.F.swapaxes(1, 2) / np.linalg.det(self.F)[:, None, None]
        return (sigma + sigma.swapaxes(1, 2)) / 2.0

    @property
    def true_strain(self) -> np.ndarray:
        """Logarithmic strain along the load, shape (n,); of shear as :attr:`strain`."""
        return np.log1p(self.strain) if self.component[0] == self.component[1] else self.strain

    @property
    def true_stress(self) -> np.ndarray:
        """Cauchy stress along the load, shape (n,), Pa."""
        return self.cauchy[:, self.component[0], self.component[1]]

    @property
    def modulus(self) -> float:
        """Secant to the first loaded state, Pa; NaN where crystals yield in it, which brings it below Reuss's bound."""
        loaded = np.flatnonzero(np.abs(self.strain) > _STRAINED)
        secant = float(self.stress[loaded[0]] / self.strain[loaded[0]]) if len(loaded) else math.nan
        return math.nan if secant < _ELASTIC * self.bounds[0] else secant

    @property
    def yield_stress(self) -> float:
        """Engineering stress at 0.2 % plastic strain, Pa; NaN where the first loading does not reach it.

        The elastic strain is that of :attr:`modulus`, or of Hill's where there is none.
        """
        sign = np.sign(self.strain[np.argmax(np.abs(self.strain) > _STRAINED)])
        strain, stress = sign * self.strain, sign * self.stress
        end = int(np.argmax(np.diff(strain, append=-np.inf) <= 0)) + 1
        modulus = self.bounds[1] if math.isnan(self.modulus) else self.modulus
        at = offset_point(strain[:end], stress[:end], modulus)
        return math.nan if at is None else float(sign * np.interp(at, np.arange(end), stress[:end]))

    def stress_at(self, strain: float) -> float:
        """Return the engineering stress at a strain of the first loading, Pa; NaN where it does not reach so far."""
        sign = np.sign(strain)
        end = int(np.argmax(np.diff(sign * self.strain, append=-np.inf) <= 0)) + 1
        reached, stress = sign * self.strain[:end], self.stress[:end]
        return (
            float(np.interp(abs(strain), reached, stress))
            if reached.max() >= abs(strain) * (1.0 - _ROUNDING)
            else math.nan
        )

    def to_dataframe(self) -> pd.DataFrame:
        """Return the curve.

        Returns
        -------
        pandas.DataFrame
            Indexed by the increment: ``time_s``, ``strain``, ``stress_Pa``, ``true_strain``, ``true_stress_Pa``, and
            the components of mean F and P such as ``F_xx`` and ``P_xy_Pa``.
        """
        import pandas as pd

        columns = {
            "time_s": self.times, "strain": self.strain, "stress_Pa": self.stress, "true_strain": self.true_strain,
            "true_stress_Pa": self.true_stress,
        }  # fmt: skip
        for i, a in enumerate("xyz"):
            columns |= {f"F_{a}{b}": self.F[:, i, j] for j, b in enumerate("xyz")}
        for i, a in enumerate("xyz"):
            columns |= {f"P_{a}{b}_Pa": self.P[:, i, j] for j, b in enumerate("xyz")}
        return pd.DataFrame(columns, index=pd.Index(self.increments, name="increment"))

    @property
    def figures(self) -> dict[str, float]:
        """Modulus, yield stress and stresses at 0.2, 0.5 and 1 % strain, Pa, and those that are not reached as NaN."""
        sign = float(np.sign(self.strain[np.argmax(np.abs(self.strain))]) or 1.0)
        found = {"modulus": self.modulus, "yield_stress": self.yield_stress}
        return found | {f"stress_at_{100 * e:g}_percent": self.stress_at(sign * e) for e in (0.002, 0.005, 0.01)}


def offset_point(strain: np.ndarray, stress: np.ndarray, modulus: float, offset: float = _OFFSET) -> float | None:
    """Find where the plastic strain of a monotonic curve reaches an offset.

    Parameters
    ----------
    strain, stress : ndarray, shape (n,)
        Of the states, from the unloaded one on.
    modulus : float
        Stress over elastic strain.
    offset : float

    Returns
    -------
    float or None
        Number of the state, between two of them in proportion; None where it is not reached.
    """
    plastic = strain - stress / modulus
    beyond = np.flatnonzero(plastic >= offset)
    if not len(beyond) or beyond[0] == 0:
        return None
    last = int(beyond[0])
    return last - 1 + float((offset - plastic[last - 1]) / (plastic[last] - plastic[last - 1]))


@dataclass(frozen=True, eq=False)
class LocalFields:
    """One stored state, point by point.

    Attributes
    ----------
    increment : int
    grains : GrainVolume
        The grains as they were, with the orientations of the state; undeformed positions. Its properties hold
        ``MisesStress`` (Pa) and ``MisesStrain`` of the Cauchy stress and the logarithmic strain.
    stress, strain : ndarray, shape (nz, ny, nx)
        The same two fields.
    moved : bool
        Whether the orientations are those of the state; else none were stored and they are those of the set-up.
    """

    increment: int
    grains: GrainVolume
    stress: np.ndarray
    strain: np.ndarray
    moved: bool


def read_response(path: str | Path) -> Response:
    """Read the curve of a run.

    Parameters
    ----------
    path : path-like
        The HDF5 file that DAMASK wrote, or the folder of the run.

    Returns
    -------
    Response

    Raises
    ------
    FormatError
        If the file is truncated, is of another program, or has no state but the first.
    FileNotFoundError
        If there is no such file.
    """
    path = result_file(path)
    result = _opened(path)
    F, P, increments = [], [], []
    for name in result.increments:
        state = result.view(increments=name)
        means = _means(state, path)
        if means is None:
            break
        F.append(means[0])
        P.append(means[1])
        increments.append(int(name.rsplit("_", 1)[1]))
    if len(increments) < 2:
        raise FormatError(path, "expected a loaded state; got the first alone: the run stopped before it had one")
    change = np.abs(np.array(F) - np.eye(3)).max(axis=0)
    component = np.unravel_index(np.argmax(change), (3, 3))
    shape = tuple(int(n) for n in result.cells[::-1]) if result.structured else ()
    return Response(
        path, np.array(increments), np.array([float(t) for t in result.times[: len(F)]]), np.array(F), np.array(P),
        (int(component[0]), int(component[1])), shape, _bounds(result, path, shape, component),
    )  # fmt: skip


def read_fields(path: str | Path, increment: int | None = None) -> LocalFields:
    """Read one state of a run on a grid.

    Parameters
    ----------
    path : path-like
        As for :func:`read_response`.
    increment : int, optional
        By default the last that was stored.

    Returns
    -------
    LocalFields

    Raises
    ------
    FormatError
        As :func:`read_response`, or if it is no run on a grid, or the state was not stored.
    """
    path = result_file(path)
    result = _opened(path)
    if not result.structured:
        raise FormatError(path, "expected a run on a grid; got a mesh, of which the curve alone is read")
    stored = [int(name.rsplit("_", 1)[1]) for name in result.increments]
    if increment is not None and increment not in stored:
        raise FormatError(path, f"expected one of the stored increments {stored}; got {increment}")
    number = stored[-1] if increment is None else increment
    state = result.view(increments=f"increment_{number}")
    shape = tuple(int(n) for n in result.cells[::-1])
    stress, strain = _mises(state, path)
    ids, phase_ids, definitions, initial = _set_up(result, path)
    names = list(definitions)
    turned = _placed(state, "O", path)
    q = conjugate(turned) if turned is not None else initial
    phases = tuple(_phase(name, state) for name in names)
    spacing = tuple(float(size) / n / _UM for size, n in zip(result.size[::-1], shape, strict=True))
    stress, strain = stress.reshape(shape), strain.reshape(shape)
    field = OrientationVolume(
        quaternions=q.reshape(*shape, 4), phase_ids=phase_ids.reshape(shape), phases=phases, spacing=spacing,
        periodic=True, properties={"MisesStress": stress, "MisesStrain": strain},
        provenance={"source": str(path.name), "increment": number},
    )  # fmt: skip
    grain_phases = np.zeros(ids.max(), dtype=np.int64)
    grain_phases[ids - 1] = phase_ids
    mean = mean_orientations(field.quaternions.reshape(-1, 4), ids, grain_phases, phases)
    grains = GrainVolume(field, ids.reshape(shape), mean, grain_phases)
    return LocalFields(number, grains, stress, strain, turned is not None)


def cycles(response: Response) -> pd.DataFrame:
    """Tell what each cycle of a cyclic load gave.

    Parameters
    ----------
    response : Response

    Returns
    -------
    pandas.DataFrame
        A row for each cycle, from one largest strain to the next: ``largest_strain``, ``smallest_strain``, the stresses
        there ``peak_stress_Pa`` and ``valley_stress_Pa`` at its end, ``amplitude_Pa``, ``mean_stress_Pa``,
        ``plastic_strain_range``, ``energy_J_per_m3`` that its loop encloses, and ``change``, of the amplitude relative
        to the cycle before. No row where the load does not turn twice.
    """
    import pandas as pd

    strain, stress = response.strain, response.stress
    step = np.diff(strain)
    moving = np.flatnonzero(np.abs(step) > _STRAINED)
    turns = [int(a) + 1 for a, b in pairwise(moving) if step[a] * step[b] < 0]
    points = [0, *turns, len(strain) - 1]
    rows: list[dict[str, float]] = []
    modulus = response.bounds[1] if math.isnan(response.modulus) else response.modulus
    for first, middle, last in zip(points[1::2], points[2::2], points[3::2], strict=False):
        loop = slice(first, last + 1)
        ends = sorted((middle, last), key=lambda at: strain[at])
        low, high = (float(stress[at]) for at in ends)
        amplitude = (high - low) / 2.0
        rows.append({
            "largest_strain": strain[ends[1]], "smallest_strain": strain[ends[0]], "peak_stress_Pa": high,
            "valley_stress_Pa": low, "amplitude_Pa": amplitude, "mean_stress_Pa": (high + low) / 2.0,
            "plastic_strain_range": strain[ends[1]] - strain[ends[0]] - (high - low) / modulus,
            "energy_J_per_m3": abs(float(np.trapezoid(stress[loop], strain[loop]))),
            "change": amplitude / rows[-1]["amplitude_Pa"] - 1.0 if rows else math.nan,
        })  # fmt: skip
    return pd.DataFrame(rows, index=pd.Index(range(1, len(rows) + 1), name="cycle"))


def grain_averages(fields: LocalFields) -> pd.DataFrame:
    """Average a state over each grain.

    Returns
    -------
    pandas.DataFrame
        The columns of :meth:`polyrve.GrainVolume.to_dataframe` and ``mises_stress_Pa`` and ``mises_strain``.
    """
    table = fields.grains.to_dataframe()
    ids = fields.grains.grain_ids.ravel()
    count = np.bincount(ids)[1:]
    for name, values in (("mises_stress_Pa", fields.stress), ("mises_strain", fields.strain)):
        table[name] = np.bincount(ids, values.ravel())[1:] / count
    return table


def phase_averages(fields: LocalFields) -> pd.DataFrame:
    """Average a state over each phase.

    Returns
    -------
    pandas.DataFrame
        Indexed by the phase: ``share``, and mean, standard deviation and 99th percentile of both Mises fields.
    """
    import pandas as pd

    field, rows = fields.grains.field, {}
    for number, phase in enumerate(field.phases, start=1):
        here = field.phase_ids == number
        if not here.any():
            continue
        rows[phase.name] = {"share": here.mean()}
        for name, values in (("mises_stress_Pa", fields.stress[here]), ("mises_strain", fields.strain[here])):
            rows[phase.name] |= {
                f"{name}_mean": values.mean(), f"{name}_std": values.std(), f"{name}_99": np.quantile(values, 0.99),
            }  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def hot_spots(fields: LocalFields, number: int = 10) -> pd.DataFrame:
    """Find where von Mises stress is highest, one point for each grain.

    Parameters
    ----------
    fields : LocalFields
    number : int
        How many.

    Returns
    -------
    pandas.DataFrame
        ``mises_stress_Pa``, its ratio ``to_mean``, ``mises_strain``, the position ``x_um``, ``y_um``, ``z_um``,
        ``grain``, ``phase``, ``boundary_um`` (distance from the nearest boundary of the grain, 0.5 voxels at it) and
        the orientation ``phi1_deg``, ``Phi_deg``, ``phi2_deg``.
    """
    import pandas as pd

    field, ids = fields.grains.field, fields.grains.grain_ids
    order = np.argsort(fields.stress, axis=None)[::-1]
    _, first = np.unique(ids.ravel()[order], return_index=True)
    places = order[np.sort(first)[:number]]
    distance = _boundary_distance(ids, field.spacing).ravel()[places]
    z, y, x = np.unravel_index(places, ids.shape)
    angles = np.rad2deg(to_euler(field.quaternions.reshape(-1, 4)[places]))
    dz, dy, dx = field.spacing
    return pd.DataFrame({
        "mises_stress_Pa": fields.stress.ravel()[places],
        "to_mean": fields.stress.ravel()[places] / fields.stress.mean(),
        "mises_strain": fields.strain.ravel()[places],
        "x_um": (x + 0.5) * dx, "y_um": (y + 0.5) * dy, "z_um": (z + 0.5) * dz,
        "grain": ids.ravel()[places],
        "phase": [field.phases[i - 1].name for i in field.phase_ids.ravel()[places]],
        "boundary_um": distance,
        "phi1_deg": angles[:, 0], "Phi_deg": angles[:, 1], "phi2_deg": angles[:, 2],
    })  # fmt: skip


def result_file(path: str | Path) -> Path:
    """Return the HDF5 file of a run: the path itself, or the only result in a folder.

    Raises
    ------
    FileNotFoundError
        If there is none, or several.
    """
    path = Path(path)
    if not path.is_dir():
        if not path.exists():
            raise FileNotFoundError(f"{path}: no such file or folder")
        return path
    found = [file for file in sorted(path.glob("*.hdf5")) if not file.stem.endswith("_restart")]
    if len(found) != 1:
        said = ", ".join(file.name for file in found) or "none"
        raise FileNotFoundError(f"{path}: expected one .hdf5 of DAMASK; got {said}")
    return found[0]


def _opened(path: Path) -> damask.Result:
    """The result, or one sentence of what it is instead."""
    import damask
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if "DADF5_version_major" not in file.attrs:
                raise FormatError(path, "expected results of DAMASK's solver; got an HDF5 file of something else")
            if not any(name.startswith("increment_") for name in file):
                raise FormatError(path, "expected a stored state; got none: the run stopped while it started")
        return damask.Result(path)
    except FormatError:
        raise
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise FormatError(path, f"expected intact results of DAMASK's solver; got {reason}") from None


def _placed(state: damask.Result, name: str, path: Path) -> np.ndarray | None:
    """A field on all points, x fastest; None where it was not stored."""
    try:
        found = state.place(name)
    except (OSError, KeyError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise FormatError(path, f"expected intact results of DAMASK's solver; got {reason}", name) from None
    if found is None or isinstance(found, dict):
        return None
    return np.asarray(np.ma.filled(found, np.nan), dtype=np.float64)


def _means(state: damask.Result, path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean F and P; None for a state that a run was killed in while it wrote it."""
    F, P = (_placed(state, name, path) for name in ("F", "P"))
    if F is None or P is None:
        return None
    if not (np.isfinite(F).all() and np.isfinite(P).all()):
        raise FormatError(path, "expected F and P at every point; got some without")
    return F.mean(axis=0), P.mean(axis=0)


def _mises(state: damask.Result, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Von Mises equivalents of the Cauchy stress and the logarithmic strain."""
    from damask import mechanics

    F, P = (_placed(state, name, path) for name in ("F", "P"))
    if F is None or P is None:
        raise FormatError(path, "expected F and P in the state; got no such fields")
    sigma = mechanics.stress_Cauchy(P, F)
    return mechanics.equivalent_stress_Mises(sigma), mechanics.equivalent_strain_Mises(mechanics.strain(F, "V", 0))


def _set_up(result: damask.Result, path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, Any], np.ndarray]:
    """Grain of each point from 1, its phase from 1, the phases' definitions, and the orientation it began with."""
    import yaml

    with tempfile.TemporaryDirectory() as folder:
        try:
            result.export_simulation_setup(target_dir=folder)
            import damask

            grid = next(file for file in Path(folder).rglob("*.vti"))
            config = next(file for file in Path(folder).rglob("material.yaml"))
            material = damask.GeomGrid.load(grid).material
            found = yaml.load(config.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
            parts = [one["constituents"][0] for one in found["material"]]
            names = list(found["phase"])
            of_name = [names.index(one["phase"]) + 1 for one in parts]
        except (StopIteration, OSError, KeyError, IndexError, TypeError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split()) or "no grid.vti and material.yaml"
            raise FormatError(path, f"expected the files that the run began with; got {reason}") from None
    used, ids = np.unique(np.transpose(material).ravel(), return_inverse=True)
    of_material = np.array([of_name[n] for n in used])
    q = conjugate(np.array([parts[n]["O"] for n in used], dtype=np.float64))
    return ids.ravel() + 1, of_material[ids.ravel()], found["phase"], q[ids.ravel()]


def _bounds(
    result: damask.Result, path: Path, shape: tuple[int, ...], component: tuple[Any, ...]
) -> tuple[float, float, float]:
    """Young's modulus along the load by Reuss, Hill and Voigt; NaN for shear, and where the set-up does not tell."""
    import yaml

    from polyrve.adapters.solvers.damask_crystals import from_yaml

    row, column = component
    if not shape or row != column:
        return (math.nan,) * 3
    try:
        _, phase_ids, definitions, q = _set_up(result, path)
        crystals = [from_yaml(yaml.dump(one), name) for name, one in definitions.items()]
    except ValueError:
        return (math.nan,) * 3
    found = response_bounds(q, phase_ids, crystals)
    return float(found.reuss[row]), float(found.hill[row]), float(found.voigt[row])


def _phase(name: str, state: damask.Result) -> Phase:
    """A phase by its name in the results, whose lattice stands beside its orientations."""
    found = state.get("O")
    values = found.get(name, found) if isinstance(found, dict) else found
    metadata = getattr(getattr(values, "dtype", None), "metadata", None) or {}
    lattice = metadata.get("lattice", "cF")
    return Phase(str(name), _LAUE.get(lattice.decode() if isinstance(lattice, bytes) else str(lattice), "m-3m"))


def _boundary_distance(ids: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Distance of each point from the nearest point of another grain, less half a voxel; periodic, um."""
    from scipy.ndimage import distance_transform_edt

    inner = np.ones(ids.shape, dtype=bool)
    for axis in range(3):
        if ids.shape[axis] > 1:
            for step in (1, -1):
                inner &= ids == np.roll(ids, step, axis)
    margin = [(n // 2 if n > 1 else 0,) * 2 for n in ids.shape]
    padded = np.pad(inner, margin, mode="wrap")
    if padded.all():
        return np.full(ids.shape, np.inf)
    distance = distance_transform_edt(padded, sampling=spacing)
    kept = tuple(slice(a, a + n) for (a, _), n in zip(margin, ids.shape, strict=True))
    return distance[kept] + 0.5 * min(d for d, n in zip(spacing, ids.shape, strict=True) if n > 1)
