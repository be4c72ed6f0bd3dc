"""What a reconstruction is computed from: maps and settings that fit each other."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from polyrve import __version__
from polyrve.backend.device import require
from polyrve.backend.memory import Forecast, forecast, give_back
from polyrve.backend.tensorflow import tf
from polyrve.crystallography.reference_frames import Frame
from polyrve.crystallography.special_relations import Relation
from polyrve.descriptors import Descriptor, descriptor_set, named_set
from polyrve.descriptors.local_state import LocalState
from polyrve.initial.exemplar_synthesis import possible, sharpen, synthesize
from polyrve.initial.laguerre_fit import fit_cells
from polyrve.initial.plates import parents_of, relations_with_plates
from polyrve.initial.polycrystal import TOGETHER, polycrystal, turn_grains
from polyrve.initial.random import random_field
from polyrve.microstructure import denoising
from polyrve.microstructure.axes import in_plane, planar
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.map_analysis import MapAnalysis, analyse, analyse_all
from polyrve.microstructure.map_placement import (
    Maps,
    analyse_maps,
    at_voxel_size,
    common_phases,
    largest_lag,
    voxel_size,
)
from polyrve.microstructure.parents import families
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.stereology import SPECK
from polyrve.reconstruction.face_disorientations import FaceDisorientations, face_disorientations
from polyrve.reconstruction.grain_rotations import GrainField
from polyrve.reconstruction.input_checks import check_grains, check_voxel_size, warn_of_few_grains, warn_of_phases
from polyrve.reconstruction.objective import SectionObjective, describe
from polyrve.reconstruction.targets import TargetSet, definition
from polyrve.settings import ReconstructionSettings

_SHORT_LAG = 8
"""Largest lag in voxels below which a warning says that a map has room for no more.

About the width of a well resolved grain; statistics up to it tell shapes of grains, shorter ones boundaries alone.
"""

_ELONGATED = 1.5
"""Ratio of the distances of boundaries along the two axes of a map from which its grains are long.

