"""`hil/run`: looks at the machine, makes what is missing, runs the suite on one board."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

from edge_runtime.errors import EdgeError
from hil import bundles
from hil.board import Bench
from hil.boards import KINDS, bench
from hil.boards.nspawn import has
from hil.images import say

# The suite in a network, a process table and mounts of its own, of which nothing is left behind,
# whatever happens to it.
ENCLOSURE = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")
NOT_HERE = 2
HANGS_S = 1800  # an installation on an emulated board takes ten minutes


def main() -> int:
    """Return the exit status: pytest's own, or 2 where this machine cannot run the suite."""
    options, arguments = read_arguments()
    kind = bench(options.board)
    if problems := [*machine_lacks(kind), *kind.missing()]:
        for problem in problems:
            say(f"{options.board}: cannot run here: {problem}")
        return 0 if options.quick_if_possible else NOT_HERE
    try:
        bundle = bundles.make(kind.prepare())
    except EdgeError as error:
        say(str(error))
        return 1
    quick = ["-m", "quick"] if options.quick or options.quick_if_possible else []
    pytest = [sys.executable, "-m", "pytest", f"--timeout={HANGS_S}", "--board", options.board]
    command = [*pytest, "--bundle", str(bundle), *quick, *arguments]
    if kind.enclosed:
        command = [*ENCLOSURE, *command]
    return os.execvp(command[0], command)


def read_arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser("hil/run", description="The field suite on a board.")
    parser.add_argument("--board", choices=KINDS, required=True)
    parser.add_argument("--quick", action="store_true", help="the part that CI runs")
    parser.add_argument(
        "--quick-if-possible",
        action="store_true",
        help="the same; where this machine cannot, say why and end with 0",
    )
    options, arguments = parser.parse_known_args()
    if not any(Path(argument.partition("::")[0]).exists() for argument in arguments):
        arguments.append(bench(options.board).suite)
    return options, arguments


def machine_lacks(kind: Bench) -> list[str]:
    """Say what every suite needs and this machine does not have."""
    lacks = [] if has("mosquitto") else ["Mosquitto is not installed: apt-get install mosquitto"]
    if not kind.enclosed:
        return lacks
    if os.geteuid() != 0:
        return [*lacks, "root is needed for namespaces and mounts: sudo hil/run …"]
    tried = subprocess.run([*ENCLOSURE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        lacks.append(f"it allows no namespaces: {tried.stderr.strip()}")
    return lacks


if __name__ == "__main__":
    sys.exit(main())
