"""``python -m polyrve``: the command line."""

from polyrve.cli import main

if __name__ == "__main__":
    main()
