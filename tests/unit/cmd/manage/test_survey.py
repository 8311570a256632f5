# SPDX-License-Identifier: Apache-2.0
"""What is seen of the pairs of a host."""

import dataclasses

from nova_dmore.cmd.manage import host
from nova_dmore.cmd.manage import output
from nova_dmore.cmd.manage import pair
from nova_dmore.cmd.manage import survey as survey_module
from nova_dmore import exception
from nova_dmore.virt.checks import accelerator
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes

OTHER_UUID = '9b0b0c52-59c1-4b0e-8f58-0a5a4c3d2b10'
State = survey_module.State


class SurveyTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.record = self.pairs.ensure(fakes.make_instance())
        self.instance = self.libvirt.add_instance()
        self.survey = survey_module.Survey(self.pairs, self.libvirt)

    def _seen(self):
        (seen,) = self.survey.pairs()
        return seen

    def _serve(self, **serving):
        self.client().status.side_effect = lambda *_: fake_shadow.status(
            serving=serving)

    def test_well(self):
        self._serve(ssh=1, serial=0, vnc=2, boot_s=3.5)
        (row,) = pair.table(self.survey).rows
        self.assertEqual({
            'instance_uuid': fakes.UUID, 'name': self.record.instance_name,
            'project_id': self.record.project_id, 'address': '10.0.0.5',
            'image': fakes.DIGEST, 'image_short': fakes.DIGEST[:12],
            'state': 'well', 'sessions': 3, 'renewal': None}, row)

    def test_what_domain_r_cannot_mean(self):
        for serving in (None, 'many', {'ssh': -1}, {'ssh': True},
                        {'vnc': 10 ** 9}, {'vnc': 2.5}):
            self.client().status.side_effect = lambda *_: fake_shadow.status(
                serving=serving)
            self.assertIsNone(self._seen().sessions, serving)

    def test_states(self):
        self.assertEqual(State.WELL, self._seen().state)
        self.instance.isActive = lambda: 0
        self.assertEqual(State.INSTANCE_DOWN, self._seen().state)
        del self.libvirt.domains['instance-00000001']
        self.assertEqual(State.INSTANCE_DOWN, self._seen().state)
        self.libvirt.domains[self.domr].destroy()
        self.assertEqual(State.DEAD, self._seen().state)
        self.pairs.records.save(dataclasses.replace(
            self.record, incoming=True))
        self.assertEqual(State.INCOMING, self._seen().state)
        self.pairs.records.forget(fakes.UUID)
        self.assertEqual(State.NO_RECORD, self._seen().state)

    def test_its_process_is_gone(self):
        self.shadow.kill(fakes.UUID)
        self.assertEqual(State.DEAD, self._seen().state)

    def test_one_process_is_beginning_or_ending(self):
        """The others are listed, and it is named."""
        self.pairs.ensure(fakes.make_instance(uuid=OTHER_UUID))
        self.client().is_gone.side_effect = exception.ProcessChangesError('x')
        self.assertEqual(
            {fakes.UUID: 'changing', OTHER_UUID: 'instance down'},
            {row['instance_uuid']: row['state']
             for row in pair.table(self.survey).rows})
        self.assertFalse(pair.properties(
            self.survey, fakes.UUID).values['process'])

    def test_a_domain_alone(self):
        name = 'domr-' + OTHER_UUID
        self.libvirt.domains[name] = fake_host.Domain(self.libvirt, name)
        self.assertEqual(
            [(fakes.UUID, State.WELL), (OTHER_UUID, State.NO_RECORD)],
            [(seen.instance_uuid, seen.state)
             for seen in self.survey.pairs()])

    def test_the_guest_of_a_check_is_none(self):
        self.libvirt.domains[accelerator.NAME] = fake_host.Domain(
            self.libvirt, accelerator.NAME)
        self.assertEqual(fakes.UUID, self._seen().instance_uuid)

    def test_nobody_can_tell(self):
        self.shadow.service_away = True
        self.assertRaises(exception.HostServiceError, self.survey.pairs)
        self.shadow.service_away = False
        self.libvirt.listAllDomains = self._fail
        self.assertRaises(exception.PairError, self.survey.pairs)

    def _fail(self, flags):
        raise fake_host.libvirt_error()

    def test_show(self):
        self._serve(ssh=1)
        values = pair.properties(self.survey, fakes.UUID).values
        self.assertEqual({'ssh': 1, 'serial': 0, 'vnc': 0},
                         values['clients'])
        self.assertEqual(fakes.PORT, values['port_id'])
        self.assertEqual(
            (True, True, 'live', 10), (values['domain_r'], values['process'],
                                       values['channel'],
                                       values['keeper_pid']))
        error = self.assertRaises(exception.PairError, pair.properties,
                                  self.survey, OTHER_UUID)
        self.assertIn(OTHER_UUID, str(error))

    def test_show_of_what_is_left(self):
        self.shadow.kill(fakes.UUID)
        self.pairs.records.forget(fakes.UUID)
        values = pair.properties(self.survey, fakes.UUID).values
        self.assertEqual(
            ('no record', True, False, None),
            (values['state'], values['domain_r'], values['process'],
             values['clients']))

    def test_drain_check(self):
        answer = host.drain_check(self.survey)
        self.assertEqual(output.Status.INCOMPLETE, answer.status)
        self.assertIn('live-migrate', answer.rows[0]['to_do'])
        self.pairs.remove(fakes.UUID, delete_address=False)
        answer = host.drain_check(self.survey)
        self.assertEqual((output.Status.DONE, []),
                         (answer.status, answer.rows))

    def test_every_state_says_what_to_do(self):
        for state in State:
            self.assertTrue(dataclasses.replace(
                self._seen(), state=state).to_do)
