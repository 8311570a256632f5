# SPDX-License-Identifier: Apache-2.0
"""Tests made from the catalogue: a fault at a phase of a migration each.

One instance is used for as long as it is well. A test whose guest the
emulator corrupted is repeated with a new one.
"""

import pathlib

import testtools
from testtools import content

from tests.integration import cloud
from laboratory.faults import case
from laboratory.faults import catalogue
from laboratory.faults import session
from laboratory.faults import stock

#: How often a test is repeated whose guest the emulator corrupted.
_REPEATS = 2


class PhaseTest(testtools.TestCase):
    """:cvar machine: what ``cloud.enter`` returned"""

    machine: cloud.Machine
    _session = None

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        machine = cls.machine
        cls._session = session.Session(
            case.Runner(machine.place, machine.api, machine.progress,
                        stock.load()),
            session.PAIR, pathlib.Path(machine.folder))

    @classmethod
    def tearDownClass(cls):
        cls._session.close()
        super().tearDownClass()

    def run_case(self, fault, phase):
        """One migration with this fault; all has to be well afterwards."""
        outcome = migrate(self, self._session, fault, phase)
        self.assertEqual((), outcome.problems)
        self.assertEqual('', outcome.nothing)


def migrate(test, instance, fault=None, phase=None):
    """One migration in which the emulator corrupted no guest.

    :param test: fails if there is none, and gets a note of each
    :param instance: a ``laboratory.faults.session.Session``
    :returns: its Outcome
    """
    for _attempt in range(_REPEATS + 1):
        outcome = instance.run(fault, phase)
        test.addDetailUniqueName('note', content.text_content(
            outcome.line()))
        if outcome.corrupted is None:
            break
    test.assertIsNone(outcome.corrupted,
                      'the emulator corrupted too many guests')
    return outcome


def with_cases(cases):
    """Give a class a test per fault and phase.

    :param cases: pairs of a key of the catalogue and a phase
    """
    def add(kind):
        for fault, phase in cases:
            name = f'test_{fault}_at_{catalogue.key(phase)}'
            setattr(kind, name, _test(fault, phase, name))
        return kind
    return add


def _test(fault, phase, name):
    def test(self):
        self.run_case(fault, phase)
    test.__name__ = name
    return test
