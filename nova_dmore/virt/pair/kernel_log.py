# SPDX-License-Identifier: Apache-2.0
"""The log of a Domain R's kernel: a file for each instance and host, in
``[dmore] log_dir``.

libvirt's virtlogd writes it. When it is long, virtlogd calls it ``.log.0``,
the one before ``.log.1``, and begins a new one. The file may be root's: the
user of nova-compute can remove it if the directory is its own.
"""

import os
import pathlib
import re

from oslo_log import log as logging

from nova_dmore.channel import text

LOG = logging.getLogger(__name__)

_NAME = re.compile(r'domr-([0-9a-f-]{36})\.log(?:\.[0-9]+)?')


def path(log_dir: str, instance_uuid: str) -> str:
    """The file that is written, of the Domain R of an instance."""
    return os.path.join(log_dir, f'domr-{instance_uuid}.log')


def instances(log_dir: str) -> set[str]:
    """Uuids of the instances of which there is a log.

    Called now and then: Nova tells a host nothing of an instance that is
    deleted when it has left.
    """
    try:
        names = os.listdir(log_dir)
    except OSError:
        return set()
    return {match[1] for match in map(_NAME.fullmatch, names) if match}


def remove(log_dir: str, instance_uuid: str) -> None:
    """Remove it, and what it was before, of an instance that is no more.

    Called when Domain R has ended. What cannot be removed is logged, and
    stays: no console depends on it.
    """
    try:
        for file in pathlib.Path(log_dir).iterdir():
            if file.name.startswith(f'domr-{instance_uuid}.log'):
                file.unlink(missing_ok=True)
    except FileNotFoundError:
        pass    # there was never a Domain R on this host
    except OSError as error:
        LOG.warning('The log of the kernel of a deleted Domain R stays: %s',
                    text.printable(error))
