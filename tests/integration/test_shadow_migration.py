# SPDX-License-Identifier: Apache-2.0
"""The stop and the arrival, with real processes at both ends."""

import os
import signal
import time

from nova_dmore import exception
from nova_dmore import wire
from tests.integration import live_pair
from tests.integration import stop_case
from tests.unit.worker import fakes

State = wire.PairState
SOURCE = wire.Role.SOURCE
DESTINATION = wire.Role.DESTINATION
wait_for = fakes.wait_for


class TestMove(stop_case.Stop):
    """From one keeper to another."""

    def setUp(self):
        super().setUp()
        self.other = fakes.Pair(self)
        self.other.client.arm('m', DESTINATION)
        self.new_instance = self.other.instance('inmigrate')
        self.new_domain_r = self.other.domain_r('inmigrate', boot=False)
        wait_for(lambda: self.other.client.status().domain_r.status ==
                 'inmigrate')

    def freeze(self):
        self.instance.prints(b'last')
        self.instance.leaves()
        self.frozen = self.client.frozen(1000)
        self.domain_r.stop()
        return self.client.hand_over(1000)

    def arrive(self, mangle=lambda memory: None):
        self.new_domain_r.arrive_from(self.domain_r, mangle)

    def check_both_ways(self, before=b''):
        self.other.live()
        self.new_instance.prints(b'next')
        wait_for(lambda: self.new_domain_r.output == before + b'next')
        self.new_domain_r.types(b'y')
        self.assertEqual(b'xy', self.new_instance.reads(2))
        self.assertTrue(self.new_instance.reads_nothing())

    def test_with_carry_over(self):
        self.domain_r.types(b'w')
        self.assertEqual(b'w', self.instance.reads(1))
        carried = self.freeze()
        self.domain_r.types(b'x')
        answer = self.other.client.carry_over('m', carried)
        self.assertTrue(answer.accepted, answer.reason)
        self.new_instance.prints(b'first')
        self.new_instance.resume()
        self.assertEqual(State.INCOMING, self.other.client.live(50))
        self.assertTrue(self.new_instance.reads_nothing())
        self.arrive()
        self.check_both_ways(b'lastfirst')
        self.assertEqual((), self.other.gaps())
        repeated = self.other.client.carry_over('m', carried)
        self.assertFalse(repeated.accepted)

    def test_region_is_left_alone_while_domain_r_arrives(self):
        carried = self.freeze()
        before = bytes(self.new_domain_r.memory)
        self.other.client.carry_over('m', carried)
        self.new_instance.resume()
        e = self.assertRaises(exception.ShadowAnswerError,
                              self.other.client.hold, True)
        self.assertIn('not running here', str(e))
        time.sleep(2 * wire.POLL_INTERVAL_S)
        self.assertEqual(before, bytes(self.new_domain_r.memory))

    def test_domain_r_does_not_run_before_its_instance(self):
        self.freeze()
        self.arrive()
        time.sleep(0.2)
        self.assertFalse(self.new_domain_r.running)
        self.new_instance.resume()
        wait_for(lambda: self.new_domain_r.running)

    def commands(self):
        return [each['execute'] for each in self.new_domain_r.qmp.commands]

    def test_instance_runs_while_domain_r_is_loaded(self):
        self.freeze()
        self.new_instance.resume()
        wait_for(lambda: 'cont' in self.commands())
        self.assertFalse(self.new_domain_r.running)
        self.new_domain_r.tells_that_it_is_loaded = False
        self.arrive()
        wait_for(lambda: self.new_domain_r.running)
        before = self.commands().count('cont')
        # Whoever stops it now has a reason.
        self.new_domain_r.stop()
        time.sleep(0.3)
        self.assertEqual(before, self.commands().count('cont'))
        self.assertFalse(self.new_domain_r.running)

    def leaves_early(self):
        """Domain R's QEMU switches over by itself, and goes."""
        self.domain_r.types(b'w')
        self.assertEqual(b'w', self.instance.reads(1))
        self.instance.prints(b'before')
        wait_for(lambda: self.domain_r.output == b'before')
        self.domain_r.stop()
        self.arrive()
        self.domain_r.qmp.close()
        self.domain_r._socket.close()
        self.domain_r.types(b'x')       # in its own memory
        wait_for(lambda: not self.client.status().domain_r.attached)

    def test_domain_r_leaves_early(self):
        self.leaves_early()
        data = b''.join(b'%07d\n' % n for n in range(10000))
        self.instance.prints(data)
        self.assertTrue(self.instance.reads_nothing())
        self.instance.leaves()
        self.assertIsNotNone(self.client.frozen(1000).stopped_at)
        answer = self.other.client.carry_over(
            'm', self.client.hand_over(1000))
        self.assertTrue(answer.accepted, answer.reason)
        self.assertFalse(self.new_domain_r.running)
        self.new_instance.resume()
        self.check_both_ways(b'before' + data)
        self.assertEqual((), self.client.status().gaps)
        self.assertEqual((), self.other.gaps())

    def test_domain_r_that_left_early_comes_back(self):
        self.leaves_early()
        self.instance.prints(b'meanwhile')
        back = self.pair.domain_r('inmigrate', boot=False)
        back.arrive_from(self.new_domain_r)
        # Not sooner: one that is not here then has ended.
        self.client.arm('m', SOURCE, on=False)
        self.pair.live()
        self.assertTrue(back.running)
        wait_for(lambda: back.output == b'beforemeanwhile')
        self.assertEqual(b'x', self.instance.reads(1))
        back.types(b'y')
        self.assertEqual(b'y', self.instance.reads(1))
        self.assertEqual((), self.client.status().gaps)

    def test_paused_instance_that_arrives(self):
        carried = self.freeze()
        self.other.client.carry_over('m', carried)
        self.arrive()
        self.assertEqual(State.INCOMING, self.other.client.live(100))
        self.other.client.adopt()
        self.other.live()
        wait_for(lambda: self.new_domain_r.output == b'last')
        self.new_domain_r.types(b'x')
        self.assertTrue(self.new_instance.reads_nothing())
        self.new_instance.resume()
        self.assertEqual(b'x', self.new_instance.reads(1))
        self.assertEqual((), self.other.gaps())

    def test_output_from_before_the_resume_counts_only_with_it(self):
        carried = self.freeze()
        self.new_instance.prints(b'UART')
        time.sleep(0.1)
        self.assertEqual(4, self.new_instance.printed())
        self.other.client.carry_over('m', carried)
        self.new_instance.resume()
        self.arrive()
        self.other.live()
        wait_for(lambda: self.new_domain_r.output == b'lastUART')

    def test_without_carry_over_after_a_freeze(self):
        self.freeze()
        self.domain_r.types(b'x')
        self.new_instance.resume()
        self.arrive()
        # It knows all itself; that is asked when nothing else comes.
        self.check_both_ways(b'last')
        self.assertEqual((), self.other.gaps())

    def test_without_carry_over_and_freeze(self):
        self.domain_r.stop()
        carried = self.freeze()
        self.assertFalse(self.frozen.acknowledged)
        self.domain_r.types(b'x')
        self.new_instance.resume()
        begin = time.monotonic()
        self.arrive()
        self.other.live()
        self.assertGreater(time.monotonic() - begin,
                           wire.CARRY_OVER_LIMIT_S - 0.1)
        gaps = self.other.gaps()
        self.assertIn(('serial0_out', wire.GapKind.UNKNOWN, 'm'),
                      {(g.stream, g.kind, g.migration_id) for g in gaps})
        self.assertFalse(self.other.client.carry_over(
            'm', carried).accepted)
        self.assertEqual(gaps, self.other.gaps())

    def test_carry_over_of_a_stopped_domain_r(self):
        self.domain_r.stop()
        carried = self.freeze()
        self.domain_r.types(b'x')
        self.other.client.carry_over('m', carried)
        self.new_instance.resume()
        self.arrive()
        self.check_both_ways(b'last')
        self.assertEqual((), self.other.gaps())

    def test_stale_host_page(self):
        carried = self.freeze()
        self.domain_r.types(b'x')
        self.other.client.carry_over('m', carried)
        self.new_instance.resume()

        def mangle(memory):
            memory[:wire.DOMAIN_R_PAGE] = bytes(wire.DOMAIN_R_PAGE)
            memory[wire.DATA_START:] = bytes(
                len(memory) - wire.DATA_START)
        self.arrive(mangle)
        self.check_both_ways(b'last')

    def test_killed_destination_worker(self):
        carried = self.freeze()
        self.domain_r.types(b'x')
        self.other.client.carry_over('m', carried)
        self.new_instance.prints(b'first')
        os.kill(self.other.client.status().worker_pid, signal.SIGKILL)
        self.new_instance.resume()
        self.arrive()
        self.check_both_ways(b'lastfirst')
        self.assertEqual((), self.other.gaps())

    def test_fresh_domain_r_at_the_destination(self):
        carried = self.freeze()
        self.other.client.carry_over('m', carried)
        live_pair.ends(self.new_domain_r, self.other.client)
        self.new_instance.resume()
        fresh = self.other.domain_r()
        self.other.live()
        self.new_instance.prints(b'next')
        wait_for(lambda: fresh.output == b'next')

    def test_wrong_carry_over(self):
        self.assertFalse(self.other.client.carry_over('n', {}).accepted)
        self.assertRaises(exception.ShadowAnswerError,
                          self.other.client.carry_over, 'm', {})

    def test_live_pair_is_no_destination(self):
        self.assertRaises(exception.ShadowAnswerError,
                          self.client.arm, 'n', DESTINATION)
