# SPDX-License-Identifier: Apache-2.0
"""Ports whose instances are no more, and those that only seem so."""

import datetime
import types
from unittest import mock

import fixtures
from neutronclient.common import exceptions as neutron_exceptions
from nova import context
from nova import exception as nova_exception
import oslo_messaging as messaging
from oslo_utils import timeutils

from nova_dmore.cmd.manage import orphans as orphans_command
from nova_dmore.cmd.manage import output
from nova_dmore import exception
from nova_dmore.virt.care import orphans
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
State = orphans.State


class OrphansTestCase(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.pairs.addresses.ensure(fakes.UUID, 'c9')
        #: What Nova's database has of instances: when each was deleted.
        self.rows = {}
        self.asked = []
        self.list = self.useFixture(fixtures.MockPatch(
            'nova.objects.InstanceList.get_by_filters',
            side_effect=self._get_by_filters)).mock
        self.pairs_among = mock.Mock(return_value=[])
        self.hosts = [self.conf.host]
        self.orphans = orphans.Orphans(
            self.pairs.addresses, context.get_admin_context(),
            self.pairs_among, lambda context: self.hosts, self.conf.host)

    def _get_by_filters(self, request_context, filters, expected_attrs):
        self.assertEqual('yes', request_context.read_deleted)
        self.asked.append(filters['uuid'])
        return [types.SimpleNamespace(
            uuid=uuid, deleted=when is not None, deleted_at=when)
            for uuid, when in self.rows.items() if uuid in filters['uuid']]

    def _delete(self, hours=2.0, uuid=fakes.UUID):
        self.rows[uuid] = timeutils.utcnow(
            with_timezone=True) - datetime.timedelta(hours=hours)

    def _states(self):
        return [port.state for port in self.orphans.find()]


class FindTest(OrphansTestCase):

    def test_a_living_instance(self):
        self.rows[fakes.UUID] = None
        self.assertEqual([], self._states())

    def test_an_orphan(self):
        self._delete()
        (port,) = self.orphans.find()
        self.assertEqual(orphans.Port(
            fakes.UUID, fakes.PORT, 'c9', '10.0.0.5', State.ORPHAN), port)
        self.pairs_among.assert_called_once_with(
            mock.ANY, 'c9', [fakes.UUID])

    def test_one_that_was_deleted_just_now(self):
        self._delete(hours=0.9)
        self.assertEqual([State.DELETED], self._states())
        self.pairs_among.assert_not_called()

    def test_its_host_still_has_the_pair(self):
        self._delete()
        self.pairs_among.return_value = [fakes.UUID]
        self.assertEqual([State.ON_HOST], self._states())

    def test_its_host_is_of_an_earlier_release(self):
        self._delete()
        self.pairs_among.side_effect = exception.PairError('no such call')
        self.assertEqual([State.ON_HOST], self._states())

    def test_its_host_is_gone(self):
        self._delete()
        for error in (exception.NobodyThereError('stock'),
                      exception.NoAnswerError('away')):
            self.pairs_among.side_effect = error
            self.assertEqual([State.ORPHAN], self._states())

    def test_it_is_on_no_host(self):
        self._delete()
        for port in self.neutron.ports.values():
            port['binding:host_id'] = ''
        self.assertEqual([State.ORPHAN], self._states())
        self.pairs_among.assert_not_called()

    def test_two_ports_of_one_instance(self):
        """The management network was changed, say."""
        self._delete()
        (port,) = self.neutron.ports.values()
        self.neutron.ports['p2'] = {**port, 'id': 'p2',
                                    'binding:host_id': 'c8'}
        self.pairs_among.side_effect = lambda context, host, uuids: (
            uuids if host == 'c8' else [])
        self.assertEqual([State.ON_HOST] * 2, self._states())
        self.pairs_among.side_effect = lambda context, host, uuids: []
        self.assertEqual([State.ORPHAN] * 2, self._states())

    def test_an_instance_of_another_cell(self):
        self.assertEqual([State.UNKNOWN], self._states())
        self.pairs_among.assert_not_called()

    def test_nova_does_not_tell(self):
        for error in (messaging.MessagingTimeout(),
                      nova_exception.NovaException('no')):
            self.list.side_effect = error
            self.assertRaises(exception.PairError, self.orphans.find)

    def test_few_calls(self):
        self.useFixture(fixtures.MockPatch(
            'nova_dmore.virt.network.ports.of_all_hosts', return_value=[
                orphans.ports_module.BoundPort(
                    f'00000000-0000-4000-8000-{number:012}', 'p', 'c9', None)
                for number in range(450)]))
        self.assertEqual(450, len(self._states()))
        self.assertEqual([200, 200, 50], list(map(len, self.asked)))


class SweepTest(OrphansTestCase):

    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.useFixture(fixtures.MockPatchObject(
            orphans.time, 'time', lambda: self.now))

    def test_an_orphan_is_deleted(self):
        self._delete()
        self.orphans.sweep()
        self.assertEqual({}, self.neutron.ports)

    def test_one_that_cannot_be_deleted_does_not_hold_up_others(self):
        other = '0c3f0b1e-52c1-4d0b-9f44-1c2d3e4f5a6b'
        self.pairs.addresses.ensure(other, 'c9')
        self._delete()
        self._delete(uuid=other)
        delete = self.pairs.addresses.delete

        def refuse(uuid):
            if uuid == other:
                raise exception.AddressError('in use')
            delete(uuid)
        with mock.patch.object(self.pairs.addresses, 'delete', refuse):
            self.orphans.sweep()
        (port,) = self.neutron.ports.values()
        self.assertIn(other, port['device_id'])

    def test_nothing_else_is(self):
        self.orphans.sweep()        # unknown
        self._delete(hours=0)
        self.orphans.sweep()
        self._delete()
        self.pairs_among.return_value = [fakes.UUID]
        self.orphans.sweep()
        self.rows[fakes.UUID] = None
        self.orphans.sweep()
        self.assertEqual([fakes.PORT], list(self.neutron.ports))

    def test_one_host_after_the_other(self):
        self.hosts = ['a', self.conf.host, 'z']
        self._delete()
        swept = []
        for turn in range(6):
            self.now = orphans.TURN_S * turn + 7
            self.asked.clear()
            self.orphans.sweep()
            swept.append(bool(self.asked))
            self.neutron.free_addresses = ['10.0.0.5']
            self.neutron.ports.clear()
            self.pairs.addresses.ensure(fakes.UUID, 'c9')
        self.assertEqual([False, True, False] * 2, swept)

    def test_no_host_is_up(self):
        self.hosts = []
        self.orphans.sweep()
        self.assertEqual([], self.asked)


class CommandTest(OrphansTestCase):

    def setUp(self):
        super().setUp()
        self.pairs.addresses.ensure(OTHER_UUID, 'c9')
        self._delete()

    def _cleaned(self, *named):
        answer = orphans_command.cleaned(self.orphans, list(named))
        return answer.status, {row['instance_uuid']: row['outcome']
                               for row in answer.rows}

    def test_list(self):
        rows = orphans_command.listed(self.orphans).rows
        self.assertEqual([(fakes.UUID, 'orphan'), (OTHER_UUID, 'unknown')],
                         [(row['instance_uuid'], row['state'])
                          for row in rows])
        self.assertEqual(2, len(self.neutron.ports))

    def test_clean(self):
        self.assertEqual(
            (output.Status.DONE, {fakes.UUID: 'deleted',
                                  OTHER_UUID: 'left: unknown'}),
            self._cleaned())
        self.assertEqual(1, len(self.neutron.ports))

    def test_one_that_nobody_knows(self):
        self.assertEqual('deleted', self._cleaned(OTHER_UUID)[1][OTHER_UUID])
        self.assertEqual({}, self.neutron.ports)

    def test_one_that_lives(self):
        self.rows[OTHER_UUID] = None
        status, outcomes = self._cleaned(OTHER_UUID)
        self.assertEqual(output.Status.INCOMPLETE, status)
        self.assertIn('lives', outcomes[OTHER_UUID])
        self.assertEqual(1, len(self.neutron.ports))

    def test_one_that_is_on_its_host(self):
        self.pairs_among.return_value = [fakes.UUID]
        status, outcomes = self._cleaned(fakes.UUID)
        self.assertEqual((output.Status.INCOMPLETE, 'left: on its host'),
                         (status, outcomes[fakes.UUID]))

    def test_neutron_refuses(self):
        self.neutron.client.delete_port.side_effect = (
            neutron_exceptions.Forbidden())
        status, outcomes = self._cleaned()
        self.assertEqual(output.Status.INCOMPLETE, status)
        self.assertIn('not deleted', outcomes[fakes.UUID])
