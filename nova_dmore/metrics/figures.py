# SPDX-License-Identifier: Apache-2.0
"""What nova-compute counts: in a file, so that its restart loses nothing.

Runs in nova-compute, which writes the file anew at each change, all of which
are rare, and in the exporter (:mod:`nova_dmore.metrics.exporter`), which reads
it. It lies with the records of
the pairs, which the host loses at a boot: all counts begin at 0 then.
"""

import bisect
import dataclasses
import json
import logging
import os
import tempfile
import threading
from typing import Any

from nova_dmore.channel import text
from nova_dmore import own_file
from nova_dmore import wire

LOG = logging.getLogger(__name__)

#: In ``[dmore] record_dir``.
FILE = 'figures.json'

#: Counts, with the names of their labels.
COUNTS: dict[str, tuple[str, ...]] = {
    'migrations': ('outcome',),
    'rebuilds': (),
    'stock_fallbacks': (),
    'gaps': ('stream', 'kind'),
    'gap_bytes': ('stream', 'kind'),
    'sessions_begun': ('server',)}
#: What each label can be.
VALUES: dict[str, tuple[str, ...]] = {
    # Of a co-migration; see nova_dmore.virt.care.reporter.
    'outcome': ('moved', 'rebuilt', 'stock', 'rolled back'),
    'stream': tuple(stream.name.lower() for stream in (
        wire.Stream.SERIAL0_OUT, wire.Stream.SERIAL0_IN,
        wire.Stream.INPUT0_IN)),
    'kind': tuple(kind.value for kind in wire.GapKind),
    'server': wire.SESSION_SERVERS}
#: Histograms, with the upper limits of their buckets in seconds.
HISTOGRAMS: dict[str, tuple[float, ...]] = {
    'migration_stop_seconds': (
        .025, .05, .1, .2, .3, .5, .75, 1.0, 2.0, 5.0),
    'migration_skew_seconds': (
        .001, .0025, .005, .01, .02, .05, .1, .25, .5, 1.0)}
#: ... and gauges, which may not be known.
GAUGES = ('ports_used', 'ports_allowed')

#: Counts stop there: that of bytes grows by what a worker says.
COUNT_MAX = (1 << 63) - 1
_SUM_MAX = float(COUNT_MAX)
#: The file has less than that, in characters.
_FILE_MAX = 1 << 17
#: What a file that is of no use is called.
_ASIDE = '.damaged'


@dataclasses.dataclass
class Kept:
    """What was counted until now.

    :ivar counts: (name, values of its labels) -> how many
    :ivar histograms: name -> how many in each bucket and above the last one,
        and the sum of all
    :ivar gauges: name -> value, of those that are known
    """

    counts: dict[tuple[str, tuple[str, ...]], int] = dataclasses.field(
        default_factory=dict)
    histograms: dict[str, tuple[list[int], float]] = dataclasses.field(
        default_factory=lambda: {name: ([0] * (len(limits) + 1), 0.0)
                                 for name, limits in HISTOGRAMS.items()})
    gauges: dict[str, int] = dataclasses.field(default_factory=dict)


def read(path: str) -> Kept:
    """Read the file. What an earlier release counted, or a later one, is left
    out; where there is none, nothing was counted.

    :raises OSError, ValueError: it is not what this module writes, or another
        user could write it.
    """
    try:
        found = own_file.read(path, _FILE_MAX)
    except FileNotFoundError:
        return Kept()
    if len(found) > _FILE_MAX:
        raise ValueError('it is too large')
    try:
        return _parsed(json.loads(found))
    except (AttributeError, KeyError, RecursionError, TypeError) as e:
        raise ValueError(f'it is of another form: {e!r}') from e


def _parsed(told: dict[str, Any]) -> Kept:
    """:raises AttributeError, KeyError, TypeError, ValueError: as it says."""
    kept = Kept({
        (name, tuple(map(str, labels))): _count(count)
        for name, labels, count in told['counts']
        if len(labels) == len(COUNTS.get(name, labels + [None]))})
    for name, (buckets, total) in told['histograms'].items():
        if len(buckets) == len(HISTOGRAMS.get(name, ())) + 1:
            if type(total) not in (int, float) or not (
                    0 <= total <= _SUM_MAX):
                raise ValueError('a sum is none')
            kept.histograms[name] = list(map(_count, buckets)), float(total)
    kept.gauges = {name: _count(value)
                   for name, value in told.get('gauges', {}).items()
                   if name in GAUGES}
    return kept


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value <= COUNT_MAX:
        raise ValueError('a count is none')
    return value


class Figures(Kept):
    """The figures of one host, nova-compute's; thread-safe.

    A file that is of no use is put aside: counting begins at 0 then.

    :param path: of the file.
    """

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self._lock = threading.Lock()
        try:
            kept = read(path)
        except (OSError, ValueError) as e:
            self._put_aside(e)
        else:
            self.counts, self.histograms = kept.counts, kept.histograms
            self.gauges = kept.gauges

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Add to a count; see :data:`COUNTS`."""
        assert len(labels) == len(COUNTS[name])
        with self._lock:
            key = name, tuple(map(str, labels))
            self.counts[key] = min(self.counts.get(key, 0) + by, COUNT_MAX)
            self._write()

    def observe(self, name: str, seconds: float) -> None:
        """Add to a histogram; see :data:`HISTOGRAMS`."""
        with self._lock:
            buckets, total = self.histograms[name]
            buckets = list(buckets)
            buckets[bisect.bisect_left(HISTOGRAMS[name], seconds)] += 1
            self.histograms[name] = buckets, min(
                total + seconds, _SUM_MAX)
            self._write()

    def set(self, name: str, value: int | None) -> None:
        """Set a gauge; see :data:`GAUGES`. None: it is not known."""
        assert name in GAUGES
        with self._lock:
            if self.gauges.get(name) == value:
                return
            if value is None:
                del self.gauges[name]
            else:
                self.gauges[name] = value
            self._write()

    def _put_aside(self, why: Exception) -> None:
        LOG.warning('%s is of no use, counting begins at 0: %s', self._path,
                    text.printable(why))
        try:
            os.rename(self._path, self._path + _ASIDE)
        except OSError as e:
            LOG.warning('%s is not put aside, and overwritten: %s', self._path,
                        text.printable(e))

    def _write(self) -> None:
        """Whole or not at all. What is counted is no reason to fail."""
        folder, name = os.path.split(self._path)
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            # The file is written under another name, and renamed when it is
            # whole. That name is left behind only if this process is killed
            # in between.
            descriptor, scratch = tempfile.mkstemp(
                dir=folder, prefix=f'{name}.')
            try:
                with open(descriptor, 'w') as file:
                    json.dump({
                        'counts': [[*key, count]
                                   for key, count in self.counts.items()],
                        'histograms': self.histograms,
                        'gauges': self.gauges}, file)
                os.rename(scratch, self._path)
            except OSError:
                os.unlink(scratch)
                raise
        except OSError as e:
            LOG.warning('Not counted in %s: %s', self._path,
                        text.printable(e))


def path_in(record_dir: str) -> str:
    """-> the path of the file."""
    return os.path.join(record_dir, FILE)
