"""Compiled functions: kept on disk where that works, compiled all the same where it does not."""

import numba
import numpy as np
import pytest

from polyrve.backend.compilation import compiled


def doubled(values):
    return 2.0 * values.sum()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    return tmp_path


def test_what_was_compiled_is_loaded(folder):
    first = compiled("f8(f8[::1])")(doubled)
    assert len(list(folder.rglob("*.nbc"))) == 1
    again = compiled("f8(f8[::1])")(doubled)
    assert sum(first.stats.cache_hits.values()) == 0
    assert sum(again.stats.cache_hits.values()) == 1
    assert first(np.ones(3)) == again(np.ones(3)) == 6.0


@pytest.mark.parametrize("suffix", ["nbc", "nbi"])
def test_files_that_cannot_be_read_do_no_harm(folder, suffix):
    compiled("f8(f8[::1])")(doubled)
    for path in folder.rglob(f"*.{suffix}"):
        path.write_bytes(path.read_bytes()[:20])
    assert compiled("f8(f8[::1])")(doubled)(np.ones(3)) == 6.0


def test_without_a_file_or_folder_functions_are_compiled_for_the_process(folder, monkeypatch):
    names = {}
    exec("def tripled(values):\n    return 3.0 * values.sum()", names)
    assert compiled("f8(f8[::1])")(names["tripled"])(np.ones(3)) == 9.0
    (folder / "file").touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(folder / "file"))
    assert compiled("f8(f8[::1])")(doubled)(np.ones(3)) == 6.0
