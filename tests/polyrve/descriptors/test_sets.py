"""Descriptors of other packages, found by their entry points: an installed package of one file."""

import numpy as np
import pytest

from polyrve.crystallography.phase import Phase
from polyrve.descriptors import MAKERS, Context, descriptor_set, sets
from polyrve.descriptors.local_state import LocalState
from polyrve.microstructure.fields import OrientationMap
from polyrve.reconstruction.objective import describe
from polyrve.reconstruction.problem import prepare

STATE = LocalState.of((Phase("Al", "m-3m"),))
SHAPE = (10, 12, 14)
POWER = """
from dataclasses import dataclass, field

import tensorflow as tf

from polyrve.descriptors.protocol import average_groups, squared_residual


@dataclass(frozen=True)
class Power:
    exponent: int
    name: str = "power"
    misfit = staticmethod(squared_residual)

    def estimate(self, channels, axes, group):
        return tuple(average_groups(self.of_sections(channels, axis), group) for axis in axes)

    def of_sections(self, channels, axis):
        powers = []
        for part, mask in zip(channels.parts(axis), channels.masks(axis), strict=True):
            share = tf.reduce_mean(mask, (2, 3))
            powers.append(tf.reduce_mean(part**self.exponent * mask, (2, 3)) / share)
        return tf.transpose(tf.concat(powers, 0))


def make(context):
    return Power(context.largest_lag)


def nothing(context):
    return None


def number(context):
    return 5


constant = 7
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package with some entry points, by name."""

    def installed(**entries):
        (tmp_path / "their_descriptors.py").write_text(POWER)
        info = tmp_path / "their_descriptors-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-descriptors\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
        (info / "entry_points.txt").write_text(f"[polyrve.descriptors]\n{lines}\n")
        monkeypatch.syspath_prepend(tmp_path)
        sets._of_other_packages.cache_clear()

    yield installed
    sets._of_other_packages.cache_clear()


def _unknown(name, known):
    """The message for a name that is not among those known, as a pattern."""
    return f"descriptor: expected one of {', '.join(known)}; got '{name}'"


def made(weights, largest_lag=4):
    return descriptor_set(weights, STATE, largest_lag, SHAPE)


def test_a_descriptor_of_another_package_is_named_in_the_weights(install):
    install(power="their_descriptors:make")
    (descriptor, weight), (ours, _) = made({"power": 2.0, "variation": 1.0})
    assert (descriptor.name, descriptor.exponent, weight, ours.name) == ("power", 4, 2.0, "variation")
    q = np.tile([1.0, 0.0, 0.0, 0.0], (9, 8, 1))
    scan = OrientationMap(q, np.ones((9, 8), dtype=int), STATE.phases, (1.0, 1.0))
    (target,) = describe(STATE, [descriptor], scan)
    np.testing.assert_allclose(target, STATE.harmonics[0].evaluate(q[0, 0]) ** 4, rtol=1e-5)


@pytest.mark.filterwarnings("ignore:shape")
def test_it_counts_in_the_loss_of_a_reconstruction(install):
    install(power="their_descriptors:make")
    q = np.tile([1.0, 0.0, 0.0, 0.0], (20, 24, 1))
    scan = OrientationMap(q, np.ones((20, 24), dtype=int), STATE.phases, (1.0, 1.0))
    problem = prepare(scan, shape=(1, 9, 10), largest_lag=2, initial="random", weights={"power": 0.5})
    objective = problem.objective(problem.on_grid((1, 9, 10)), (1, 9, 10))
    assert objective.names == ("disorientation", "variogram", "texture", "power")


def test_one_that_has_nothing_to_describe_is_left_out(install):
    install(power="their_descriptors:nothing")
    assert [descriptor.name for descriptor, _ in made({"power": 1.0, "variation": 1.0})] == ["variation"]
    without = LocalState.of((Phase("a"), Phase("b")), orientations=False)
    assert MAKERS["texture"](Context(without, 4, SHAPE)) is None


@pytest.mark.parametrize(
    ("value", "reason"),
    [("their_descriptors:absent", "absent"), ("no_such_module:make", "no_such_module"),
     ("their_descriptors:constant", "expected a callable; got int")],
)  # fmt: skip
def test_a_broken_one_warns_where_it_is_asked_for_and_is_left_out(install, value, reason):
    install(power=value)
    with pytest.warns(UserWarning, match=rf"descriptor 'power' of an installed package is left out: .*{reason}"):
        with pytest.raises(ValueError, match=_unknown("power", MAKERS)):
            made({"power": 1.0})
    assert len(made({"variation": 1.0})) == 1


def test_what_is_no_descriptor_is_refused(install):
    install(power="their_descriptors:number", other="their_descriptors:make")
    with pytest.raises(TypeError, match=r"descriptor 'power': expected an object of that name .*; got 5"):
        made({"power": 1.0})
    with pytest.raises(TypeError, match=r"descriptor 'other': expected an object of that name .*name='power'"):
        made({"other": 1.0})


def test_a_name_of_ours_is_left_out_with_one_warning(install, recwarn):
    install(variation="their_descriptors:make", power="their_descriptors:make")
    for _ in range(2):
        ((descriptor, _),) = made({"variation": 1.0})
        assert type(descriptor).__module__ == "polyrve.descriptors.variation"
    messages = [str(warning.message) for warning in recwarn if "left out" in str(warning.message)]
    assert messages == [
        "descriptor 'variation' of an installed package (their_descriptors:make) is left out: the name is taken"
    ]


def test_an_unknown_name_lists_those_of_other_packages(install):
    install(power="their_descriptors:make")
    with pytest.raises(ValueError, match=_unknown("pwer", [*MAKERS, "power"])):
        made({"pwer": 0.0})


def test_makers_are_named_like_what_they_make():
    context = Context(STATE, 4, SHAPE)
    assert {name: make(context).name for name, make in MAKERS.items()} == {name: name for name in MAKERS}
