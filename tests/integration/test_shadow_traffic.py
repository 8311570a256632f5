# SPDX-License-Identifier: Apache-2.0
"""What passes through keeper and worker, also when a QEMU is replaced."""

import os
import signal
import threading

from nova_dmore import wire
from tests.integration import live_pair
from tests.unit.worker import fakes

State = wire.PairState
wait_for = fakes.wait_for


class TestTraffic(live_pair.LivePair):

    def test_both_ways(self):
        instance, domain_r = self.go_live()
        instance.prints(b'login: ')
        wait_for(lambda: domain_r.output == b'login: ')
        domain_r.types(b'root\r')
        self.assertEqual(b'root\r', instance.reads(5))
        wait_for(lambda: self.taken() == 5)
        status = self.client.status()
        self.assertEqual('running', status.instance.status)
        self.assertTrue(status.domain_r.attached)
        self.assertEqual((), status.gaps)

    def test_output_from_before_domain_r(self):
        instance = self.pair.instance()
        instance.prints(b'BIOS')
        self.assertEqual(State.STARTING, self.client.live(0))
        domain_r = self.pair.domain_r()
        wait_for(lambda: domain_r.output == b'BIOS')

    def test_input_counts_when_it_is_read(self):
        instance, domain_r = self.go_live()
        domain_r.types(b'abc')
        wait_for(lambda: instance.unread() == 3)
        self.assertEqual(0, self.taken())
        self.assertEqual(b'a', instance.reads(1))
        wait_for(lambda: self.taken() == 1)
        self.assertEqual(b'bc', instance.reads(2))

    def test_more_input_than_there_is_room_for(self):
        instance, domain_r = self.go_live()
        typed = os.urandom(50000)
        domain_r.types(typed)
        self.assertEqual(typed, instance.reads(len(typed)))
        wait_for(lambda: self.taken() == len(typed))

    def test_much_of_both(self):
        instance, domain_r = self.go_live()
        data = b''.join(b'%07d\n' % n for n in range(50000))
        typed = b''.join(b'%05d\n' % n for n in range(500))
        domain_r.types(typed)
        sender = threading.Thread(target=instance.prints, args=[data])
        sender.start()
        self.assertEqual(typed, instance.reads(len(typed)))
        sender.join(10)
        wait_for(lambda: len(domain_r.output) >= len(data))
        self.assertEqual(data, domain_r.output)

    def test_paused_instance_gets_no_input(self):
        instance, domain_r = self.go_live()
        instance.stop()
        wait_for(lambda: self.client.status().instance.status == 'paused')
        domain_r.types(b'x')
        self.assertTrue(instance.reads_nothing())
        self.assertEqual(State.LIVE, self.client.status().state)
        instance.resume()
        self.assertEqual(b'x', instance.reads(1))

    def test_configuration_reaches_every_domain_r(self):
        self.client.configure({'ssh_port': 22})
        _, domain_r = self.go_live()
        wait_for(lambda: domain_r.messages(wire.CONFIG))
        self.client.configure({'ssh_port': 2222})
        wait_for(lambda: [each['ssh_port'] for each in
                          domain_r.messages(wire.CONFIG)] == [22, 2222])
        live_pair.ends(domain_r, self.client)
        second = self.pair.domain_r()
        wait_for(lambda: second.messages(wire.CONFIG))
        self.assertEqual(2222, second.messages(wire.CONFIG)[0]['ssh_port'])

    def test_what_the_instance_does_reaches_domain_r(self):
        instance, domain_r = self.go_live()

        def states(of=domain_r):
            return [each['state'] for each in of.messages(wire.STATE)]
        wait_for(lambda: states() == ['running'])
        instance.qmp.event('RESET')
        wait_for(lambda: states()[1:] == ['rebooting', 'running'])
        instance.stop()
        wait_for(lambda: states()[3:] == ['paused'])
        self.client.arm('m', wire.Role.SOURCE)
        wait_for(lambda: states()[4:] == ['migrating'])
        self.client.arm('m', wire.Role.SOURCE, on=False)
        instance.resume()
        wait_for(lambda: states()[5:] == ['running'])
        instance.close()
        wait_for(lambda: states()[6:] == ['off'])
        live_pair.ends(domain_r, self.client)
        second = self.pair.domain_r()
        # Twice, if the first had not taken it when it ended.
        wait_for(lambda: set(states(second)) == {'off'})

    def test_what_domain_r_says(self):
        _, domain_r = self.go_live()
        domain_r.says({'type': wire.LOG, 'level': 'info', 'text': 'a\nb'})
        domain_r.says({'type': wire.SERVING, 'ssh': 1, 'serial': 0, 'vnc': 2,
                       'boot_s': 2.5, 'memory_kib': 30000, 'x': [1]})
        wait_for(lambda: self.client.status().serving)
        self.assertEqual({'ssh': 1, 'serial': 0, 'vnc': 2, 'boot_s': 2.5,
                          'memory_kib': 30000}, self.client.status().serving)
        self.assertIn(r'Domain R: a\nb', self.pair.logged())

    def test_break_keeps_its_place(self):
        instance, domain_r = self.go_live()
        domain_r.types(b'ab')
        domain_r.says({'type': wire.BREAK, 'stream': 'serial0_in', 'at': 2})
        domain_r.types(b'c')

        def breaks():
            return [each for each in instance.qmp.commands
                    if each['execute'] == 'chardev-send-break']
        self.assertEqual(b'ab', instance.reads(2))
        wait_for(breaks)
        self.assertEqual({'id': 'charserial0'}, breaks()[0]['arguments'])
        self.assertEqual(b'c', instance.reads(1))
        self.assertEqual(1, len(breaks()))

    def test_break_waits_for_the_input_before_it(self):
        instance, domain_r = self.go_live()
        domain_r.types(b'ab')
        wait_for(lambda: instance.unread() == 2)
        domain_r.says({'type': wire.BREAK, 'stream': 'serial0_in', 'at': 2})
        domain_r.types(b'c')
        self.assertEqual(b'a', instance.reads(1))
        wait_for(lambda: self.taken() == 1)
        self.assertNotIn('chardev-send-break', [
            each['execute'] for each in instance.qmp.commands])
        self.assertEqual(1, instance.unread())
        self.assertEqual(b'bc', instance.reads(2))

    def test_domain_r_that_takes_nothing(self):
        self.client.configure({'stall_ms': 0})
        instance, domain_r = self.go_live()
        domain_r.pause_output(True)
        data = os.urandom(1 << 19)
        instance.prints(data)   # does not hang for good
        wait_for(lambda: not instance.printed(), 30)
        domain_r.pause_output(False)
        wait_for(lambda: domain_r.output)
        wait_for(lambda: self.client.status().streams['serial0_out'][
            'base'] == len(domain_r.output))
        instance.prints(b'end')
        wait_for(lambda: domain_r.output.endswith(b'end'))
        gaps = wait_for(self.pair.gaps)
        self.assertEqual(len(data) + 3,
                         len(domain_r.output) + sum(g.bytes for g in gaps))
        at = gaps[0].at
        self.assertEqual(data[:at], domain_r.output[:at])
        self.assertEqual({'exact'}, {gap.kind.value for gap in gaps})
        wait_for(lambda: domain_r.messages(wire.GAP))

    def test_without_domain_r_the_guest_is_not_slowed(self):
        self.client.configure({'scrollback_bytes': 1000})
        instance = self.pair.instance()
        data = os.urandom(1 << 19)
        instance.prints(data)
        wait_for(lambda: self.client.status().streams['serial0_out'][
            'position'] == len(data))
        domain_r = self.pair.domain_r()
        wait_for(lambda: domain_r.output)
        self.assertEqual(data[-len(domain_r.output):], domain_r.output)
        self.assertLessEqual(len(domain_r.output), 1000)


