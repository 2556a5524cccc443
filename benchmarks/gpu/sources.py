"""Prints a digest of what the package is built from, to know one that was built from other sources."""

import hashlib

from benchmarks.harness.paths import ROOT


def digest() -> str:
    """Return a digest of all files that go into the package."""
    files = [ROOT / "CMakeLists.txt", ROOT / "pyproject.toml"]
    for folder, endings in (("cmake", "*.cmake"), ("cpp", "*.*"), ("python", "*.py*")):
        files += (path for path in (ROOT / folder).rglob(endings) if path.suffix != ".pyc")
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(f"{path.relative_to(ROOT)}\n".encode())
        found.update(path.read_bytes())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    print(digest())
