"""What does a task cost, beside the floors and the peers? One table for each promise of the engine.

    python benchmarks/overhead.py                       everything; about half an hour
    python benchmarks/overhead.py --quick               one round, nothing above 10k tasks
    python benchmarks/overhead.py --only sync threads   groups: sync async threads sqlite processes
                                                        growth memory recovery building

Every measurement is a process of its own that checks its result; rounds are interleaved and medians
are compared. CPU time is divided by a calibration loop's. How, says `measure`; what against what,
says `rows`. `~` at a verdict: not every round says the same. Peers that are not installed say how
to get them; `pip install 'orch_nb[bench]'` brings all.

Exit code: 0 if every target that was measured is met, 1 if one is not, 2 if a measurement failed
or a result was wrong.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # also where nothing is installed

from benchmarks import tables
from benchmarks.measure import Failed, in_fresh_process
from benchmarks.rows import GROUPS, Contender, Group, groups
from benchmarks.shapes import label, shape

_MARK = "<!-- measured by benchmarks/overhead.py; what follows is replaced -->"


def measure(chosen: Sequence[Group], rounds: int, *, peers: bool, cold: bool) -> tables.Results:
    """Every contender of every group on every shape, `rounds` times, one after another."""
    results = tables.Results()
    for group in chosen:
        for number in range(rounds):
            for spelled in group.shapes:
                for contender in group.contenders:
                    if contender.once and (number or not peers):
                        continue
                    _measure(results, group, contender, spelled, number, cold=cold)
        _say("")
        print(tables.text(tables.table(results, group)), end="\n\n", flush=True)
    return results


def _measure(
    results: tables.Results,
    group: Group,
    contender: Contender,
    spelled: str,
    number: int,
    *,
    cold: bool,
) -> None:
    key = (group.name, contender.make, spelled)
    if key in results.problems or int(spelled.partition(":")[2]) > contender.most:
        return
    if contender.missing:
        results.problems[key] = contender.missing
        return
    _say(f"{group.name}, round {number + 1}: {contender.label.strip()}, {label(spelled)}")
    try:
        sample = in_fresh_process(contender.make, spelled, memory=group.memory, cold=cold)
    except Failed as problem:
        results.problems[key] = str(problem)
    else:
        results.samples.setdefault(key, []).append(sample)


def _say(what: str) -> None:
    """The line of what is going on, on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{what[:100]}")
        sys.stderr.flush()


def _spelled(text: str) -> str:
    try:
        return shape(text).spelled
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}") from None


def _about(rounds: int) -> str:
    return (
        f"Python {platform.python_version()}, {platform.machine()}, "
        f"{time.strftime('%Y-%m-%d', time.gmtime())}; median of {rounds} rounds, each measurement "
        "in a process of its own."
    )


def _write(path: Path, measured: str) -> None:
    """Put what was measured into a document: after its mark, if it has one, else as all of it."""
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    text, mark, _ = before.partition(_MARK)
    path.write_text(f"{text}{mark}\n\n{measured}" if mark else measured, encoding="utf-8")


def _wrong(results: tables.Results, chosen: Sequence[Group]) -> bool:
    """Whether a measurement failed for another reason than that a peer is not installed."""
    hints = {one.missing for group in chosen for one in group.contenders}
    return any(problem not in hints for problem in results.problems.values())


def main(arguments: Sequence[str] | None = None) -> int:
    names = [group.name for group in GROUPS]
    parser = argparse.ArgumentParser(description="What does a task cost, beside floors and peers?")
    parser.add_argument("--only", nargs="+", choices=names, default=[], metavar="NAME",
                        help=f"these tables: {', '.join(names)}")  # fmt: skip
    parser.add_argument("--rounds", type=int, help="default 5, with --quick 1")
    parser.add_argument("--quick", action="store_true", help="one round, nothing above 10k tasks")
    parser.add_argument("--no-peers", action="store_true", help="only the floors and orch_nb")
    parser.add_argument("--shapes", nargs="+", type=_spelled, default=[], metavar="SHAPE",
                        help="others than the groups' own, as tree:5000")  # fmt: skip
    parser.add_argument("--million", action="store_true", help="growth up to a million tasks")
    parser.add_argument("--cold", action="store_true", help="the first run of each process")
    parser.add_argument("--divide", type=int, default=1, metavar="N",
                        help="every shape N times smaller, to try this itself")  # fmt: skip
    parser.add_argument("--markdown", type=Path, metavar="FILE",
                        help="write the tables there, below its mark if it has one")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every sample there")
    asked = parser.parse_args(arguments)

    rounds = asked.rounds or (1 if asked.quick else 5)
    chosen = groups(
        asked.only, shapes=asked.shapes, divide=asked.divide, largest=10_000 if asked.quick else 0,
        million=asked.million,
    )  # fmt: skip
    results = measure(chosen, rounds, peers=not asked.no_peers, cold=asked.cold)
    if asked.markdown:
        sections = [tables.markdown(tables.table(results, group)) for group in chosen]
        _write(asked.markdown, "\n".join([_about(rounds) + "\n", *sections]))
    if asked.json:
        asked.json.write_text(json.dumps(tables.raw(results, chosen), indent=1), encoding="utf-8")
    if _wrong(results, chosen):
        return 2
    found = [
        one for group in chosen for _, ratios in tables.ratios(results, group) for one in ratios
    ]
    return 0 if all(one.ok for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
