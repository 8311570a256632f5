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
"""Reports of bytes that did not, or perhaps did not, arrive."""

import time

from nova_dmore import wire

#: Reports that are kept; older ones give way (and say so).
GAPS_MAX = 256


class GapLog:
    """The reports of a pair, numbered, until nova-compute took them.

    :param kept: :meth:`to_notes` of an earlier worker, or None.
    """

    def __init__(self, kept=None):
        kept = kept or {'next': 1, 'gaps': [], 'dropped': 0}
        self._next = kept['next']
        self._gaps = list(kept['gaps'])
        self._dropped = kept['dropped']

    def add(self, stream, kind, reason, at=None, count=None,
            migration_id=None):
        """Add a report and return it as a dict.

        :param stream: a :class:`wire.Stream`.
        :param at: offset in the stream, None: not known.
        :param count: number of bytes, None: not known.
        """
        gap = {
            'number': self._next, 'stream': stream.name.lower(), 'at': at,
            'bytes': count, 'kind': wire.GapKind(kind).value,
            'reason': reason, 'migration_id': migration_id,
            'time': time.time()}
        self._next += 1
        self._gaps.append(gap)
        if len(self._gaps) > GAPS_MAX:
            # The oldest of all is kept: it is the one that explains.
            del self._gaps[1]
            self._dropped += 1
        return gap

    def forget(self, numbers):
        """Drop the reports with these numbers; unknown ones are ignored."""
        numbers = set(numbers)
        self._gaps = [gap for gap in self._gaps
                      if gap['number'] not in numbers]

    def reports(self):
        """-> the reports, oldest first."""
        return list(self._gaps)

    def to_notes(self):
        """-> a JSON object for :class:`nova_dmore.shadow.notes.Notes`."""
        return {'next': self._next, 'gaps': self._gaps,
                'dropped': self._dropped}
