# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The part that runs in a network of its own: starts all, and measures.

``-m benchlib.inside console ACCELERATOR RUNS`` or ``-m benchlib.inside
footprint[-ksm] ACCELERATOR PAIRS...`` prints what it has found as JSON; what
it says meanwhile, and a failure, go to standard error.
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile

from benchlib import console, footprint
from nova_dmore import exception
from testbedlib.layout import Layout
from testbedlib.progress import Failure, Progress


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
