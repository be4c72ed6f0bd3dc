"""NumPy archives of orientation maps and volumes: a format of one file."""

from pathlib import Path

import numpy as np

import polyrve
from polyrve.adapters.registry import Format, FormatError
from polyrve.adapters.replacing import replacing

FORMAT = Format("npz", (".npz",), __name__, reads=True, writes=True, description="NumPy archives")

OF_PHASES = ("phase_names", "laue_groups", "lattices", "space_groups")
NAMES = ("quaternions", "phase_ids", "spacing", "origin", *OF_PHASES)


def read(path: Path) -> polyrve.OrientationMap | polyrve.OrientationVolume:
    """Read a map (ny, nx) or a volume (nz, ny, nx) of unit quaternions, passive, crystal from specimen."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in NAMES if name not in archive]
            if missing:
                raise FormatError(path, f"expected the arrays {', '.join(NAMES)}; got none of name {missing[0]}")
            content = {name: archive[name] for name in NAMES}
    except (OSError, ValueError) as error:
        raise FormatError(path, f"expected a NumPy archive; {error}") from error
    of_phases = zip(*(content[name].tolist() for name in OF_PHASES), strict=True)
    phases = tuple(polyrve.Phase(name, laue, tuple(lattice), group) for name, laue, lattice, group in of_phases)
    kind = polyrve.OrientationMap if content["phase_ids"].ndim == 2 else polyrve.OrientationVolume
    return kind(
        content["quaternions"],
        content["phase_ids"],
        phases,
        tuple(content["spacing"].tolist()),
        origin=tuple(content["origin"].tolist()),
    )


def write(data: polyrve.OrientationMap | polyrve.OrientationVolume, path: Path, *, force: bool = False) -> None:
    """Write a map or a volume; the file gets its name when it is complete."""
    with replacing(path, force=force) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(
            file,
            quaternions=data.quaternions,
            phase_ids=data.phase_ids,
            spacing=data.spacing,
            origin=data.origin,
            phase_names=[phase.name for phase in data.phases],
            laue_groups=[phase.laue for phase in data.phases],
            lattices=[phase.lattice for phase in data.phases],
            space_groups=[phase.space_group for phase in data.phases],
        )
