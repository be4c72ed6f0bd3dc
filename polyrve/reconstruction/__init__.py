"""From maps and settings to a volume: the problem, its objective, the run, checkpoints and ensembles."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submod_attrs={"run": ["Progress", "Reconstruction", "measure_targets", "reconstruct"]}
)
