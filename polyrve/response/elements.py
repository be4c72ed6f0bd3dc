"""Statistical volume elements: figures of a material with confidence bands, from volumes of several sizes and seeds.

Elements of one size and different seeds scatter; their mean is known to within Student's interval. A *control variate*
narrows it [1]_: each figure is divided by what the orientations of its element let expect (Hill's modulus, Taylor's
yield stress), and multiplied by what those of the map do. That takes away what an element is off the map by chance.

What the map itself is off the material is another matter (:mod:`polyrve.response.map_error`) and is told apart. Both
add up as variances.

The size that is large enough is told in two ways [2]_: as the smallest whose elements have a mean within the tolerance,
that of larger ones too; and as the smallest of which one volume alone is, by scatter that falls with the root of the
volume.

References
----------
.. [1] P. Glasserman, Monte Carlo Methods in Financial Engineering (2003), 4.1, doi:10.1007/978-0-387-21617-1.
.. [2] T. Kanit et al., Int. J. Solids Struct. 40 (2003) 3647, doi:10.1016/S0020-7683(03)00143-4.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from polyrve.adapters import registry
from polyrve.adapters.grains import read_grains
from polyrve.adapters.replacing import replacing
from polyrve.adapters.solvers import damask
from polyrve.microstructure.grains import GrainVolume
from polyrve.response import simulate as runs
from polyrve.response.bounds import bounds
from polyrve.response.map_error import MapError, Part
from polyrve.response.results import read_response

FEWEST = 3
"""Elements of a size whose scatter is told."""
RECORD = "element.json"


@dataclass(frozen=True)
class Element:
    """One volume and what it gave.

    Attributes
    ----------
    size : int
        Voxels along each edge.
    seed : int
    grains : int
    figures : mapping of str to float, Pa
        As :attr:`polyrve.response.results.Response.figures`; NaN where they are not reached.
    controls : mapping of str to float, Pa
        What its orientations let expect of ``"modulus"`` (Hill) and ``"stress"`` (Taylor).
    strain, stress : tuple of float
        The curve, Pa.
    """

    size: int
    seed: int
    grains: int
    figures: Mapping[str, float]
    controls: Mapping[str, float]
    strain: tuple[float, ...] = ()
    stress: tuple[float, ...] = ()


@dataclass(frozen=True)
class Band:
    """The mean of elements of one size.

    Attributes
    ----------
    mean : float, Pa
    scatter : float
        Standard deviation of one element, relative to the mean; NaN for one alone.
    number : int
    controlled : bool
        Whether the map's orientations were put in place of the elements'.
    """

    mean: float
    scatter: float
    number: int
    controlled: bool

    @property
    def half_width(self) -> float:
        """Half the width of the 95 % confidence interval of the mean, relative; NaN for one element."""
        return _t(self.number) * self.scatter / math.sqrt(self.number) if self.number > 1 else math.nan

    @property
    def of_one(self) -> float:
        """Half the width of the interval that holds 95 % of single elements, relative."""
        return _t(self.number) * self.scatter if self.number > 1 else math.nan


@dataclass(frozen=True)
class ErrorBar:
    """A figure of the material, with the parts of its 95 % error bar relative to it.

    Attributes
    ----------
    value : float, Pa
    of_map, of_volumes : float
    source : Part
        What tells the map's part.
    """

    value: float
    of_map: float
    of_volumes: float
    source: Part

    @property
    def total(self) -> float:
        """Both parts together, added as variances."""
        return math.hypot(self.of_map, self.of_volumes)


@dataclass(frozen=True, eq=False)
class ElementStudy:
    """Elements of several sizes, and what the maps that they come from know.

    Attributes
    ----------
    elements : tuple of Element
    axis : int
        Of the load, 0, 1, 2 for x, y, z.
    maps : MapError
    tolerance : float or None
        Relative half-width that is asked for.

    Examples
    --------
    >>> import polyrve
    >>> from polyrve.response.map_error import map_error
    >>> known = map_error([polyrve.data.load("scan")], "Cu")
    >>> made = [Element(16, n, 60, {"modulus": e}, {"modulus": h, "stress": 5e6})
    ...         for n, (e, h) in enumerate([(120e9, 119e9), (124e9, 122.5e9), (118e9, 117.2e9)])]
    >>> study = ElementStudy(tuple(made), 0, known)
    >>> study.band("modulus", 16).controlled, round(100 * study.band("modulus", 16).half_width, 1)
    (True, 0.7)
    """

    elements: tuple[Element, ...]
    axis: int
    maps: MapError
    tolerance: float | None = None

    @property
    def sizes(self) -> tuple[int, ...]:
        """Sizes that have an element, smallest first."""
        return tuple(sorted({one.size for one in self.elements}))

    @property
    def figures(self) -> tuple[str, ...]:
        """Names of the figures that every element reached."""
        names = dict.fromkeys(name for one in self.elements for name in one.figures)
        return tuple(name for name in names if all(math.isfinite(one.figures[name]) for one in self.elements))

    def known(self, figure: str) -> float:
        """Return what the maps' orientations let expect of a figure, Pa; NaN where resistances are not known."""
        of = self.maps.bounds.hill if figure == "modulus" else self.maps.bounds.flow_stress
        return float(of[self.axis])

    def controlled(self, figure: str) -> bool:
        """Tell whether elements scatter less about what their orientations let expect, all sizes together."""
        if not math.isfinite(self.known(figure)):
            return False
        plain, divided, freedom = 0.0, 0.0, 0
        for size in self.sizes:
            values, controls = self._values(figure, size)
            if len(values) > 1:
                plain += float(np.var(values / values.mean()) * len(values))
                ratio = values / controls
                divided += float(np.var(ratio / ratio.mean()) * len(values))
                freedom += len(values) - 1
        return freedom > 1 and divided < plain

    def band(self, figure: str, size: int) -> Band:
        """Return mean and scatter of the elements of a size."""
        values, controls = self._values(figure, size)
        controlled = self.controlled(figure)
        if controlled:
            values = values / controls * self.known(figure)
        mean = float(values.mean())
        scatter = float(values.std(ddof=1) / abs(mean)) if len(values) > 1 else math.nan
        return Band(mean, scatter, len(values), controlled)

    def error_bar(self, figure: str) -> ErrorBar:
        """Return a figure of the material, by the largest elements of which there are several, and its error bar."""
        several = [size for size in self.sizes if self.band(figure, size).number > 1]
        band = self.band(figure, (several or list(self.sizes))[-1])
        part = self.maps.part(figure, self.axis)
        return ErrorBar(band.mean, part.half_width, band.half_width, part)

    def size_of_mean(self, figure: str, tolerance: float) -> int | None:
        """Return the smallest size whose mean is known to the tolerance, and is that of all larger ones within it."""
        for i, size in enumerate(self.sizes):
            band = self.band(figure, size)
            larger = [self.band(figure, other).mean for other in self.sizes[i + 1 :]]
            if band.half_width <= tolerance and all(abs(band.mean / mean - 1.0) <= tolerance for mean in larger):
                return size
        return None

    def size_of_one(self, figure: str, tolerance: float) -> float:
        """Return the size from which on one volume alone lies within the tolerance in 19 of 20 cases.

        By the scatter of all sizes, which falls with the root of the volume; NaN where no size has several elements.
        """
        bands = [(size, self.band(figure, size)) for size in self.sizes]
        told = [(size, band) for size, band in bands if band.number > 1]
        if not told:
            return math.nan
        freedom = np.array([band.number - 1 for _, band in told], dtype=float)
        at_one = np.array([band.scatter**2 * size**3 for size, band in told])
        variance = float((freedom * at_one).sum() / freedom.sum())
        reach = float(stats.t.ppf(0.975, freedom.sum()))
        return float(np.cbrt(variance) * (reach / tolerance) ** (2.0 / 3.0))

    def needed(self, figure: str, size: int, tolerance: float) -> int:
        """Return how many elements of a size make its mean known to the tolerance, by their scatter so far."""
        scatter = self.band(figure, size).scatter
        return next((n for n in range(2, 1000) if _t(n) * scatter / math.sqrt(n) <= tolerance), 1000)

    def met(self, size: int) -> bool:
        """Tell whether the means of all figures of a size are known to the tolerance."""
        return self.tolerance is not None and all(
            self.band(figure, size).half_width <= self.tolerance for figure in self.figures
        )

    def to_dict(self) -> dict[str, Any]:
        """Return all of it for JSON: bars, bands by size, and elements."""
        return {
            "axis": "xyz"[self.axis],
            "tolerance": self.tolerance,
            "figures": {
                name: {
                    **asdict(self.error_bar(name)), "total": self.error_bar(name).total,
                    "bands": {str(size): {**asdict(self.band(name, size)), "half_width": self.band(name, size)
                                          .half_width} for size in self.sizes},
                }
                for name in self.figures
            },
            "elements": [asdict(one) for one in self.elements],
        }  # fmt: skip

    def _values(self, figure: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        mine = [one for one in self.elements if one.size == size]
        control = "modulus" if figure == "modulus" else "stress"
        values, controls = ([of(one) for one in mine] for of in (
            lambda one: one.figures[figure], lambda one: one.controls[control]))  # fmt: skip
        return np.array(values), np.array(controls)


def study(
    maps: MapError,
    axis: int,
    sizes: Sequence[int],
    seeds: int,
    work: Callable[[int, int], Element],
    *,
    tolerance: float | None = None,
    executor: Executor | None = None,
    workers: int = 1,
    told: Callable[[ElementStudy], object] = lambda study: None,
) -> ElementStudy:
    """Load elements of several sizes, as many seeds of each as the tolerance asks for.

    Parameters
    ----------
    maps : MapError
        Of the maps that the elements are made from.
    axis : int
        Of the load.
    sizes : sequence of int
        Voxels along each edge.
    seeds : int
        Most of them for each size; without a tolerance, all are run.
    work : callable
        Makes and loads the element of a size and seed.
    tolerance : float, optional
        Relative half-width of the bands; a size ends with the seed that brings all of them below it.
    executor : concurrent.futures.Executor, optional
        Where elements run, such as that of a Dask client; by default here, one after the other.
    workers : int
        Of the executor, which begins so many at once.
    told : callable
        Called with what is known after each round.

    Returns
    -------
    ElementStudy

    Raises
    ------
    ValueError
        If there is no size or seed.
    """
    if not sizes or min(sizes) < 2 or seeds < 1 or workers < 1:
        raise ValueError(f"sizes, seeds: expected sizes of 2 voxels or more and 1 seed or more; got {sizes}, {seeds}")
    if tolerance is not None and not 0.0 < tolerance < 1.0:
        raise ValueError(f"tolerance: expected a share between 0 and 1; got {tolerance}")
    done: list[Element] = []
    found = ElementStudy((), axis, maps, tolerance)
    for size in sorted(set(sizes)):
        first = 0
        while first < seeds and not (first >= FEWEST and found.met(size)):
            last = min(seeds, max(first + workers, FEWEST))
            done += _round(work, size, range(first, last), executor)
            found = ElementStudy(tuple(done), axis, maps, tolerance)
            told(found)
            first = last
    return found


def _round(
    work: Callable[[int, int], Element], size: int, seeds: Sequence[int], executor: Executor | None
) -> Iterator[Element]:
    if executor is None:
        yield from (work(size, seed) for seed in seeds)
        return
    pending = [executor.submit(work, size, seed) for seed in seeds]
    yield from sorted((future.result() for future in as_completed(pending)), key=lambda one: one.seed)


def element(
    make: Callable[[int, int], GrainVolume],
    folder: Path,
    options: Mapping[str, Any],
    solver: Sequence[str],
    size: int,
    seed: int,
    threads: int = 1,
) -> Element:
    """Make and load one element in a folder of its own, or read what was found there before.

    Parameters
    ----------
    make : callable
        Makes the volume of a size and seed.
    folder : Path
        Of the study; the element has the folder ``<size>_<seed>`` in it.
    options : mapping
        Of :func:`polyrve.adapters.solvers.damask.write`.
    solver : sequence of str
        Words that start the program.
    size, seed : int
    threads : int
        Of the solver.

    Returns
    -------
    Element

    Raises
    ------
    polyrve.response.simulate.SolverError
        If the solver ends before the load does.
    """
    own = Path(folder) / f"{size}_{seed}"
    kept = {"options": {name: str(value) for name, value in sorted(options.items())}}
    if (own / RECORD).exists():
        record = json.loads((own / RECORD).read_text(encoding="utf-8"))
        if record.pop("options") != kept["options"]:
            raise ValueError(f"{own}: expected an element of the same load; got another: --force begins anew")
        return Element(**record)
    own.mkdir(parents=True, exist_ok=True)
    volume = own / "rve.dream3d"
    if not volume.exists():
        registry.write(make(size, seed), volume)
    grains = read_grains(volume)
    job = own / "job"
    if not (job / "load.yaml").exists():
        damask.write(grains, job, force=True, **options)
    runs.simulate(job, solver, resume=True, threads=threads)
    found = read_response(job)
    expected = bounds(grains, options.get("phase"), compression=options.get("load") == "compression")
    axis = found.component[0]
    made = Element(
        size, seed, expected.grains, found.figures,
        {"modulus": float(expected.hill[axis]), "stress": float(expected.flow_stress[axis])},
        tuple(found.strain.tolist()), tuple(found.stress.tolist()),
    )  # fmt: skip
    with replacing(own / RECORD, force=True) as partial:
        partial.write_text(json.dumps({**asdict(made), **kept}), encoding="utf-8")
    for file in job.glob("*.hdf5"):
        os.unlink(file)
    return made


def _t(number: int) -> float:
    """Student's quantile of a two-sided 95 % interval of a mean of so many."""
    return float(stats.t.ppf(0.975, number - 1))
