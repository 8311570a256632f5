# SPDX-License-Identifier: Apache-2.0
"""What a worker may have QEMU do."""

from oslotest import base

from nova_dmore.keeper import allowed
from nova_dmore.link import messages


class TestAllowList(base.BaseTestCase):

    def test_commands(self):
        for vm in (messages.INSTANCE, messages.DOMAIN_R):
            self.assertTrue(allowed.is_allowed(vm, 'query-status', {}))
        self.assertTrue(allowed.is_allowed(
            messages.INSTANCE, 'chardev-send-break', {'id': 'charserial0'}))
        self.assertTrue(allowed.is_allowed(
            messages.INSTANCE, 'human-monitor-command',
            {'command-line': 'i /b 0x64'}))
        self.assertTrue(allowed.is_allowed(messages.DOMAIN_R, 'stop', {}))
        for command, arguments in (
                ('quit', {}), ('human-monitor-command', {}),
                ('human-monitor-command', None),
                ('human-monitor-command', {'command-line': 'quit'}),
                ('human-monitor-command', {'command-line': 'i /b 0x60'}),
                ('human-monitor-command',
                 {'command-line': 'i /b 0x64', 'cpu-index': 0}),
                ('chardev-send-break', {'id': 'other'}),
                ('chardev-send-break', {}), ('cont', {}),
                ('query-status', {'x': 1}),
                ('input-send-event', {'events': [], 'x': 1}),
                ('input-send-event', None), ('stop', {})):
            self.assertFalse(allowed.is_allowed(
                messages.INSTANCE, command, arguments))
        for command, arguments in (
                ('quit', {}), ('cont', {}), ('stop', {'x': 1}),
                ('human-monitor-command', {'command-line': 'i /b 0x64'}),
                ('chardev-send-break', {'id': 'charserial0'})):
            self.assertFalse(allowed.is_allowed(
                messages.DOMAIN_R, command, arguments))

    def test_what_it_is_told_of_answers(self):
        def told(result, command='human-monitor-command'):
            return allowed.told_of(command, result)
        printed = 'portb[0x0064] = 0x1c\r\n'
        self.assertEqual('portb[0x0064] = 0x1c\\r\\n', told(printed))
        self.assertLess(len(told('x' * 10000)), 100)
        for result in ({}, None, 5, ['x']):
            self.assertIsNone(told(result))
        self.assertIsNone(told(printed, 'query-status'))

    def test_events_of_input(self):
        def key(**changes):
            return {'type': 'key', 'data': {
                'key': {'type': 'number', 'data': 30, **changes},
                'down': True}}

        def of(kind, **data):
            return {'type': kind, 'data': data}

        def is_allowed(events):
            return allowed.is_allowed(messages.INSTANCE, 'input-send-event',
                                  {'events': events})
        good = [key(), of('btn', button='wheel-up', down=False),
                of('abs', axis='x', value=0x7fff),
                of('rel', axis='y', value=-5)]
        for events in [[each] for each in good] + [good]:
            self.assertTrue(is_allowed(events))
        for events in (
                [], [key()] * (allowed.EVENTS_MAX + 1), 'key', {}, [None],
                [[]],
                [key(type='qcode', data='a')], [key(data=0)],
                [key(data=256)], [key(data=True)], [key(data=[30])],
                [key(more=1)], [{**key(), 'more': 1}],
                [of('btn', button='left', down=1)],
                [of('btn', button='touch', down=True)],
                [of('btn', button=['left'], down=True)],
                [of('abs', axis='x', value=0x8000)],
                [of('abs', axis='x', value=-1)],
                [of('abs', axis='z', value=1)],
                [of('abs', axis='x', value='1')],
                [of('rel', axis='x', value=1 << 40)],
                [of('mtt', axis='x', value=1)],
                [{'type': ['key'], 'data': 'xx'}]):
            self.assertFalse(is_allowed(events), events)
