# SPDX-License-Identifier: Apache-2.0
"""What the tests of the input's shadow device share: a keeper with QEMU."""

from unittest import mock

from oslotest import base

from nova_dmore.channel.domr import end as domr_end
from nova_dmore.channel.host import end as host_end
from nova_dmore.channel.host import journal
from nova_dmore.channel import input_event
from nova_dmore.channel import region
from nova_dmore.keeper import allowed
from nova_dmore.link import messages
from nova_dmore import wire
from nova_dmore.worker.devices import base as device_base
from nova_dmore.worker.devices.keyboard import device as input_device
from tests.unit.worker import fake_loop

IN = wire.Stream.INPUT0_IN
State = wire.PairState
OK = {'result': {}}
NOT_RUNNING = {'error': 'VM not running',
               'failure': messages.Failure.REFUSED}
HAS_ROOM = {'result': 'portb[0x0064] = 0x1c\\r\\n'}
HAS_NONE = {'result': 'portb[0x0064] = 0x1d\\r\\n'}


class Machine:

    state = State.LIVE
    role = None
    input_flows = output_flows = instance_running = True


class Commands:
    """The keeper and QEMU: remembers what it was told like the former."""

    def __init__(self):
        self.sent = []      # (events, note)
        self.last = None
        self.callbacks = {}
        #: The answer to the question for the keyboard's room, None: it is to
        #: be made by the test.
        self.keyboard = HAS_ROOM
        self.asked = []     # for it, and not answered

    def execute(self, command, arguments, replied, note=None):
        assert allowed.is_allowed(messages.INSTANCE, command, arguments)
        if arguments == messages.KEYBOARD_STATUS:
            self.asked.append(replied)
            if self.keyboard is not None:
                self.tell(self.keyboard)
            return None
        self.sent.append((arguments['events'], note))
        self.last = {**note, 'id': len(self.sent), 'answer': None}
        self.callbacks = {len(self.sent): replied}
        return len(self.sent)

    def tell(self, reply):
        self.asked.pop()(reply)

    def expect(self, number, replied):
        self.callbacks = {number: replied}

    def answer(self, reply=None):
        self.last['answer'] = reply or OK
        for callback in list(self.callbacks.values()):
            self.callbacks.clear()
            callback(reply or OK)

    def keys(self):
        """(number, down) of everything sent."""
        return [(each['data']['key']['data'], each['data']['down'])
                for events, _ in self.sent for each in events]


class InputCase(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.begin()

    def begin(self):
        self.loop = fake_loop.FakeLoop()
        patch = mock.patch('time.monotonic', self.loop.time)
        patch.start()
        self.addCleanup(patch.stop)
        self.machine = Machine()
        self.is_off = False
        self.commands = Commands()
        self.gaps = []
        self.kept = {}
        self.area = region.Region(bytearray(1 << 18))
        self.journal_buffer = bytearray(journal.journal_size())
        self.domr = domr_end.DomainREnd(self.area, lambda vector: None)
        self.new_worker()

    def new_worker(self):
        """The worker begins, again perhaps."""
        self.loop.timers.clear()
        held = journal.Journal(self.journal_buffer)
        self.host_end = host_end.HostEnd(
            self.area, lambda vector: None, held)
        self.context = device_base.DeviceContext(
            loop=self.loop, region=self.area, ring=None,
            host_end=self.host_end, journal=held, serial=None,
            machine=self.machine,
            report_gap=self.report_gap,
            commands=self.commands, last_input=self.commands.last,
            input_limit_reached=None, check_freeze=None, config={},
            instance_is_off=lambda: self.is_off,
            kept=self.kept, note=self.note)
        # Nobody can take a report, or notes, before the pair is made.
        self.making = True
        self.device = input_device.InputDevice(self.context)
        self.making = False
        self.loop.run(0)
        self.host_end.open()
        self.pump()

    def note(self):
        self.assertFalse(self.making)
        self.kept = {'input': self.device.to_notes()}

    def report_gap(self, *gap):
        self.assertFalse(self.making)
        self.gaps.append(gap)

    def pump(self):
        self.domr.poll()
        self.host_end.poll()
        self.device.pump()

    def sends(self, *events):
        self.domr.send(IN, b''.join(map(input_event.pack, events)))
        self.pump()

    def served(self, count=1, seconds=0.05):
        """QEMU takes so many commands."""
        for _ in range(count):
            self.commands.answer()
            self.loop.run(seconds)

    def events(self, number=-1):
        return [(each['type'], each['data'].get('axis')
                 or each['data'].get('button'), each['data'].get('value')
                 if 'value' in each['data'] else each['data']['down'])
                for each in self.commands.sent[number][0]]
