# SPDX-License-Identifier: Apache-2.0

import dataclasses

from nova_dmore import exception
from nova_dmore.virt.migration import arrivals
from tests.unit.virt import fake_host
from tests.unit.virt import fake_shadow
from tests.unit.virt import fakes


class ArrivalsTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.arrivals = arrivals.Arrivals(self.pairs)

    def test_over(self):
        self.assertFalse(self.arrivals.is_over('m1'))
        self.arrivals.set_over('m1', fakes.UUID)
        self.assertTrue(self.arrivals.is_over('m1'))
        self.assertFalse(self.arrivals.is_over('m2'))

    def test_not_all_are_remembered(self):
        for number in range(1000):
            self.arrivals.set_over(f'm{number}', fakes.UUID)
        self.assertTrue(self.arrivals.is_over('m999'))
        self.assertFalse(self.arrivals.is_over('m0'))

    def test_prepared(self):
        self.assertFalse(self.arrivals.was_prepared('m1', fakes.UUID))
        self.arrivals.prepared[fakes.UUID] = 'm1'
        self.assertTrue(self.arrivals.was_prepared('m1', fakes.UUID))
        self.assertFalse(self.arrivals.was_prepared('m2', fakes.UUID))
        self.arrivals.forget(fakes.UUID)
        self.assertFalse(self.arrivals.was_prepared('m1', fakes.UUID))

    def test_alone(self):
        self.arrivals.alone[fakes.UUID] = 'm1'
        self.assertFalse(self.arrivals.was_prepared('m1', fakes.UUID))
        self.arrivals.forget(fakes.UUID)
        self.assertEqual({}, self.arrivals.alone)

    def test_prepared_by_an_earlier_nova_compute(self):
        record = fakes.make_record()
        self.pairs.records.save(dataclasses.replace(record, incoming=True))
        status = self.pairs.client(fakes.UUID).status
        status.side_effect = lambda timeout=None: fake_shadow.status(
            migration_id='m1')
        self.assertTrue(self.arrivals.was_prepared('m1', fakes.UUID))
        self.assertFalse(self.arrivals.was_prepared('m2', fakes.UUID))
        self.pairs.records.save(record)
        self.assertFalse(self.arrivals.was_prepared('m1', fakes.UUID))

    def test_a_process_that_does_not_answer(self):
        self.pairs.records.save(dataclasses.replace(
            fakes.make_record(), incoming=True))
        self.pairs.client(fakes.UUID).status.side_effect = (
            exception.ShadowProcessError('no'))
        self.assertFalse(self.arrivals.was_prepared('m1', fakes.UUID))
