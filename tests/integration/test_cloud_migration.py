# SPDX-License-Identifier: Apache-2.0
"""Live migration there and back while a user types and reads."""

from tests.integration import cloud
from laboratory.users import subject as demo_subject
from laboratory.users import trial

_MIGRATIONS = 2


def setUpModule():
    MigrationTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class MigrationTest(cloud.CloudTest):

    trial = demo_subject.Trial('moved', 'm1.guest', {'ssh': 0, 'serial': 1})

    def test_there_and_back(self):
        runner = trial.Runner(self.machine.api, self.machine.place,
                              self.machine.folder, self.machine.progress)
        entries = list(runner.run(self.trial, _MIGRATIONS))
        for entry in entries:
            self.note(str(entry))
        good = [entry for entry in entries if entry.corrupted is None]
        self.assertEqual(_MIGRATIONS, len(good),
                         'the emulator corrupted too many guests')
        for entry in good:
            for kind, user in entry.users.items():
                self.assertGreater(user.sent, 20)
                self.assertEqual(0, user.faults(), f'{kind}: {entry}')
