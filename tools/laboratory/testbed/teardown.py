# SPDX-License-Identifier: Apache-2.0
"""End a cloud, however much of it there is, and remove what it left."""

import shutil
import subprocess
import time

from laboratory.layout import Layout
from laboratory.progress import Failure
from laboratory.testbed import settings
from laboratory.testbed.settings import COMPUTES, CONTROLLER


def down(layout: Layout, keep_logs: bool) -> None:
    """End all processes of the cloud; remove its namespaces and files.

    Needs no record of what was started: what lives in the cloud's namespaces
    is the cloud's. Does nothing where there is no cloud.

    :param keep_logs: move the logs to the state directory's ``logs``
    :raises Failure: a process does not end, or something is still mounted
    """
    prefix = settings.saved_prefix(layout)
    records = layout.cloud / 'run'
    for name in (*COMPUTES, CONTROLLER):
        settings.host(name, prefix, records).destroy()
    if not layout.cloud.exists():
        return
    _refuse_mounts(layout)
    if keep_logs and (layout.cloud / 'log').exists():
        kept = layout.logs / time.strftime('cloud-%Y%m%d-%H%M%S')
        layout.logs.mkdir(parents=True, exist_ok=True)
        shutil.move(layout.cloud / 'log', kept)
    shutil.rmtree(layout.cloud)


def _refuse_mounts(layout: Layout) -> None:
    """Never delete through a mount: it would not be the cloud's own files."""
    listed = subprocess.run(['findmnt', '-rno', 'TARGET'], check=True,
                            capture_output=True, text=True).stdout
    below = [path for path in listed.splitlines()
             if path.startswith(f'{layout.cloud}/')]
    if below:
        raise Failure('down', f'still mounted: {", ".join(below)}')
