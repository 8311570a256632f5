# SPDX-License-Identifier: Apache-2.0
"""CONFIG in the control stream, and what of it leaves the host."""

import json
import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import carry_over
from nova_dmore.channel import control
from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel import errors
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import region
from nova_dmore import wire
from tests import examples
from tests.unit.channel import test_carry_over

CONTROL = wire.Stream.CONTROL_TO_DOMAIN_R
GAP = {'type': wire.GAP, 'stream': 'serial0_out', 'at': 5, 'bytes': 3,
       'kind': 'exact', 'reason': 'too slow'}


def config(host, filler=0):
    """CONFIG as a host sends it: ``type`` comes last."""
    return {'host_key': f'SECRET of {host}', 'more': 'S' * filler,
            'type': wire.CONFIG}


def encoded(*messages):
    return b''.join(control.encode(each) for each in messages)


class WithoutSecretsTest(unittest.TestCase):

    def test_config_is_blank_and_gaps_stay(self):
        data = encoded(config('a'), GAP, config('b'), GAP)
        left = control.without_secrets(data)
        self.assertEqual(len(data), len(left))
        self.assertNotIn(b'SECRET', left)
        codec = control.LineCodec()
        self.assertEqual([GAP, GAP], codec.feed(left))

    @examples.settings()
    @hypothesis.given(
        strategies.lists(strategies.sampled_from(
            [config('a'), config('b', 300), GAP, {'type': 'later'}]),
            max_size=6),
        strategies.integers(0, 900), strategies.integers(0, 900))
    def test_wherever_it_is_cut(self, messages, first, last):
        data = encoded(*messages)
        known, unstored = data[:first], data[first:first + last]
        left = control.without_secrets(unstored)
        self.assertEqual(len(unstored), len(left))
        for secret in (b'SEC', b'S' * 3, b'host_key', b'config', b'later'):
            self.assertNotIn(secret, left)
        # Domain R has read what goes before, and its own host's follows.
        codec = control.LineCodec()
        before = codec.feed(known)
        received = codec.feed(left) + codec.feed(encoded(config('c')))
        self.assertEqual(config('c'), received[-1])
        # What was all there but its line end is complete with it.
        self.assertLessEqual(len([
            each for each in received[:-1] if each != GAP]), 1)
        for each in received[:-1]:
            self.assertIn(each, messages[len(before):])

    def test_it_costs_domain_r_few_lines(self):
        left = control.without_secrets(encoded(config('a', 30000)))
        self.assertLess(left.count(b'\n'), 4)

    def test_bytes_of_any_kind(self):
        for data in (b'', b'\n', b'x', b'\n\n', b'\xff\n\xff', b'{}\n',
                     b'{"type":7}\n', b'[' * 5000 + b'\n'):
            left = control.without_secrets(data)
            self.assertEqual(len(data), len(left))
            self.assertEqual(b'', left.strip(b' \n'))


class JsonTest(unittest.TestCase):

    def _value(self, data):
        value = test_carry_over.good()
        carried = carry_over.CarryOver.from_json(value)
        carried.unstored[CONTROL] = carry_over.Unstored(3, data)
        return carried.to_json()

    def test_of_a_process_that_runs_since_before_an_upgrade(self):
        data = encoded(config('a'), GAP)
        value = carry_over.without_secrets(
            json.loads(json.dumps(self._value(data))))
        parsed = carry_over.CarryOver.from_json(value)
        unstored = parsed.unstored.pop(CONTROL)
        self.assertEqual(
            (3, control.without_secrets(data)),
            (unstored.base, unstored.data))
        before = carry_over.CarryOver.from_json(self._value(data))
        del before.unstored[CONTROL]
        self.assertEqual(before, parsed)

    def test_where_it_is_not_found(self):
        for wrong in (None, {}, {'unstored': []},
                      {'unstored': {'serial0_out': {'data': ''}}},
                      {'unstored': {'control_to_domain_r': 'SECRET'}},
                      {'unstored': {'control_to_domain_r': {'data': '?'}}}):
            self.assertRaises(errors.CarryOverError,
                              carry_over.without_secrets, wrong)


class Hosts:
    """Two hosts, one after the other, and a Domain R that comes along."""

    def __init__(self):
        self.region = region.Region(bytearray(wire.REGION_SIZE))
        self.source = self.host()
        self.domr = domr_end.DomainREnd(self.region, lambda vector: None,
                                        send_limit=1000)
        self.codec = control.LineCodec()

    def host(self):
        return host_end.HostEnd(
            self.region, lambda vector: None,
            journal.Journal(bytearray(journal.journal_size())))

    def open(self, host, *arguments):
        host.open(*arguments)
        for _ in range(3):
            self.domr.poll()
            host.poll()

    def read(self):
        self.domr.poll()
        return self.codec.feed(self.domr.received(CONTROL))

    def move(self, from_json=lambda value: value):
        """The source stops, and a destination opens; -> what crossed."""
        self.source.poll()
        crossed = json.dumps(self.source.carry_over().to_json())
        carried = carry_over.CarryOver.from_json(
            from_json(json.loads(crossed)))
        destination = self.host()
        self.open(destination, carried)
        return destination, carried


class MigrationTest(unittest.TestCase):

    def test_domain_r_has_read_half_of_a_config(self):
        hosts = Hosts()
        hosts.open(hosts.source)
        # More than fits into the ring: the third is there in part.
        for name in ('a', 'b', 'c'):
            hosts.source.produce(CONTROL, encoded(config(name, 30000)))
        hosts.source.produce(CONTROL, encoded(GAP))
        self.assertEqual([config('a', 30000), config('b', 30000)],
                         hosts.read())
        self.assertNotEqual(b'', bytes(hosts.codec._pending))
        destination, carried = hosts.move()
        left = carried.unstored[CONTROL].data
        self.assertGreater(len(left), 20000)
        for secret in (b'SECRET', b'S' * 5):
            self.assertNotIn(secret, left)
        destination.produce(CONTROL, encoded(config('other')))
        self.assertEqual([GAP, config('other')], hosts.read())
        # The one that was cut, and what stands for the rest of it.
        self.assertEqual(2, hosts.codec.ignored)

    def test_nothing_was_read(self):
        hosts = Hosts()
        hosts.open(hosts.source)
        hosts.source.produce(CONTROL, encoded(config('a')))
        destination, carried = hosts.move()
        self.assertNotIn(b'SECRET', carried.unstored[CONTROL].data)
        destination.produce(CONTROL, encoded(config('other')))
        self.assertEqual([config('other')], hosts.read())

    def test_a_source_of_the_release_before(self):
        # It sends its CONFIG, which is not that of the destination.
        hosts = Hosts()
        hosts.open(hosts.source)
        data = encoded(config('a'), GAP)
        hosts.source.produce(CONTROL, data)

        def as_before(value):
            sent = carry_over.CarryOver.from_json(value)
            unstored = sent.unstored[CONTROL]
            sent.unstored[CONTROL] = carry_over.Unstored(unstored.base, data)
            return sent.to_json()

        destination, _carried = hosts.move(as_before)
        destination.produce(CONTROL, encoded(config('other')))
        self.assertEqual([GAP, config('other')], hosts.read())


if __name__ == '__main__':
    unittest.main()
