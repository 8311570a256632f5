# SPDX-License-Identifier: Apache-2.0
"""What a Domain R's port says of the key pair that its Domain R lets in.

Nova tells the name of an instance's key pair and not which key that was; a
rebuild may give the instance another one of the same name. So the SSH gateway
compares this mark, in the port's description, which users cannot write.
"""

import hashlib
import re
from typing import Any, TYPE_CHECKING

from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore.virt import service_errors
if TYPE_CHECKING:
    from nova.network import neutron

LOG = logging.getLogger(__name__)

#: Before the digest.
PREFIX = 'console-key-sha256:'
_MARK = re.compile(PREFIX + '[0-9a-f]{64}')
#: Most characters of a description in Neutron.
_DESCRIPTION_MAX = 255


def of(key_data: str | None) -> str:
    """The mark of a public key, as Nova has its text; empty without one."""
    if not key_data:
        return ''
    return PREFIX + hashlib.sha256(
        key_data.encode('utf-8', 'replace')).hexdigest()


def description(before: str | None, mark: str) -> str:
    """The description of a port with this mark, and no other.

    What an operator has written there stays; where that leaves no room, the
    port has no mark.
    """
    kept = _MARK.sub('', before or '').strip()
    marked = f'{kept} {mark}'.strip()
    return marked if len(marked) <= _DESCRIPTION_MAX else kept


def write(client: 'neutron.ClientWrapper', port: dict[str, Any], mark: str
          ) -> None:
    """Have a port say it; where that cannot be, its pair does not wait."""
    before = port.get('description') or ''
    wanted = description(before, mark)
    if wanted == before:
        return
    try:
        client.update_port(port['id'], {'port': {'description': wanted}})
    except service_errors.NEUTRON as error:
        LOG.warning('Port %(id)s of a Domain R does not say which key that '
                    'lets in, so the SSH gateway may not let it through: '
                    '%(error)s',
                    {'id': port['id'], 'error': text.printable(error)})
