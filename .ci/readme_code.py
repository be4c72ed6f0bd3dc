"""Write the Python blocks of README.md, one after the other, to build/readme.py, for type checkers."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Write the file; README without Python is a mistake."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    if not blocks:
        raise SystemExit("README.md: expected a block of Python; got none")
    target = ROOT / "build" / "readme.py"
    target.parent.mkdir(exist_ok=True)
    target.write_text("\n".join(blocks), encoding="utf-8")


if __name__ == "__main__":
    main()
