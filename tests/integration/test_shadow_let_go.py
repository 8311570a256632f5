# SPDX-License-Identifier: Apache-2.0
"""Domain R is stopped when the instance has stopped and it has all, with real
processes.
"""

import os
import signal

from tests.integration import stop_case
from tests.unit.worker import fakes

SOURCE = stop_case.SOURCE
wait_for = fakes.wait_for


class TestLetGo(stop_case.Stop):

    def test_domain_r_is_let_go(self):
        self.client.let_go(True)
        self.client.arm('another', SOURCE, on=False)
        self.client.arm('m', SOURCE)
        self.instance.prints(b'last')
        wait_for(lambda: self.domain_r.output == b'last')
        self.assertTrue(self.domain_r.running)
        self.instance.stop()
        self.assertTrue(self.client.frozen(1000).acknowledged)
        frozen = wait_for(
            lambda: self.client.frozen(0).domain_r_stopped_at and
            self.client.frozen(0))
        self.assertFalse(self.domain_r.running)
        self.assertEqual(b'last', self.domain_r.output)
        self.assertLess(frozen.stopped_at, frozen.frozen_at)
        self.assertLess(frozen.frozen_at, frozen.domain_r_stopped_at)
        self.instance.resume()
        self.domain_r.resume()
        self.pair.live()
        self.assertEqual((), self.pair.gaps())

    def test_domain_r_is_let_go_late(self):
        self.instance.stop()
        self.assertIsNone(self.client.frozen(1000).domain_r_stopped_at)
        self.client.let_go(True)
        wait_for(lambda: not self.domain_r.running)

    def test_domain_r_is_not_let_go_any_more(self):
        for undo in (lambda: self.client.let_go(False),
                     lambda: self.client.arm('m', SOURCE, on=False),
                     lambda: self.client.arm('next', SOURCE)):
            self.client.arm('m', SOURCE)
            self.client.let_go(True)
            undo()
            self.client.arm('m', SOURCE)
            self.instance.stop()
            self.assertIsNotNone(self.client.frozen(1000).frozen_at)
            self.assertTrue(self.domain_r.running)
            self.instance.resume()
            self.pair.live()

    def test_a_killed_worker_lets_domain_r_go(self):
        self.client.let_go(True)
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        self.instance.stop()
        wait_for(lambda: not self.domain_r.running)
