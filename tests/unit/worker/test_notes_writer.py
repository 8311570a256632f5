# SPDX-License-Identifier: Apache-2.0
"""A worker's notes have room for all that it may have to keep."""

import json

from nova_dmore.channel import carry_over
from nova_dmore.channel import display
from nova_dmore.link import notes
from nova_dmore import wire
from nova_dmore.worker import notes_writer
from tests.unit.worker.devices.keyboard import killed_case

_OUT = wire.Stream.SERIAL0_OUT
#: Each character of it takes two when it is printable, and three in JSON.
_TEXT = '\n' * 9999


class FullTest(killed_case.KilledCase):
    """A pair of which everything is full."""

    def fill(self):
        """Everything but the carry-over is full, at a destination."""
        self.begin()
        self.lose()
        self.turn()
        self.pair.gap_log.forget(range(9))
        self.pair.machine.arm('m' * 200, wire.Role.DESTINATION, True, 0.0)
        self.pair.configure({'authorized_keys': ['k' * 30000]})
        sessions = self.pair.control.sessions
        self.pair.note = lambda: None   # it is slow
        for number in range(wire.SESSION_EVENTS_MAX):
            self.loop.now += 1
            for kind in wire.SESSION_BEGAN, wire.SESSION_ENDED:
                sessions.take({
                    'type': kind, 'server': 'ssh', 'number': number,
                    'session': self.session(number)})
        for server in wire.SESSION_SERVERS:
            sessions.take({
                'type': wire.SESSIONS, 'server': server, 'sessions': [
                    self.session(number)
                    for number in range(wire.SESSIONS_MAX)]})
        for number in range(wire.GAPS_MAX):
            for stream in wire.Stream:
                self.pair.report_gap(
                    stream, wire.GapKind.AMBIGUOUS, _TEXT, 1 << 62, 1)
        del self.pair.note

    def session(self, number):
        return {'number': number, 'age_s': 1, 'port': 65535, 'who': _TEXT,
                'address': '2001:0db8:1111:2222:3333:4444:5555:6666',
                'view_only': False}

    def carried(self):
        """The largest carry-over."""
        lines = carry_over.Unstored(
            1 << 60, b'\n' * carry_over.CARRY_OVER_DATA_MAX)
        return carry_over.CarryOver(
            1 << 60, True,
            {stream: 1 << 60 for stream, (direction, _)
             in wire.GEOMETRY.items() if direction is wire.Direction.TO_HOST},
            {stream: lines for stream, (direction, _)
             in wire.GEOMETRY.items()
             if direction is wire.Direction.TO_DOMAIN_R},
            display.Picture(display.SIDE_MAX, display.SIDE_MAX, (
                b'\xff' * display.HASH_SIZE,) * display.band_count(
                    display.SIDE_MAX)),
            keys=frozenset(range(256)), owed_keys=frozenset(range(256)))

    def test_all_of_it_and_a_carry_over(self):
        self.fill()
        self.request(wire.Request.CARRY_OVER, migration_id='m' * 200,
                     carry_over={**self.carried().to_json(),
                                 'more': 'x' * 100000})
        self.turn()
        kept = notes.Notes(self._memory_of_notes()).read()
        limit = self.pair.carried_limit(_OUT)
        self.assertEqual(
            carry_over.CARRY_OVER_DATA_MAX, limit)
        carried = carry_over.CarryOver.from_json(kept['carried'])
        self.assertEqual(limit, len(carried.unstored[_OUT].data))
        # What was dropped was counted.
        status = self.pair._handler._status()
        self.assertEqual(
            2 * wire.SESSION_EVENTS_MAX,
            len(status['session_events']) + status['session_events_untold'])
        self.assertEqual(
            5 * wire.GAPS_MAX, sum(gap['bytes'] for gap in status['gaps']))
        # And the next worker has the same.
        self.new_worker()
        after = self.pair._handler._status()
        for name in 'gaps', 'session_events', 'session_events_untold':
            self.assertEqual(status[name], after[name])

    def test_nothing_is_dropped_without_need(self):
        self.fill()
        self.pair.note()
        status = self.pair._handler._status()
        self.assertEqual(wire.SESSION_EVENTS_MAX,
                         len(status['session_events']))
        self.assertLess(wire.GAPS_MAX, len(status['gaps']))

    def test_what_cannot_be_shortened_finds_room(self):
        self.fill()
        self.pair.carried = self.carried().within(
            self.pair.carried_limit).to_json()
        for shorten in (self.pair.control.sessions.shorten,
                        self.pair.gap_log.shorten, self.pair.control.shorten):
            while shorten():
                pass
        self.assertLess(len(json.dumps(self.pair._to_notes())),
                        (notes.NOTES_SIZE >> 1) * 0.97)


class NoRoomTest(killed_case.base.BaseTestCase):

    def test_nothing_is_left_to_be_dropped(self):
        writer = notes_writer.NotesWriter(
            notes.Notes(bytearray(notes.NOTES_SIZE)),
            lambda: {'x': 'x' * notes.NOTES_SIZE}, [lambda: False])
        self.assertRaises(notes.NoRoomError, writer.write)
