# SPDX-License-Identifier: Apache-2.0
"""Run inputs without the fuzzer: ``-m laboratory.fuzz.again PART FILE...``."""

import logging
import pathlib
import signal
import sys
from collections.abc import Iterable

from laboratory.fuzz import oracle, parts

#: Seconds that one input may take, on a machine that does much else.
LIMIT_S = 30


class TooLong(oracle.Finding):
    """An input takes longer than ``LIMIT_S``."""


def run_all(part: parts.Part, inputs: Iterable[tuple[object, bytes]]) -> int:
    """Run inputs one after the other; returns how many.

    :param inputs: (name, content)
    :raises Exception: whatever the first finding is, with the input's name
        as a note
    """
    run = part.module().run
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    before = signal.signal(signal.SIGALRM, _too_long)
    oracle.watch_logs()
    count = 0
    try:
        for name, data in inputs:
            signal.alarm(LIMIT_S)
            try:
                run(data)
            except Exception as error:
                error.add_note(f'{part.name}: {name}')
                raise
            finally:
                signal.alarm(0)
            count += 1
    finally:
        signal.signal(signal.SIGALRM, before)
        root.handlers[:], level = kept
        root.setLevel(level)
    return count


def inputs(part: parts.Part) -> list[tuple[object, bytes]]:
    """What a part begins with: its seeds, and its corpus in the tree."""
    found = [(f'seed {number}', data)
             for number, data in enumerate(part.module().SEEDS)]
    if part.corpus.is_dir():
        found += [(path, path.read_bytes())
                  for path in sorted(part.corpus.iterdir())]
    return found


def _too_long(number: int, frame: object) -> None:
    raise TooLong(f'more than {LIMIT_S} s')


def main() -> int:
    """Run the files that are named."""
    (part,) = parts.chosen(sys.argv[1])
    run_all(part, [(path, pathlib.Path(path).read_bytes())
                   for path in sys.argv[2:]])
    return 0


if __name__ == '__main__':
    sys.exit(main())
