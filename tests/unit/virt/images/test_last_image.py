# SPDX-License-Identifier: Apache-2.0
"""``test_image_store.py`` has what is done with it."""

import pathlib

import fixtures

from nova_dmore import exception
from nova_dmore.virt.images import last_image
from nova_dmore.virt import limited
from tests.unit.virt import fakes


class LastImageTest(fakes.TestCase):

    def setUp(self):
        super().setUp()
        self.path = pathlib.Path(
            self.useFixture(fixtures.TempDir()).path, 'last')
        self.last = last_image.LastImage(self.path, 'domr')

    def test_nothing_yet(self):
        self.assertIsNone(self.last.digest())

    def test_noted(self):
        for digest in ('ab' * 32, 'cd' * 32):
            self.last.note(digest)
            self.assertEqual(digest, last_image.LastImage(
                self.path, 'domr').digest())
        self.assertEqual([self.path], list(self.path.parent.iterdir()))

    def test_of_another_image(self):
        self.last.note('ab' * 32)
        self.assertIsNone(
            last_image.LastImage(self.path, 'other').digest())

    def test_what_is_none(self):
        for content in ('', '{', '[]', '{"image": "domr"}',
                        '{"image": "domr", "digest": "../../etc"}',
                        '{"image": "domr", "digest": 3}'):
            self.path.write_text(content)
            self.assertIsNone(self.last.digest())

    def test_no_room(self):
        log = self.useFixture(fixtures.FakeLogger())
        last_image.LastImage(
            self.path / 'no' / 'folder', 'domr').note('ab' * 32)
        self.assertIn('is not known when Glance is away', log.output)


class SilenceTest(fakes.TestCase):

    def test_one_that_took_long(self):
        silence = last_image.Silence()
        silence.check()
        silence.note(exception.GlanceAwayError('refused'), 0.1)
        silence.check()
        silence.note(exception.GlanceAwayError('hangs'), limited.ANSWER_S)
        error = self.assertRaises(exception.GlanceAwayError, silence.check)
        self.assertEqual('hangs', str(error))
