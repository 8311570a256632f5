# SPDX-License-Identifier: Apache-2.0
"""Steps that depend on each other."""

import threading
import unittest

# For the path that it sets.
from tests.unit import tools  # noqa: F401
from laboratory import progress
from laboratory.testbed import tasks


class RunTest(unittest.TestCase):

    def setUp(self):
        self.done = []
        self.progress = progress.Progress(quiet=True)

    def step(self, name):
        return lambda: self.done.append(name)

    def test_a_step_comes_after_what_it_needs(self):
        tasks.run({'c': (['a', 'b'], self.step('c')),
                   'b': (['a'], self.step('b')),
                   'a': ([], self.step('a'))}, self.progress)
        self.assertEqual(['a', 'b', 'c'], self.done)

    def test_independent_steps_run_at_once(self):
        both = threading.Barrier(2)

        def meet():
            both.wait(timeout=10)

        tasks.run({'a': ([], meet), 'b': ([], meet)}, self.progress)

    def test_nothing_begins_after_a_failure(self):
        def fail():
            raise progress.Failure('a', 'broken')

        failure = self.assertRaises(
            progress.Failure, tasks.run,
            {'a': ([], fail), 'b': (['a'], self.step('b'))}, self.progress)
        self.assertEqual('a', failure.step)
        self.assertEqual([], self.done)

    def assertRaises(self, expected, function, *arguments):
        with super().assertRaises(expected) as caught:
            function(*arguments)
        return caught.exception

    def test_a_need_that_does_not_exist(self):
        self.assertRaises(KeyError, tasks.run,
                          {'a': (['x'], self.step('a'))}, self.progress)

    def test_a_circle(self):
        self.assertRaises(ValueError, tasks.run,
                          {'a': (['b'], self.step('a')),
                           'b': (['a'], self.step('b'))}, self.progress)
