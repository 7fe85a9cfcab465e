"""Fails where a file of the integration is covered less than we promise.

Usage: check_coverage.py COVERAGE_JSON, as written by `coverage json`. Lines and branches count.
"""

import json
from pathlib import Path
import sys

FLOOR = 95.0
FLOOR_OF = {"config_flow.py": 100.0, "device_flow.py": 100.0}


def main() -> int:
    """Print what is missing, file by file; the exit code says whether anything is."""
    files = json.loads(Path(sys.argv[1]).read_text())["files"]
    faults = 0
    for name, file in sorted(files.items()):
        covered = file["summary"]["percent_covered"]
        floor = FLOOR_OF.get(Path(name).name, FLOOR)
        if covered < floor:
            faults += 1
            print(f"{name}: {covered:.1f} %, and should be {floor:.0f} %")
            print(
                f"  lines {file['missing_lines']}, branches {file['missing_branches']}"
            )
    if not files:
        print("nothing was measured")
    else:
        print(f"{len(files)} files, {faults} covered too little")
    return 1 if faults or not files else 0


if __name__ == "__main__":
    sys.exit(main())
