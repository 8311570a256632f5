# SPDX-License-Identifier: Apache-2.0
"""Whether the output of a pair may be recorded, and from where on.

The recorder reads it in the journal by itself (:mod:`nova_dmore.recorder`).
It may when nova-compute wants it and Domain R has said that it tells users.
"""

from typing import Any, TypeAlias

from nova_dmore import wire

_Message: TypeAlias = dict[str, Any]


class Recorded:
    """What the recorder of a host is told.

    :param kept: :meth:`to_notes` of an earlier worker, or None.
    """

    def __init__(self, kept: _Message | None = None) -> None:
        kept = kept or {'wanted': False, 'told': False, 'start': None,
                        'gaps': []}
        self._wanted: bool = kept['wanted']
        self._told: bool = kept['told']
        #: How many bytes had passed when it was wanted, and no Domain R has
        #: served since whose users were not told. None: it may not begin yet.
        self._start: int | None = kept['start']
        self._gaps: list[_Message] = list(kept['gaps'])

    def configure(self, config: _Message, moved: int) -> None:
        """Take CONFIG.

        :param moved: how many bytes of output have passed here by now
        """
        wanted = config.get('recorded') is True
        if wanted is not self._wanted:
            self._wanted = wanted
            self._start = moved if wanted else None

    def serves(self, serving: _Message | None, moved: int) -> None:
        """Take SERVING; None changes nothing: Domain R is away for a moment.

        What an instance prints before its first Domain R serves may be
        recorded: nobody was there who was not told.
        """
        if serving is None:
            return
        self._told = bool(serving.get('tells_recording'))
        if not self._told:
            self._start = None
        elif self._wanted and self._start is None:
            self._start = moved

    def add_gap(self, gap: _Message) -> None:
        """Keep a gap report, if it is of output."""
        if gap['stream'] == wire.Stream.SERIAL0_OUT.name.lower():
            self._gaps = self._gaps[1 - wire.RECORDED_GAPS_MAX:] + [gap]

    def status(self) -> _Message | None:
        """What STATUS says."""
        if self._start is None or not self._told:
            return None
        return {'start': self._start, 'gaps': self._gaps}

    def to_notes(self) -> _Message:
        """-> a JSON object for :class:`nova_dmore.link.notes.Notes`."""
        return {'wanted': self._wanted, 'told': self._told,
                'start': self._start, 'gaps': self._gaps}
