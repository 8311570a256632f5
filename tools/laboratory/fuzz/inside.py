# SPDX-License-Identifier: Apache-2.0
"""The process that fuzzes one part: its arguments are ``PART [FLAG...]``.

The flags are libFuzzer's, and at least one folder; the part's seeds are put
into the first one. Only this imports atheris.
"""

import pathlib
import sys

import atheris

from laboratory.fuzz import oracle, parts


def main() -> None:
    """Fuzz until libFuzzer says that it is over; does not return."""
    name, *flags = sys.argv[1:]
    (part,) = parts.chosen(name)
    with atheris.instrument_imports(include=list(part.watched),
                                    enable_loader_override=False):
        module = part.module()
    folder = next(each for each in flags if not each.startswith('-'))
    for number, data in enumerate(module.SEEDS):
        (pathlib.Path(folder) / f'seed-{number}').write_bytes(data)
    oracle.watch_logs()
    atheris.Setup([sys.argv[0], *flags], module.run)
    atheris.Fuzz()


if __name__ == '__main__':
    main()
