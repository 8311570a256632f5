# SPDX-License-Identifier: Apache-2.0
"""KSM: the kernel keeps equal pages of several processes once.

Domain Rs run the same code from the same image. QEMU offers its guests'
memory for it (``mem-merge``), but the kernel merges only where somebody has
switched it on: ``/sys/kernel/mm/ksm/run``.
"""

import contextlib
import pathlib
from collections.abc import Callable, Iterator

from laboratory.progress import Failure
from laboratory import waiting

_KSM = pathlib.Path('/sys/kernel/mm/ksm')
#: Pages in each look, 20 ms after each other: half a gigabyte per second.
_SETTINGS = {'run': 1, 'pages_to_scan': 2500}
#: A page is merged when it was found unchanged in the scan after the first.
_SCANS = 3
_SCAN_S = 300.0
_LOOK_S = 0.5


@contextlib.contextmanager
def on(folder: pathlib.Path = _KSM) -> Iterator[Callable[[], None]]:
    """Have it on, and as it was before afterwards.

    :returns: to be called to wait until it has seen all there is
    :raises Failure: this kernel has none
    """
    try:
        before = {name: _number(folder, name) for name in _SETTINGS}
    except OSError as error:
        raise Failure('--ksm', f'this kernel has no KSM ({error})') from error
    with contextlib.ExitStack() as undo:
        for name, value in _SETTINGS.items():
            undo.callback((folder / name).write_text, str(before[name]))
            (folder / name).write_text(str(value))
        yield lambda: _wait(folder)


def _wait(folder: pathlib.Path) -> None:
    wanted = _number(folder, 'full_scans') + _SCANS
    if not waiting.until(lambda: _number(folder, 'full_scans') >= wanted,
                         _SCAN_S, _LOOK_S):
        raise Failure('--ksm', f'no {_SCANS} scans in {_SCAN_S:.0f} s')


def _number(folder: pathlib.Path, name: str) -> int:
    return int((folder / name).read_text())
