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
"""Running the tools that build an image, and telling how far it is."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nova_dmore import exception

#: How much of a failed tool's output is quoted, in characters.
QUOTED_OUTPUT = 2000

Report = Callable[[str], None]


@contextlib.contextmanager
def step(report: Report, title: str) -> Iterator[None]:
    """Report ``title`` and, once the body has run, the seconds it took."""
    started = time.monotonic()
    report(f'{title} ...')
    yield
    report(f'{title}: {time.monotonic() - started:.1f} s')


def run(argv: Sequence[str], advice: str = '', **kwargs: Any) -> str:
    """Run a tool and return what it printed to standard output.

    :param advice: what the operator can do about a failure
    :raises ImageError: the tool is missing or failed
    """
    try:
        done = subprocess.run(argv, check=True, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              text=True, errors='replace', **kwargs)
    except FileNotFoundError as error:
        raise exception.ImageError(
            f'{argv[0]} is not installed: install the Debian packages that '
            'bindep.txt names') from error
    except subprocess.CalledProcessError as error:
        output = (error.stdout + error.stderr)[-QUOTED_OUTPUT:].strip()
        raise exception.ImageError(
            f'{argv[0]} failed with status {error.returncode}. {advice}\n'
            f'{output}') from error
    return done.stdout
