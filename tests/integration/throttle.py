# SPDX-License-Identifier: Apache-2.0
"""How much QEMU slows a guest down so that its migration converges."""

import re

from tests.integration import watcher
from laboratory.cloud import machines
from laboratory.testbed import settings

_POLL_S = 0.5
_THROTTLE = re.compile(r'^Auto converge throttle:\s+(\d+)', re.MULTILINE)


class Throttle(watcher.Watcher):
    """Polls the migration of an instance, wherever it comes from.

    :param domain: its name
    :ivar most: how much of its processor time it lost at most, in percent;
        0: it was not slowed down
    """

    def __init__(self, domain):
        super().__init__('throttle')
        self.most = 0
        self._domain = domain

    def run(self):
        while not self.ended.wait(_POLL_S):
            for host in settings.COMPUTES:
                seen = _THROTTLE.search(machines.job(host, self._domain))
                if seen:
                    self.most = max(self.most, int(seen[1]))
