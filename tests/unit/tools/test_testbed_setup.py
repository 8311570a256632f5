# SPDX-License-Identifier: Apache-2.0
"""The set-up: what is done, and what is skipped."""

import pathlib
import tempfile
import unittest
from unittest import mock

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory.setup import debian
from laboratory import layout
from laboratory.setup import prepare
from laboratory import progress


class FolderTest(unittest.TestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)


class BindepTest(unittest.TestCase):

    def test_names_without_comments_and_selectors(self):
        text = '# first\n\ngcc [platform:dpkg]\nmake  # why\n'
        self.assertEqual(['gcc', 'make'], debian.parse_bindep(text))

    def test_what_is_installed_is_not_missing(self):
        listed = 'gcc installed\nmake config-files\n'
        with mock.patch('laboratory.command.output', return_value=listed):
            self.assertEqual(['make', 'git'],
                             debian.missing(['gcc', 'make', 'git']))


class PolicyTest(FolderTest):

    def setUp(self):
        super().setUp()
        self.policy = self.folder / 'policy-rc.d'

    def test_none_before_none_after(self):
        with debian.services_denied(self.policy):
            self.assertIn('exit 101', self.policy.read_text())
            self.assertTrue(self.policy.stat().st_mode & 0o100)
        self.assertFalse(self.policy.exists())

    def test_the_machine_s_own_is_put_back(self):
        self.policy.write_text('own')
        with debian.services_denied(self.policy):
            self.assertIn('exit 101', self.policy.read_text())
        self.assertEqual('own', self.policy.read_text())

    def test_put_back_after_a_run_that_was_killed(self):
        self.policy.write_text('own')
        killed = debian.services_denied(self.policy)
        killed.__enter__()
        # No __exit__: the next run finds our policy and the saved one.
        with debian.services_denied(self.policy):
            self.assertIn('exit 101', self.policy.read_text())
        self.assertEqual('own', self.policy.read_text())
        self.assertEqual([self.policy], list(self.folder.iterdir()))


class StepTest(FolderTest):

    def setUp(self):
        super().setUp()
        self.source = self.folder / 'source'
        self.source.write_text('one')
        self.product = self.folder / 'product'
        self.done = 0
        self.setup = prepare.Setup(layout.Layout(self.folder / 'state'),
                                   progress.Progress(quiet=True))
        patch = mock.patch.object(prepare, 'REPOSITORY', self.folder)
        patch.start()
        self.addCleanup(patch.stop)

    def action(self, log):
        self.done += 1
        self.product.write_text('made')

    def run_step(self, action=None):
        self.setup._do(prepare.Step('a step', (self.source,), self.product,
                                    action or self.action))
        return self.done

    def test_done_once(self):
        self.assertEqual([1, 1], [self.run_step(), self.run_step()])

    def test_done_again_for_another_input(self):
        self.run_step()
        self.source.write_text('two')
        self.assertEqual(2, self.run_step())

    def test_done_again_without_its_product(self):
        self.run_step()
        self.product.unlink()
        self.assertEqual(2, self.run_step())

    def test_a_failed_step_is_due(self):
        self.run_step()
        self.source.write_text('two')

        def fail(log):
            raise progress.Failure('a step', 'broken', log)

        self.assertRaises(progress.Failure, self.run_step, fail)
        self.source.write_text('one')
        self.assertEqual(2, self.run_step())

    def test_a_step_that_makes_nothing_fails(self):
        self.assertRaises(progress.Failure, self.run_step, lambda log: None)

    def test_the_digest_sees_names_and_contents_of_a_folder(self):
        below = self.folder / 'below'
        below.mkdir()
        digests = set()
        for name, text in (('a', '1'), ('a', '2'), ('b', '2')):
            for path in below.iterdir():
                path.unlink()
            (below / name).write_text(text)
            digests.add(prepare.digest([below]))
        self.assertEqual(3, len(digests))
