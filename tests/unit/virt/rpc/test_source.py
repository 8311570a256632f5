# SPDX-License-Identifier: Apache-2.0

import threading
from unittest import mock

import oslo_messaging as messaging

from nova_dmore import exception
from nova_dmore.virt.rpc import source
from tests.unit.virt import fakes
from tests.unit.virt.rpc import rpc_case


class SourceTest(rpc_case.RpcCase):

    def _leave(self, **changes):
        source.SourceAPI.leave(self.context, 'c2', **{
            'instance_uuid': fakes.UUID, 'host': 'c1', 'address': None,
            **changes})

    def test_domain_r_may_leave(self):
        told = threading.Event()
        self.source.leave.side_effect = lambda *args: told.set()
        self._leave(address='fd00::1')
        self.assertTrue(told.wait(5))
        (_context, *arguments), _ = self.source.leave.call_args
        self.assertEqual([fakes.UUID, 'c1', 'fd00::1'], arguments)

    def test_the_source_cannot_be_told(self):
        with mock.patch('oslo_messaging._drivers.impl_fake.FakeDriver.send',
                        side_effect=messaging.MessageDeliveryFailure('no')):
            self.assertRaises(exception.PairError, self._leave)

    def test_where_it_would_not_leave_for(self):
        server = source.SourceServer(self.source)
        good = {'instance_uuid': fakes.UUID, 'host': 'c1', 'address': None}
        for name, values in {
                'instance_uuid': ('../x', None, 7),
                'host': (None, '', 'c1/system?command=sh', '-x', 'a b', 7),
                'address': ('', 'c1\n', '10.0.0.1:16514/x', ['c1'])}.items():
            for value in values:
                error = self.assertRaises(
                    messaging.ExpectedException, server.leave, None,
                    **{**good, name: value}).exc_info[1]
                self.assertIn(name, str(error))
        self.source.leave.assert_not_called()
