"""Start-up of the command line: `qpareto --help` and `import qpareto`, against an empty Python.

python benchmarks/startup.py [--repeats N]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

from table import print_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    command = str(Path(sys.executable).with_name("qpareto"))
    cases = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import qpareto": [sys.executable, "-c", "import qpareto"],
        "qpareto --help": [command, "--help"],
        "qpareto run --help": [command, "run", "--help"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for arguments in cases.values():
        _seconds_of(arguments)  # once for the disk's cache
    for _ in range(options.repeats):
        for name, arguments in cases.items():
            seconds[name].append(_seconds_of(arguments))
    print_table("Start-up", seconds, baseline="python -c pass")


def _seconds_of(arguments: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
