"""The room that draws: the report of a volume, plots, and the check of a map's frame."""

import sys
import warnings
from types import ModuleType
from typing import Any

from polyrve.report.html import write_report
from polyrve.user_line import user_line

__all__ = ["write_report"]


class _Report(ModuleType):
    """The package, callable as the function ``polyrve.report`` was, for one release."""

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        warnings.warn(
            "polyrve.report(): this name goes with the next release; use polyrve.write_report",
            DeprecationWarning,
            stacklevel=user_line(),
        )
        return write_report(*arguments, **options)


sys.modules[__name__].__class__ = _Report
