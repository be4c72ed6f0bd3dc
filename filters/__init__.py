"""The DREAM3D-NX plugin: reconstruction as a filter among others.

DREAM3D-NX finds it by the entry point ``simplnx.plugins``, by this folder's path in ``SIMPLNX_PYTHON_PLUGINS`` or the
preferences, or by ``simplnx.load_python_plugin(polyrve.filters)``. Importing it needs neither simplnx nor TensorFlow.
"""

from __future__ import annotations

from polyrve.filters.Plugin import Plugin

__all__ = ["Plugin", "get_plugin"]


def get_plugin() -> Plugin:
    """What simplnx asks a plugin module for."""
    return Plugin()
