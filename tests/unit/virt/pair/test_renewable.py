# SPDX-License-Identifier: Apache-2.0

import dataclasses

from nova_dmore import exception
from nova_dmore.virt.pair import record as record_module
from nova_dmore.virt.pair import renewable
from tests.unit.virt import fake_host
from tests.unit.virt import fakes

NEWER = 'e' * 64


class RenewableTest(fake_host.HostTestCase):

    def setUp(self):
        super().setUp()
        self.before = self.pairs.ensure(fakes.make_instance())
        self.pairs.note_renewal(fakes.UUID, renewable.When.IDLE)
        self.shadow.log.clear()

    def _domain(self):
        return self.libvirt.domains[self.domr]

    def test_renew(self):
        domain = self._domain()
        self.pairs.renew(fakes.UUID, NEWER)
        self.assertIsNot(domain, self._domain())
        self.assertIn(f'/images/{NEWER}', self._domain().xml)
        # Of the process nothing changed but what it is told.
        self.assertEqual(['configure'], self.shadow.log)
        self.assertEqual(dataclasses.replace(self.before, digest=NEWER),
                         self.pairs.get(fakes.UUID))

    def test_it_does_not_start(self):
        create = self.libvirt.createXML

        def refuse(xml, flags):
            if NEWER in xml:
                raise fake_host.libvirt_error(text='bad image')
            return create(xml, flags)
        self.libvirt.createXML = refuse
        error = self.assertRaises(exception.PairError, self.pairs.renew,
                                  fakes.UUID, NEWER)
        self.assertIn('bad image', str(error))
        # It has one as before.
        self.assertNotIn(NEWER, self._domain().xml)
        self.assertEqual(self.before.digest,
                         self.pairs.get(fakes.UUID).digest)

    def test_one_that_is_not_here(self):
        self.pairs.records.save(dataclasses.replace(
            self.before, incoming=True))
        self.assertRaises(exception.PairError, self.pairs.renew, fakes.UUID,
                          NEWER)
        self.pairs.records.forget(fakes.UUID)
        self.assertRaises(exception.PairError, self.pairs.renew, fakes.UUID,
                          NEWER)

    def test_note(self):
        record = self.pairs.get(fakes.UUID)
        self.assertEqual(renewable.When.IDLE, record.renewal)
        self.assertEqual(record, record_module.from_json(
            record_module.to_json(record)))
        self.pairs.note_renewal(fakes.UUID, None)
        self.assertEqual(self.before, self.pairs.get(fakes.UUID))
        # An earlier release knows no such field.
        self.assertNotIn('renewal', record_module.to_json(self.before))
        self.pairs.records.forget(fakes.UUID)
        self.pairs.note_renewal(fakes.UUID, renewable.When.NOW)
        self.assertIsNone(self.pairs.get(fakes.UUID))

    def test_a_record_that_says_nonsense(self):
        text = record_module.to_json(self.pairs.get(fakes.UUID))
        for value in ('7', '"a b"', '[]'):
            self.assertRaises(ValueError, record_module.from_json,
                              text.replace('"idle"', value))
