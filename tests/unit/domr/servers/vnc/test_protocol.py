# SPDX-License-Identifier: Apache-2.0
"""The link to nova-dmore-vnc: the two statements of it, and hostile packets.
"""

import pathlib
import re
import subprocess
import tempfile

from oslotest import base

from nova_dmore.channel import display
from nova_dmore.domr.servers.vnc import program
from nova_dmore.domr.servers.vnc import protocol
from nova_dmore import wire

_HEADER = program.PROGRAM.folder / 'protocol.h'
#: What each message is in C.
_STRUCTS = {each: f'vnc_{each.name.lower()}' for each in protocol.Type}


def _compiled(expressions: dict[str, str]) -> dict[str, int]:
    """Values of expressions, as the C compiler sees them."""
    lines = '\n'.join(f'printf("%s %lld\\n", "{name}", (long long)({text}));'
                      for name, text in expressions.items())
    with tempfile.TemporaryDirectory() as directory:
        source = pathlib.Path(directory, 'values.c')
        source.write_text(
            f'#include <stdio.h>\n#include <stddef.h>\n#include "{_HEADER}"\n'
            f'int main(void) {{ {lines} return 0; }}\n')
        path = source.with_suffix('')
        subprocess.run(['gcc', '-o', path, source], check=True)
        output = subprocess.run([path], check=True, capture_output=True,
                                text=True).stdout
    return {name: int(value) for name, value in map(str.split,
                                                    output.splitlines())}


class LayoutTest(base.BaseTestCase):

    def test_numbers_are_the_same(self):
        wanted = {'VNC_VERSION': protocol.VERSION,
                  'VNC_SESSIONS_MAX': protocol.SESSIONS_MAX,
                  'VNC_NAME_SIZE': protocol.NAME_SIZE,
                  'VNC_CREDIT': protocol.CREDIT,
                  'VNC_CURSOR_SIDE_MAX': protocol.CURSOR_SIDE_MAX,
                  'VNC_RECTANGLES_MAX': protocol.RECTANGLES_MAX,
                  'VNC_EVENTS_MAX': protocol.EVENTS_MAX,
                  'VNC_PAGE': protocol.PAGE,
                  'VNC_BLANK_WIDTH': protocol.BLANK_WIDTH,
                  'VNC_BLANK_HEIGHT': protocol.BLANK_HEIGHT,
                  'VNC_BLANK_SIZE': protocol.BLANK_SIZE,
                  'VNC_BANNER_ROWS': protocol.BANNER_ROWS,
                  'VNC_BANNER_WIDTH_MAX': protocol.BANNER_WIDTH_MAX,
                  'VNC_DRAWN_SIZE': protocol.DRAWN_SIZE,
                  'VNC_TEXT_CHARACTERS': protocol.TEXT_CHARACTERS,
                  'VNC_TEXT_MAX': protocol.TEXT_MAX,
                  'VNC_KEY_DOWN': protocol.KEY_DOWN,
                  'VNC_KEY_KNOWS_LOCKS': protocol.KEY_KNOWS_LOCKS,
                  'VNC_TEXT_COUNT': protocol.TEXT_COUNT,
                  'VNC_TEXT_GOES_ON': protocol.TEXT_GOES_ON}
        for names in (protocol.Type, protocol.Kind, protocol.Reason):
            wanted |= {f'VNC_{each.name}': each.value for each in names}
        self.assertEqual(wanted, _compiled({name: name for name in wanted}))

    def test_python_knows_all_of_the_header(self):
        enums = re.findall(r'enum (vnc_\w+) \{(.*?)\n\};',
                           _HEADER.read_text(), re.DOTALL)
        known = {'vnc_type': protocol.Type, 'vnc_kind': protocol.Kind,
                 'vnc_reason': protocol.Reason}
        self.assertEqual(set(known), {name for name, _ in enums})
        for name, body in enums:
            self.assertEqual({f'VNC_{each.name}' for each in known[name]},
                             set(re.findall(r'(VNC_\w+) = ', body)))

    def test_sizes_are_the_same(self):
        wanted = {name: protocol.LAYOUTS[each].size
                  for each, name in _STRUCTS.items()}
        wanted['vnc_event'] = protocol.EVENT.size
        self.assertEqual(wanted, _compiled({
            name: f'sizeof(struct {name})' for name in wanted}))

    def test_fields_lie_where_they_do_in_c(self):
        # Each message with fields that are told apart, read by the compiler.
        messages = {
            'vnc_start': (protocol.start(2, 3, 4, 5), {
                'type': 1, 'version': 5, 'offset': 2, 'length': 3,
                'start': 4, 'size': 5}),
            'vnc_add': (protocol.add(7, 'x' * 300, False, True), {
                'type': 2, 'session': 7, 'view_only': 0, 'takes_text': 1,
                'name[0]': ord('x'), 'name[126]': ord('x'), 'name[127]': 0}),
            'vnc_end': (protocol.end(9), {'type': 3, 'session': 9}),
            'vnc_open': (protocol.open_(11, True), {
                'type': 4, 'freezes': 11, 'everything': 1}),
            'vnc_size': (protocol.size(12, 13), {
                'type': 5, 'width': 12, 'height': 13}),
            'vnc_cursor': (protocol.cursor(display.Cursor(
                1, 2, 3, 4, bytes(8))), {
                'type': 6, 'width': 1, 'height': 2, 'hot_x': 3, 'hot_y': 4}),
            'vnc_damage': (protocol.damage(14, None), {
                'type': 7, 'serial': 14, 'count': -1}),
            'vnc_more': (protocol.more(15), {'type': 8, 'credit': 15}),
            'vnc_leds': (protocol.leds(6), {'type': 9, 'leds': 6}),
            'vnc_drawn': (protocol.drawn(800, 16), {
                'type': 10, 'banner_width': 800, 'banner_left': 16}),
            'vnc_size_answer': (protocol.size_answer(
                3, wire.SizeAnswer.FORWARDED), {
                'type': 11, 'session': 3, 'answer': 4}),
            'vnc_control': (protocol.control(3), {
                'type': 12, 'session': 3})}
        self.assertEqual(set(_STRUCTS.values()), set(messages))
        expressions, wanted = {}, {}
        for name, (message, fields) in messages.items():
            data = ','.join(map(str, message[:256]))
            for field, value in fields.items():
                key = f'{name}.{field}'
                expressions[key] = (
                    f'((struct {name} *)(unsigned char []){{{data}}})'
                    f'->{field}')
                wanted[key] = value
        self.assertEqual(wanted, _compiled(expressions))

    def test_control_of_all(self):
        self.assertEqual(protocol.control(protocol.SESSIONS_MAX),
                         protocol.control(None))

    def test_what_follows(self):
        shape = display.Cursor(2, 1, 0, 0, b'12345678')
        self.assertTrue(protocol.cursor(shape).endswith(b'12345678'))
        self.assertEqual(
            b'\x01\0\x02\0\x03\0\x04\0',
            protocol.damage(1, [(1, 2, 3, 4)])[-8:])
        self.assertEqual(protocol.LAYOUTS[protocol.Type.CURSOR].size,
                         len(protocol.cursor(None)))


