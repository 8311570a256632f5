# SPDX-License-Identifier: Apache-2.0
"""As whom nova-compute, and ``nova-dmore-status``, read the Domain R image
from Glance.

Not as the user who boots an instance: the image is the operator's business,
and a pair is rebuilt when no user is there.
"""

import nova.conf
from nova import context as nova_context
from nova import service_auth

from nova_dmore import exception

#: Sections of nova.conf with credentials of Nova's own; the first that has
#: any is used.
GROUPS = (nova.conf.service_token.SERVICE_USER_GROUP,
          nova.conf.neutron.NEUTRON_GROUP)


def service_context() -> nova_context.RequestContext:
    """A context that authenticates as Nova's own user; asks Keystone.

    Its ``project_id`` is that of the user's project. Nova keeps the
    plug-in and its token from one call to the next.

    :raises nova_dmore.exception.ConfigurationError: no credentials.
    :raises keystoneauth1.exceptions.ClientException: bad ones, or Keystone
        is away.
    """
    for group in GROUPS:
        auth = service_auth.get_service_auth_plugin(group)
        if auth is not None:
            session = service_auth.get_service_auth_session(group)
            # Nova's client hides images from a context without a token that
            # is not an administrator's; what the user may really see is
            # Glance's decision.
            return nova_context.RequestContext(
                project_id=auth.get_project_id(session), is_admin=True,
                user_auth_plugin=auth, overwrite=False)
    raise exception.ConfigurationError(
        '[service_user] auth_type is not set; nova-compute needs credentials '
        'of its own to read the image of Domain R')
