# SPDX-License-Identifier: Apache-2.0
"""Leave of a corpus what tells something; the arguments are ``PART FROM``.

Smaller inputs are tried first, and those kept that run a line after another
one as none before did. They replace the part's corpus in the source tree.
"""

import hashlib
import pathlib
import sys
import types
from collections.abc import Callable
from typing import Any

from laboratory.fuzz import again, oracle, parts

#: Of inputs that are kept, in bytes.
_SIZE_MAX = 2048
#: How many are looked at, the smallest ones.
_LOOKED_AT_MAX = 3000

#: How the names of inputs begin that once showed a fault: they stay.
FOUND = 'found-'

Arcs = set[tuple[types.CodeType, int, int]]


def arcs(run: Callable[[bytes], None], data: bytes,
         watched: tuple[str, ...]) -> Arcs:
    """Which line of the watched packages came after which."""
    found: Arcs = set()
    before = [0]
    names: dict[str, bool] = {}

    def line(frame: types.FrameType, event: str, argument: Any) -> Any:
        if event == 'line':
            found.add((frame.f_code, before[0], frame.f_lineno))
            before[0] = frame.f_lineno
        return line

    def call(frame: types.FrameType, event: str, argument: Any) -> Any:
        name = frame.f_code.co_filename
        if name not in names:
            names[name] = any(f'/{each}' in name for each in watched)
        return line if names[name] else None

    sys.settrace(call)
    try:
        run(data)
    finally:
        sys.settrace(None)
    return found


def chosen(part: parts.Part, folder: pathlib.Path) -> list[bytes]:
    """The inputs to keep of a folder and of the part's corpus."""
    run = part.module().run
    every = {path.read_bytes() for each in (folder, part.corpus)
             if each.is_dir() for path in each.iterdir()}
    seen: Arcs = set()
    for data in part.module().SEEDS:
        seen |= arcs(run, data, part.watched)
    kept = []
    small = sorted((each for each in every if len(each) <= _SIZE_MAX),
                   key=lambda each: (len(each), each))
    for data in small[:_LOOKED_AT_MAX]:
        new = arcs(run, data, part.watched) - seen
        if new:
            seen |= new
            kept.append(data)
    return kept


def main() -> int:
    """Replace the corpus."""
    (part,) = parts.chosen(sys.argv[1])
    oracle.watch_logs()
    kept = chosen(part, pathlib.Path(sys.argv[2]))
    part.corpus.mkdir(parents=True, exist_ok=True)
    for path in part.corpus.iterdir():
        if not path.name.startswith(FOUND):
            path.unlink()
    for data in kept:
        name = hashlib.sha256(data).hexdigest()[:16]
        (part.corpus / name).write_bytes(data)
    print(f'{part.name}: {len(kept)} inputs, '
          f'{sum(map(len, kept))} bytes', file=sys.stderr)
    again.run_all(part, again.inputs(part))
    return 0


if __name__ == '__main__':
    sys.exit(main())
