# SPDX-License-Identifier: Apache-2.0
"""The part that runs in a network of its own: starts all, and measures.

``console ACCELERATOR RUNS`` or ``footprint[-ksm] ACCELERATOR PAIRS...`` prints
what it has found as JSON; what it says meanwhile, and a failure, go to
standard error.
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile

from laboratory.bench import console, footprint
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from nova_dmore import exception


def _run(name: str, accelerator: str, numbers: list[int]) -> object:
    """:raises Failure: it cannot be measured"""
    layout, progress = Layout.from_environment(), Progress()
    with tempfile.TemporaryDirectory(prefix='dmore-bench-') as text:
        folder = pathlib.Path(text)
        if name.startswith('footprint'):
            return footprint.measure_footprint(
                layout, folder, numbers, accelerator, progress,
                merge=name == 'footprint-ksm')
        runs, = numbers
        return console.measure_console(layout, folder, runs, accelerator,
                                       progress)


def _terminated(*_arguments: object) -> None:
    raise KeyboardInterrupt


def main(arguments: list[str]) -> int:
    # What was started ends in any case.
    signal.signal(signal.SIGTERM, _terminated)
    name, accelerator, *numbers = arguments
    try:
        json.dump(_run(name, accelerator, [int(each) for each in numbers]),
                  sys.stdout)
    except (Failure, exception.DMoreError, OSError,
            subprocess.SubprocessError) as failure:
        print(f'bench: {failure}', file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
