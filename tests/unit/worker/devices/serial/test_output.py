# SPDX-License-Identifier: Apache-2.0
"""How long a Domain R may hold the guest's output up."""

import contextlib
import os
import types
from unittest import mock

from oslotest import base as test_base

from nova_dmore.channel import carry_over
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire
from nova_dmore.worker.devices import base
from nova_dmore.worker.devices.serial import output as serial_out

OUT = wire.Stream.SERIAL0_OUT
State = wire.PairState
#: What Domain R may hold the guest up for, at most, if it takes nothing.
LIMIT_S = serial_out._STALL_GRACE_S


class SlowDomainR(test_base.BaseTestCase):
    """A guest that never stops printing, and a clock of the test's own."""

    def setUp(self):
        super().setUp()
        self.now = 1000.0
        clock = mock.patch.object(serial_out.time, 'monotonic',
                                  lambda: self.now)
        clock.start()
        self.addCleanup(clock.stop)
        self.pipe, self.guest = os.pipe2(os.O_NONBLOCK)
        self.addCleanup(os.close, self.pipe)
        self.addCleanup(os.close, self.guest)
        self.journal = journal.Journal(bytearray(journal.journal_size()))
        self.journal.anchored = True
        self.area = area = region.Region(bytearray(wire.REGION_SIZE))
        self.gaps = []
        self.machine = types.SimpleNamespace(
            state=State.LIVE, takes_output=True, domain_r_left=False,
            domain_r_running=True)
        self.output = serial_out.SerialOutput(base.DeviceContext(
            loop=None, region=area, ring=None,
            host_end=host_end.HostEnd(area, lambda vector: None,
                                      self.journal),
            journal=self.journal,
            serial=base.SerialPipes(-1, self.pipe, -1, 0, 0),
            machine=self.machine, report_gap=lambda *gap: self.gaps.append(
                (self.now, *gap)), commands=None, last_input=None,
            input_limit_reached=None, check_freeze=None,
            config={'stall_ms': 0}))
        self.printed = 0

    def print_on(self):
        """-> whether the guest goes on: it fills the pipe and all is taken.
        """
        self.printed += os.write(self.guest, bytes(2048))
        self.output.pump()
        return not self.output.held_for()

    def fill(self):
        while self.print_on():
            pass

    def store(self, count):
        """Domain R has stored so many bytes more."""
        base = self.journal.base(OUT)
        self.journal.set_base(OUT, min(base + count,
                                       self.journal.position(OUT)))
        self.output.pump()


class TestPatience(SlowDomainR):

    def given_up_after(self, rate, interval, most=120.0):
        self.fill()
        start, dropped = self.now, self.journal.dropped(OUT)
        while self.now < start + most:
            self.now += interval
            self.store(int(rate * interval))
            with contextlib.suppress(BlockingIOError):  # the guest waits
                os.write(self.guest, bytes(1024))
            self.output.pump()
            if self.journal.dropped(OUT) > dropped or (
                    self.output._window.size == serial_out._KEPT):
                return self.now - start
        return None

    def test_nothing_is_stored(self):
        self.assertEqual(LIMIT_S, self.given_up_after(0, 0.5))

    def test_what_can_be_carried_over_is_kept_before_any_is_dropped(self):
        self.fill()
        self.now += LIMIT_S + 1
        while not self.journal.dropped(OUT):
            self.print_on()
        unstored = self.journal.position(OUT) - self.journal.base(OUT)
        self.assertLess(serial_out._KEPT - 2048, unstored)
        self.assertLessEqual(unstored + serial_out._READ_MAX,
                             carry_over.CARRY_OVER_DATA_MAX)
        self.assertEqual(self.printed, unstored + self.journal.dropped(OUT))

    def test_a_byte_a_second_is_not_enough(self):
        self.assertLessEqual(self.given_up_after(1, 1.0), LIMIT_S + 1)

    def test_somewhat_less_than_enough(self):
        after = self.given_up_after(wire.SERIAL_RATE_LEAST * 0.5, 0.5)
        self.assertLessEqual(LIMIT_S, after)
        self.assertLessEqual(after, 2 * LIMIT_S + 1)

    def test_the_least_rate_is_waited_for_for_ever(self):
        self.assertIsNone(
            self.given_up_after(wire.SERIAL_RATE_LEAST, 0.5))
        self.assertEqual([], self.gaps)

    def test_waits_add_up_over_pauses_of_the_guest(self):
        self.fill()
        for _ in range(int(LIMIT_S) - 1):
            self.now += 1.0
            self.store(1)
            self.assertTrue(self.output.held_for())
        # The guest says nothing for a while; that is no wait.
        left = self.output.held_for()
        self.assertLess(left, 1.5)
        self.now += left + 0.01
        self.output.pump()
        self.assertFalse(self.output.held_for())

    def test_another_epoch_gives_no_time(self):
        self.fill()
        for _ in range(int(LIMIT_S) * 2):
            self.now += 0.6
            self.output.opened()
            # It claims to be far ahead, too.
            with self.journal.transaction():
                self.journal.shift(OUT, self.journal.base(OUT) + (1 << 40))
            self.output.opened()
            self.output.pump()
            if not self.output.held_for():
                break
        else:
            self.fail('the guest is held up for ever')

    def test_time_while_output_is_dropped_does_not_count(self):
        """The next Domain R is not blamed for what the last one did."""
        self.fill()
        self.now += LIMIT_S + 1
        for _ in range(3):      # given up: the guest goes on
            self.assertTrue(self.print_on())
        for _ in range(300):    # until nothing is kept any more
            self.print_on()
        self.assertLess(0, dropped := self.journal.dropped(OUT))
        self.now += 3600.0
        self.store(1 << 30)
        self.output.opened()
        # It takes twice the least rate of a guest that prints all it can.
        for _ in range(200):
            self.now += 0.5
            with contextlib.suppress(BlockingIOError):  # the guest waits
                os.write(self.guest, bytes(1 << 15))
            self.output.pump()
            self.store(wire.SERIAL_RATE_LEAST)
        self.assertEqual(dropped, self.journal.dropped(OUT))

    def test_the_next_domain_r_has_time_to_join(self):
        self.machine.takes_output = False
        end = self.output._host_end
        end.open()
        for _ in range(1200):       # all that is kept, and more
            self.assertTrue(self.print_on())
        domain_r = domr_end.DomainREnd(self.area, lambda vector: None)
        for polls in range(20):
            if end.poll().opened:
                break
            self.print_on()
            domain_r.poll()
            self.print_on()
        self.assertLess(polls, 5)

    def test_gaps_have_a_rate(self):
        """A Domain R that takes some at times makes no report each time."""
        self.fill()
        self.now += LIMIT_S + 1
        start = self.now
        while self.now < start + 5:
            self.now += 0.01
            for _ in range(3):
                with contextlib.suppress(BlockingIOError):
                    os.write(self.guest, bytes(4096))
                self.output.pump()
            self.store(4)
        times = [gap[0] for gap in self.gaps]
        self.assertLess(1, len(times))
        self.assertLessEqual(len(times), 6)
        self.assertEqual(self.journal.dropped(OUT) -
                         self.journal.unreported(OUT),
                         sum(gap[-1] for gap in self.gaps))
