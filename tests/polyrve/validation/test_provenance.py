import numpy as np
import pytest

from polyrve.crystallography import reference_frames, rotation
from polyrve.crystallography.phase import Phase
from polyrve.microstructure.fields import OrientationMap, OrientationVolume
from polyrve.microstructure.map_placement import axisymmetric, by_normal
from polyrve.validation.provenance import differences
from polyrve.validation.run import validate

OXFORD = reference_frames.named("oxford-cs0", "vendor default")


def scan(name, frame=OXFORD):
    q = rotation.random_orientations((7, 8), np.random.default_rng(1))
    provenance = {"source": f"{name}.ctf", "sha256": name * 3, "frame": frame.record()}
    return OrientationMap(q, np.ones((7, 8), dtype=int), (Phase("x"),), (1.0, 1.0), frame=frame, provenance=provenance)


def made_from(maps, shape=(5, 6, 7)):
    sections = by_normal(maps)
    named = {"zyx"[axis]: dict(field.provenance) for axis, (field,) in sections.items()}
    if len({id(fields) for fields in sections.values()}) == 1:
        named = {"all": named["z"]}
    q = rotation.random_orientations(shape, np.random.default_rng(2))
    return OrientationVolume(
        q, np.ones(shape, dtype=int), (Phase("x"),), (1.0, 1.0, 1.0), frame=OXFORD, provenance={"maps": named}
    )


ONE, THREE = scan("a"), [scan("a"), scan("b"), scan("c")]


@pytest.mark.parametrize(
    "maps", [ONE, THREE, axisymmetric(ONE, "x"), axisymmetric(ONE, "y"), {"z": ONE}, {"x": ONE, "z": THREE[1]}]
)
def test_the_same_maps_differ_in_nothing(maps):
    assert differences(made_from(maps), by_normal(maps)) == ()
    unknown = made_from(maps).evolve(provenance={})
    assert differences(unknown, by_normal(maps)) == ()


@pytest.mark.parametrize(
    ("made", "given", "said"),
    [
        (ONE, scan("a", reference_frames.Frame()), "a.ctf in frame 'oxford-cs0', which is read in 'none' now: --frame"),
        (ONE, scan("b"), "made from another map, a.ctf; b.ctf is compared with"),
        (axisymmetric(ONE, "x"), ONE, "a.ctf for the normals z and y; it stands for all here: --axisymmetric x"),
        (axisymmetric(ONE, "y"), ONE, "a.ctf for the normals z and x; it stands for all here: --axisymmetric y"),
        (ONE, axisymmetric(ONE, "x"), "it is compared with a.ctf normal to z, a.ctf normal to y"),
        (THREE, ONE, "c.ctf normal to z, b.ctf normal to y, a.ctf normal to x; one map stands for all here: --against"),
        (THREE, THREE[::-1], "it is compared with a.ctf normal to z, b.ctf normal to y, c.ctf normal to x: --normals"),
    ],
)  # fmt: skip
def test_what_differs_is_said_in_one_sentence(made, given, said):
    (sentence,) = differences(made_from(made), by_normal(given))
    assert said in sentence


def test_a_planar_volume_has_sections_of_one_normal():
    assert differences(made_from(ONE, (1, 6, 7)), by_normal(ONE)) == ()


def test_a_validation_warns_and_keeps_the_sentence():
    with pytest.warns(UserWarning, match="another map, a.ctf"):
        validation = validate(scan("b"), made_from(ONE), windows=5)
    assert "another map, a.ctf" in validation.notes[0]


def test_a_phase_that_was_dropped_is_named():
    two = ONE.evolve(phases=(Phase("x"), Phase("oxide", "6/mmm")))
    with pytest.raises(ValueError, match=r"--drop-phase 'oxide' .* leaves it out of the map"):
        validate(two, made_from(ONE))
    with pytest.raises(ValueError, match=r"in the volume$"):
        validate(ONE.evolve(phases=(Phase("oxide", "6/mmm"),)), made_from(ONE))
