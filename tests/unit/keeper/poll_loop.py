# SPDX-License-Identifier: Apache-2.0
"""An event loop with real descriptors, whose time and turns are the test's."""

import select

from tests.unit.worker import fake_loop


class PollLoop(fake_loop.FakeLoop):
    """Calls back for what is ready when the test says so."""

    def turn(self):
        """One turn; whether anything was ready."""
        poll, watched = select.poll(), {}
        for each in {*self.readers, *self.writers}:
            watched[getattr(each, 'fileno', lambda: each)()] = each
            poll.register(each, (
                select.POLLIN if each in self.readers else 0) | (
                select.POLLOUT if each in self.writers else 0))
        ready = poll.poll(0)
        for descriptor, what in ready:
            each = watched[descriptor]
            for wanted, callbacks in ((select.POLLIN, self.readers),
                                      (select.POLLOUT, self.writers)):
                if what & wanted and each in callbacks:
                    callbacks[each]()
        self.run()
        return bool(ready)
