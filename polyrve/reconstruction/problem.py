"""What a reconstruction is computed from: maps and settings that fit each other."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
from polyrve.descriptors.body import Body
from polyrve.descriptors.local_state import LocalState
from polyrve.initial.exemplar_synthesis import possible, sharpen, synthesize
from polyrve.initial.graded_polycrystal import graded_polycrystal
from polyrve.initial.laguerre_fit import fit_cells
from polyrve.initial.plates import parents_of, relations_with_plates
from polyrve.initial.polycrystal import TOGETHER, cells_of_polycrystal, polycrystal, turn_grains
from polyrve.initial.random import random_field
from polyrve.microstructure import denoising
from polyrve.microstructure.axes import NORMALS, in_plane, planar
from polyrve.microstructure.cell_measures import cell_faces
from polyrve.microstructure.cell_volume import CellVolume
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.gradients import Windows, in_window, layered, windows_along
from polyrve.microstructure.grains import GrainVolume
from polyrve.microstructure.map_analysis import MapAnalysis, analyse, analyse_all
from polyrve.microstructure.map_placement import (
    Maps,
    analyse_maps,
    at_voxel_size,
    common_phases,
    largest_lag,
    placed_for_gradient,
    voxel_size,
)
from polyrve.microstructure.montage import montage
from polyrve.microstructure.parents import Parents, families
from polyrve.microstructure.placed import Given, Placed, distinct, each, made_for, once
from polyrve.microstructure.segmentation import segment
from polyrve.microstructure.stereology import SPECK
from polyrve.reconstruction.face_disorientations import FaceDisorientations, face_disorientations, faces_of
from polyrve.reconstruction.graded import GradedObjective
from polyrve.reconstruction.grain_rotations import GrainField
from polyrve.reconstruction.input_checks import check_grains, check_voxel_size, warn_of_few_grains, warn_of_phases
from polyrve.reconstruction.objective import SectionObjective, describe
from polyrve.reconstruction.targets import TargetSet, definition
from polyrve.settings import ReconstructionSettings
from polyrve.user_line import user_line

_SHORT_LAG = 8
"""Largest lag in voxels below which a warning says that a map has room for no more.

About the width of a well resolved grain; statistics up to it tell shapes of grains, shorter ones boundaries alone.
"""

_LEAST_REACH = 2
"""Lag in voxels that a body must have pairs at; boundaries alone could be told otherwise."""

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
    inside: np.ndarray | None = None,
    **overrides: Any,
) -> Problem:
    """Check maps and settings against each other, before anything is optimised.

    Parameters
    ----------
    maps, settings, **overrides
        As for :func:`polyrve.reconstruct`.
    given : str or sequence of (Descriptor, float), optional
        Its ``descriptors``.
    inside : ndarray, shape (nz, ny, nx), bool, optional
        As for :func:`polyrve.reconstruct`.

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
    chosen = {**(settings.model_dump(exclude_unset=True) if settings else {}), **overrides}
    body = None
    if inside is not None:
        body, chosen = _within(np.asarray(inside, dtype=bool), chosen)
    settings = ReconstructionSettings.create(**chosen)
    if isinstance(maps, TargetSet):
        return replace(Problem.of_targets(maps, settings, given), body=body)
    if settings.grade != "none":
        maps, settings = _graded(maps, settings)
    return replace(Problem.of(analyse_maps(maps), settings, given), body=body)


def _within(inside: np.ndarray, chosen: dict[str, Any]) -> tuple[Body, dict[str, Any]]:
    """Return the body of a mask, and settings of a volume that has its shape and ends at its surface."""
    shape = tuple(chosen.get("shape", inside.shape))
    if shape != inside.shape:
        raise ValueError(f"shape: expected that of the body, {inside.shape}; got {shape}: leave it out")
    if chosen.get("grade", "none") != "none":
        raise ValueError(f"grade: expected none for a body with a free surface; got {chosen['grade']!r}")
    if chosen.get("blocks") == "always":
        raise ValueError("blocks: expected auto or never for a body with a free surface; got always: leave it out")
    body = Body(inside)
    if body.reach < _LEAST_REACH:
        raise ValueError(
            f"inside: expected a body at least {4 * _LEAST_REACH} voxels thick; got one with partners up to "
            f"{body.reach} voxels: name smaller voxels"
        )
    return body, {**chosen, "shape": inside.shape, "periodic": False, "blocks": "never"}


