# SPDX-License-Identifier: Apache-2.0
"""The recorder of a host with many pairs, on its worst day."""

import os
import pathlib
import types
from unittest import mock

import fixtures
from oslotest import base

from nova_dmore import exception
from nova_dmore.recorder import files
from nova_dmore.recorder import recorder
from tests.unit.virt import fake_shadow

_UUIDS = [f'0b3c9a5e-6d5f-4f0e-9a43-0e0d2f3b1{number:03}'
          for number in range(200)]


class RecorderTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = pathlib.Path(self.useFixture(fixtures.TempDir()).path)
        self.directory = folder / 'recordings'
        self.directory.mkdir()
        self.now = 1000.0
        self.wall = 1700000000.0
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.recorder.recorder.time', types.SimpleNamespace(
                monotonic=lambda: self.now, time=lambda: self.wall)))
        #: Uuids of the pairs that are here, of those whose workers do not
        #: answer, and of those that were asked.
        self.here, self.silent, self.asked = [], set(), []
        self.useFixture(fixtures.MonkeyPatch(
            'nova_dmore.client.shadow_client.ShadowClient', self._client))
        self.recorder = recorder.Recorder(recorder.Options(
            str(folder), self.directory, 1 << 20, 3600.0))
        self.addCleanup(self.recorder.close)
        self.recorder._folders = types.SimpleNamespace(
            instances=lambda: self.here, keeper=lambda instance: 1)

    def _client(self, _service, instance, _timeout):
        def status(patience_s):
            self.asked.append(instance)
            if instance in self.silent:
                self.now += patience_s
                raise exception.ShadowAnswerError('no')
            return fake_shadow.status()
        return mock.Mock(status=status)

    def _record(self, uuid, age_s):
        made = files.Files(self.directory / uuid, 1 << 20, 'here')
        made.append(0, b'x', 1)
        made.close()
        for path in (self.directory / uuid).iterdir():
            os.utime(path, (self.wall - age_s,) * 2)

    def _is_there(self, uuid):
        return (self.directory / uuid).exists()

    def test_workers_that_do_not_answer_hold_up_no_output(self):
        self.here = _UUIDS
        self.silent = set(_UUIDS[:190])
        longest = 0.0
        while self.now < 1090:
            began = self.now
            self.recorder.turn()
            longest = max(longest, self.now - began)
            self.now += 0.05
        self.assertLess(longest, 1.0)
        # All others are asked, too, and again and again.
        for uuid in _UUIDS[190:]:
            self.assertGreater(self.asked.count(uuid), 10)

    def test_nothing_is_removed_before_the_pairs_are_here_again(self):
        """As when the host was booted."""
        self._record(_UUIDS[0], 7200)
        self._record(_UUIDS[1], 7200)
        self.recorder.turn()
        self.assertTrue(self._is_there(_UUIDS[0]))
        self.here = [_UUIDS[0]]
        self.now += 3600
        self.recorder.turn()
        self.assertTrue(self._is_there(_UUIDS[0]))
        self.assertFalse(self._is_there(_UUIDS[1]))

    def test_a_silent_instance_that_has_just_gone(self):
        """It was here until now, though it said nothing for long."""
        self._record(_UUIDS[0], 7200)
        self.here = [_UUIDS[0]]
        self.now += 3600
        with mock.patch('os.utime', lambda path: self._touch(path)):
            self.recorder.turn()
        self.here = []
        self.now += 3600
        self.wall += 3599
        self.recorder.turn()
        self.assertTrue(self._is_there(_UUIDS[0]))
        self.now += 3600
        self.wall += 3600
        self.recorder.turn()
        self.assertFalse(self._is_there(_UUIDS[0]))

    _utime = staticmethod(os.utime)

    def _touch(self, path):
        self._utime(path, (self.wall,) * 2)
