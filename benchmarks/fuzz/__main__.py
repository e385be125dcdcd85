"""Run one target for as long as one likes and print how it ended; exit code 1 if there are faults."""

import argparse
import importlib
import pkgutil
import sys

import benchmarks.fuzz
from benchmarks.fuzz.harness import fuzz

HELPERS = {"__main__", "harness", "isolated"}


def targets() -> list[str]:
    """Return the names of what can be fed."""
    return sorted({module.name for module in pkgutil.iter_modules(benchmarks.fuzz.__path__)} - HELPERS)


def main() -> int:
    """Read the command line, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("target", choices=targets())
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    target = importlib.import_module(f"benchmarks.fuzz.{options.target}")
    getattr(target, "prepare", lambda: None)()  # what is imported or made once counts as no attempt's cost
    findings = fuzz(target.attempt, count=options.count, seed=options.seed)
    for outcome, number in findings.outcomes.most_common():
        print(f"{number:8d}  {outcome}")
    print(f"slowest {findings.slowest:.2f} s, largest {findings.largest:.0f} MiB more")
    for index, fault in sorted(findings.faults.items()):
        print(f"attempt {index} of seed {options.seed}: {fault}")
    return int(bool(findings.faults))


if __name__ == "__main__":
    sys.exit(main())
