# SPDX-License-Identifier: Apache-2.0
"""A pair's processes, and the QEMU of its instance as the keeper sees it."""

import os
import select
import tempfile
import time
import uuid

from testtools import content

from nova_dmore.client import shadow_client
from nova_dmore import places
from nova_dmore.posix import fifos
from nova_dmore.posix import pipes
from nova_dmore import wire
from tests.unit import hostd_process
from tests.unit.keeper import fake_qmp
from tests.unit.worker import fake_domain_r


def wait_for(what, timeout=5.0):
    """Wait until ``what()`` is true -> its value."""
    deadline = time.monotonic() + timeout
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError('waited in vain')
        time.sleep(0.002)


class FakeInstance:
    """The instance's QEMU: a serial port and a monitor.

    :param where: the directories of its pair.
    :param is_earlier: whether release 0.2 started it.
    """

    def __init__(self, where, status='running', is_earlier=False):
        self.qmp = (fake_qmp.ListeningFakeQmp(
            os.path.join(where.own, wire.INSTANCE_QMP_SOCKET), status)
            if is_earlier else fake_qmp.FakeQmp(
                os.path.join(where.instance, wire.QMP_SOCKET), status))
        self._input, self._output = fifos.open_both(where.instance)

    def prints(self, data, timeout=30):
        """Write byte by byte, as a UART does, waiting for room."""
        deadline = time.monotonic() + timeout
        view = memoryview(data)
        while view:
            try:
                view = view[os.write(self._output, view[:1]):]
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AssertionError('the guest is held up')
                time.sleep(0.001)

    def printed(self):
        """How many bytes nobody has read."""
        return pipes.unread(self._output)

    def unread(self):
        """How many bytes of input this QEMU has not read."""
        return pipes.unread(self._input)

    def reads(self, count, timeout=5):
        """Read exactly so many bytes of input, as the guest would."""
        data = b''
        deadline = time.monotonic() + timeout
        while len(data) < count:
            try:
                data += os.read(self._input, count - len(data))
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise AssertionError(f'only {data} came')
                time.sleep(0.001)
        return data

    def reads_nothing(self, seconds=0.15):
        ready, _, _ = select.select([self._input], [], [], seconds)
        return not ready

    def stop(self, status='paused', ago=0.0):
        self.qmp.event('STOP', status, ago=ago)

    def save(self, ago=0.0, status='device'):
        """Begin to save the state of the devices, for a migration."""
        self.qmp.event('MIGRATION', data={'status': status}, ago=ago)

    def saved(self):
        """All of the state is sent."""
        self.qmp.event('MIGRATION', data={'status': 'completed'})

    def leaves(self):
        """Stop, and be saved."""
        self.stop()
        self.save()
        time.sleep(0.01)
        self.saved()

    def resume(self):
        self.qmp.event('RESUME', 'running')

    def ends(self):
        """QEMU is no more; what is in the FIFOs stays."""
        self.qmp.close()

    def close(self):
        self.qmp.close()
        os.close(self._input)
        os.close(self._output)


class Pair:
    """The processes of a pair, and who talks to them.

    :param hostd: a :class:`hostd_process.Hostd`, None: that of all tests.
    :param arrives: see :attr:`hostd_protocol.Request.START`.
    :param large: likewise.
    """

    def __init__(self, test, hostd=None, arrives=False, large=False):
        self._test = test
        self.hostd = hostd or hostd_process.shared()
        self.uuid = str(uuid.uuid4())
        self.directory = os.path.join(self.hostd.run_dir, self.uuid)
        self.where = places.of_pair(self.directory)
        temporary = tempfile.TemporaryDirectory(prefix='dmore')
        test.addCleanup(temporary.cleanup)
        #: For what belongs to the test.
        self.folder = temporary.name
        self._arrives, self._large = arrives, large
        test.addOnException(self._attach_log)
        self._logged = len(self.hostd.read_log())
        self.client = shadow_client.ShadowClient(
            self.hostd.service, self.uuid)
        test.addCleanup(self._end)
        self.pid = self.start()
        self._count = 0

    def start(self):
        """Have a keeper -> its process id."""
        return self.hostd.service.start(
            self.uuid, self._arrives, self._large)

    def _end(self):
        self.client.shutdown()
        self.hostd.service.remove(self.uuid)

    def logged(self):
        """What its processes have logged, and others meanwhile."""
        return self.hostd.read_log()[self._logged:]

    def _attach_log(self, _exc_info):
        self._count += 1
        self._test.addDetail(f'{self.uuid} {self._count}',
                             content.text_content(self.logged()))

    def instance(self, status='running', is_earlier=False):
        return self._closed_later(
            FakeInstance(self.where, status, is_earlier))

    def domain_r(self, status='running', boot=True, is_earlier=False,
                 large=False):
        return self._closed_later(
            fake_domain_r.FakeDomainR(
                self.where, status, boot, is_earlier, large))

    def live(self, timeout_ms=5000):
        state = self.client.live(timeout_ms)
        assert state is wire.PairState.LIVE, state

    def gaps(self):
        return self.client.status().gaps

    def _closed_later(self, fake):
        closed = []
        close = fake.close

        def once():
            if not closed:
                closed.append(True)
                close()
        fake.close = once
        self._test.addCleanup(fake.close)
        return fake
