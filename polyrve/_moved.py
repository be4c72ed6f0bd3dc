"""Former names of the public interface, which work for one release with a DeprecationWarning."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

NAMES: dict[str, str] = {
    "around": "polyrve.microstructure.map_placement.axisymmetric",
}
"""Public names of the package by their former name."""

MODULES: dict[str, tuple[str, ...]] = {
    "polyrve.adapters.dream3d": ("polyrve.adapters.volumes.dream3d",),
    "polyrve.adapters.orix_bridge": ("polyrve.adapters.ebsd.orix_bridge",),
    "polyrve.cleaning": ("polyrve.microstructure.cleaning",),
    "polyrve.checkpoint": ("polyrve.reconstruction.checkpoint",),
    "polyrve.crystal": ("polyrve.crystallography.phase",),
    "polyrve.ensemble": ("polyrve.reconstruction.ensemble",),
    "polyrve.frames": ("polyrve.crystallography.reference_frames",),
    "polyrve.grains": (
        "polyrve.microstructure.grains",
        "polyrve.microstructure.links",
        "polyrve.microstructure.segmentation",
        "polyrve.microstructure.grain_properties",
    ),
    "polyrve.harmonics": ("polyrve.crystallography.harmonics",),
    "polyrve.inspection": ("polyrve.microstructure.quality",),
    "polyrve.multigrid": ("polyrve.microstructure.resampling",),
    "polyrve.orientation": ("polyrve.microstructure.fields",),
    "polyrve.problem": ("polyrve.reconstruction.problem",),
    "polyrve.reporting": ("polyrve.report",),
    "polyrve.reporting.check": ("polyrve.report.frame_check",),
    "polyrve.rotation": ("polyrve.crystallography.rotation",),
    "polyrve.sections": ("polyrve.microstructure.map_placement",),
    "polyrve.sources": ("polyrve.validation.provenance",),
    "polyrve.specimen": ("polyrve.microstructure.synthetic", "polyrve.microstructure.instrument"),
    "polyrve.statistics": ("polyrve.validation.run", "polyrve.validation.result", "polyrve.validation.comparison"),
    "polyrve.targets": ("polyrve.reconstruction.targets",),
}
"""Former modules that were documented, and those that hold their contents."""

_RENAMED: dict[str, str] = {
    "polyrve.grains.measure": "measure_grains",
    "polyrve.reporting.report": "write_report",
    "polyrve.sections.around": "axisymmetric",
    "polyrve.specimen.measure": "simulate_scan",
    "polyrve.statistics.Judgement": "Validation",
    "polyrve.statistics.Row": "MetricResult",
    "polyrve.statistics.judge": "validate",
    "polyrve.statistics.judgement_of": "validate_comparison",
}


def name(former: str) -> Any:
    """Return a public name of the package by its former name."""
    module, _, current = NAMES[former].rpartition(".")
    _warn(f"polyrve.{former}", NAMES[former])
    return getattr(importlib.import_module(module), current)


def install() -> None:
    """Make the former modules importable."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())


def _warn(former: str, current: str) -> None:
    warnings.warn(f"{former}: this name goes with the next release; use {current}", DeprecationWarning, stacklevel=3)


class _Module(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        current = _RENAMED.get(f"{self.__name__}.{attribute}", attribute)
        for module in MODULES[self.__name__]:
            found = importlib.import_module(module)
            if hasattr(found, current):
                _warn(f"{self.__name__}.{attribute}", f"{module}.{current}")
                return getattr(found, current)
        raise AttributeError(f"module {self.__name__!r} has no attribute {attribute!r}")


class _Finder(MetaPathFinder, Loader):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = _Module(spec.name)
        module.__path__ = []
        return module

    def exec_module(self, module: ModuleType) -> None:
        pass
