"""The grains of a map or volume as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polyrve.crystallography import rotation
from polyrve.microstructure.grain_properties import measure_grains

if TYPE_CHECKING:
    import pandas as pd

    from polyrve.microstructure.grains import GrainMap, GrainVolume


def table(grains: GrainMap | GrainVolume) -> pd.DataFrame:
    """Measure all grains; columns as in :meth:`polyrve.GrainVolume.to_dataframe`.

    Returns
    -------
    pandas.DataFrame
        One row per grain, indexed by its id.
    """
    import pandas as pd

    measured, field = measure_grains(grains), grains.field
    names = np.array(["", *(phase.name for phase in field.phases)], dtype=object)
    euler = np.rad2deg(rotation.to_euler(grains.quaternions)) if grains.number_of_grains else np.zeros((0, 3))
    d = len(field.shape)
    columns: dict[str, Any] = {
        "phase": names[grains.phase_ids],
        "phase_id": grains.phase_ids,
        "points": measured.points,
        f"size_um{d}": measured.size,
        "equivalent_diameter_um": measured.equivalent_diameter,
        **{f"{name}_um": measured.centroid[:, d - 1 - place] for place, name in enumerate("xyz"[:d])},
        **{f"{name}_deg": euler[:, place] for place, name in enumerate(("phi1", "Phi", "phi2"))},
        "aspect_ratio": measured.aspect_ratio,
        "orientation_spread_deg": measured.orientation_spread,
        "neighbours": measured.number_of_neighbours,
        "touches_border": measured.touches_border,
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, grains.number_of_grains + 1, name="grain"))
