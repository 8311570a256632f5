# SPDX-License-Identifier: Apache-2.0
"""What a pair costs on the host while nobody uses its console."""

import contextlib
import pathlib
import socket
import statistics
import time
from collections.abc import Callable, Sequence

from lxml import etree

from laboratory.bench.cpu import Load, process_s
from laboratory.bench import memory, merging
from laboratory.bench.pair import Image, Machines, Pair, SERIAL_PORT
from laboratory.layout import Layout
from laboratory.progress import Failure, Progress
from nova_dmore import places
from nova_dmore.virt.pair import xml

#: As in the test cloud's nova.conf, ``[libvirt] tb_cache_size``.
_TB_CACHE_SIZE = 64
#: An instance that stays in its firmware, which prints on the serial port:
#: what is measured is beside it.
_INSTANCE = ('-m', '16M', '-machine', 'graphics=off')
_INSTANCE_TB_MIB = 8
_BOOT_S = 300
#: A connection that is not made in this time is tried again.
_CONNECT_S = 0.05
#: After this time nothing is left of a boot, and then idle is so long.
_SETTLE_S = 10.0
_IDLE_S = 30.0
_MIB = 1 << 20


#: Whose CPU time counts.
PROCESSES = ("Domain R's QEMU", 'keeper', 'worker')
#: What the share of memory is made of.
PARTS = ("Domain R's memory", 'translated code', "rest of Domain R's QEMU",
         'keeper', 'worker')


class Pairs:
    """Ever more pairs on one machine."""

    def __init__(self, machines: Machines, image: Image, progress: Progress
                 ) -> None:
        self._machines = machines
        self._image = image
        self._progress = progress
        self._tb_mib = tb_mib(image.manifest.memory_mib)
        self._pairs: list[Pair] = []

    def grow(self, count: int) -> list[float]:
        """Have so many; how long each new one took to its first byte."""
        times = []
        while len(self._pairs) < count:
            number = len(self._pairs)
            with self._progress.step(f'pair {number + 1}'):
                pair = Pair(self._machines, number)
                pair.start_instance(_INSTANCE, _INSTANCE_TB_MIB)
                self._wait(f'firmware of instance {number}', lambda: (
                    pair.serial_log.exists()
                    and pair.serial_log.stat().st_size > 0))
                begin = time.monotonic()
                pair.start_domain_r(self._image, self._tb_mib)
                self._wait(f'console of instance {number}',
                           lambda: _first_byte(pair.address))
                times.append(time.monotonic() - begin)
                self._pairs.append(pair)
        return times

    def _wait(self, step: str, condition: Callable[[], bool]) -> None:
        self._machines.wait(step, _BOOT_S, condition, _CONNECT_S)

    def parts_mib(self) -> list[list[float]]:
        """For each pair, the PARTS of its share of memory."""
        found = []
        for pair in self._pairs:
            found.append([*memory.emulator(pair.domain_r_pid,
                                           self._image.ram_kib),
                          *map(memory.pss_mib, pair.shadow_pids())])
        return found

    def idle_pct(self, seconds: float) -> list[float]:
        """Percent of one core, for each of PROCESSES the mean of all pairs."""
        pids = [(pair.domain_r_pid, *pair.shadow_pids())
                for pair in self._pairs]
        loads = [Load(*(lambda pid=pid: process_s(pid) for pid in same))
                 for same in zip(*pids)]
        time.sleep(seconds)
        return [load.percent() / len(pids) for load in loads]


def tb_mib(memory_mib: int) -> int:
    """What the plugin gives an emulated Domain R for translated code."""
    made = etree.fromstring(xml.domain_r(xml.DomainR(
        'name', 'uuid', 'instance', 'qemu', memory_mib, 'image',
        places.of_pair('pair'), '', '<interface/>', 'log',
        tb_cache_mib=_TB_CACHE_SIZE)))
    return int(made.findtext('features/tcg/tb-cache'))


def _first_byte(address: str) -> bool:
    """Whether a client gets what the instance has printed."""
    try:
        with socket.create_connection((address, SERIAL_PORT), _CONNECT_S
                                      ) as connection:
            connection.settimeout(_BOOT_S)
            return bool(connection.recv(1))
    except OSError:
        # It does not listen yet.
        return False


def measure_footprint(layout: Layout, folder: pathlib.Path,
                      counts: Sequence[int], accelerator: str,
                      progress: Progress, merge: bool = False) -> dict:
    """What ``cli`` reports: footprints, and of each one what its memory
    (PARTS, in MiB) and its CPU time (PROCESSES, in percent) consist of.

    :param folder: for sockets and logs
    :param counts: of pairs, one after the other, ever more
    :param merge: with the kernel's merging of pages
    :raises Failure: it cannot be measured
    """
    footprints, parts, idles = [], [], []
    with contextlib.ExitStack() as stack:
        wait_for_merging = (stack.enter_context(merging.on()) if merge
                            else lambda: None)
        machines = stack.enter_context(Machines(folder, accelerator))
        machines.make_network()
        hostd = machines.start_hostd(layout.venv_program('nova-dmore-hostd'))
        image = Image(layout, folder)
        pairs = Pairs(machines, image, progress)
        for count in counts:
            times = pairs.grow(count)
            if not times:
                raise Failure('footprint', 'the numbers of pairs do not grow')
            with progress.step(f'{count} idle'):
                time.sleep(_SETTLE_S)
                wait_for_merging()
                idle = pairs.idle_pct(_IDLE_S)
                shares = pairs.parts_mib()
            means = [statistics.fmean(each) for each in zip(*shares)]
            parts.append(dict(zip(PARTS, means)))
            idles.append(dict(zip(PROCESSES, idle)))
            # Of memory and CPU the mean of the pairs.
            footprints.append({
                'pairs': count,
                'domr_guest_mib': image.manifest.memory_mib,
                'pair_pss_mib': round(sum(means), 1),
                'host_pss_mib': round(sum(means[-2:]), 2),
                # All pairs share it.
                'hostd_pss_mib': round(memory.pss_mib(hostd), 2),
                'image_mib': round(image.path.stat().st_size / _MIB, 1),
                # From the start of Domain R's QEMU until a client has the
                # first byte that the instance has printed.
                'boot_to_console_s': round(statistics.median(times), 2),
                'idle_cpu_pct': round(sum(idle), 2)})
    return {'footprints': footprints, 'pss_mib': parts, 'idle_pct': idles}