class TestReplacements(live_pair.LivePair):

    def test_instance_started_anew(self):
        """What it had not read is lost with it, and not the next boot's."""
        instance, domain_r = self.go_live()
        domain_r.types(b'abc')
        self.assertEqual(b'a', instance.reads(1))
        wait_for(lambda: instance.unread() == 2)
        instance.prints(b'last words')
        instance.close()
        wait_for(lambda: domain_r.output == b'last words')
        wait_for(lambda: self.taken() == 3)
        second = self.pair.instance()
        wait_for(lambda: self.client.status().instance.status == 'running')
        self.assertTrue(second.reads_nothing())
        second.prints(b'first words')
        wait_for(lambda: domain_r.output == b'last wordsfirst words')
        domain_r.types(b'd')
        self.assertEqual(b'd', second.reads(1))
        self.assertEqual((), self.pair.gaps())

    def test_typed_while_it_is_off(self):
        """It goes to no boot loader: not what came when it was off already,
        nor what nobody had taken then, whoever told it to Domain R."""
        instance, domain_r = self.go_live()
        domain_r.types(b'a' * 60_000)
        wait_for(lambda: instance.unread() > 4000)
        instance.close()
        wait_for(lambda: self.taken() == 60_000)
        domain_r.types(b'hello?')
        domain_r.says({'type': wire.BREAK, 'stream': 'serial0_in',
                       'at': 60_006})
        domain_r.types(b' reboot\r')
        wait_for(lambda: self.taken() == 60_014)
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        second = self.pair.instance()
        self.assertTrue(second.reads_nothing(1.0))
        domain_r.types(b'root\r')
        self.assertEqual(b'root\r', second.reads(5))
        self.assertEqual((), self.pair.gaps())

    def test_typed_in_a_pause_before_a_reset(self):
        """Domain R says what was typed before it; that is for nobody, and
        its clients are told."""
        instance, domain_r = self.go_live()
        domain_r.says({'type': wire.SERVING, 'ssh': 1, 'hears_boots': 1})
        instance.stop()
        wait_for(lambda: self.client.status().instance.status == 'paused')
        domain_r.types(b'hello')
        instance.qmp.event('RESET')
        (asked,) = wait_for(lambda: domain_r.messages(wire.BOOT))
        instance.resume()
        domain_r.types(b'?')
        self.assertTrue(instance.reads_nothing())
        os.kill(self.client.status().worker_pid, signal.SIGKILL)
        wait_for(lambda: len(domain_r.messages(wire.BOOT)) == 2)
        self.assertEqual(asked, domain_r.messages(wire.BOOT)[1])
        domain_r.says({'type': wire.BOOT_HEARD, 'number': asked['number'],
                       'at': 6})
        domain_r.types(b'root')
        self.assertEqual(b'root', instance.reads(4))
        (told,) = wait_for(lambda: domain_r.messages(wire.GAP))
        self.assertEqual(('serial0_in', 0, 6, 'exact'), tuple(
            told[name] for name in ('stream', 'at', 'bytes', 'kind')))
        self.assertEqual((), self.pair.gaps())

    def test_taken_byte_of_an_ended_instance(self):
        instance, domain_r = self.go_live()
        domain_r.types(b'a')
        self.assertEqual(b'a', instance.reads(1))
        instance.close()
        # What is typed to no instance is not kept for the next one.
        wait_for(lambda: not self.client.status().instance.connected)
        second = self.pair.instance()
        wait_for(lambda: self.client.status().instance.status == 'running')
        domain_r.types(b'b')
        self.assertEqual(b'b', second.reads(1))
        self.assertEqual((), self.pair.gaps())

    def test_domain_r_started_anew(self):
        instance, domain_r = self.go_live()
        instance.prints(b'one')
        wait_for(lambda: domain_r.output == b'one')
        domain_r.types(b'x')
        self.assertEqual(b'x', instance.reads(1))
        domain_r.close()
        wait_for(lambda: self.client.status().state is State.STARTING)
        instance.prints(b'two')
        second = self.pair.domain_r()
        wait_for(lambda: second.output == b'two')
        self.pair.live()
        second.types(b'y')
        self.assertEqual(b'y', instance.reads(1))
        gap, = self.pair.gaps()
        self.assertEqual(('serial0_in', wire.GapKind.UNKNOWN),
                         (gap.stream, gap.kind))
        self.client.forget_gaps([gap.number])
        self.assertEqual((), self.pair.gaps())
