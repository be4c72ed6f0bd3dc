"""EBSD maps in, simulation-ready 3D polycrystal volumes out.

The names of the public interface are loaded when first used; importing the package does not import TensorFlow.
"""

from typing import Any

import lazy_loader

from polyrve import _moved

__version__ = "0.1.0"

_loaded, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
__all__ = [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    if name in _moved.NAMES:
        return _moved.name(name)
    return _loaded(name)


_moved.install()
