# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""The keeper's QMP connection to one QEMU: an allow-list, and reconnection.

A full QMP connection can run programs as QEMU's user, so the worker, which
reads what guests wrote, gets these few commands and no more.
"""

import asyncio
import logging
import os
import stat
import time

from qemu import qmp

from nova_dmore.channel import input_event
from nova_dmore.shadow import messages

LOG = logging.getLogger(__name__)

#: Events that are passed on, with the run state they announce, if any.
EVENTS = {'STOP': 'paused', 'RESUME': 'running', 'SHUTDOWN': None,
          'RESET': None}

#: Status of a MIGRATION event -> what the worker is told. QEMU's main loop
#: stands still from then on until its state is saved (migration_completion
#: and postcopy_start in migration/migration.c hold the big lock).
_MIGRATION = {'device': messages.SAVING, 'postcopy-active': messages.SAVING}

#: Events in one command: two axes, and all buttons.
EVENTS_MAX = 2 + len(input_event.BUTTONS)

#: How often a QEMU that is not there is looked for, in seconds.
RETRY_INTERVAL_S = 0.05

#: Longest line that is read, in bytes.
_LINE_MAX = 1 << 20

_GREETING_TIMEOUT_S = 5.0

_AGE_MAX_S = 10.0


class NotAllowed(Exception):
    """A command that is not on the list."""


class NotSent(ConnectionError):
    """QEMU is not connected; it has not seen the command."""


def check_allowed(vm, command, arguments):
    """Raise :class:`NotAllowed` unless the worker may run this command.

    Domain R may be stopped, for that is the worker's part of a migration; its
    instance never.
    """
    if command == 'query-status' and not arguments:
        return
    if vm == messages.DOMAIN_R:
        if command == 'stop' and not arguments:
            return
    elif command == 'chardev-send-break':
        if arguments == {'id': messages.SERIAL0_CHARDEV}:
            return
    elif command == 'input-send-event' and _are_events(arguments):
        return
    raise NotAllowed(f'{command!a} is not allowed')


def _are_events(arguments):
    """Whether these are the arguments that the input device makes."""
    try:
        (events,) = arguments.values()
        return (list(arguments) == ['events'] and type(events) is list and
                0 < len(events) <= EVENTS_MAX and
                all(map(_is_event, events)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return False


def _is_event(event):
    data = event['data']
    if set(event) != {'type', 'data'} or len(data) != 2:
        return False
    kind = event['type']
    if kind == 'key':
        key = data['key']
        return (type(data['down']) is bool and set(key) == {'type', 'data'}
                and key['type'] == 'number' and _in(key['data'], 1, 0xff))
    if kind == 'btn':
        return (type(data['down']) is bool and
                data['button'] in input_event.BUTTONS)
    if kind in ('abs', 'rel'):
        most = input_event.POINTER_MAX
        return data['axis'] in ('x', 'y') and _in(
            data['value'], 0 if kind == 'abs' else -most, most)
    return False


def _in(value, least, most):
    return type(value) is int and least <= value <= most


class QmpLink:
    """Keeps one QEMU's monitor connected for as long as QEMU is there.

    :param vm: ``messages.INSTANCE`` or ``DOMAIN_R``.
    :param path: the unix socket that QEMU makes.
    :param on_status: called with (connected, run state or None, arriving);
        ``arriving`` tells that an incoming migration was seen on this
        connection.
    :param on_event: called with (name, monotonic seconds) for
        :data:`EVENTS` and ``messages.SAVING``, before the ``on_status``
        that follows from it.
    """

    def __init__(self, vm, path, on_status, on_event):
        self._vm = vm
        self._path = path
        self._on_status = on_status
        self._on_event = on_event
        self._client = None
        self._arriving = False
        self._events_seen = 0

    async def run(self):
        """Connect, follow, reconnect; ends only by being cancelled."""
        while True:
            try:
                if self._is_socket():
                    await self._follow()
            except (qmp.QMPError, OSError, EOFError,
                    asyncio.TimeoutError) as e:
                LOG.debug('%s: %s', self._path, ascii(str(e)))
            await asyncio.sleep(RETRY_INTERVAL_S)

    async def execute(self, command, arguments):
        """Run an allowed command -> its result.

        :raises NotAllowed: by :func:`check_allowed`.
        :raises NotSent: QEMU is not connected.
        :raises ConnectionError: QEMU went away before it answered.
        :raises RuntimeError: QEMU refused; its text.
        """
        check_allowed(self._vm, command, arguments)
        if self._client is None:
            raise NotSent('QEMU is not connected')
        try:
            return await self._client.execute(command, arguments or None)
        except qmp.ExecuteError as e:
            raise RuntimeError(str(e)) from e
        except qmp.StateError as e:
            raise NotSent(str(e)) from e
        except qmp.QMPError as e:
            raise ConnectionError(str(e)) from e

    def _is_socket(self):
        try:
            return stat.S_ISSOCK(os.stat(self._path).st_mode)
        except OSError:
            return False

    async def _follow(self):
        client = qmp.QMPClient(os.path.basename(self._path),
                               readbuflen=_LINE_MAX)
        listener = qmp.EventListener((*EVENTS, 'MIGRATION'))
        client.register_listener(listener)
        await asyncio.wait_for(
            client.connect(self._path), _GREETING_TIMEOUT_S)
        self._client = client
        self._arriving = False
        LOG.info('%s: connected', self._path)
        follower = asyncio.create_task(self._follow_events(listener))
        try:
            await self._report_status()
            while client.runstate is qmp.Runstate.RUNNING:
                await client.runstate_changed()
        finally:
            self._client = None
            follower.cancel()
            self._on_status(False, None, self._arriving)
            LOG.info('%s: disconnected', self._path)
            await client.disconnect()

    async def _follow_events(self, listener):
        async for event in listener:
            self._events_seen += 1
            name = _told_as(event)
            if name is None:
                continue
            self._on_event(name, time.monotonic() - _age(event))
            if EVENTS.get(name) is not None:
                self._on_status(True, EVENTS[name], self._arriving)
                await self._report_status()

    async def _report_status(self):
        """Ask QEMU for its run state and pass it on."""
        while True:
            seen = self._events_seen
            try:
                result = await self.execute('query-status', {})
            except ConnectionError:
                return
            # An answer that an event has overtaken is out of date.
            if seen == self._events_seen:
                break
        status = result.get('status') if isinstance(result, dict) else None
        if status == 'inmigrate':
            self._arriving = True
        self._on_status(True, str(status), self._arriving)


def _told_as(event):
    """-> by which name the worker is told of an event; None: it is not."""
    if event['event'] == 'MIGRATION':
        return _MIGRATION.get(event['data'].get('status'))
    return event['event']


def _age(event):
    """-> how long ago QEMU sent an event, in seconds, as far as it says."""
    try:
        stamp = event['timestamp']
        age = time.time() - stamp['seconds'] - stamp['microseconds'] / 1e6
    except (KeyError, TypeError):
        return 0.0
    # The clock may have been set in between.
    return age if 0 <= age < _AGE_MAX_S else 0.0
