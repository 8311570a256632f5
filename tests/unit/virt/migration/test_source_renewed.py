# SPDX-License-Identifier: Apache-2.0
"""The instance moves, and gets a new Domain R there, as was asked for."""

import fixtures
from nova.compute import task_states

from nova_dmore import exception
from nova_dmore import places
from nova_dmore.virt.migration import early_departure
from nova_dmore.virt.pair import renewable
from tests.unit.virt import fakes
from tests.unit.virt.migration import source_case

NEWER = 'e' * 64


class RenewedTest(source_case.SourceTestCase):

    def setUp(self):
        super().setUp()
        self.pairs.note_renewal(fakes.UUID, renewable.When.MIGRATION)
        self.record = self.pairs.get(fakes.UUID)
        self.images.newest.return_value = NEWER
        self.role = self._role()
        self.role.live_migration_monitor_ended()

    def _asked_with(self):
        """The digests that the destination was asked to prepare for."""
        return [source_case.record_module.from_json(call.args[3]).digest
                for call in self.destination.prepare.call_args_list]

    def test_a_new_one_is_built_there(self):
        self.guest.story = self.guest.switch_over_at_once
        self._run()
        record, moved, _log = self._finished_with()
        self.assertEqual((NEWER, False), (record['digest'], moved))
        self.assertNotIn('renewal', record)
        self.assertNotIn('migrate Domain R', self.log)
        self.assertEqual([NEWER], self._asked_with())
        self._assert_gone_from_here()

    def test_the_destination_cannot_have_the_image(self):
        def prepare(context, host, migration_id, record):
            if NEWER in record:
                raise exception.PairError('no such image')
            return self._prepare(context, host, migration_id, record)
        self.destination.prepare.side_effect = prepare
        self._run()
        record, moved, _log = self._finished_with()
        # It moves as always, and what was asked for with it.
        self.assertEqual(
            (fakes.DIGEST, True, 'migration'),
            (record['digest'], moved, record['renewal']))
        self.assertEqual([NEWER, fakes.DIGEST], self._asked_with())

    def test_it_has_the_newest(self):
        self.images.newest.return_value = fakes.DIGEST
        self._run()
        self.assertIs(True, self._finished_with()[1])

    def test_glance_is_away(self):
        self.images.newest.side_effect = exception.GlanceAwayError('away')
        self._run()
        self.assertIs(True, self._finished_with()[1])

    def test_asked_for_at_another_time(self):
        self.pairs.note_renewal(fakes.UUID, renewable.When.IDLE)
        self.role = self._role()
        self.role.live_migration_monitor_ended()
        self._run()
        self.assertIs(True, self._finished_with()[1])

    def test_the_destination_can_have_none(self):
        self.layout = places.Layout.STOCK
        self.guest.story = self.guest.switch_over_at_once
        self._run()
        self.assertIs(False, self._finished_with()[1])

    def test_the_instance_stays(self):
        self.guest.story = self.guest.fail
        self._run_failing()
        self._assert_still_here()

    def test_it_does_not_leave_early(self):
        self.instance.task_state = task_states.MIGRATING
        self.useFixture(fixtures.MockPatch(
            'nova.objects.Instance.get_by_uuid', return_value=self.instance))
        early = early_departure.EarlyDepartures(
            self._services, None, None)
        early.leave('context', fakes.UUID, fakes.OTHER_HOST, None)
        self.assertEqual({}, early._departures)
        self.destination.prepare.assert_not_called()
