"""Descriptors: statistics of planar sections that a reconstruction matches; one file each.

The named sets are ``"paper"`` (two-point correlations, hybrid three-point variogram, mean variation) and ``"default"``
(disorientation spectrum, madogram, texture; with several phases two-point correlations, too).
Any object with the :class:`Descriptor` protocol can stand beside them; :mod:`polyrve.descriptors.sets` says how
settings find it by its name.
"""

from polyrve.descriptors.disorientation import DisorientationSpectrum
from polyrve.descriptors.protocol import Context, Descriptor
from polyrve.descriptors.sets import MAKERS, SETS, descriptor_set, named_set
from polyrve.descriptors.texture import Texture
from polyrve.descriptors.three_point import ThreePoint
from polyrve.descriptors.two_point import TwoPoint
from polyrve.descriptors.variation import Variation
from polyrve.descriptors.variogram import Variogram

__all__ = [
    "MAKERS", "SETS", "Context", "Descriptor", "DisorientationSpectrum", "Texture", "ThreePoint", "TwoPoint",
    "Variation", "Variogram", "descriptor_set", "named_set",
]  # fmt: skip
