# SPDX-License-Identifier: Apache-2.0
"""A migration of the pair of :mod:`.killed_case`, to another host or to none.
"""

from nova_dmore.channel.host import journal
from nova_dmore.link import messages
from nova_dmore.link import notes
from nova_dmore import wire
from tests.unit.worker.devices.keyboard import killed_case


class MovedCase(killed_case.KilledCase):
    """A pair whose instance is migrated."""

    def arm(self):
        """A migration of the instance begins."""
        if not self._is_armed:
            self._is_armed = True
            self._migrations += 1
            self._request_arm(wire.Role.SOURCE, True)

    def _request_arm(self, role, on):
        self.request(wire.Request.ARM, role=role, on=on,
                     migration_id=f'm{self._migrations}')

    def save(self):
        """QEMU saves the state of an instance that stands still."""
        if self._is_armed and not self.qemu.runs and self._count is None:
            self.qemu.has_saved = True
            self._count = {
                'type': messages.ToWorker.COUNT, 'output': 0, 'unread': 0,
                'final': True, 'unsure_in': 0, 'unsure_out': 0}
            self._send(self._count)

    def move(self, lines, carries, follows=True):
        """The instance and Domain R leave, and are on another host.

        :param lines: after how many the worker is killed, in each turn.
        :param carries: when the source's word is there: 'first', 'last' or
            'late'; or 'never'.
        :param follows: whether Domain R does, or another one is there.
        """
        lines = iter(lines)
        self.arm()
        self.turn(next(lines, None))
        self.run_instance(False)
        self.turn(next(lines, None))
        self.save()
        while self.qemu.obey() or self.pair.machine.state != 'frozen':
            self.turn(next(lines, None), seconds=0.1)
        self.turn()
        carried = self.pair._handler._hand_over(0).result()['carry_over']
        self._arrive(lines, carries, carried, follows)

    def _arrive(self, lines, carries, carried, follows):
        domr, self.domr = self.domr, None
        self._requests.clear()
        self._is_armed = False
        self._count = self._last_input = self._last_break = None
        self.qemu.arrives()
        self._memory[1:] = [self._memfd(journal.journal_size()),
                            self._memfd(notes.NOTES_SIZE)]
        self._status = 'inmigrate'
        self.new_worker()
        self._request_arm(wire.Role.DESTINATION, True)

        def carry():
            if carried is None:
                return      # nothing was opened there
            self.request(wire.Request.CARRY_OVER, carry_over=carried,
                         migration_id=f'm{self._migrations}')
            self.turn(next(lines, None))

        self.turn(next(lines, None))
        if carries == 'first':
            carry()
        self._generation += 1
        self.domr, self._is_arriving = domr, follows
        if not follows:
            self._boot()
        self._tell_domain_r()
        self.turn(next(lines, None))
        self._status = None
        self.run_instance(True)
        self.turn(next(lines, None))
        if carries == 'last':
            carry()
        self.turn(next(lines, None), seconds=2.5)
        if carries == 'late':
            carry()
        self.turn(seconds=2.5)      # a new worker waits anew
        self.quiesce()

    def disarm(self):
        """It comes to nothing."""
        if self._is_armed:
            self._is_armed = False
            self._count = None
            self.qemu.stays()
            self.run_instance(True)
            self._request_arm(wire.Role.SOURCE, False)