def _graded(maps: Maps, settings: ReconstructionSettings) -> tuple[Maps, ReconstructionSettings]:
    """Return maps by the normals that show the graded axis, and settings that fit a volume that changes along it."""
    grade = settings.grade
    for name, wanted in (("initial", ("auto", "polycrystal")), ("levels", (1,)), ("twins", ("auto", "none"))):
        if getattr(settings, name) not in wanted:
            raise ValueError(
                f"grade: expected {name} {' or '.join(map(str, wanted))} with it; got {getattr(settings, name)}"
            )
    if min(settings.shape) == 1:
        raise ValueError(f"grade: expected a volume; got a shape of {settings.shape}")
    maps = placed_for_gradient(maps, grade)
    return maps, settings.model_copy(update={"periodic": False, "initial": "polycrystal", "twins": "none"})


@dataclass(frozen=True, eq=False)
class Problem:
    """Maps and settings that fit each other; made by :func:`prepare`.

    Attributes
    ----------
    sections : mapping of int to tuple of OrientationMap
        The maps by the array axis that they are normal to, in one sample frame; none where targets stand for them.
    settings : ReconstructionSettings
    state : LocalState
    spacing : tuple of float, um
        Voxel size (dz, dy, dx).
    descriptors : tuple of (Descriptor, float), or None
        Those that are given in place of a named set.
    known : TargetSet or None
        Targets that stand for maps.
    analyses : dict of int to tuple of MapAnalysis
        What was found on the maps so far, for the checks and the initial field; empty after :meth:`release`.
    body : Body or None
        What the volume fills, where it has a free surface.
    """

    sections: Placed[OrientationMap]
    settings: ReconstructionSettings
    state: LocalState
    spacing: tuple[float, float, float]
    descriptors: tuple[tuple[Descriptor, float], ...] | None
    known: TargetSet | None = None
    analyses: dict[int, tuple[MapAnalysis, ...]] = field(default_factory=dict)
    body: Body | None = None

    @classmethod
    def of(
        cls,
        maps: Placed[MapAnalysis],
        settings: ReconstructionSettings,
        descriptors: Sequence[tuple[Descriptor, float]] | None,
    ) -> Problem:
        """See :func:`prepare`."""
        shape = settings.shape
        normals = planar(shape)
        analyses = {axis: one for axis, one in maps.items() if axis in normals}
        sections = _fields(analyses)
        if not sections:
            raise ValueError(f"maps: expected one normal to {' or '.join('zyx'[i] for i in normals)} for shape {shape}")
        if len(sections) == 3 and len(distinct(sections)) == 1:
            ratio = analyses[0][0].elongation
            if max(ratio, 1.0 / ratio) > _ELONGATED:
                long, short = ("y", "x") if ratio > 1.0 else ("x", "y")
                warnings.warn(
                    f"map: its grains are {max(ratio, 1.0 / ratio):.1f} times as long along {long} as along {short}, "
                    "which sections of all three normals cannot show; name the axis that the material is axisymmetric "
                    "about (--axisymmetric, polyrve.axisymmetric), or give a map for each normal",
                    stacklevel=user_line(),
                )
        if settings.grade != "none" and (graded := NORMALS[settings.grade]) in sections:
            raise ValueError(
                f"grade: expected maps that show {settings.grade}; got one normal to {'zyx'[graded]}: leave it out"
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
        analyses: dict[int, tuple[MapAnalysis, ...]],
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
        sections = _fields(analyses)
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
        if settings.grade != "none":
            _ = problem.windows
        return problem

    @cached_property
    def windows(self) -> Windows:
        """The windows along the graded axis.

        Raises
        ------
        ValueError
            If there are too few, the volume is longer along it than a map, or layers are finer than windows.
        """
        axis, name = NORMALS[self.settings.grade], self.settings.grade
        length = self.settings.shape[axis]
        at_voxels = self.analysed(self.settings.shape)
        chords = []
        for normal, one in each(at_voxels):
            row = in_plane(normal).index(axis)
            if one.field.shape[row] < length:
                raise ValueError(
                    f"grade: expected maps at least as long along {name} as the volume, {length} voxels; got "
                    f"{one.field.shape[row]} at the voxels' size: name a smaller shape"
                )
            chords.append(one.sections.mean_chords[row] / one.field.spacing[row])
        found = windows_along(length, float(np.mean(chords)), name)
        width = found.bounds[0][1] - found.bounds[0][0]
        for normal, one in each(at_voxels):
            if quantity := layered(one, in_plane(normal).index(axis), width):
                raise ValueError(
                    f"grade: expected a map that changes along {name} over more than a window of {width} voxels; got "
                    f"layers that are finer, by the {quantity}, which windows would smear: leave grade out, or "
                    "give a volume of the layers (--set initial=exemplar)"
                )
        return found

    def memory(self, initial: str) -> Forecast:
        """Forecast what a reconstruction takes with an initial field of a kind."""
        pixels = {}
        for axis, one in each(self.sections):
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
        for axis, one in each(dict(sorted(self.sections.items()))):
            digest.update(bytes([axis]) + one.quaternions.tobytes() + one.phase_ids.tobytes())
            digest.update(repr((one.spacing, one.periodic, one.frame)).encode())
        for axis, values in sorted(self.known.values.items() if self.known else ()):
            digest.update(bytes([axis]) + b"".join(value.tobytes() for value in values.values()))
        if self.body is not None:
            digest.update(b"body" + np.packbits(self.body.inside).tobytes())
        if initial is not None:
            digest.update(b"initial" + initial.quaternions.tobytes() + initial.phase_ids.tobytes())
        return digest.hexdigest()

    def largest_lag(self, sections: Given[OrientationMap], grid: Sequence[int]) -> int:
        """Return the largest lag on a grid, in voxels."""
        if self.known is not None:
            return self.known.largest_lag
        asked = self.settings.largest_lag if tuple(grid) == self.settings.shape else None
        found = largest_lag(sections, grid, asked)
        return found if asked is not None or self.body is None else min(found, self.body.on_grid(grid).reach)

    def on_grid(self, grid: Sequence[int]) -> dict[int, tuple[OrientationMap, ...]]:
        """Return the maps at the voxel size of a grid (nz, ny, nx)."""
        return self._on_finest_grid if tuple(grid) == self.settings.shape else self._resampled(grid)

    def material(self, grid: Sequence[int]) -> dict[int, tuple[OrientationMap, ...]]:
        """Return the maps at the voxel size of a grid without what the instrument added, where that is to be removed.

        Points in grains of one or two points become unindexed, and the angular noise is taken out within grains
        (:mod:`polyrve.microstructure.denoising`).
        """
        key = tuple(grid)
        if key in self._materials:
            return self._materials[key]
        if self.settings.noise == "keep" or not any(self.state.harmonics) or not self.analyses:
            return self.on_grid(grid)
        self._materials[key] = once(lambda one: denoising.material(one.grains), self.analysed(grid))
        return self._materials[key]

    def pixels(self, grid: Sequence[int]) -> dict[int, tuple[OrientationMap, ...]]:
        """Return the maps whose pixels voxels take: without noise, spikes that one grain encloses, and small holes."""
        if self.settings.noise == "keep" or not any(self.state.harmonics):
            return self.on_grid(grid)

        def clean(one: MapAnalysis) -> OrientationMap:
            return denoising.without_small_holes(denoising.material(one.grains, specks=True))

        return once(clean, self.analysed(grid))

    @cached_property
    def _materials(self) -> dict[tuple[int, ...], dict[int, tuple[OrientationMap, ...]]]:
        return {}

    def analysed(self, grid: Sequence[int]) -> dict[int, tuple[MapAnalysis, ...]]:
        """Return the analyses of the maps at the voxel size of a grid (nz, ny, nx), those that are there already."""
        if not self.analyses:
            return analyse_all(self.on_grid(grid))
        step = self._step(grid)
        return made_for(lambda axis, one: one.at([step[i] for i in in_plane(axis)]), self.analyses)

    def release(self) -> None:
        """Let the analyses of the maps go, which a minimisation does not need."""
        self.analyses.clear()

    def _graded_objective(self, sections: Placed[OrientationMap], grid: Sequence[int]) -> GradedObjective:
        """Make the loss of a volume that changes along an axis: one for each window, of the maps' windows."""
        axis, plain = NORMALS[self.settings.grade], self.settings.model_copy(update={"grade": "none"})
        parts = []
        for first, last in self.windows.bounds:
            shape = tuple(last - first if i == axis else n for i, n in enumerate(grid))
            window = replace(self, settings=plain.model_copy(update={"shape": shape}))
            objective = window.objective(in_window(sections, axis, (first, last)), shape)
            if isinstance(objective, SectionObjective):
                parts.append(((first, last), objective))
        return GradedObjective(axis, tuple(parts))

    def objective(self, sections: Placed[OrientationMap], grid: Sequence[int]) -> SectionObjective | GradedObjective:
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
                stacklevel=user_line(),
            )
        if settings.grade != "none":
            return self._graded_objective(sections, grid)
        weights = {**named_set(settings.descriptors, self.state), **settings.weights}
        chosen = self.descriptors or descriptor_set(weights, self.state, largest_lag, grid, settings.texture_degree)
        kinds = [descriptor for descriptor, _ in chosen]
        body = None if self.body is None else self.body.on_grid(grid)
        if self.known is not None:
            known = self.known.select(kinds, planar(grid))
            return SectionObjective(self.state, chosen, known, settings.sections_per_group, settings.periodic, body)
        lists = {id(some): some for some in sections.values()}
        apart = largest_lag if self.descriptors is None else max(grid)
        described = {key: describe(self.state, kinds, montage(some, apart)) for key, some in lists.items()}
        give_back()
        targets = {axis: described[id(some)] for axis, some in sections.items()}
        return SectionObjective(self.state, chosen, targets, settings.sections_per_group, settings.periodic, body)

    @cached_property
    def relations(self) -> tuple[Relation, ...]:
        """Special relations whose plates are set into a polycrystal, and which grains keep when they are turned."""
        if not any(self.state.harmonics) or self.known is not None or self.settings.grade != "none":
            return ()
        return relations_with_plates(self.analysed(self.settings.shape), self.settings.twins)

    def initial_field(
        self,
        sections: Given[OrientationMap | MapAnalysis],
        grid: tuple[int, int, int],
        between: Callable[[], object] = lambda: None,
    ) -> tuple[str, np.ndarray]:
        """Make the initial field that the settings name.

        Parameters
        ----------
        sections : mapping of int to OrientationMap or MapAnalysis, or sequence of these
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
        fields = _fields(analyses)
        if self.settings.grade != "none":
            return "polycrystal", self._graded_field(fields, grid)
        rng = np.random.default_rng(self.settings.seed)
        name, step = self.settings.initial, self._step(grid)
        exemplar = possible(fields, grid) and any(self.state.harmonics)
        cells, whole = None, analyses
        parents: dict[int, tuple[Parents, ...]] = {}
        if name in ("auto", "polycrystal") and self.relations:
            parents = parents_of(analyses, self.relations)
            whole = analyse_all(once(lambda one: one.field, parents))
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
                parents=distinct(parents),
            )  # fmt: skip
        return name, self.state.position(OrientationVolume(quaternions, phase_ids, self.state.phases, step))

    def cell_volume(self) -> CellVolume | None:
        """Make the initial field of a volume that is made slab by slab, as cells.

        Returns
        -------
        CellVolume or None
            None where the material asks for plates or for an exemplar, which are not made slab by slab.

        Raises
        ------
        ValueError
            If it does, and the settings say that the volume is to be made so.
        """
        grid, rng = self.settings.shape, np.random.default_rng(self.settings.seed)
        analyses = self.analysed(grid)
        against = ""
        if self.relations:
            against = f"grains without plates of {self.relations[0].name}"
        else:
            cells = fit_cells(analyses, grid, self.spacing, rng)
            if self.settings.initial == "auto" and possible(_fields(analyses), grid) and not cells.alike:
                against = "a map whose grains are like Laguerre cells (--set initial=polycrystal takes them for such)"
        if not against:
            volume = cells_of_polycrystal(analyses, grid, self.spacing, self.settings.periodic, rng, cells)
            return volume.evolve(phases=self.state.phases, frame=self._frame)
        if self.settings.blocks == "always":
            raise ValueError(f"blocks: expected {against} with it; got another material: leave it out")
        require(self.memory("exemplar"), grid)
        return None

    @property
    def _frame(self) -> Frame:
        return next((field.frame for _, field in each(self.sections)), Frame())

    def cell_length(self, volume: CellVolume) -> float:
        """Return the diameter of the sphere of a mean cell, in voxels."""
        return float(np.cbrt(6.0 / np.pi * math.prod(volume.shape) / len(volume.quaternions)))

    def faces_of_cells(self, volume: CellVolume) -> tuple[FaceDisorientations, ...]:
        """Take the faces of cells, and the disorientations wanted across them, those of the maps."""
        maps = [analyse(one).grains for one in distinct(self.material(self.settings.shape))]
        number, size = len(volume.quaternions), math.prod(self.spacing)
        areas = [size / step for step in self.spacing]
        first, second, area = cell_faces(volume.labels, number, periodic=volume.periodic, areas=areas)
        unturned = np.tile([1.0, 0.0, 0.0, 0.0], (number, 1))
        pairs = np.stack([first, second], axis=1)
        return faces_of(unturned, volume.phase_ids, np.arange(number), pairs, area, maps)

    def record(self, run: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
        """Return the provenance of a volume: maps, settings, largest lag and run."""
        largest_lag = self.largest_lag(self.on_grid(self.settings.shape), self.settings.shape)
        return {
            "program": f"polyrve {__version__}",
            "settings": {**self.settings.model_dump(mode="json"), "largest_lag": largest_lag},
            "maps": self.sources(),
            **({} if self.settings.grade == "none" else {"repeats_across": self._across()}),
            **({} if self.body is None else {"outer_shape": {"share": float(self.body.inside.mean())}}),
            **run,
        }

    def _graded_field(self, fields: Placed[OrientationMap], grid: tuple[int, int, int]) -> np.ndarray:
        rng = np.random.default_rng(self.settings.seed)
        quaternions, phase_ids = graded_polycrystal(
            fields, grid, self._step(grid), NORMALS[self.settings.grade], self.windows, rng,
            noise=self.settings.noise == "keep",
        )  # fmt: skip
        return self.state.position(OrientationVolume(quaternions, phase_ids, self.state.phases, self._step(grid)))

    def grain_field(self, position: np.ndarray) -> GrainField:
        """Cut the field that unknowns stand for into grains that can be turned."""
        grains = self._grains(position)
        labels = self._families(grains)[np.maximum(grains.grain_ids - 1, 0)].astype(np.int32)
        return GrainField(np.asarray(position, dtype=np.float32), labels)

    def has_grains(self, position: np.ndarray) -> bool:
        """Tell whether the field of unknowns has grains that can be turned, of more than two voxels on average."""
        voxels = int(np.prod(position.shape[:-1]))
        return any(self.state.harmonics) and SPECK * self._grains(position).number_of_grains < voxels

    def faces(self, position: np.ndarray) -> tuple[FaceDisorientations, ...]:
        """Take the faces of these grains, and the disorientations wanted across them, those of the maps."""
        found = [analyse(one).grains for one in distinct(self.material(self.settings.shape))]
        grains = self._grains(position)
        return face_disorientations(grains, found, self._families(grains))

    def _grains(self, position: np.ndarray) -> GrainVolume:
        field = OrientationVolume(
            self.state.quaternions(position), self._phase_ids(position), self.state.phases, self.spacing,
            periodic=self.settings.periodic,
        )  # fmt: skip
        return segment(field)

    def _phase_ids(self, position: np.ndarray) -> np.ndarray:
        """Return the phases of unknowns; voxels outside the body have none."""
        ids = self.state.phase_ids(position)
        if self.body is not None:
            ids[~self.body.inside] = 0
        return ids

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
        return OrientationVolume(
            quaternions=quaternions,
            phase_ids=self._phase_ids(position),
            phases=self.state.phases,
            spacing=self.spacing,
            frame=self._frame,
            periodic=self.settings.periodic,
            provenance=self.record(run),
        )

    def _across(self) -> str:
        """Axes that a graded volume repeats along."""
        return "zyx".replace(self.settings.grade, "")

    def loss(self, volume: OrientationVolume, objective: SectionObjective | GradedObjective) -> float:
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
        records = once(lambda one: dict(one.provenance), self.sections)
        told = {axis: some[0] if all(one == some[0] for one in some) else list(some) for axis, some in records.items()}
        if len({id(some) for some in self.sections.values()}) == 1:
            return {"all": next(iter(told.values()))}
        return {"zyx"[axis]: record for axis, record in told.items()}

    @cached_property
    def _on_finest_grid(self) -> dict[int, tuple[OrientationMap, ...]]:
        return self._resampled(self.settings.shape)

    def _resampled(self, grid: Sequence[int]) -> dict[int, tuple[OrientationMap, ...]]:
        if self.analyses:
            return _fields(self.analysed(grid))
        return at_voxel_size(self.sections, self._step(grid))

    def _step(self, grid: Sequence[int]) -> tuple[float, float, float]:
        dz, dy, dx = (step * n / m for step, n, m in zip(self.spacing, self.settings.shape, grid, strict=True))
        return (dz, dy, dx)


def _fields(analyses: Placed[MapAnalysis]) -> dict[int, tuple[OrientationMap, ...]]:
    return once(lambda one: one.field, analyses)