Of an equiaxed material it is seldom above 1.1 by chance; a larger number lets a map of long grains stand for all three
axes without a word.
"""


def prepare(
    maps: Maps | TargetSet,
    settings: ReconstructionSettings | None = None,
    *,
    given: str | Sequence[tuple[Descriptor, float]] | None = None,
    **overrides: Any,
) -> Problem:
    """Check maps and settings against each other, before anything is optimised.

    Parameters
    ----------
    maps, settings, **overrides
        As for :func:`polyrve.reconstruct`.
    given : str or sequence of (Descriptor, float), optional
        Its ``descriptors``.

    Returns
    -------
    Problem

    Raises
    ------
    ValueError
        If maps and settings do not fit each other.
    MemoryError
        If the working set will not fit into memory.
    """
    if isinstance(given, str):
        given, overrides = None, {**overrides, "descriptors": given}
    settings = ReconstructionSettings.create(**{**(settings.model_dump() if settings else {}), **overrides})
    if isinstance(maps, TargetSet):
        return Problem.of_targets(maps, settings, given)
    return Problem.of(analyse_maps(maps), settings, given)


@dataclass(frozen=True, eq=False)
class Problem:
    """Maps and settings that fit each other; made by :func:`prepare`.

    Attributes
    ----------
    sections : mapping of int to OrientationMap
        The maps by the array axis that they are normal to, in one sample frame; none where targets stand for them.
    settings : ReconstructionSettings
    state : LocalState
    spacing : tuple of float, um
        Voxel size (dz, dy, dx).
    descriptors : tuple of (Descriptor, float), or None
        Those that are given in place of a named set.
    known : TargetSet or None
        Targets that stand for maps.
    analyses : dict of int to MapAnalysis
        What was found on the maps so far, for the checks and the initial field; empty after :meth:`release`.
    """

    sections: Mapping[int, OrientationMap]
    settings: ReconstructionSettings
    state: LocalState
    spacing: tuple[float, float, float]
    descriptors: tuple[tuple[Descriptor, float], ...] | None
    known: TargetSet | None = None
    analyses: dict[int, MapAnalysis] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        maps: Mapping[int, MapAnalysis],
        settings: ReconstructionSettings,
        descriptors: Sequence[tuple[Descriptor, float]] | None,
    ) -> Problem:
        """See :func:`prepare`."""
        shape = settings.shape
        normals = planar(shape)
        analyses = {axis: one for axis, one in maps.items() if axis in normals}
        sections = {axis: one.field for axis, one in analyses.items()}
        if not sections:
            raise ValueError(f"maps: expected one normal to {' or '.join('zyx'[i] for i in normals)} for shape {shape}")
        if len(sections) == 3 and len({id(field) for field in sections.values()}) == 1:
            ratio = analyses[0].elongation
            if max(ratio, 1.0 / ratio) > _ELONGATED:
                long, short = ("y", "x") if ratio > 1.0 else ("x", "y")
                warnings.warn(
                    f"map: its grains are {max(ratio, 1.0 / ratio):.1f} times as long along {long} as along {short}, "
                    "which sections of all three normals cannot show; name the axis that the material is axisymmetric "
                    "about (--axis, polyrve.axisymmetric), or give a map for each normal",
                    stacklevel=4,
                )
        phases = common_phases(sections)
        spacing = settings.spacing or voxel_size(sections)
        check_voxel_size(sections, spacing)
        if settings.orientations:
            check_grains(analyses)
            warn_of_few_grains(analyses, shape, spacing)
            warn_of_phases(analyses)
        state = LocalState.of(phases, orientations=settings.orientations)
        return cls._checked(analyses, settings, state, spacing, descriptors, None)

    @classmethod
    def of_targets(
        cls,
        known: TargetSet,
        settings: ReconstructionSettings,
        descriptors: Sequence[tuple[Descriptor, float]] | None,
    ) -> Problem:
        """See :func:`prepare`."""
        for name, wanted in (("spacing", known.spacing), ("largest_lag", known.largest_lag)):
            asked = getattr(settings, name)
            if asked is not None and asked != wanted:
                raise ValueError(f"{name}: expected that of the targets, {wanted}; got {asked}")
        if settings.levels > 1:
            raise ValueError(f"levels: expected 1 with targets in place of maps; got {settings.levels}")
        state = LocalState.of(known.phases, orientations=known.orientations)
        settings = settings.model_copy(
            update={"texture_degree": known.texture_degree, "orientations": known.orientations, "initial": "random"}
        )
        return cls._checked({}, settings, state, known.spacing, descriptors, known)

    @classmethod
    def _checked(
        cls,
        analyses: dict[int, MapAnalysis],
        settings: ReconstructionSettings,
        state: LocalState,
        spacing: tuple[float, float, float],
        descriptors: Sequence[tuple[Descriptor, float]] | None,
        known: TargetSet | None,
    ) -> Problem:
        group = settings.sections_per_group
        for axis in planar(settings.shape):
            if group is not None and settings.shape[axis] % group:
                raise ValueError(
                    f"sections_per_group: expected a divisor of the {settings.shape[axis]} sections normal to "
                    f"{'zyx'[axis]}; got {group}"
                )
        sections = {axis: one.field for axis, one in analyses.items()}
        given = None if descriptors is None else tuple(descriptors)
        problem = cls(sections, settings, state, spacing, given, known, analyses)
        if settings.twins not in ("auto", "none"):
            if settings.initial not in ("auto", "polycrystal"):
                raise ValueError(
                    f"twins: expected initial auto or polycrystal with {settings.twins!r}; got {settings.initial!r}, "
                    "into which no plates are set"
                )
            _ = problem.relations
        require(problem.memory(settings.initial), settings.shape)
        return problem

    def memory(self, initial: str) -> Forecast:
        """Forecast what a reconstruction takes with an initial field of a kind."""
        pixels = {}
        for axis, one in self.sections.items():
            steps = zip(one.shape, one.spacing, (self.spacing[i] for i in in_plane(axis)), strict=True)
            pixels[id(one)] = int(math.prod(n * old / new for n, old, new in steps))
        settings = self.settings.model_copy(update={"initial": initial})
        return forecast(
            settings, self.state.count, self.state.unknowns, list(pixels.values()), loops=self.state.strategy.loops
        )

    def key(self, initial: OrientationVolume | None = None) -> str:
        """Return a digest of maps, settings and the volume given as the initial field."""
        digest = hashlib.sha256(self.settings.model_dump_json().encode())
        digest.update(repr((self.state.phases, self.spacing)).encode())
        digest.update(repr([(definition(kind), weight) for kind, weight in self.descriptors or ()]).encode())
        for axis, one in sorted(self.sections.items()):
            digest.update(bytes([axis]) + one.quaternions.tobytes() + one.phase_ids.tobytes())
            digest.update(repr((one.spacing, one.periodic, one.frame)).encode())
        for axis, values in sorted(self.known.values.items() if self.known else ()):
            digest.update(bytes([axis]) + b"".join(value.tobytes() for value in values.values()))
        if initial is not None:
            digest.update(b"initial" + initial.quaternions.tobytes() + initial.phase_ids.tobytes())
        return digest.hexdigest()

    def largest_lag(self, sections: Mapping[int, OrientationMap], grid: Sequence[int]) -> int:
        """Return the largest lag on a grid, in voxels."""
        if self.known is not None:
            return self.known.largest_lag
        return largest_lag(sections, grid, self.settings.largest_lag if tuple(grid) == self.settings.shape else None)

    def on_grid(self, grid: Sequence[int]) -> dict[int, OrientationMap]:
        """Return the maps at the voxel size of a grid (nz, ny, nx)."""
        return self._on_finest_grid if tuple(grid) == self.settings.shape else self._resampled(grid)

    def material(self, grid: Sequence[int]) -> dict[int, OrientationMap]:
        """Return the maps at the voxel size of a grid without what the instrument added, where that is to be removed.

        Points in grains of one or two points become unindexed, and the angular noise is taken out within grains
        (:mod:`polyrve.microstructure.denoising`).
        """
        key = tuple(grid)
        if key in self._materials:
            return self._materials[key]
        if self.settings.noise == "keep" or not any(self.state.harmonics) or not self.analyses:
            return self.on_grid(grid)
        found = self.analysed(grid)
        clean = {id(one): denoising.material(one.grains) for one in found.values()}
        self._materials[key] = {axis: clean[id(one)] for axis, one in found.items()}
        return self._materials[key]

    def pixels(self, grid: Sequence[int]) -> dict[int, OrientationMap]:
        """Return the maps whose pixels voxels take: without noise, spikes that one grain encloses, and small holes."""
        if self.settings.noise == "keep" or not any(self.state.harmonics):
            return self.on_grid(grid)
        found = self.analysed(grid)
        clean = {
            id(one): denoising.without_small_holes(denoising.material(one.grains, specks=True))
            for one in found.values()
        }
        return {axis: clean[id(one)] for axis, one in found.items()}

    @cached_property
    def _materials(self) -> dict[tuple[int, ...], dict[int, OrientationMap]]:
        return {}

    def analysed(self, grid: Sequence[int]) -> dict[int, MapAnalysis]:
        """Return the analyses of the maps at the voxel size of a grid (nz, ny, nx), those that are there already."""
        if not self.analyses:
            return analyse_all(self.on_grid(grid))
        step = self._step(grid)
        return {axis: one.at([step[i] for i in in_plane(axis)]) for axis, one in self.analyses.items()}

    def release(self) -> None:
        """Let the analyses of the maps go, which a minimisation does not need."""
        self.analyses.clear()

    def objective(self, sections: Mapping[int, OrientationMap], grid: Sequence[int]) -> SectionObjective:
        """Make the loss on a grid, with the descriptors of its maps as targets."""
        settings = self.settings
        largest_lag = self.largest_lag(sections, grid)
        room_in_volume = min((n - 1) // 2 for n in grid if n > 1)
        if (
            settings.largest_lag is None
            and tuple(grid) == settings.shape
            and largest_lag < min(_SHORT_LAG, room_in_volume)
        ):
            warnings.warn(
                f"largest_lag: the map has room for lags up to {largest_lag} voxels; statistics at longer ones are not "
                "matched",
                stacklevel=3,
            )
        weights = {**named_set(settings.descriptors, self.state), **settings.weights}
        chosen = self.descriptors or descriptor_set(weights, self.state, largest_lag, grid, settings.texture_degree)
        kinds = [descriptor for descriptor, _ in chosen]
        if self.known is not None:
            known = self.known.select(kinds, planar(grid))
            return SectionObjective(self.state, chosen, known, settings.sections_per_group, settings.periodic)
        described = {id(field): describe(self.state, kinds, field) for field in sections.values()}
        give_back()
        targets = {axis: described[id(field)] for axis, field in sections.items()}
        return SectionObjective(self.state, chosen, targets, settings.sections_per_group, settings.periodic)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """Special relations whose plates are set into a polycrystal, and which grains keep when they are turned."""
        if not any(self.state.harmonics) or self.known is not None:
            return ()
        return relations_with_plates(self.analysed(self.settings.shape), self.settings.twins)

    def initial_field(
        self,
        sections: Mapping[int, OrientationMap | MapAnalysis],
        grid: tuple[int, int, int],
        between: Callable[[], object] = lambda: None,
    ) -> tuple[str, np.ndarray]:
        """Make the initial field that the settings name.

        Parameters
        ----------
        sections : mapping of int to OrientationMap or MapAnalysis
            The maps at the voxel size of the grid, as from :meth:`analysed`.
        grid : tuple of int
            (nz, ny, nx).
        between : callable, optional
            As for :func:`polyrve.reconstruct`.

        Returns
        -------
        name : str
            Of the kind of field, as in :attr:`ReconstructionSettings.initial`.
        position : ndarray, shape (*grid, unknowns)
        """
        analyses = analyse_all(sections)
        fields = {axis: one.field for axis, one in analyses.items()}
        rng = np.random.default_rng(self.settings.seed)
        name, step = self.settings.initial, self._step(grid)
        exemplar = possible(fields, grid) and any(self.state.harmonics)
        cells, parents, whole = None, {}, analyses
        if name in ("auto", "polycrystal") and self.relations:
            parents = parents_of(analyses, self.relations)
            whole = analyse_all({axis: one.field for axis, one in parents.items()})
        if name == "auto":
            cells = fit_cells(whole, grid, step, rng)
            name = "exemplar" if exemplar and not (cells.alike or parents) else "polycrystal"
            require(self.memory(name), grid)
        if name == "random":
            quaternions, phase_ids = random_field(grid, len(self.state.phases), rng)
        elif name == "exemplar" and exemplar:
            pixels = analyses if self.settings.noise == "keep" else analyse_all(self.pixels(grid))
            quaternions, phase_ids = synthesize(pixels, grid, step, self.settings.periodic, rng, between)
        else:
            name = "polycrystal"
            quaternions, phase_ids = polycrystal(
                whole, grid, step, self.settings.periodic, rng, cells, noise=self.settings.noise == "keep",
                parents=list({id(one): one for one in parents.values()}.values()),
            )  # fmt: skip
        return name, self.state.position(OrientationVolume(quaternions, phase_ids, self.state.phases, step))

    def grain_field(self, position: np.ndarray) -> GrainField:
        """Cut the field that unknowns stand for into grains that can be turned."""
        grains = self._grains(position)
        labels = self._families(grains)[grains.grain_ids - 1].astype(np.int32)
        return GrainField(np.asarray(position, dtype=np.float32), labels)

    def has_grains(self, position: np.ndarray) -> bool:
        """Tell whether the field of unknowns has grains that can be turned, of more than two voxels on average."""
        voxels = int(np.prod(position.shape[:-1]))
        return any(self.state.harmonics) and SPECK * self._grains(position).number_of_grains < voxels

    def faces(self, position: np.ndarray) -> tuple[FaceDisorientations, ...]:
        """Take the faces of these grains, and the disorientations wanted across them, those of the maps."""
        maps = {id(one): one for one in self.material(self.settings.shape).values()}
        found = [one.grains for one in map(analyse, maps.values()) if isinstance(one, MapAnalysis)]
        grains = self._grains(position)
        return face_disorientations(grains, found, self._families(grains))

    def _grains(self, position: np.ndarray) -> GrainVolume:
        field = OrientationVolume(
            self.state.quaternions(position), self.state.phase_ids(position), self.state.phases, self.spacing,
            periodic=self.settings.periodic,
        )  # fmt: skip
        return segment(field)

    def _families(self, grains: GrainVolume) -> np.ndarray:
        """The rotation, from 0, that turns each grain: grains in a special relation to each other turn as one."""
        if not self.relations:
            return np.arange(grains.number_of_grains)
        return families(grains, self.relations, TOGETHER)

    def given_field(self, initial: OrientationVolume) -> np.ndarray:
        """Return the unknowns of a volume given as the initial field."""
        if initial.shape != self.settings.shape or len(initial.phases) != len(self.state.phases):
            raise ValueError(
                f"initial volume: expected shape {self.settings.shape} and {len(self.state.phases)} phases; "
                f"got {initial.shape} and {len(initial.phases)}"
            )
        return self.state.position(initial)

    def volume(self, position: np.ndarray, run: Mapping[str, Any] = MappingProxyType({})) -> OrientationVolume:
        """Make the volume that unknowns stand for; its provenance tells of maps, settings, largest lag and run."""
        quaternions = self.state.quaternions(position)
        if not any(self.state.harmonics):
            quaternions = np.broadcast_to([1.0, 0.0, 0.0, 0.0], quaternions.shape)
        quaternions.setflags(write=False)  # The volume then takes it as it is.
        largest_lag = self.largest_lag(self.on_grid(self.settings.shape), self.settings.shape)
        return OrientationVolume(
            quaternions=quaternions,
            phase_ids=self.state.phase_ids(position),
            phases=self.state.phases,
            spacing=self.spacing,
            frame=next((field.frame for field in self.sections.values()), Frame()),
            periodic=self.settings.periodic,
            provenance={
                "program": f"polyrve {__version__}",
                "settings": {**self.settings.model_dump(mode="json"), "largest_lag": largest_lag},
                "maps": self.sources(),
                **run,
            },
        )

    def loss(self, volume: OrientationVolume, objective: SectionObjective) -> float:
        """Return the loss of a volume as it is, not of the unknowns that it was made from."""
        return float(tf.reduce_sum(objective.terms(tf.constant(self.state.position(volume)))))

    def sharpened(
        self, volume: OrientationVolume, initial: np.ndarray | None, between: Callable[[], object]
    ) -> OrientationVolume:
        """Give the optimised volume sharp grains, and orientation scatter within them as measured.

        Grains of a polycrystal are turned as a whole by what the optimisation did to them; other volumes are drawn back
        to measured orientations where they are periodic and maps large enough.

        Parameters
        ----------
        volume : OrientationVolume
        initial : ndarray or None
            Unknowns of the polycrystal that was the initial field on this grid.
        between : callable
            As for :func:`polyrve.reconstruction.run.reconstruct`.
        """
        if initial is not None:
            return turn_grains(self.volume(initial), volume, self.relations)
        grid, sections = self.settings.shape, self.pixels(self.settings.shape)
        if not volume.periodic or not possible(sections, grid):
            return volume
        rng = np.random.default_rng(self.settings.seed)
        quaternions, phase_ids = sharpen(sections, volume.quaternions, volume.phase_ids, rng, between)
        return volume.evolve(quaternions=quaternions, phase_ids=phase_ids)

    def sources(self) -> dict[str, Any]:
        """Return the provenance of the maps by the axis that they are normal to."""
        if self.known is not None:
            return dict(self.known.provenance)
        if len({id(field) for field in self.sections.values()}) == 1:
            return {"all": dict(next(iter(self.sections.values())).provenance)}
        return {"zyx"[axis]: dict(field.provenance) for axis, field in self.sections.items()}

    @cached_property
    def _on_finest_grid(self) -> dict[int, OrientationMap]:
        return self._resampled(self.settings.shape)

    def _resampled(self, grid: Sequence[int]) -> dict[int, OrientationMap]:
        if self.analyses:
            return {axis: one.field for axis, one in self.analysed(grid).items()}
        return at_voxel_size(self.sections, self._step(grid))

    def _step(self, grid: Sequence[int]) -> tuple[float, float, float]:
        dz, dy, dx = (step * n / m for step, n, m in zip(self.spacing, self.settings.shape, grid, strict=True))
        return (dz, dy, dx)
