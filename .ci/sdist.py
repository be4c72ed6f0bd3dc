"""Check that the sdist in dist/ holds every file that git holds, and no other but what setuptools adds."""

import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OF_GIT = {".gitignore"}
OF_SETUPTOOLS = {"PKG-INFO", "setup.cfg"}


def main() -> None:
    """Compare the two lists."""
    (path,) = (ROOT / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    names = {name for name in names if ".egg-info/" not in name and name not in OF_SETUPTOOLS}
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True)
    # polyrve/adapters and polyrve/filters are the folders adapters and filters, by links of an editable installation.
    expected = {name for name in listed.stdout.splitlines() if name not in OF_GIT and (ROOT / name).is_file()}
    for what, wrong in (("without", sorted(expected - names)), ("beyond git", sorted(names - expected))):
        if wrong:
            raise SystemExit(f"{path.name}: {what} {', '.join(wrong[:10])}{' ...' if len(wrong) > 10 else ''}")


if __name__ == "__main__":
    main()
