# SPDX-License-Identifier: Apache-2.0
"""What Nova's clients of Neutron and Glance raise, and what that means."""

import contextlib
from collections.abc import Iterator

from glanceclient import exc as glance_exceptions
from keystoneauth1 import exceptions as keystone_exceptions
from neutronclient.common import exceptions as neutron_exceptions
from nova import exception as nova_exception
from oslo_log import log as logging

from nova_dmore.channel import text
from nova_dmore import exception

LOG = logging.getLogger(__name__)

#: What a call to a service may raise: Nova translates some of the errors, and
#: Keystone is asked before.
NEUTRON = (neutron_exceptions.NeutronClientException,
           nova_exception.NovaException,
           keystone_exceptions.ClientException)
GLANCE = (glance_exceptions.ClientException,
          nova_exception.NovaException,
          keystone_exceptions.ClientException)

#: HTTP status of a load balancer, or of a web server, that answers for a
#: service which does not.
_GATEWAY = (502, 504)
_AWAY = (neutron_exceptions.ConnectionFailed,
         neutron_exceptions.ServiceUnavailable,
         glance_exceptions.CommunicationError,
         glance_exceptions.ServiceUnavailable,
         glance_exceptions.HTTPBadGateway,
         nova_exception.GlanceConnectionFailed,
         keystone_exceptions.ConnectionError,
         keystone_exceptions.DiscoveryFailure,
         keystone_exceptions.HttpServerError)


def is_away(error: Exception) -> bool:
    """Whether a service, or Keystone, could not be asked.

    :param error: one of :data:`NEUTRON` or :data:`GLANCE`.
    """
    if isinstance(error, neutron_exceptions.NeutronClientException):
        return isinstance(error, _AWAY) or error.status_code in _GATEWAY
    return isinstance(error, _AWAY) or _is_gateway_timeout(error)


def _is_gateway_timeout(error: Exception) -> bool:
    """Of 504 the client of Glance keeps no more than what the load balancer
    shows, which begins with it (glanceclient.exc.from_response)."""
    return (type(error) is glance_exceptions.HTTPException
            and str(error).startswith('HTTP 504'))


@contextlib.contextmanager
def perhaps_absent() -> Iterator[None]:
    """Let it be if Neutron does not know what is asked for."""
    try:
        yield
    except neutron_exceptions.NeutronClientException as error:
        if error.status_code != 404:
            raise


@contextlib.contextmanager
def one_of_many() -> Iterator[None]:
    """Deletes one port of several: if it cannot be deleted, a line of the log
    says so, and the others are deleted all the same.

    :raises nova_dmore.exception.ServiceAwayError: none can be now.
    """
    try:
        yield
    except exception.ServiceAwayError:
        raise
    except exception.AddressError as error:
        LOG.warning('%s', text.printable(error))
