"""How much memory a reconstruction takes, forecast before it starts: a sum of named parts, see ``docs/speed.md``."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polyrve.settings import ReconstructionSettings

PROGRAM = 500_000_000
"""What Python, TensorFlow and polyrve take in a process of their own, beyond code that processes share; measured."""

_GIB = 2.0**30
_SETS = {"default": ("disorientation", "variogram", "texture"), "paper": ("two_point", "three_point", "variation")}
_ONE_POINT = "texture"

# Measured, with 9 channels: what compilers take for their time, and what they keep of a local state and of descriptors.
_COMPILING, _STATE_COMPILED, _CHANNELS_OF_COMPILED = 80_000_000, 20_000_000, 9
_COMPILED = {
    "two_point": 25_000_000, "three_point": 18_000_000, "variation": 8_000_000, "variogram": 30_000_000,
    "disorientation": 30_000_000, "texture": 13_000_000,
}  # fmt: skip

# Position, the best one, direction, gradient and what these become; pairs as polyrve.optimizers.lbfgs keeps them.
_VECTORS, _PAIRS, _MOST_PAIRS, _BYTES_OF_FEW_PAIRS = 7, 10, 20, 2**24
# SciPy in double precision: 25 of the work space of L-BFGS-B, 5 of bounds and indices, 10 copies; others measured.
_DOUBLES = {"scipy-lbfgsb": 40, "scipy-tnc": 40, "scipy-cg": 20}
# Keras: the variable, two moments, and steps that are formed in parts.
_VECTORS_OF_KERAS = 10
_OF_KERAS = ("adam", "adamax", "adagrad", "rmsprop", "sgd")

# Two-point correlations: spectra as transformed, by frequency, and both on the way back; products of all pairs of
# channels, those of each pair once, their real and imaginary parts, and both on the way back; estimates with slopes.
_LARGEST_LAG, _POOLED, _OF_SPECTRA, _OF_PRODUCTS, _OF_ESTIMATES = 16, 16_000_000, 4, 5, 2.5
# On a GPU, as XLA says that compiles for one: the largest arrays of a block in fields of channels (increments at all
# lags of the three-point variogram; sections continued, and norms at all lags, of others), and how often they count.
_ON_GPU, _OF_BLOCK = 256_000_000, 1.5
_BLOCKS = {"three_point": 12, "disorientation": 7, "variogram": 7}

# A map: channels as formed, joined, cut, continued and with a mask; quaternions and what harmonics are formed from.
_MAP_PER_CHANNEL, _MAP_BESIDE = 5, 45
# Pairs of channels in a strip of its spectrum: products, their parts, what is added.
_PAIRS_OF_MAP, _OF_PAIRS_OF_MAP = 64_000_000, 3
# Its pixels as material: harmonics of the texture and components of neighbourhoods; quaternions, indices, weights.
_TEXTURE, _NEIGHBOURHOOD, _BESIDE = 200, 24, 100

# Quaternions in double precision, per voxel: of a volume with what checks it, of a polycrystal while it is drawn, of
# one while its grains are turned; per pixel of maps that cells are fitted to; disorientations in a pool of 1500 pixels.
_QUATERNION, _OF_VOLUME, _OF_POLYCRYSTAL, _OF_TURNED, _OF_CELLS, _POOL = 32, 3, 8, 8, 4, 2 * 8 * 1500**2


@dataclass(frozen=True)
class Forecast:
    """Peak memory of a reconstruction, beyond what the program itself takes, in bytes.

    TensorFlow keeps what its tensors took at their most, so that later steps in NumPy come on top of it.

    Attributes
    ----------
    programs : int
        Compiled code and graphs, which stay: of each grid and of its maps. Measured; 18 and 29 channels take 1.4 and
        1.8 times as much as 9.
    compiling : int
        What compilers take for their time, beside the fields of the first evaluation; measured.
    targets : int
        Tensors of the largest map while it is described.
    fields : int
        Channels of the volume, cut into sections normal to each axis, their slopes, and what blocks of sections take.
    vectors : int
        Unknowns, gradients and what the method keeps of earlier steps.
    start, end : int
        Arrays of NumPy before and after the minimisation: the volume in double precision, and pixels of the maps where
        it is put together from them, or drawn back to them.
    """

    programs: int
    compiling: int
    targets: int
    fields: int
    vectors: int
    start: int
    end: int

    @property
    def tensors(self) -> int:
        """What TensorFlow takes on its device."""
        return max(self.targets, self.fields + self.vectors)

    @property
    def beside(self) -> int:
        """What the machine gives where the tensors are on a GPU."""
        return self.programs + max(self.compiling, self.start, self.end)

    @property
    def total(self) -> int:
        """All of it, where the tensors are in the machine's memory."""
        return self.programs + max(
            self.compiling + max(self.targets, self.fields), self.targets + self.start, self.tensors + self.end
        )


