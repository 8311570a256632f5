# SPDX-License-Identifier: Apache-2.0
"""An instance of the test cloud with a user of each kind, who notices nothing.
"""

from tests.integration import cloud
from laboratory.testbed.settings import COMPUTES


class UsersTest(cloud.TypingTest):
    """Three users type numbered keys, one by SSH, one at the serial port and
    one at the VNC console, while the guest prints without a pause.
    """

    def _where(self, subject):
        """-> the host of the instance."""
        (host,) = [each for each in COMPUTES
                   if self.machine.keeper(each, subject.server)]
        return host

    def _assert_nothing_noticed(self, users, ambiguous=0):
        """:param ambiguous: bytes that may be missing or too many, as was said
        """
        for kind, user in users.items():
            self.assertEqual(0, user.disconnects, kind)
            self.assertLessEqual(user.faults(), ambiguous, kind)

    def _assert_untouched(self, subject, host, *happenings):
        """Whatever happens on the host, no user notices it, and all processes
        of the pair stay."""
        before = self._pids(subject, host)
        for pids in before.values():
            self.assertEqual(1, len(pids), before)
        log = self.machine.log(host)
        for happen in happenings:
            self._assert_nothing_noticed(self._typing(subject, happen))
            self.assertEqual(before, self._pids(subject, host))
        self.assertNotIn('was rebuilt', log.grown())
