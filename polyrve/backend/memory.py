"""How much memory a reconstruction takes, forecast before it starts, and how much is free.

The forecast is a sum of named parts, each from the arrays that the code holds; ``docs/speed.md`` compares it with peaks
that were measured. No TensorFlow is imported here, so that a plugin can ask before anything starts.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
from collections.abc import Sequence
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

from polyrve.backend import control_groups
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
# A descriptor of another package is taken for the largest of ours.
_COMPILED_OTHER = 30_000_000

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
BLOCK_ON_GPU = 256_000_000
"""Bytes that a step works on where a GPU takes much at once. To read them takes a card of 3 TB/s 80 us, far longer than
kernels take to start (about 5 us); larger blocks would only take more memory."""

# On a GPU, as XLA says that compiles for one: the largest arrays of a block in fields of channels (increments at all
# lags of the three-point variogram; sections continued, and norms at all lags, of others), and how often they count.
_OF_BLOCK = 1.5
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


# Kept as cells, per voxel: labels of the best volume and of one that is drawn; cell and unknowns of each point of the
# sections of the last stage, as many as there are voxels where cells are 9 voxels across, fewer where they are larger.
_LABELS, _KEPT = 2 * 4, 20
# Points of a batch of sections; voxels of a slab, and what each takes while its faces are found or it is written.
_BATCH, _SLAB, _OF_SLAB = 2**20, 2**22, 120


@dataclass(frozen=True)
class Forecast:
    """The peak memory of a reconstruction, beyond what the program itself takes, in bytes.

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
        """What TensorFlow takes on its device, bytes."""
        return max(self.targets, self.fields + self.vectors)

    @property
    def beside(self) -> int:
        """What the machine gives where the tensors are on a GPU, bytes."""
        return self.programs + max(self.compiling, self.start, self.end)

    @property
    def total(self) -> int:
        """All of it, where the tensors are in the machine's memory, bytes."""
        return self.programs + max(
            self.compiling + max(self.targets, self.fields), self.targets + self.start, self.tensors + self.end
        )


def forecast(
    settings: ReconstructionSettings, channels: int, unknowns: int, pixels: Sequence[int] = (), *, loops: bool = True
) -> Forecast:
    """Forecast what a reconstruction will take.

    Parameters
    ----------
    settings : ReconstructionSettings
    channels : int
        Number of channels of the local state.
    unknowns : int
        Unknowns per voxel, more than 4 with several phases.
    pixels : sequence of int
        Pixels, of the voxels' size, of each map.
    loops : bool
        Whether the device works in loops that stay in cache, see :class:`polyrve.backend.strategy.Strategy`; else it
        takes larger blocks.

    Returns
    -------
    Forecast

    Examples
    --------
    >>> small, large = (forecast(ReconstructionSettings(shape=(n, n, n)), 9, 4) for n in (32, 64))
    >>> large.fields / small.fields
    8.0
    """
    names = _descriptors(settings, several=unknowns > 4)
    voxels = math.prod(settings.shape)
    in_blocks = settings.in_blocks and settings.initial != "exemplar"
    compiled = _STATE_COMPILED + sum(_COMPILED.get(name, _COMPILED_OTHER) for name in names)
    of_map = 4 * (_MAP_PER_CHANNEL * channels + _MAP_BESIDE) * max(pixels, default=0)
    if "two_point" in names:
        of_map += min(4 * channels**2 * max(pixels, default=0), _OF_PAIRS_OF_MAP * _PAIRS_OF_MAP)
    return Forecast(
        programs=int(settings.levels * compiled * math.sqrt(channels / _CHANNELS_OF_COMPILED)),
        compiling=_COMPILING,
        targets=of_map,
        fields=_batch(settings, names, channels) if in_blocks else _fields(settings, names, channels, loops),
        vectors=_KEPT * voxels
        if in_blocks
        else _vectors("" if _turns(settings) else settings.optimizer, voxels * unknowns),
        start=_slabs(voxels, sum(pixels))
        if in_blocks
        else _start(settings, channels, max(1, unknowns - 4), sum(pixels)),
        end=_slabs(voxels, 0) if in_blocks else _end(settings, channels, max(1, unknowns - 4), sum(pixels)),
    )


