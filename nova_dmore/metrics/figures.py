# SPDX-License-Identifier: Apache-2.0
"""What nova-compute counts: in a file, so that its restart loses nothing.

The file is written anew at each change, all of which are rare, and read by
the exporter (:mod:`nova_dmore.metrics.exporter`). It lies with the records of
the pairs, which the host loses at a boot: all counts begin at 0 then.
"""

import bisect
import json
import logging
import os
import threading
from typing import Any

from nova_dmore.channel import text

LOG = logging.getLogger(__name__)

#: In ``[dmore] record_dir``.
FILE = 'figures.json'

#: Counts, with the names of their labels, ...
COUNTS: dict[str, tuple[str, ...]] = {
    'migrations': ('outcome',),
    'rebuilds': (),
    'stock_fallbacks': (),
    'gaps': ('stream', 'kind'),
    'gap_bytes': ('stream', 'kind'),
    'sessions_begun': ('server',)}
#: ... and histograms, with the upper limits of their buckets in seconds.
HISTOGRAMS: dict[str, tuple[float, ...]] = {
    'migration_stop_seconds': (
        .025, .05, .1, .2, .3, .5, .75, 1.0, 2.0, 5.0),
    'migration_skew_seconds': (
        .001, .0025, .005, .01, .02, .05, .1, .25, .5, 1.0)}
#: ... and gauges, which may not be known.
GAUGES = ('ports_used', 'ports_allowed')


class Figures:
    """Those of one host; thread-safe.

    :ivar counts: (name, values of its labels) -> how many
    :ivar histograms: name -> how many in each bucket and above the last one,
        and the sum of all
    :ivar gauges: name -> value, of those that are known
    :param path: of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.counts: dict[tuple[str, tuple[str, ...]], int] = {}
        self.histograms = {name: ([0] * (len(limits) + 1), 0.0)
                           for name, limits in HISTOGRAMS.items()}
        self.gauges: dict[str, int] = {}
        self._read()

    def count(self, name: str, *labels: str, by: int = 1) -> None:
        """Add to a count; see :data:`COUNTS`."""
        assert len(labels) == len(COUNTS[name])
        with self._lock:
            key = name, tuple(map(str, labels))
            self.counts[key] = self.counts.get(key, 0) + by
            self._write()

    def observe(self, name: str, seconds: float) -> None:
        """Add to a histogram; see :data:`HISTOGRAMS`."""
        with self._lock:
            buckets, total = self.histograms[name]
            buckets = list(buckets)
            buckets[bisect.bisect_left(HISTOGRAMS[name], seconds)] += 1
            self.histograms[name] = buckets, total + seconds
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

    def _read(self) -> None:
        try:
            with open(self._path) as file:
                self._take(json.load(file))
        except FileNotFoundError:
            pass
        except (KeyError, OSError, TypeError, ValueError) as e:
            LOG.warning('%s is of no use, counting begins at 0: %s',
                        self._path, text.printable(e))

    def _take(self, kept: dict[str, Any]) -> None:
        """What an earlier release counted, or a later one, is left out."""
        self.counts = {
            (name, tuple(map(str, labels))): int(count)
            for name, labels, count in kept['counts']
            if len(labels) == len(COUNTS.get(name, labels + [None]))}
        for name, (buckets, total) in kept['histograms'].items():
            if len(buckets) == len(HISTOGRAMS.get(name, ())) + 1:
                self.histograms[name] = list(map(int, buckets)), float(total)
        self.gauges = {name: int(value)
                       for name, value in kept.get('gauges', {}).items()
                       if name in GAUGES}

    def _write(self) -> None:
        """Whole or not at all. What is counted is no reason to fail."""
        scratch = f'{self._path}.new'
        try:
            os.makedirs(os.path.dirname(self._path), mode=0o700,
                        exist_ok=True)
            with open(scratch, 'w') as file:
                json.dump({
                    'counts': [[*key, count]
                               for key, count in self.counts.items()],
                    'histograms': self.histograms, 'gauges': self.gauges},
                    file)
            os.rename(scratch, self._path)
        except OSError as e:
            LOG.warning('Not counted in %s: %s', self._path,
                        text.printable(e))


def path_in(record_dir: str) -> str:
    """-> the path of the file."""
    return os.path.join(record_dir, FILE)
