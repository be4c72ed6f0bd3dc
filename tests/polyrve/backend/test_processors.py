"""Threads stay within what the process may run on, what its group grants and what it was told to use."""

import psutil
import pytest

from polyrve.backend import control_groups, processors


@pytest.fixture
def alone(monkeypatch):
    monkeypatch.setattr(control_groups, "processors", lambda: None)


@pytest.mark.parametrize(("limit", "expected"), [("", 6), ("2", 2), ("8", 6), ("0", 6), ("4,2", 6)])
def test_count(limit, expected, alone, monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: list(range(6)), raising=False)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 64)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert processors.count() == expected


def test_where_affinity_is_unknown(alone, monkeypatch):
    monkeypatch.delattr(psutil.Process, "cpu_affinity", raising=False)
    monkeypatch.setattr(psutil, "cpu_count", lambda: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert processors.count() == 1


@pytest.mark.parametrize(("granted", "expected"), [(None, 6), (2, 2), (9, 6)])
def test_what_a_control_group_grants(granted, expected, monkeypatch):
    monkeypatch.setattr(psutil.Process, "cpu_affinity", lambda _: list(range(6)), raising=False)
    monkeypatch.setattr(control_groups, "processors", lambda: granted)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert processors.count() == expected