class EventsTest(base.BaseTestCase):

    def test_each_kind(self):
        self.assertEqual(
            [protocol.Key(3, True, 97, 30),
             protocol.Key(3, False, 97, 30, knows_locks=True),
             protocol.Text(1, 'a\xfc', True), protocol.Text(1, 'b', False),
             protocol.Text(1, '', False),
             protocol.Pointer(0, 1, 5, 6, 640, 480),
             protocol.Gone(15, protocol.Reason.STALLED), protocol.Taken(7),
             protocol.SizeWanted(2, 0, 0xffff)],
            list(protocol.events(b''.join(
                protocol.EVENT.pack(*record) for record in (
                    (1, 3, 1, 97, 30, 0, 0), (1, 3, 2, 97, 30, 0, 0),
                    (5, 1, 10, 97, 0xfc, 0, 0), (5, 1, 1, 98, 0, 0, 0),
                    (5, 1, 0, 0, 0, 0, 0),
                    (2, 0, 1, 5, 6, 640, 480),
                    (3, 15, 3, 0, 0, 0, 0), (4, 99, 7, 0, 0, 0, 0),
                    (6, 2, 0, 0, 0xffff, 0, 0))))))

    def test_what_may_not_come(self):
        for packet in (
                b'', b'x', bytes(protocol.EVENT.size - 1),
                bytes(protocol.EVENT.size + 1),
                *(protocol.EVENT.pack(*record) for record in (
                    (0, 0, 0, 0, 0, 0, 0),
                    (1, 16, 0, 0, 0, 0, 0), (5, 0, 5, 65, 65, 65, 65),
                    (5, 0, 8, 0, 0, 0, 0), (5, 0, 1, 0x110000, 0, 0, 0),
                    (3, 0, 7, 0, 0, 0, 0), (6, 16, 0, 1, 1, 0, 0),
                    (6, 0, 0, 0x10000, 1, 0, 0), (6, 0, 0, 1, 0x10000, 0, 0),
                    (7, 0, 0, 1, 1, 0, 0),
                    (2, 0, 0, 0, 0, 0, 480), (2, 0, 0, 0, 0, 640, 0)))):
            with self.assertRaises(protocol.ProtocolError) as caught:
                list(protocol.events(packet))
            self.assertTrue(str(caught.exception).isprintable())