def _batch(settings: ReconstructionSettings, names: Sequence[str], channels: int) -> int:
    """Return what a batch of parallel sections takes: channels, cut, and the slope of each descriptor."""
    largest = max(math.prod(settings.shape) // n for n in settings.shape)
    return 4 * channels * max(_BATCH, largest) * (3 + sum(name != _ONE_POINT for name in names))


def _slabs(voxels: int, pixels: int) -> int:
    """Return what a volume that is kept as cells takes: labels, and what is done slab by slab."""
    return _LABELS * voxels + _OF_SLAB * min(_SLAB, voxels) + _OF_CELLS * _QUATERNION * pixels + _POOL


def _start(settings: ReconstructionSettings, channels: int, phases: int, pixels: int) -> int:
    """Return the volume in double precision, and cells that are fitted to maps; ``auto`` is taken to keep the cells."""
    volume = _QUATERNION * math.prod(settings.shape)
    if settings.initial in ("auto", "polycrystal"):
        return _OF_POLYCRYSTAL * volume + _OF_CELLS * _QUATERNION * pixels + _POOL
    return _OF_VOLUME * volume + (_exemplar(channels, phases, pixels) if settings.initial == "exemplar" else 0)


def _turns(settings: ReconstructionSettings) -> bool:
    """Tell whether grains are turned as wholes: the history of a method is then of some thousand numbers."""
    return settings.unknowns == "grains" and settings.levels == 1 and settings.initial in ("auto", "polycrystal")


def _end(settings: ReconstructionSettings, channels: int, phases: int, pixels: int) -> int:
    """Return the volume in double precision, and its grains turned, or its voxels drawn back to pixels of the maps."""
    volume = _QUATERNION * math.prod(settings.shape)
    if _turns(settings):
        return _OF_VOLUME * volume
    if settings.sharpen and settings.initial in ("auto", "polycrystal"):
        return _OF_TURNED * volume
    drawn_back = settings.sharpen and settings.periodic
    return _OF_VOLUME * volume + (_exemplar(channels, phases, pixels) if drawn_back else 0)


def _exemplar(channels: int, phases: int, pixels: int) -> int:
    """Return pixels as material: harmonics, channels and neighbourhoods in float32, quaternions and indices."""
    return (4 * (_TEXTURE * phases + channels + _NEIGHBOURHOOD) + _BESIDE) * pixels


def _descriptors(settings: ReconstructionSettings, *, several: bool) -> list[str]:
    """Return the names of the descriptors that count; several phases match two-point correlations unasked."""
    weights = {**dict.fromkeys(_SETS[settings.descriptors], 1.0), **({"two_point": 0.1} if several else {})}
    return [name for name, weight in {**weights, **settings.weights}.items() if weight > 0]


def _fields(settings: ReconstructionSettings, names: Sequence[str], channels: int, loops: bool) -> int:
    """Return channels, their sections normal to each axis, and the slope of each descriptor with respect to these."""
    field = 4 * channels * math.prod(settings.shape)
    axes = 1 if settings.shape[0] == 1 else 3
    size = field * (1 + axes * (1 + sum(name != _ONE_POINT for name in names)))
    if not loops:
        size += int(_OF_BLOCK * min(BLOCK_ON_GPU, max((_BLOCKS.get(name, 0) for name in names), default=0) * field))
    in_one_pass = settings.sections_per_group == 1 and settings.periodic and loops
    if "two_point" in names and not in_one_pass:
        size += _by_estimates(settings, channels, axes) + (0 if settings.periodic else axes * field)
    return size


def _by_estimates(settings: ReconstructionSettings, channels: int, axes: int) -> int:
    """Return what two-point correlations take: spectra of some sections, products of all pairs, and the estimates.

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
    """Return the vectors of all methods, and what each of them keeps.

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
    """Return how much memory is free: the machine's, or what its control group leaves a process.

    Returns
    -------
    int or None, byte
        None where the system does not tell.

    Examples
    --------
    >>> free = available()
    >>> free is None or free > 0
    True
    """
    known = [free for free in (_of_machine(), control_groups.free_memory()) if free is not None]
    return min(known, default=None)


def _of_machine() -> int | None:
    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, ValueError):
        return None


def give_back() -> None:
    """Hand free memory back to the machine, of which compilers take much and leave it with the program.

    Done by glibc's ``malloc_trim``; nothing happens where there is none.
    """
    with contextlib.suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def require(size: int, shape: Sequence[int]) -> None:
    """Refuse a volume that will not fit into what :func:`available` tells.

    Parameters
    ----------
    size : int, byte
        What it takes.
    shape : sequence of int

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
