# SPDX-License-Identifier: Apache-2.0
"""What Nova tells a user of the host of his instance, where he may know.

A console cannot say that its host is lost: it was there. Nova knows, and its
policy says whether users are told: ``servers:show:host_status``, or
``servers:show:host_status:unknown-only``. By default administrators are.
"""

from typing import Any

from keystoneauth1 import exceptions

#: The first one with ``host_status``.
_MICROVERSION = '2.16'
#: Nova has not heard from it for some time, or an operator says that it is
#: gone. A host under maintenance serves consoles.
_SILENT = ('UNKNOWN', 'DOWN')


def is_silent(compute: Any, server: str) -> bool:
    """Whether Nova says that the host of an instance does not answer; False
    where it says nothing.

    :param compute: of an ``openstack`` command
    :param server: its id
    """
    try:
        answer = compute.get(f'/servers/{server}', microversion=_MICROVERSION)
        return (answer.status_code == 200 and
                answer.json()['server'].get('host_status') in _SILENT)
    except (exceptions.ClientException, ValueError, LookupError, TypeError,
            AttributeError):
        return False    # the command does without