def forecast(
    settings: ReconstructionSettings, channels: int, unknowns: int, pixels: Sequence[int] = (), *, gpu: bool = False
) -> Forecast:
    """What a reconstruction will take.

    Parameters
    ----------
    settings : ReconstructionSettings
    channels : int
        Number of channels of the local state.
    unknowns : int
        Unknowns per voxel, more than 4 with several phases.
    pixels : sequence of int
        Pixels, of the voxels' size, of each map.
    gpu : bool
        Whether a GPU works on it, which takes larger blocks.

    Returns
    -------
    Forecast
    """
    names = _descriptors(settings, several=unknowns > 4)
    voxels = math.prod(settings.shape)
    compiled = _STATE_COMPILED + sum(_COMPILED[name] for name in names)
    of_map = 4 * (_MAP_PER_CHANNEL * channels + _MAP_BESIDE) * max(pixels, default=0)
    if "two_point" in names:
        of_map += min(4 * channels**2 * max(pixels, default=0), _OF_PAIRS_OF_MAP * _PAIRS_OF_MAP)
    return Forecast(
        programs=int(settings.levels * compiled * math.sqrt(channels / _CHANNELS_OF_COMPILED)),
        compiling=_COMPILING,
        targets=of_map,
        fields=_fields(settings, names, channels, gpu),
        vectors=_vectors(settings.optimizer, voxels * unknowns),
        start=_start(settings, channels, max(1, unknowns - 4), sum(pixels)),
        end=_end(settings, channels, max(1, unknowns - 4), sum(pixels)),
    )


def _start(settings: ReconstructionSettings, channels: int, phases: int, pixels: int) -> int:
    """The volume in double precision; cells that are fitted to maps, of which ``auto`` is taken to be content with."""
    volume = _QUATERNION * math.prod(settings.shape)
    if settings.initial in ("auto", "polycrystal"):
        return _OF_POLYCRYSTAL * volume + _OF_CELLS * _QUATERNION * pixels + _POOL
    return _OF_VOLUME * volume + (_exemplar(channels, phases, pixels) if settings.initial == "exemplar" else 0)


def _end(settings: ReconstructionSettings, channels: int, phases: int, pixels: int) -> int:
    """The volume in double precision; its grains turned, or its voxels drawn back to pixels of the maps."""
    volume = _QUATERNION * math.prod(settings.shape)
    if settings.sharpen and settings.initial in ("auto", "polycrystal"):
        return _OF_TURNED * volume
    drawn_back = settings.sharpen and settings.periodic
    return _OF_VOLUME * volume + (_exemplar(channels, phases, pixels) if drawn_back else 0)


def _exemplar(channels: int, phases: int, pixels: int) -> int:
    """Pixels as material: harmonics of the texture, channels and neighbourhoods in float32, quaternions and indices."""
    return (4 * (_TEXTURE * phases + channels + _NEIGHBOURHOOD) + _BESIDE) * pixels


def _descriptors(settings: ReconstructionSettings, *, several: bool) -> list[str]:
    """Names of the descriptors that count; several phases match two-point correlations unasked."""
    weights = {**dict.fromkeys(_SETS[settings.descriptors], 1.0), **({"two_point": 0.1} if several else {})}
    return [name for name, weight in {**weights, **settings.weights}.items() if weight > 0 and name in _COMPILED]


def _fields(settings: ReconstructionSettings, names: Sequence[str], channels: int, gpu: bool) -> int:
    """Channels, their sections normal to each axis, and the slope of each descriptor with respect to these."""
    field = 4 * channels * math.prod(settings.shape)
    axes = 1 if settings.shape[0] == 1 else 3
    size = field * (1 + axes * (1 + sum(name != _ONE_POINT for name in names)))
    if gpu:
        size += int(_OF_BLOCK * min(_ON_GPU, max((_BLOCKS.get(name, 0) for name in names), default=0) * field))
    in_one_pass = settings.sections_per_group == 1 and settings.periodic and not gpu
    if "two_point" in names and not in_one_pass:
        size += _by_estimates(settings, channels, axes) + (0 if settings.periodic else axes * field)
    return size


