# SPDX-License-Identifier: Apache-2.0
"""Ports of instances that are no more are found by any host."""

import datetime

import fixtures
from nova import context

from nova_dmore.cmd.manage import orphans as orphans_command
from nova_dmore import exception
from nova_dmore.virt.care import orphans
from nova_dmore.virt.rpc import operator as operator_rpc
from tests.functional import base

State = orphans.State


class OrphansTest(base.TestCase):

    def setUp(self):
        super().setUp()
        self.start('c1')
        self.start('c2')
        self.server = self.boot(host='c1')
        self.assert_pair(self.server)
        self.orphans = self._of('c2')

    def _of(self, host):
        return orphans.Orphans(
            self.driver(host)._pairs.addresses, context.get_admin_context(),
            operator_rpc.pairs_among, lambda context: [host], host)

    def _hours_later(self):
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.virt.care.orphans._SURE',
            datetime.timedelta(seconds=-1)))

    def _states(self):
        return [port.state for port in self.orphans.find()]

    def test_a_living_one(self):
        self._hours_later()
        for change in (self._stop_server, self._start_server,
                       self._shelve_server):
            change(self.server)
            self.assertEqual([], self._states())
            self.orphans.sweep()
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))

    def test_deleted_while_it_was_shelved(self):
        self.server = self._shelve_server(self.server)
        self._delete_server(self.server)
        self.assertEqual([State.DELETED], self._states())
        self.orphans.sweep()
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))
        self._hours_later()
        self.assertEqual([State.ORPHAN], self._states())
        self.orphans.sweep()
        self.assert_nothing_left()

    def _delete_while_its_host_is_away(self):
        self.computes['c1'].stop()
        (service,) = self.api.get_services(host='c1', binary='nova-compute')
        self.api.put_service(service['id'], {'forced_down': True})
        self._delete_server(self.server)
        self._hours_later()

    def _answer_of_c1(self, error):
        """The transport in memory does not know who listens."""
        def pairs_among(context, host, uuids):
            raise error
        self.orphans._pairs_among = pairs_among

    def test_its_host_is_gone_for_good(self):
        self._delete_while_its_host_is_away()
        self._answer_of_c1(exception.NoAnswerError('away'))
        answer = orphans_command.cleaned(self.orphans, [])
        self.assertEqual(['deleted'], [row['outcome'] for row in answer.rows])
        self.assertEqual({}, self.neutron_for_domain_r.ports)

    def test_its_host_is_of_an_earlier_release(self):
        self._delete_while_its_host_is_away()
        self._answer_of_c1(exception.PairError('no such call'))
        self.orphans.sweep()
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))

    def test_its_host_still_has_the_pair(self):
        # As when it cannot remove it: libvirt does not answer there, say.
        pairs = self.driver('c1')._pairs
        self.useFixture(fixtures.MockPatchObject(
            pairs, 'remove', side_effect=exception.PairError('no')))
        self._delete_server(self.server)
        self._hours_later()
        self.assertEqual([State.ON_HOST], self._states())
        self.orphans.sweep()
        self.assertEqual(1, len(self.neutron_for_domain_r.ports))

    def test_one_host_at_a_time(self):
        self.assertEqual(['c1', 'c2'], operator_rpc.hosts_up(
            context.get_admin_context()))
