"""What all filters of the plugin share: identity, and errors and warnings as simplnx wants them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Protocol

from polyrve.adapters.registry import FormatError


class Say(Protocol):
    """Shows a message; with a number from 0 to 100 as progress."""

    def __call__(self, text: str, percent: int | None = None, /) -> None:
        """Show it."""


class Cancelled(Exception):
    """The user cancelled before there was anything to return; DREAM3D-NX tells it by itself."""


PARAMETERS_VERSION = 1

_KINDS: tuple[tuple[type[BaseException], int], ...] = (
    (MemoryError, 3),
    (ImportError, 4),
    (OSError, 2),
    (FormatError, 2),
    (ValueError, 1),
    (RuntimeError, 5),
)
_FAULT = 9


def error_code(error: BaseException, number: int) -> int:
    """Code of an error of a filter.

    Parameters
    ----------
    error : BaseException
    number : int
        :attr:`Filter.number` of the filter.

    Returns
    -------
    int
        ``-(86000 + 100 number + kind)``; kinds are 1 for wrong input, 2 for a file that cannot be read or written, 3
        for too little memory, 4 for a missing package, 5 for the engine in another Python, 9 for a fault of polyrve.
    """
    kind = next((kind for types, kind in _KINDS if isinstance(error, types)), _FAULT)
    return -(86000 + 100 * number + kind)


def warning_code(number: int) -> int:
    """Code of the warnings of a filter."""
    return -(86000 + 100 * number + 50)


def plain(text: str) -> str:
    """A text that simplnx takes: names of files may hold bytes that are no text, shown as question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")


def error_sentence(error: BaseException) -> str:
    """One sentence about an error."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    text = " ".join(str(error).split()) or type(error).__name__
    if any(isinstance(error, types) for types, _ in _KINDS):
        return text
    return f"this is a fault of polyrve, please report it: {type(error).__name__}: {text}"


class Filter:
    """A filter of the plugin; subclasses say what it is, what it plans and what it does.

    A filter keeps no state: simplnx clones it and may preflight and execute different clones.
    """

    identifier: ClassVar[str]
    """UUID, for ever the same: pipelines find the filter by it."""
    title: ClassVar[str]
    """Name in the list of filters."""
    tags: ClassVar[tuple[str, ...]] = ()
    """Words that find the filter."""
    number: ClassVar[int]
    """Hundreds of the filter's error codes."""

    def parameters(self) -> Any:
        """What the user can set, a ``simplnx.Parameters``."""
        raise NotImplementedError

    def plan(self, data: Any, args: Mapping[str, Any], actions: Any) -> Mapping[str, str]:
        """Check the arguments, append what will be created to the actions, and return what the user should know.

        Arrays have no values yet, only types and shapes.
        """
        raise NotImplementedError

    def run(self, data: Any, args: Mapping[str, Any], say: Say, cancelled: Callable[[], bool]) -> None:
        """Do the work and fill what was created."""
        raise NotImplementedError

    def name(self) -> str:
        """Name in pipeline files."""
        return type(self).__name__

    def class_name(self) -> str:
        """Name of the class, and of the help page."""
        return type(self).__name__

    def uuid(self) -> Any:
        """Identifier, a ``simplnx.Uuid``."""
        import simplnx as nx

        return nx.Uuid(self.identifier)

    def human_name(self) -> str:
        """Name in the list of filters."""
        return self.title

    def default_tags(self) -> list[str]:
        """Words that find the filter."""
        return ["python", "polyrve", *self.tags]

    def parameters_version(self) -> int:
        """Version of the parameters, written into pipelines."""
        return PARAMETERS_VERSION

    def clone(self) -> Filter:
        """Another instance."""
        return type(self)()

    def preflight_impl(
        self, data_structure: Any, args: dict[str, Any], message_handler: Any, should_cancel: Any
    ) -> Any:
        """Plan, with errors and warnings as simplnx wants them."""
        import simplnx as nx

        actions = nx.OutputActions()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                values = self.plan(data_structure, args, actions)
            except Exception as error:
                return nx.IFilter.PreflightResult(errors=[self._error(error)], warnings=self._warnings(caught))
        return nx.IFilter.PreflightResult(
            output_actions=actions,
            warnings=self._warnings(caught),
            preflight_values=[nx.IFilter.PreflightValue(name, plain(value)) for name, value in values.items()],
        )

    def execute_impl(self, data_structure: Any, args: dict[str, Any], message_handler: Any, should_cancel: Any) -> Any:
        """Run, with errors and warnings as simplnx wants them."""
        import simplnx as nx

        def say(text: str, percent: int | None = None) -> None:
            if percent is None:
                message_handler(nx.IFilter.Message(nx.IFilter.Message.Type.Info, plain(text)))
            else:
                message_handler(nx.IFilter.ProgressMessage(plain(text), percent))

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                self.run(data_structure, args, say, lambda: bool(should_cancel))
            except Cancelled:
                pass
            except Exception as error:
                return nx.Result(errors=[self._error(error)], warnings=self._warnings(caught))
        return nx.Result(warnings=self._warnings(caught))

    def _error(self, error: BaseException) -> Any:
        import simplnx as nx

        return nx.Error(error_code(error, self.number), plain(error_sentence(error)))

    def _warnings(self, caught: list[warnings.WarningMessage]) -> list[Any] | None:
        import simplnx as nx

        ours = [item for item in caught if issubclass(item.category, UserWarning)]
        texts = dict.fromkeys(" ".join(str(item.message).split()) for item in ours)
        return [nx.Warning(warning_code(self.number), plain(text)) for text in texts] or None
