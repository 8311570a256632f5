# SPDX-License-Identifier: Apache-2.0
"""Messages between keeper and worker: JSON and descriptors, whole or not.

They travel over a SOCK_SEQPACKET pair. Both ends are this package, and the
worker trusts the keeper; but the worker reads what guests and Domain R wrote,
so the keeper checks what it sends.
"""

import enum
import json
import os
import socket
from collections.abc import Iterable
from typing import Any, TypeAlias

#: The fields of a message; ``type`` says which ones it has.
Message: TypeAlias = dict[str, Any]

MESSAGE_MAX = 1 << 16
_DESCRIPTORS_MAX = 32


class ToWorker(enum.StrEnum):
    """Types of messages that the keeper sends."""

    #: The first one. Descriptors: see :data:`START_DESCRIPTORS`;
    #: ``version`` (:data:`VERSION`), ``worker_starts``, ``keeper_pid``,
    #: ``serial``: how many bytes of input workers have ``written``, and of
    #: output ``read``, in all, and how many of output the keeper has
    #: ``dropped``, as there was no worker; and ``last_input``: null, or the
    #: last ``note`` of a QMP message with its ``id`` and ``answer``: the
    #: REPLY, null as long as there is none; ``last_break``, if there was one
    #: and the keeper is not of an earlier release: ``id`` and ``answer`` of
    #: the last serial break.
    START = 'start'
    #: Descriptor: where the input now lies that the instance's QEMU has not
    #: read: see :func:`nova_dmore.posix.pipes.unread`.
    SERIAL = 'serial'
    #: The instance has stopped, to leave. ``output``: how many bytes of
    #: output workers will have read in all when they have all that counts,
    #: null: not known yet; ``unread``: bytes of input that its QEMU has not
    #: read; ``final``: its state is saved, and there will be no other COUNT
    #: of this stop; ``unsure_in``, ``unsure_out``: bytes of which nobody can
    #: tell whether they are in its state; ``read_late``, if it is there:
    #: how many of those that are ``unread`` it has read since.
    COUNT = 'count'
    #: Descriptor: an accepted control connection.
    CONTROL = 'control'
    #: ``connected``, ``generation``: Domain R's ivshmem connection.
    DOMAIN_R = 'domain_r'
    #: ``vm``, ``connected``, ``status``, ``arriving`` (an incoming migration
    #: was seen on this connection).
    VM = 'vm'
    #: ``vm``, ``event``, ``at`` (CLOCK_MONOTONIC seconds).
    EVENT = 'event'
    #: ``id``, and ``result`` or ``error`` (text) and ``failure`` (a Failure);
    #: and ``late``, if it is there: of a serial break that came when QEMU had
    #: said that it saves its state (:data:`SAVING`), or that it has sent that
    #: (:data:`SAVED`), for the migration that the instance leaves with.
    REPLY = 'reply'
    #: ``error``: text or null. Descriptor: a connection to the display of the
    #: instance's QEMU, if there is no error.
    DISPLAY = 'display'


class ToKeeper(enum.StrEnum):
    """Types of messages that the worker sends."""

    #: ``on``: the instance is about to leave: from its stop on nothing passes
    #: its serial port but what is counted.
    LEAVING = 'leaving'
    #: The instance belongs to this host, whether it runs or not: a Domain R
    #: that arrived may run.
    ADOPTED = 'adopted'
    #: ``id``, ``vm``, ``command``, ``arguments``; and ``note``: null, or
    #: for an event of input: ``offset`` and ``size`` in the stream,
    #: ``buttons`` of the pointer ``before`` and after it, and which keys are
    #: ``down_before`` and ``down`` after it.
    QMP = 'qmp'
    #: It has heard of a boot, or that it is told of boots (:data:`BOOT`,
    #: :data:`TELLS_BOOTS`). ``written``: how many bytes of input workers had
    #: written in all by then; what they write later was typed after it.
    HEARD = 'heard'
    #: The display is wanted; DISPLAY answers.
    OPEN_DISPLAY = 'open_display'
    #: The keeper ends, and the pair with it.
    SHUTDOWN = 'shutdown'


class Failure(enum.StrEnum):
    """What became of a command that did not succeed."""

    NOT_SENT = 'not sent'   # QEMU is not there
    LOST = 'lost'           # QEMU went away before it answered
    REFUSED = 'refused'     # QEMU answered with an error, or nobody asked it


#: The alias that libvirt gives the instance's first serial port.
SERIAL0_CHARDEV = 'charserial0'

#: The command that has QEMU send a break there.
BREAK = 'chardev-send-break'

#: EVENTs that are not QEMU's by these names: it begins to save the state of
#: the devices, for a migration; for one that will fetch the memory later; it
#: has sent everything.
SAVING = 'saving'
SAVING_POSTCOPY = 'saving for postcopy'
SAVED = 'saved'

#: QEMU's EVENT of a reset; of the instance's, not of each one if they follow
#: each other at once. A keeper of an earlier release does not pass it on.
RESET = 'RESET'

