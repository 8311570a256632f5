# SPDX-License-Identifier: Apache-2.0
"""Receives all calls to this nova-compute."""

from typing import TYPE_CHECKING

from nova import rpc as nova_rpc
import oslo_messaging as messaging

from nova_dmore.virt.rpc import calls
from nova_dmore.virt.rpc import destination as destination_rpc
from nova_dmore.virt.rpc import operator as operator_rpc
from nova_dmore.virt.rpc import source as source_rpc
if TYPE_CHECKING:
    from nova_dmore.virt.care import operator as operator_module
    from nova_dmore.virt.migration import destination as destination_module
    from nova_dmore.virt.migration import early_departure


def start(host: str, destination: 'destination_module.DestinationRole',
          early_departures: 'early_departure.EarlyDepartures',
          operator: 'operator_module.OperatorRole'
          ) -> 'messaging.MessageHandlingServer':
    """Receive the calls to this host.

    :param host: as Nova calls it.
    :param destination: see :class:`destination_rpc.DestinationServer`.
    :param early_departures: see :class:`source_rpc.SourceServer`.
    :param operator: see :class:`operator_rpc.OperatorServer`.
    :returns: the server, which the caller has to stop.
    """
    server = nova_rpc.get_server(
        messaging.Target(topic=calls.TOPIC, server=host),
        [destination_rpc.DestinationServer(destination),
         source_rpc.SourceServer(early_departures),
         operator_rpc.OperatorServer(operator)])
    server.start()
    return server
