"""EBSD maps in, simulation-ready 3D polycrystal volumes out.

Importing this package does not import TensorFlow; the names below are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "Phase": "polyrve.crystal",
    "OrientationMap": "polyrve.orientation",
    "OrientationVolume": "polyrve.orientation",
    "GrainMap": "polyrve.grains",
    "GrainVolume": "polyrve.grains",
    "ReconstructionSettings": "polyrve.settings",
    "Reconstruction": "polyrve.reconstruction",
    "read": "polyrve.adapters.registry",
    "write": "polyrve.adapters.registry",
    "around": "polyrve.sections",
    "reconstruct": "polyrve.reconstruction",
    "segment": "polyrve.grains",
    "report": "polyrve.reporting",
}

__all__ = [*_WHERE, "__version__"]

if TYPE_CHECKING:
    from polyrve.adapters.registry import read, write
    from polyrve.crystal import Phase
    from polyrve.grains import GrainMap, GrainVolume, segment
    from polyrve.orientation import OrientationMap, OrientationVolume
    from polyrve.reconstruction import Reconstruction, reconstruct
    from polyrve.sections import around
    from polyrve.settings import ReconstructionSettings


def __getattr__(name: str) -> Any:
    try:
        module = _WHERE[name]
    except KeyError:
        raise AttributeError(f"module 'polyrve' has no attribute {name!r}") from None
    return getattr(importlib.import_module(module), name)