#: EVENTs of the instance that are the keeper's own, and answered by the worker
#: with HEARD: it boots anew, after a reset or in another QEMU; and, at the
#: start of a worker, that such are told. A worker of an earlier release
#: ignores them, and a keeper of one does not send them, so hears no HEARD.
BOOT = 'boot'
TELLS_BOOTS = 'tells boots'

#: The HMP command that reads the status register of the instance's keyboard
#: controller, which has no effect on it; what QEMU prints is passed on. A
#: keeper of an earlier release refuses it.
KEYBOARD_STATUS = {'command-line': 'i /b 0x64'}

#: QEMU's run states in which an instance's devices work: a guest that sleeps
#: is woken by them.
AWAKE = frozenset({'running', 'suspended'})

#: Which VM a message speaks of.
INSTANCE = 'instance'
DOMAIN_R = 'domain_r'

#: What START carries, in this order, before the eventfds: per vector one
#: that Domain R rings, then per vector one that rings Domain R.
START_DESCRIPTORS = ('region', 'journal', 'notes', 'serial_in', 'serial_out',
                     'serial_unread')

#: Raised when a worker could not serve a keeper of the version before, or a
#: keeper its worker: with other messages, or another layout of the memory that
#: outlives a worker. A pair's keeper outlives an upgrade; a worker that it
#: starts afterwards does not.
VERSION = 2

#: Numbers in messages are smaller; those of keys and buttons are bytes.
_NUMBER_MAX = 1 << 63
_NOTE = {'offset': int, 'size': int, 'before': int, 'buttons': int,
         'down_before': list, 'down': list}


def check_to_keeper(message: Message) -> None:
    """Validate what a worker sent.

    :raises ValueError: it is none of :class:`ToKeeper`.
    """
    try:
        kind = ToKeeper(str(message.get('type')))
        fields = {
            ToKeeper.LEAVING: ('on',), ToKeeper.HEARD: ('written',),
            ToKeeper.QMP: ('id', 'vm', 'command', 'arguments', 'note')
        }.get(kind, ())
        if set(message) != {'type', *fields}:
            raise ValueError(f'{kind} with other fields')
        if kind == ToKeeper.LEAVING:
            _check(type(message['on']) is bool, 'on')
        elif kind == ToKeeper.HEARD:
            _check(_is_number(message['written']), 'written')
        elif kind == ToKeeper.QMP:
            _check(_is_number(message['id']), 'id')
            _check(message['vm'] in (INSTANCE, DOMAIN_R), 'vm')
            _check(type(message['command']) is str, 'command')
            _check(type(message['arguments']) in (dict, type(None)),
                   'arguments')
            _check(message['note'] is None or _is_note(message['note']),
                   'note')
    except TypeError as e:
        raise ValueError(str(e)) from e


def _check(is_right: bool, name: str) -> None:
    if not is_right:
        raise ValueError(f'{name} is wrong')


def _is_number(value: object, limit: int = _NUMBER_MAX) -> bool:
    return type(value) is int and 0 <= value < limit


def _is_note(note: Any) -> bool:
    if type(note) is not dict or set(note) != set(_NOTE):
        return False
    return all(
        _is_number(note[name]) if kind is int else
        type(note[name]) is list and len(note[name]) <= 256 and
        all(_is_number(each, 256) for each in note[name])
        for name, kind in _NOTE.items())


def pair() -> tuple[socket.socket, socket.socket]:
    """-> (keeper's end, worker's end), both non-blocking."""
    keeper, worker = socket.socketpair(
        socket.AF_UNIX, socket.SOCK_SEQPACKET)
    keeper.setblocking(False)
    worker.setblocking(False)
    return keeper, worker


def send(sock: socket.socket, message: Message,
         descriptors: Iterable[int] = ()) -> None:
    """Send one message, whole.

    :raises OSError: the peer is gone, or does not read (BlockingIOError).
    :raises ValueError: the message is too long.
    """
    data = json.dumps(message).encode()
    if len(data) > MESSAGE_MAX:
        raise ValueError(f'a message of {len(data)} bytes')
    given = list(descriptors)
    if given:
        socket.send_fds(sock, [data], given)
    else:
        sock.send(data)     # a worker may give nobody a descriptor


def receive(sock: socket.socket) -> tuple[Message | None, list[int]]:
    """-> (message, descriptors), or (None, []) when the peer is gone.

    :raises BlockingIOError: nothing is there.
    :raises ValueError: what came is not a message.
    """
    try:
        data, descriptors, flags, _ = socket.recv_fds(
            sock, MESSAGE_MAX, _DESCRIPTORS_MAX)
    except ConnectionResetError:
        return None, []
    try:
        if not data:
            # The end, unless it is an empty message that brings descriptors.
            raise EOFError
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            raise ValueError('a message was cut off')
        try:
            message = json.loads(data)
        except RecursionError as error:
            raise ValueError('a message is too deep') from error
        if not isinstance(message, dict):
            raise ValueError('a message is not an object')
    except (EOFError, ValueError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        if isinstance(error, EOFError):
            return None, []
        raise
    return message, descriptors
