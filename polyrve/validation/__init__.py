"""A volume compared with the map or the truth it stands for: metrics, floors, limits and verdicts."""

from polyrve.validation.comparison import Comparison, compare
from polyrve.validation.result import MetricResult, Validation
from polyrve.validation.run import seam, validate, validate_comparison

__all__ = ["Comparison", "MetricResult", "Validation", "compare", "seam", "validate", "validate_comparison"]
