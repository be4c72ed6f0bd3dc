import warnings

import pytest

from polyrve.settings import ReconstructionSettings
from polyrve.spelling import did_you_mean
from polyrve.steps import announced, listening
from polyrve.user_line import user_line


def test_work_without_a_listener_is_done_all_the_same():
    assert list(announced("abc", "letters")) == ["a", "b", "c"]


def test_a_listener_hears_the_work_within_and_no_more():
    heard = []

    def work():
        return [*announced((1, 2), "numbers")]

    with listening(lambda *told: heard.append(told)):
        assert work() == [1, 2]
        with listening(lambda *told: None):
            work()
    work()
    assert heard == [("numbers", 0, 2), ("numbers", 1, 2), ("numbers", 2, 2)]


def test_what_a_listener_raises_ends_the_work():
    done = []

    def stop(text, so_far, total):
        if so_far == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), listening(stop):
        done.extend(announced(range(5), "numbers"))
    assert done == [0, 1]


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("iteration", ["shape", "iterations"], ": did you mean 'iterations'?"),
        ("EDAX2", ["edax-2", "oxford-cs0"], ": did you mean 'edax-2'?"),
        ("Damsk", ["damask", "vti"], ": did you mean 'damask'?"),
        ("colour", ["shape", "iterations"], ""),
        ("x", [], ""),
    ],
)
def test_misspelt_names(name, known, said):
    assert did_you_mean(name, known) == said


def test_a_warning_names_the_line_of_the_user():
    assert user_line() == 1
    for make in (ReconstructionSettings, ReconstructionSettings.create):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            make(window=3)
        assert [item.filename for item in caught] == [__file__]