def _by_estimates(settings: ReconstructionSettings, channels: int, axes: int) -> int:
    """Two-point correlations: spectra of some sections, products of all pairs, and the estimates.

    Where sections are compared each by itself in one pass there are none of these.
    """
    lag = settings.largest_lag or _LARGEST_LAG
    sections = sum(settings.shape) if axes == 3 else 1
    groups = sections // settings.sections_per_group if settings.sections_per_group else axes
    estimates = 4 * groups * channels**2 * (lag + 1) * (2 * lag + 1)
    rows, columns = (n + (0 if settings.periodic else lag) for n in settings.shape[1:])
    spectrum = 8 * channels * rows * (columns // 2 + 1)
    spectra = min(_POOLED, sections // groups * spectrum)
    return int(_OF_ESTIMATES * estimates) + _OF_SPECTRA * spectra + _OF_PRODUCTS * channels * spectrum


def _vectors(optimizer: str, unknowns: int) -> int:
    """Vectors of all methods, and what each of them keeps.

    L-BFGS keeps 10 pairs in half precision; for small fields more, or longer numbers, of 16 MiB at most.
    """
    vectors = 4 * _VECTORS * unknowns
    if optimizer == "lbfgs":
        most = 2 * _MOST_PAIRS * 4 * unknowns
        return vectors + max(2 * _PAIRS * 2 * unknowns, min(_BYTES_OF_FEW_PAIRS, most))
    if optimizer in _OF_KERAS:
        return vectors + 4 * _VECTORS_OF_KERAS * unknowns
    return vectors + 8 * _DOUBLES.get(optimizer, 0) * unknowns


def available() -> int | None:
    """Bytes of memory that are free: the machine's, or what its control group leaves a process; None if unknown."""
    known = [free for free in (_of_machine(), _of_control_group()) if free is not None]
    return min(known) if known else None


def _of_machine() -> int | None:
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return None


def _of_control_group(process: Path = Path("/proc/self/cgroup"), groups: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What batch systems and containers leave: the least of the process's group and those around it.

    Version 2 gives limit and use in ``memory.max`` and ``memory.current``, version 1 in ``memory.limit_in_bytes`` and
    ``memory.usage_in_bytes`` below ``memory``; caches of files, which give way, count as used.
    """
    found = []
    try:
        lines = process.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    for line in lines:
        _, controllers, name = line.split(":", 2)
        if controllers == "":
            root, limit, use = groups, "memory.max", "memory.current"
        elif "memory" in controllers.split(","):
            root, limit, use = groups / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        inside = root / name.strip("/")
        for folder in (inside, *inside.parents):
            if folder == root.parent:
                break
            with contextlib.suppress(OSError, ValueError):
                most = int((folder / limit).read_text(encoding="ascii"))
                found.append(max(0, most - int((folder / use).read_text(encoding="ascii"))))
    return min(found) if found else None


def give_back() -> None:
    """Hand memory that is free back to the machine: compiling takes much and leaves it with the program.

    Done by glibc's ``malloc_trim``; nothing happens where there is none.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def require(size: int, shape: Sequence[int]) -> None:
    """Refuse a volume that will not fit into what :func:`available` tells.

    Raises
    ------
    MemoryError
        See :func:`refuse`.
    """
    refuse(size, shape, available())


def refuse(size: int, shape: Sequence[int], free: int | None, of: str = "free memory") -> None:
    """Refuse a volume that will not fit.

    Parameters
    ----------
    size : int, byte
        What it takes.
    shape : sequence of int
    free : int or None, byte
        None if unknown, which refuses nothing.
    of : str
        What is free.

    Raises
    ------
    MemoryError
        If more is needed than is free; the message says how much and what to do.
    """
    if free is not None and size > free:
        scale = (free / size) ** (1 / sum(n > 1 for n in shape))
        advice = tuple(n if n == 1 else max(8, int(n * scale) // 8 * 8) for n in shape)
        raise MemoryError(
            f"shape {tuple(shape)}: expected a working set that fits into the {free / _GIB:.1f} GiB of {of}; "
            f"got {size / _GIB:.1f} GiB: try {advice}"
        )
