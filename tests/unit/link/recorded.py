# SPDX-License-Identifier: Apache-2.0
"""What keeper and worker of an earlier release said to each other.

``version_<n>.json`` was recorded once, with processes of the first release
whose link had this version, and is never changed: a Domain R is connected,
input is typed, a migration begins and is taken back, Domain R ends, and the
worker is killed. ``messages``: to whom, with how many descriptors, and the
message. ``memory``: what the killed worker left, without the pages that are
zero.
"""

import base64
import json
import os
import zlib

from nova_dmore.channel.host import journal
from nova_dmore.link import notes
from nova_dmore import wire

#: Fields that were added since, of messages to workers: theirs looks at those
#: alone that it knows.
_ADDED = {'last_break'}
_SIZES = {'region': wire.REGION_SIZE, 'journal': journal.journal_size(),
          'notes': notes.NOTES_SIZE}


class Recorded:
    """One of these files.

    :param version: of the link.
    """

    def __init__(self, version):
        path = os.path.join(os.path.dirname(__file__),
                            f'version_{version}.json')
        with open(path) as file:
            content = json.load(file)
        self._messages = content['messages']
        self._memory = content['memory']
        self._known = {
            (to, _shape(message)) for to, _, message in self._messages}

    def last_start(self):
        """-> what the last worker was told when it started."""
        told = []
        for to, _, message in self._messages:
            if message['type'] == 'start':
                told = []
            if to == 'worker' and message['type'] != 'control':
                told.append(message)
        return told

    def from_workers(self):
        """-> the first message of each kind that workers sent."""
        first = {}
        for to, _, message in self._messages:
            if to == 'keeper':
                first.setdefault(
                    (message['type'], message.get('command')), message)
        return list(first.values())

    def is_known(self, to, message):
        """Whether the release has messages with just these fields, and QMP
        commands."""
        if to == 'worker':
            message = {name: value for name, value in message.items()
                       if name not in _ADDED}
        return (to, _shape(message)) in self._known

    def memory(self, name):
        """-> a new memfd with what the killed worker left."""
        descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
        os.ftruncate(descriptor, _SIZES[name])
        for at, page in self._memory[name].items():
            os.pwrite(descriptor, zlib.decompress(base64.b64decode(page)),
                      int(at))
        return descriptor


def _shape(value, name=None):
    """-> what a release knows a message by: fields and types of values; and
    for some the value."""
    if name in ('type', 'command', 'vm', 'version', 'failure'):
        return value
    if isinstance(value, dict) and name != 'arguments':
        return tuple((each, _shape(value[each], each))
                     for each in sorted(value))
    return type(value).__name__
