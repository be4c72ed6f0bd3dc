"""The fields of :class:`polyrve.ReconstructionSettings` as parameters of a filter, and back.

Names, defaults, choices and help texts come from the fields. Two things differ from the settings, as the graphical
interface is used to: vectors are x, y, z (the settings' z, y, x), and a setting that may be left open is a switch with
the value behind it.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from polyrve.settings import ReconstructionSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Volume", ("shape", "spacing", "periodic", "seed")),
    ("Descriptors", ("descriptors", "weights", "orientations", "largest_lag", "texture_degree", "sections_per_group")),
    ("Minimisation", ("initial", "levels", "optimizer", "iterations", "tolerance", "patience")),
)
_PLAIN: dict[Any, str] = {bool: "bool", int: "int", float: "float", str: "text"}
_OTHERS = "Further Settings"
_SHOWN_WHEN_OPEN: dict[str, Any] = {"spacing": (1.0, 1.0, 1.0), "largest_lag": 16, "sections_per_group": 1}


_KEYS: dict[str, str] = {"initial": "start", "largest_lag": "window"}
"""Keys of parameters that are not the names of their settings: they stand in pipelines and never change."""

_TITLES: dict[str, str] = {"initial": "Initial Field"}
"""Titles that say more than the name of the setting."""


@dataclass(frozen=True)
class Setting:
    """A setting as a parameter.

    Attributes
    ----------
    name : str
        Name of the field.
    key : str
        Name of the parameter.
    group : str
        Heading that it stands under.
    title, help : str
    kind : str
        ``"bool"``, ``"int"``, ``"float"``, ``"text"``, ``"choice"``, ``"ints"`` or ``"floats"``.
    default : object
        In the form of the parameter: an index for a choice, x, y, z for a vector, text for a mapping.
    choices : tuple of str
    switch : str
        Key of the switch of a setting that may be left open; empty otherwise.
    """

    name: str
    key: str
    group: str
    title: str
    help: str
    kind: str
    default: Any
    choices: tuple[str, ...] = ()
    switch: str = ""


def settings_list() -> list[Setting]:
    """All fields of the settings, by group."""
    listed = {name: group for group, names in _GROUPS for name in names}
    fields = ReconstructionSettings.model_fields
    order = [name for name in listed if name in fields] + [name for name in fields if name not in listed]
    return [_setting(name, listed.get(name, _OTHERS)) for name in order]


def _setting(name: str, group: str) -> Setting:
    field = ReconstructionSettings.model_fields[name]
    annotation, is_open = field.annotation, False
    if get_origin(annotation) in (Union, UnionType) and NoneType in get_args(annotation):
        (annotation,) = (item for item in get_args(annotation) if item is not NoneType)
        is_open = True
    choices: tuple[str, ...] = ()
    default = field.default
    origin, members = get_origin(annotation), get_args(annotation)
    if default is None:
        usual = members[0] if origin is Literal else (1,) * 3 if origin is tuple else {} if origin is dict else 1
        default = _SHOWN_WHEN_OPEN.get(name, usual if annotation is not str else "")
    if origin is Literal:
        kind, choices = "choice", tuple(map(str, members))
        default = choices.index(str(default))
    elif origin is tuple and len(set(members)) == 1 and len(members) == 3 and members[0] in (int, float):
        kind, default = {int: "ints", float: "floats"}[members[0]], list(default)[::-1]
    elif origin is dict:
        kind, default = "text", ", ".join(f"{key}={value}" for key, value in default.items())
    elif annotation in _PLAIN:
        kind = _PLAIN[annotation]
    else:
        raise TypeError(
            f"setting {name!r}: expected a number, text, choice, three numbers or a mapping; got {annotation}"
        )
    text = (field.description or "").replace("z, y, x", "x, y, z").replace("`", "")
    if origin is dict:
        text += " Written as name=value, name=value."
    title = _TITLES.get(name, name.replace("_", " ").title())
    key = _KEYS.get(name, name)
    return Setting(name, key, group, title, text, kind, default, choices, f"set_{key}" if is_open else "")


def settings_of(args: Mapping[str, Any]) -> ReconstructionSettings:
    """The settings that parameters stand for.

    Parameters
    ----------
    args : mapping of str to object
        Values of the parameters of :func:`settings_list` and their switches; a missing one has its default.

    Returns
    -------
    ReconstructionSettings

    Raises
    ------
    ValueError
        If a value is out of its range, or a text is no list of name=value.
    """
    values = {}
    for setting in settings_list():
        if setting.key not in args or (setting.switch and not args.get(setting.switch, False)):
            continue
        value = args[setting.key]
        if setting.kind == "choice":
            value = setting.choices[int(value)]
        elif setting.kind in ("ints", "floats"):
            value = tuple({"ints": int, "floats": float}[setting.kind](item) for item in value)[::-1]
        elif isinstance(ReconstructionSettings.model_fields[setting.name].default, dict):
            value = dict(assignments(str(value), setting.key))
        values[setting.name] = value
    return ReconstructionSettings.create(**values)


def arguments_of(settings: ReconstructionSettings) -> dict[str, Any]:
    """The parameters that settings stand for; the inverse of :func:`settings_of`."""
    args: dict[str, Any] = {}
    for setting in settings_list():
        value = getattr(settings, setting.name)
        if setting.switch:
            args[setting.switch] = value is not None
        if value is None:
            continue
        if setting.kind == "choice":
            value = setting.choices.index(value)
        elif setting.kind in ("ints", "floats"):
            value = list(value)[::-1]
        elif isinstance(value, dict):
            value = ", ".join(f"{key}={item}" for key, item in value.items())
        args[setting.key] = value
    return args


def assignments(text: str, what: str) -> Iterator[tuple[str, Any]]:
    """Names and values of ``name=value, name=value``; values as in TOML, and any other text as it is.

    Raises
    ------
    ValueError
        If a part has no name or no equals sign.
    """
    depth, parts = 0, [""]
    for letter in text:
        depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    for part in filter(None, map(str.strip, parts)):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name:
            raise ValueError(f"{what}: expected name=value, name=value; got {part!r}")
        try:
            yield name, tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            yield name, value


def insert_settings(parameters: Any) -> None:
    """Append the parameters of all settings, under their headings, to a ``simplnx.Parameters``."""
    import simplnx as nx

    heading = ""
    for setting in settings_list():
        if setting.group != heading:
            heading = setting.group
            parameters.insert(nx.Parameters.Separator(heading))
        if setting.switch:
            parameters.insert_linkable_parameter(
                nx.BoolParameter(setting.switch, f"Set {setting.title}", setting.help, False)
            )
        parameters.insert(_parameter(setting))
        if setting.switch:
            parameters.link_parameters(setting.switch, setting.key, True)


def _parameter(setting: Setting) -> Any:
    import simplnx as nx

    head = (setting.key, setting.title, setting.help, setting.default)
    if setting.kind == "choice":
        return nx.ChoicesParameter(*head, list(setting.choices))
    if setting.kind == "ints":
        return nx.VectorUInt64Parameter(*head, ["x", "y", "z"])
    if setting.kind == "floats":
        return nx.VectorFloat64Parameter(*head, ["x", "y", "z"])
    kinds = {
        "bool": nx.BoolParameter,
        "int": nx.Int32Parameter,
        "float": nx.Float64Parameter,
        "text": nx.StringParameter,
    }
    return kinds[setting.kind](*head)
