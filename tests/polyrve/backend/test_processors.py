"""Threads stay within what the process may run on and what it was told to use."""

import os

import pytest

from polyrve.backend import processors


@pytest.mark.parametrize(("limit", "expected"), [("", 6), ("2", 2), ("8", 6), ("0", 6), ("4,2", 6)])
def test_count(limit, expected, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setenv("OMP_NUM_THREADS", limit)
    assert processors.count() == expected


def test_where_affinity_is_unknown(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert processors.count() == 1
