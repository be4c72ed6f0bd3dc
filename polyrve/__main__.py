"""``python -m polyrve``: the command line."""

from polyrve.cli.app import main

if __name__ == "__main__":
    main()
