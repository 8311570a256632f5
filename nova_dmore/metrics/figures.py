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


class Figures:
    """Those of one host; thread-safe.

    :ivar counts: (name, values of its labels) -> how many
    :ivar histograms: name -> how many in each bucket and above the last one,
        and the sum of all
    :param path: of the file.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.counts: dict[tuple[str, tuple[str, ...]], int] = {}
        self.histograms = {name: ([0] * (len(limits) + 1), 0.0)
                           for name, limits in HISTOGRAMS.items()}
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
                    'histograms': self.histograms}, file)
            os.rename(scratch, self._path)
        except OSError as e:
            LOG.warning('Not counted in %s: %s', self._path,
                        text.printable(e))


def path_in(record_dir: str) -> str:
    """-> the path of the file."""
    return os.path.join(record_dir, FILE)
