"""Limits of control groups, played by files; psutil does not read them, which the last test pins."""

import inspect

import psutil
import pytest

from polyrve.backend import control_groups


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Write groups of this process: its line of /proc/self/cgroup, and files by folder."""

    def write(line, files):
        (tmp_path / "cgroup").write_text(f"3:cpuset:/other\n{line}\n")
        for path, text in files.items():
            file = tmp_path / "groups" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"{text}\n")

    monkeypatch.setattr(control_groups, "PROCESS", tmp_path / "cgroup")
    monkeypatch.setattr(control_groups, "GROUPS", tmp_path / "groups")
    return write


@pytest.mark.parametrize(
    ("line", "below", "limit", "use"),
    [("0::/job/step", "", "memory.max", "memory.current"),
     ("4:cpu,memory:/job/step", "memory/", "memory.limit_in_bytes", "memory.usage_in_bytes")],
)  # fmt: skip
def test_memory_is_what_the_least_of_the_groups_leaves(groups, line, below, limit, use):
    step, job = f"{below}job/step/", f"{below}job/"
    groups(line, {})
    assert control_groups.free_memory() is None
    groups(line, {step + limit: "max", step + use: 10, job + limit: 1000, job + use: 400})
    assert control_groups.free_memory() == 600
    groups(line, {step + limit: 300})
    assert control_groups.free_memory() == 290
    groups(line, {step + use: 400})
    assert control_groups.free_memory() == 0


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        ("0::/job/step", {"job/step/cpu.max": "max 100000"}, None),
        ("0::/job/step", {"job/step/cpu.max": "max 100000", "job/cpu.max": "250000 100000"}, 3),
        ("0::/job/step", {"job/step/cpu.max": "50000 100000", "job/cpu.max": "250000 100000"}, 1),
        ("4:cpu,cpuacct:/job", {"cpu/job/cpu.cfs_quota_us": -1, "cpu/job/cpu.cfs_period_us": 100000}, None),
        ("4:cpu,cpuacct:/job", {"cpu/job/cpu.cfs_quota_us": 200000, "cpu/job/cpu.cfs_period_us": 100000}, 2),
        ("4:memory:/job", {"cpu/job/cpu.cfs_quota_us": 200000, "cpu/job/cpu.cfs_period_us": 100000}, None),
    ],
)
def test_processors_are_what_the_least_of_the_groups_grants(groups, line, files, expected):
    groups(line, files)
    assert control_groups.processors() == expected


def test_where_there_are_no_groups(groups):
    assert control_groups.free_memory() is None
    assert control_groups.processors() is None


def test_psutil_does_not_read_control_groups():
    """Pinned at psutil 7: once it does, control_groups can go."""
    assert "cgroup" not in inspect.getsource(psutil.virtual_memory)
    assert "cgroup" not in inspect.getsource(psutil._psplatform.virtual_memory)
