# SPDX-License-Identifier: Apache-2.0
"""The graphical console: latency, updates, CPU time, bytes on the wire."""

import collections
import pathlib
import time

from laboratory.bench.cpu import beside_guest_s, Load, process_s
from laboratory.bench import measure, report, stages
from laboratory.bench.measure import Keys
from laboratory.bench.rig import Rig
from laboratory.layout import Layout
from laboratory.progress import Progress
from laboratory.vnc.encodings import Encoding
from laboratory.vnc.picture import Screen

_KEYS = 100
_KEY_S = 0.05
#: Before them: what is emulated is slow when it runs for the first time.
_WARM_KEYS = 20
#: Of them some after a pause, for a table: QEMU looks at a screen that does
#: not change ever more rarely.
_RARE_KEYS = 20
_RARE_KEY_S = 1.0
_IDLE_S = 5.0
_BUSY_S = 6.0
#: After this time nothing is left of a client that has gone, nor of what a
#: guest did.
_SETTLE_S = 4.0
#: The guest's screen changes so often per second: more than QEMU looks.
_FRAMES = 40
#: One after the other, for a table; the measurements ask for the usual ones.
_ENCODINGS = {
    'Tight, compression 2': (Encoding.TIGHT, Encoding.COMPRESSION_2),
    'Tight': (Encoding.TIGHT,), 'ZRLE': (Encoding.ZRLE,),
    'Raw': (Encoding.RAW,)}
#: What dmore-busy's keys mean.
_SIZES = {'1': (1024, 768), '2': (1920, 1080)}


class Bench:
    """:ivar results: of each side, a figure to the value of each run
    :ivar stages: see report.stages_table
    :ivar encodings: see report.encodings_table
    """

    def __init__(self, rig: Rig, runs: int, progress: Progress) -> None:
        self._rig = rig
        self._runs = runs
        self._progress = progress
        self._sides = {'qemu': rig.qemu, 'dmore': rig.dmore}
        self.results: dict[str, dict[str, list[float]]] = {
            side: collections.defaultdict(list) for side in report.SIDES}
        self.stages: dict[str, dict[str, list[float]]] = {}
        self.encodings: dict[str, dict[str, tuple[float, float]]] = {}

    def keys(self) -> None:
        """From a key to its picture, in text mode."""
        self._rig.run('dmore-screen', shows=lambda viewing: Screen(
            viewing.picture).next() == 0)
        keys = Keys()
        for run in range(self._runs):
            for side, connect in self._sides.items():
                with self._progress.step(self._name('keys', side, run)):
                    with connect() as viewing:
                        keys.press(viewing, _WARM_KEYS, _KEY_S)
                        pressed = keys.press(viewing, _KEYS, _KEY_S)
                self._respond(side, pressed)
        for side, connect in self._sides.items():
            with self._progress.step(f'keys after a pause, {side}'):
                with connect() as viewing:
                    pressed = keys.press(viewing, _RARE_KEYS, _RARE_KEY_S)
            self.stages.setdefault('key after 1 s of rest, ms', {})[side] = [
                (there - begin) * 1000 for begin, there in pressed]
        with self._progress.step('keys, stage by stage'):
            watch = stages.Watch(self._rig.pair.region())
            watch.wait()
            with self._rig.dmore() as viewing:
                pressed = keys.press(viewing, _KEYS, _KEY_S)
            self.stages['key to pixel, ms'] = stages.of_keys(
                pressed, watch.changes())

    def _respond(self, side: str, pressed: list[tuple[float, float]]) -> None:
        took = [(there - begin) * 1000 for begin, there in pressed]
        for name, share in (('p50', 0.5), ('p99', 0.99)):
            value = report.percentile(took, share)
            self.results[side][f'key_to_pixel_ms_{name}'].append(value)
            self._progress.say(f'{name}: {value:.1f} ms')

    def idle(self) -> None:
        """CPU time with no client, while nothing changes."""
        for run in range(self._runs):
            time.sleep(_SETTLE_S)
            with self._progress.step(f'idle, run {run + 1} of {self._runs}'):
                loads = {side: self._load(side) for side in report.SIDES}
                time.sleep(_IDLE_S)
                for side, load in loads.items():
                    self.results[side]['cpu_idle_pct'].append(load.percent())

    def busy(self) -> None:
        """A screen that changes all the time."""
        self._rig.control('d')
        first = next(iter(_SIZES.values()))
        self._rig.run(f'dmore-busy {_FRAMES}', '1', shows=lambda viewing: (
            viewing.picture.shape == first[::-1]))
        for key, size in _SIZES.items():
            self._rig.type('s', key)
            time.sleep(_SETTLE_S)
            self._rig.type('g')
            for run in range(self._runs):
                for side in report.SIDES:
                    self._busy(side, size, run)
            name = '%dx%d' % size
            time.sleep(_SETTLE_S)
            with self._progress.step(f'busy, {name}, stage by stage'):
                watch = stages.Watch(self._rig.pair.region())
                watch.wait()
                with self._rig.dmore() as viewing:
                    measure.busy(viewing, size, _BUSY_S,
                                 lambda: self._load('dmore'))
                self.stages[f'update of {name}, ms'] = stages.of_updates(
                    watch.changes())
            if key == '1':
                self._by_encoding(size)

    def _by_encoding(self, size: tuple[int, int]) -> None:
        for name, asked in _ENCODINGS.items():
            made = self.encodings[name] = {}
            for side, connect in self._sides.items():
                time.sleep(_SETTLE_S)
                with self._progress.step(f'busy, {name}, {side}'):
                    with connect(asked) as viewing:
                        rate, wire, _load = measure.busy(
                            viewing, size, _BUSY_S, lambda: self._load(side))
                        made[side] = rate, wire

    def _busy(self, side: str, size: tuple[int, int], run: int) -> None:
        name = '%dx%d' % size
        time.sleep(_SETTLE_S)
        with self._progress.step(self._name(f'busy, {name}', side, run)):
            with self._sides[side]() as viewing:
                rate, wire, load = measure.busy(
                    viewing, size, _BUSY_S, lambda: self._load(side))
        self._progress.say(f'{rate:.2f} updates/s, {wire:.2f} MiB/s, '
                           f'{load:.0f} % of a core')
        results = self.results[side]
        results[f'updates_per_s_{name}'].append(rate)
        if size == _SIZES['1']:
            results['cpu_busy_pct'].append(load)
            results['wire_mib_per_s'].append(wire)

    def _load(self, side: str) -> Load:
        """What serves a side's clients, the guest itself not among it."""
        pair = self._rig.pair
        sources = [lambda: beside_guest_s(pair.instance_pid)]
        if side == 'dmore':
            sources += [lambda pid=pid: process_s(pid)
                        for pid in (*pair.shadow_pids(), pair.domain_r_pid)]
        return Load(*sources)

    def _name(self, what: str, side: str, run: int) -> str:
        return f'{what}, {side}, run {run + 1} of {self._runs}'


def measure_console(layout: Layout, folder: pathlib.Path, runs: int,
                    accelerator: str, progress: Progress) -> dict:
    """What ``cli`` reports, see there.

    :param folder: for sockets and logs
    :raises Failure: it cannot be measured
    """
    with Rig(layout, folder, accelerator) as rig:
        with progress.step('the instance'):
            rig.start_instance()
        with progress.step('Domain R'):
            rig.start_domain_r()
        bench = Bench(rig, runs, progress)
        bench.keys()
        bench.idle()
        bench.busy()
    return {'figures': report.figures(bench.results['qemu'],
                                      bench.results['dmore']),
            'stages': bench.stages, 'encodings': bench.encodings}
