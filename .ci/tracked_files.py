"""Refuse tracked files that do not belong into the repository: large ones, and pixels of any kind."""

import subprocess
import sys
from pathlib import Path

LARGEST = 500_000
PIXELS = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".npy", ".npz", ".safetensors"}


def main() -> int:
    """Print offending files; 1 if there are any."""
    tracked = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    files = [Path(name) for name in tracked.split("\0") if name]
    wrong = [f"{path}: over {LARGEST} bytes" for path in files if path.is_file() and path.stat().st_size > LARGEST]
    wrong += [f"{path}: pixels are not committed" for path in files if path.suffix.lower() in PIXELS]
    print("\n".join(wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
