"""Kill one subject at many moments and print how it ended; exit code 1 if there are faults."""

import argparse
import importlib
import pkgutil
import sys

import benchmarks.kills
from benchmarks.kills.harness import survive

HELPERS = {"__main__", "harness"}


def subjects() -> list[str]:
    """Return the names of what can be killed."""
    return sorted({module.name for module in pkgutil.iter_modules(benchmarks.kills.__path__)} - HELPERS)


def main() -> int:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kills", description=__doc__)
    parser.add_argument("subject", help=f"one of {', '.join(subjects())}, or a module with dots in its name")
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    name = options.subject if "." in options.subject else f"benchmarks.kills.{options.subject}"
    findings = survive(importlib.import_module(name), count=options.count, seed=options.seed)
    for kill in findings.kills:
        told = kill.fault or "nothing lost"
        print(f"killed at moment {kill.moment} of {findings.moments}, {kill.what}: {told}")
    faults = sum(kill.fault is not None for kill in findings.kills)
    print(f"{len(findings.kills)} kills, {faults} faults")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
