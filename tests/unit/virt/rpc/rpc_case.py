# SPDX-License-Identifier: Apache-2.0
"""The calls to a nova-compute, over oslo.messaging's transport in memory."""

from unittest import mock

from nova import context
from nova import rpc as nova_rpc
from oslo_messaging import conffixture

from nova_dmore.virt.care import operator
from nova_dmore.virt.migration import arrival
from nova_dmore.virt.migration import early_departure
from nova_dmore.virt.rpc import destination
from nova_dmore.virt.rpc import server
from tests.unit.virt import fakes

ARGUMENTS = {
    'prepare': {'migration_id': 'm1', 'record': '{}'},
    'arrival': {'migration_id': 'm1', 'instance_uuid': fakes.UUID},
    'carry_over': {'migration_id': 'm1', 'instance_uuid': fakes.UUID,
                   'carry_over': {'epoch': 7, 'unstored': {
                       'control_to_domain_r': {'base': 3, 'data': 'CiAK'}}}},
    'finish': {'migration_id': 'm1', 'record': '{}', 'domain_r_moved': True,
               'console_log': None},
    'abort': {'migration_id': 'm1', 'instance_uuid': fakes.UUID},
    'send_back': {'migration_id': 'm1', 'instance_uuid': fakes.UUID,
                  'uri': 'qemu+tcp://c1/system', 'migrate_uri': None,
                  'flags': 33, 'within_s': 5.0},
}


class Destination:
    """Notes the calls, as the role's methods are called."""

    def __init__(self):
        self.calls = []
        self.said = arrival.Arrival()
        self.error = None
        self.runs = False
        self.layout = 2

    def prepare(self, context, migration_id, record_text):
        self._note('prepare', migration_id, record_text)
        return self.layout

    def arrival(self, migration_id, instance_uuid):
        self._note('arrival', migration_id, instance_uuid)
        return self.said

    def carry_over(self, migration_id, instance_uuid, carry_over):
        self._note('carry_over', migration_id, instance_uuid, carry_over)

    def finish(self, context, migration_id, record_text, domain_r_moved,
               console_log):
        self._note('finish', migration_id, record_text, domain_r_moved,
                   console_log)

    def abort(self, migration_id, instance_uuid):
        self._note('abort', migration_id, instance_uuid)
        return self.runs

    def send_back(self, migration_id, instance_uuid, uri, migrate_uri, flags,
                  within_s):
        self._note('send_back', migration_id, instance_uuid, uri, migrate_uri,
                   flags, within_s)

    def _note(self, *call):
        if self.error is not None:
            raise self.error
        self.calls.append(call)


class RpcCase(fakes.TestCase):
    """Host ``c2`` is there, and can be called."""

    def setUp(self):
        super().setUp()
        # Not Nova's own fixture: whatever imports nova.tests is patched by
        # eventlet.
        self.useFixture(conffixture.ConfFixture(
            self.conf, transport_url='fake:/'))
        nova_rpc.init(self.conf)
        self.addCleanup(nova_rpc.cleanup)
        self.destination = Destination()
        self.source = mock.create_autospec(
            early_departure.EarlyDepartures, instance=True)
        self.operator = mock.create_autospec(
            operator.OperatorRole, instance=True)
        self.server = server.start(
            'c2', self.destination, self.source, self.operator)
        self.addCleanup(self._stop)
        self.context = context.get_admin_context()

    def _stop(self):
        self.server.stop()
        self.server.wait()


class DestinationCase(RpcCase):
    """:ivar api: what makes the calls to a destination"""

    def setUp(self):
        super().setUp()
        self.api = destination.DestinationAPI(5)

    def _call(self, method, host='c2'):
        getattr(self.api, method)(self.context, host, **ARGUMENTS[method])
