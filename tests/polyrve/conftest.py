import sys

import pytest

from polyrve.cli import app


@pytest.fixture
def run(monkeypatch, capsys):
    """Run the command line in this process: exit code, stdout, stderr."""

    def command(*arguments):
        monkeypatch.setattr(sys, "argv", ["polyrve", *map(str, arguments)])
        with pytest.raises(SystemExit) as stop:
            app.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return command
