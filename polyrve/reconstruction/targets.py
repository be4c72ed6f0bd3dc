"""Descriptors of maps as something to keep: saved, averaged over maps, interpolated between two, reconstructed from.

References
----------
arXiv 2605.14898, appendix B, for the interpolation between two materials.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from polyrve.crystallography.phase import Phase
from polyrve.descriptors import Descriptor

_FORMAT = "polyrve targets 1"
_NAMES = "zyx"


@dataclass(frozen=True, eq=False)
class TargetSet:
    """The descriptors of one to three maps at one voxel size.

    Made by :func:`polyrve.reconstruction.run.measure_targets`.

    Attributes
    ----------
    phases : tuple of Phase
    spacing : tuple of float, um
        Voxel size (dz, dy, dx) that lags refer to.
    largest_lag : int
        Largest lag, in voxels.
    texture_degree : int
        Highest even degree of the texture descriptor.
    orientations : bool
        Whether orientations count beside the phases.
    definitions : mapping of str to str
        By descriptor name, what else it was made with.
    values : mapping of int to mapping of str to ndarray
        By array axis, then by descriptor name.
    provenance : mapping
        Of the maps; JSON types alone.

    See Also
    --------
    polyrve.measure_targets : Measure the descriptors of maps.
    polyrve.reconstruct : Takes descriptors in place of maps.

    Examples
    --------
    >>> import polyrve
    >>> scan = polyrve.simulate_scan(polyrve.make_specimen((4, 24, 24), grain_size=6.0, seed=1))
    >>> targets = polyrve.measure_targets(scan, shape=(1, 12, 12))
    >>> targets.spacing, targets.largest_lag, sorted(targets.values)
    ((1.0, 1.0, 1.0), 5, [0])
    """

    phases: tuple[Phase, ...]
    spacing: tuple[float, float, float]
    largest_lag: int
    texture_degree: int
    orientations: bool
    definitions: Mapping[str, str]
    values: Mapping[int, Mapping[str, np.ndarray]]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def select(self, descriptors: Sequence[Descriptor], axes: Sequence[int]) -> dict[int, list[np.ndarray]]:
        """Return the values of some descriptors, in their order, by array axis.

        Parameters
        ----------
        descriptors : sequence of Descriptor
        axes : sequence of int
            Array axes that sections are normal to.

        Returns
        -------
        dict of int to list of ndarray

        Raises
        ------
        ValueError
            If an axis or descriptor is missing, or was made with other lags, thresholds or degrees.
        """
        for descriptor in descriptors:
            name, wanted = descriptor.name, definition(descriptor)
            if name not in self.definitions:
                raise ValueError(f"targets: expected descriptor {name!r} among them; got {', '.join(self.definitions)}")
            if self.definitions[name] != wanted:
                raise ValueError(
                    f"targets of {name}: expected those of {wanted}; got those of {self.definitions[name]}"
                )
        missing = [axis for axis in axes if axis not in self.values]
        if missing:
            raise ValueError(f"targets: expected sections normal to {_NAMES[missing[0]]}; got none")
        return {axis: [self.values[axis][descriptor.name] for descriptor in descriptors] for axis in axes}

    def save(self, path: str | Path) -> None:
        """Write an HDF5 file; it appears whole or not at all.

        Parameters
        ----------
        path : path-like

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        path = Path(path)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        header = {
            name: value for name, value in vars(self).items() if name not in ("phases", "values")
        } | {"phases": [asdict(phase) for phase in self.phases]}  # fmt: skip
        try:
            with h5py.File(partial, "w") as file:
                file.attrs["format"] = _FORMAT
                file.attrs["header"] = json.dumps(header)
                for axis, values in self.values.items():
                    for name, value in values.items():
                        file.create_dataset(f"{_NAMES[axis]}/{name}", data=value)
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: str | Path) -> TargetSet:
        """Read what :meth:`save` wrote.

        Parameters
        ----------
        path : path-like

        Returns
        -------
        TargetSet

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is of another kind.
        """
        if not Path(path).exists():
            raise FileNotFoundError(f"{path}: no such file")
        try:
            with h5py.File(path, "r") as file:
                if file.attrs.get("format") != _FORMAT:
                    raise ValueError(f"format {file.attrs.get('format')!r} instead of {_FORMAT!r}")
                header = json.loads(file.attrs["header"])
                values = {
                    _NAMES.index(axis): {name: dataset[()] for name, dataset in group.items()}
                    for axis, group in file.items()
                }
            phases = tuple(
                Phase(record["name"], record["laue"], tuple(record["lattice"]), record["space_group"])
                for record in header.pop("phases")
            )
            return cls(**{**header, "phases": phases, "spacing": tuple(header["spacing"]), "values": values})
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: expected a file of descriptor targets; got {error}") from None


def average(sets: Sequence[TargetSet], weights: Sequence[float] | None = None) -> TargetSet:
    """Average the targets of several maps.

    Parameters
    ----------
    sets : sequence of TargetSet
        Of the same phases, voxel size and descriptors.
    weights : sequence of float, optional
        Such as the areas of the maps; equal by default.

    Returns
    -------
    TargetSet

    Raises
    ------
    ValueError
        If the sets do not fit each other, or the weights are not positive numbers, one per set.
    """
    shares = np.ones(len(sets)) if weights is None else np.array(weights, dtype=np.float64)
    if not len(sets) or shares.shape != (len(sets),) or not (np.isfinite(shares).all() and shares.min() >= 0):
        raise ValueError(f"weights: expected a number >= 0 for each of {len(sets)} sets of targets; got {weights}")
    if not shares.sum() > 0:
        raise ValueError(f"weights: expected one above zero; got {weights}")
    first = sets[0]
    for other in sets[1:]:
        for what, mine, its in (
            ("phases", [(p.name, p.laue) for p in first.phases], [(p.name, p.laue) for p in other.phases]),
            ("a voxel size", first.spacing, other.spacing),
            ("a largest_lag", first.largest_lag, other.largest_lag),
            ("orientations", first.orientations, other.orientations),
            ("descriptors", dict(first.definitions), dict(other.definitions)),
            ("sections normal to", sorted(first.values), sorted(other.values)),
        ):
            if mine != its:
                raise ValueError(f"targets: expected {what} {mine} in each set; got {its}")
    shares = shares / shares.sum()
    values = {
        axis: {
            name: np.sum([share * one.values[axis][name] for share, one in zip(shares, sets, strict=True)], axis=0)
            for name in first.definitions
        }
        for axis in first.values
    }
    parts = [{"share": float(share), **one.provenance} for share, one in zip(shares, sets, strict=True)]
    return replace(first, values=values, provenance={"average": parts})


def interpolate(first: TargetSet, second: TargetSet, share: float) -> TargetSet:
    """Interpolate between the targets of two materials: (1 - share) first + share second.

    Parameters
    ----------
    first, second : TargetSet
    share : float
        0 ... 1.

    Returns
    -------
    TargetSet

    Raises
    ------
    ValueError
        If the sets do not fit each other, or the share is not in 0 ... 1.
    """
    if not 0.0 <= share <= 1.0:
        raise ValueError(f"share: expected a number in 0 ... 1; got {share}")
    return average([first, second], [1.0 - share, share])


def definition(descriptor: Descriptor) -> str:
    """Tell what a descriptor was made with, in words that are the same in every program run."""
    return repr(descriptor) if hasattr(descriptor, "__dataclass_fields__") else type(descriptor).__qualname__
