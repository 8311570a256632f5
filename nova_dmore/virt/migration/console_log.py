# SPDX-License-Identifier: Apache-2.0
"""The instance's console log in a migration without shared storage.

Part of the end of a co-migration: the source reads the log and sends it in
``finish`` (:mod:`nova_dmore.virt.migration.completion`), the destination keeps
it (:mod:`nova_dmore.virt.migration.destination`). It crosses hosts as base64:
that is a wire format, which releases before and after this one read.
"""

import base64
import binascii
import os

from oslo_log import log as logging

from nova_dmore.channel import text

LOG = logging.getLogger(__name__)

#: Longest console log that is kept, in bytes: Nova shows the last 100 KiB.
_MAX_BYTES = 128 * 1024
#: Where Nova reads what is older than ``console.log``.
_OLDER_LOG = 'console.log.0'


def encode(data: bytes) -> str:
    """The log as it crosses hosts."""
    return base64.b64encode(data).decode()


def keep(instances_path: str, instance_uuid: str, encoded: str) -> None:
    """Put the source's console log before the one that began on this host.

    Nova reads ``console.log.0`` as the older part of ``console.log``, so
    nothing has to be written where QEMU writes. What fails is logged.

    :param instances_path: ``[DEFAULT] instances_path``.
    :param encoded: what :func:`encode` returned at the source.
    """
    try:
        data = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        LOG.warning('Ignoring a console log that is not base64')
        return
    path = os.path.join(instances_path, instance_uuid, _OLDER_LOG)
    try:
        # 'x' also keeps it from following a link.
        with open(path, 'xb') as log_file:
            log_file.write(data[-_MAX_BYTES:])
    except FileExistsError:
        return
    except OSError as error:
        LOG.warning('The older console log of instance %s is lost: %s',
                    instance_uuid, text.printable(error))
