"""EBSD maps in, simulation-ready 3D polycrystal volumes out.

Importing this package does not import TensorFlow; the names below are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Phase": "polyrve.crystallography.phase",
    "OrientationMap": "polyrve.microstructure.fields",
    "OrientationVolume": "polyrve.microstructure.fields",
    "GrainMap": "polyrve.microstructure.grains",
    "GrainVolume": "polyrve.microstructure.grains",
    "ReconstructionSettings": "polyrve.settings",
    "Reconstruction": "polyrve.reconstruction.run",
    "read": "polyrve.adapters.registry",
    "write": "polyrve.adapters.registry",
    "around": "polyrve.microstructure.map_placement",
    "reconstruct": "polyrve.reconstruction.run",
    "segment": "polyrve.microstructure.grains",
    "report": "polyrve.report",
}

__all__ = [*_WHERE, "__version__"]

if TYPE_CHECKING:
    from polyrve.adapters.registry import read, write
    from polyrve.crystallography.phase import Phase
    from polyrve.microstructure.fields import OrientationMap, OrientationVolume
    from polyrve.microstructure.grains import GrainMap, GrainVolume
    from polyrve.microstructure.map_placement import around
    from polyrve.microstructure.segmentation import segment
    from polyrve.reconstruction.run import Reconstruction, reconstruct
    from polyrve.settings import ReconstructionSettings


def __getattr__(name: str) -> Any:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'polyrve' has no attribute {name!r}") from None
    return getattr(importlib.import_module(module), name)
