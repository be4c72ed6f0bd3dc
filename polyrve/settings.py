"""One validated record of everything that a reconstruction can be told.

The API, the TOML file, the command line, the DREAM3D-NX filter and the provenance in every output share it.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from polyrve.spelling import did_you_mean
from polyrve.user_line import user_line

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_METHODS = (
    "lbfgs", "barzilai-borwein", "adam", "adamax", "adagrad", "rmsprop", "sgd", "scipy-lbfgsb", "scipy-tnc", "scipy-cg",
)  # fmt: skip


_LARGE = 8_000_000
"""Voxels above which a volume is made slab by slab, since as a whole it would take more than about 10 GB."""

_FORMER = {"start": "initial", "window": "largest_lag"}
"""Settings by the names that they had before, which work for one release."""

_KINDS = {
    "a valid integer": "an integer", "a valid ": "a ", "dictionary": "mapping of names to numbers",
    "greater than or equal to": "at least", "less than or equal to": "at most",
}  # fmt: skip
"""Words of pydantic, and those of an error message here."""


class ReconstructionSettings(BaseModel):
    """Settings of :func:`polyrve.reconstruct`; every field is described where it stands.

    See Also
    --------
    polyrve.reconstruct : Takes each field as an argument.

    Examples
    --------
    >>> settings = ReconstructionSettings(shape=(32, 32, 32), iterations=50)
    >>> settings.shape, settings.periodic
    ((32, 32, 32), True)
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    shape: tuple[int, int, int] = Field(
        (64, 64, 64), description="Number of voxels along z, y, x; nz = 1 reconstructs in 2D."
    )
    spacing: tuple[float, float, float] | None = Field(
        None, description="Voxel size along z, y, x in um; by default the step of the map."
    )
    periodic: bool = Field(True, description="Whether the volume repeats across its faces.")
    grade: Literal["none", "x", "y", "z"] = Field(
        "none",
        description="Axis along which the maps change, and the volume as they do: statistics are matched in "
        "overlapping windows along it, and the volume repeats across it alone. One map stands for the sections normal "
        "to both axes across it.",
    )
    descriptors: Literal["default", "paper"] = Field("default", description="Named set of descriptors.")
    weights: dict[str, float] = Field(
        {}, description="Weights by descriptor name that replace those of the set; 0 leaves a descriptor out."
    )
    orientations: bool = Field(
        True, description="Whether orientations count; without them phases alone are reconstructed, as of an image."
    )
    largest_lag: int | None = Field(
        None, ge=2, description="Largest lag in voxels; by default 16 or what map and volume have room for."
    )
    texture_degree: int = Field(24, ge=2, le=40, description="Highest even degree of the texture descriptor.")
    sections_per_group: int | None = Field(
        None,
        ge=1,
        description="Neighbouring sections that one estimate is averaged over: 1 as in the paper; default all.",
    )
    initial: Literal["auto", "polycrystal", "exemplar", "random"] = Field(
        "auto",
        description="Initial field: a polycrystal of Laguerre cells fitted to the map, a volume put together from "
        "pixels of the map (the polycrystal where maps are too small or do not show every axis), or random "
        "orientations; auto is the polycrystal where its sections are like the map, else the exemplar.",
    )
    twins: str = Field(
        "auto",
        description="Plates set into the grains of a polycrystal, in a special relation to them and on its habit "
        "plane: auto where the map has such, none, or names of relations with commas between them, such as Sigma 3 or "
        "{10-12} twin, each with a habit plane of one's own behind it if wanted, as in Sigma 3 (1 1 2).",
    )
    noise: Literal["remove", "keep"] = Field(
        "remove",
        description="Measuring noise and misindexed points of the maps: removed, so that the volume holds the "
        "material, which is validated through the maps' instrument; or kept, as if they were metal.",
    )
    unknowns: Literal["grains", "voxels"] = Field(
        "grains",
        description="What is optimised: a rotation for each grain of a polycrystal or a given volume, whose boundaries "
        "and scatter stay; or every voxel, as always from an exemplar or random orientations and over several grids.",
    )
    blocks: Literal["auto", "always", "never"] = Field(
        "auto",
        description="Whether a volume is made slab by slab and matched by a changing part of its sections, in little "
        "memory: auto for a polycrystal of more than eight million voxels with grains as unknowns, always or never.",
    )
    levels: int = Field(1, ge=1, le=8, description="Number of grids, from coarse to fine.")
    optimizer: Literal[_METHODS] = Field("lbfgs", description="Method of minimisation.")  # type: ignore[valid-type]
    iterations: int = Field(
        30, ge=0, description="Largest number of iterations on the finest grid; 0 keeps the initial field."
    )
    sharpen: bool = Field(
        True,
        description="Whether the end restores sharp grains where voxels were optimised: those of a polycrystal are "
        "turned as a whole, other periodic volumes drawn back to measured orientations.",
    )
    tolerance: float = Field(
        1e-3, ge=0, description="Stop when the loss falls by less than this share within `patience` iterations."
    )
    patience: int = Field(30, ge=1, description="Iterations over which the tolerance counts.")
    seed: int = Field(0, ge=0, description="Seed of everything random.")

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        for former in _FORMER.keys() & values.keys():
            warnings.warn(
                f"setting {former}: this name goes with the next release; use {_FORMER[former]}",
                DeprecationWarning,
                stacklevel=user_line(),
            )
        return {_FORMER.get(name, name): value for name, value in values.items()}

    @field_validator("shape", mode="before")
    @classmethod
    def _planar(cls, value: Any) -> Any:
        return (1, *value) if isinstance(value, (tuple, list)) and len(value) == 2 else value

    @field_validator("shape")
    @classmethod
    def _positive(cls, value: tuple[int, int, int]) -> tuple[int, int, int]:
        if min(value[1:]) < 8 or (value[0] != 1 and value[0] < 8):
            raise ValueError(f"expected at least 8 voxels along each axis, or nz = 1; got {value}")
        return value

    @field_validator("spacing")
    @classmethod
    def _lengths(cls, value: tuple[float, float, float] | None) -> tuple[float, float, float] | None:
        if value is not None and not all(0 < length < float("inf") for length in value):
            raise ValueError(f"expected three positive lengths in um; got {value}")
        return value

    @field_validator("texture_degree")
    @classmethod
    def _even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"expected an even number; got {value}")
        return value

    @property
    def in_blocks(self) -> bool:
        """Whether the volume is made slab by slab, if it is a polycrystal."""
        if self.blocks == "always":
            return True
        return self.blocks == "auto" and math.prod(self.shape) > _LARGE and not self._against_blocks()

    def _against_blocks(self) -> str:
        """Return the first setting with which no volume is made slab by slab, and what it has to be."""
        allowed: dict[str, tuple[Any, ...]] = {
            "unknowns": ("grains",), "initial": ("auto", "polycrystal"), "noise": ("remove",), "levels": (1,),
            "grade": ("none",), "orientations": (True,), "sections_per_group": (None,),
        }  # fmt: skip
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                return f"{name} {' or '.join(map(str, values))} with it; got {getattr(self, name)}"
        return "" if min(self.shape) > 1 else f"a volume; got a shape of {self.shape}"

    @model_validator(mode="after")
    def _made_in_blocks(self) -> ReconstructionSettings:
        if self.blocks == "always" and (wanted := self._against_blocks()):
            raise ValueError(f"blocks: expected {wanted}")
        return self

    @classmethod
    def create(cls, **values: Any) -> ReconstructionSettings:
        """Make settings from keywords, with errors as one sentence.

        Raises
        ------
        ValueError
            If a setting is unknown or out of its range.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise ValueError(_sentence(error)) from None

    @classmethod
    def from_toml(cls, path: str | Path, **overrides: Any) -> ReconstructionSettings:
        """Read settings from a TOML file; keywords win over the file.

        Its table ``maps``, which names files for the command line (:func:`maps_table`), is no setting.

        Raises
        ------
        ValueError
            If the file is no TOML, or a setting is unknown or out of its range.
        """
        values = {name: value for name, value in _toml_of(path).items() if name != "maps"}
        try:
            return cls.create(**{**values, **overrides})
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def to_toml(self, *, explained: bool = False) -> str:
        """Return the settings as the text of a TOML file that :meth:`from_toml` reads.

        Parameters
        ----------
        explained : bool
            Whether each setting has its description above it, and settings that are left open stand as comments.

        Returns
        -------
        str

        Examples
        --------
        >>> ReconstructionSettings(shape=(1, 20, 30)).to_toml().splitlines()[0]
        'shape = [1, 20, 30]'
        """
        parts = []
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            line = f"{name} = {'...' if value is None else _toml(value)}"
            if explained:
                parts.append(f"# {field.description}\n{'# ' if value is None else ''}{line}\n")
            elif value is not None:
                parts.append(line)
        return "\n".join(parts) + "\n" * (not explained)


def maps_table(path: str | Path) -> dict[str, list[str]]:
    """Return the names of files by axis in the table ``maps`` of a TOML file of settings.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    dict of str to list of str
        Such as ``{"z": ["a.ang", "b.ang"], "x": ["d.ang"]}``; empty where there is no such table.

    Raises
    ------
    ValueError
        If the file is no TOML, or the table holds something else.
    """
    table = _toml_of(path).get("maps", {})
    if not isinstance(table, dict):
        raise ValueError(f'{path}: maps: expected files by axis, as maps = {{z = ["a.ang", "b.ang"]}}; got {table!r}')
    found = {}
    for axis, names in table.items():
        listed = [names] if isinstance(names, str) else names
        if not isinstance(listed, list) or not listed or not all(isinstance(name, str) for name in listed):
            raise ValueError(f"{path}: maps: expected names of files for {axis}; got {names!r}")
        found[axis] = listed
    return found


def maps_by_axis(
    given: Iterable[str] | None, flag: str = "--map", folder: Path | None = None
) -> list[tuple[str, Path]]:
    """Return axes and files of texts ``z:a.ang``.

    Parameters
    ----------
    given : iterable of str, optional
    flag : str
        How a message names them.
    folder : Path, optional
        That names without a folder refer to.

    Returns
    -------
    list of (str, Path)

    Raises
    ------
    ValueError
        If a text has no axis, or a file is named twice for one axis.

    Examples
    --------
    >>> [(axis, path.name) for axis, path in maps_by_axis(["z:a.ang", "x:d.ang"])]
    [('z', 'a.ang'), ('x', 'd.ang')]
    """
    found: list[tuple[str, Path]] = []
    for text in given or ():
        axis, colon, name = text.partition(":")
        if not colon or axis not in ("x", "y", "z", "all") or not name:
            raise ValueError(f"{flag}: expected an axis, or all, and a file, such as z:a.ang; got {text!r}")
        one = axis, Path(name) if folder is None else folder / name
        if one in found:
            raise ValueError(f"{flag}: expected another file each time; got {text!r} twice: leave one out")
        found.append(one)
    return found


def _toml_of(path: str | Path) -> dict[str, Any]:
    try:
        with Path(path).open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: expected a TOML file; got {error}") from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: expected a TOML file, which is text in UTF-8; got the byte {error.object[error.start]:#04x} "
            f"at position {error.start}"
        ) from None


def _toml(value: Any) -> str:
    """A value as in a TOML file, on one line."""
    if isinstance(value, dict):
        return f"{{{', '.join(tomli_w.dumps({key: item}).strip() for key, item in value.items())}}}"
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_toml, value))}]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").strip()


def _sentence(error: ValidationError) -> str:
    parts = []
    for item in error.errors():
        name = ".".join(str(part) for part in item["loc"][:1]) or "settings"
        message = item["msg"].removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            fields = ReconstructionSettings.model_fields
            meant = did_you_mean(name, fields)
            parts.append(f"settings: expected one of {', '.join(fields)}; got {name!r}{meant}")
        elif item["type"] == "value_error":
            parts.append(f"{name}: {message}")
        elif item["type"] == "literal_error":
            known = [text.strip(" '") for text in item["ctx"]["expected"].replace(" or ", ", ").split(",")]
            meant = did_you_mean(str(item["input"]), known)
            parts.append(f"{name}: expected one of {', '.join(known)}; got {item['input']!r}{meant}")
        else:
            kind = message.split(",")[0].removeprefix("Input should be ")
            for former, plain in _KINDS.items():
                kind = kind.replace(former, plain)
            parts.append(f"{name}: expected {kind[0].lower()}{kind[1:]}; got {item['input']!r}")
    return "; ".join(dict.fromkeys(parts))
