# SPDX-License-Identifier: Apache-2.0
"""Live migrations of other kinds: post-copy, several at a time, encrypted,
with a Domain R that leaves early.

In each the users go on typing, and all has to be well afterwards.
"""

import collections
import concurrent.futures
import pathlib
import re

import testtools

from tests.faults import phase_case
from tests.integration import authority
from tests.integration import cloud
from tests.integration import sniffer
from tests.integration import throttle
from laboratory.users.client import PROGRAM
from laboratory.users.subject import Trial
from laboratory.faults import case
from laboratory.faults import session
from laboratory.faults import stock
from laboratory.testbed import settings

_USERS = {'ssh': 0, 'serial': 1}
#: So many lines per second that two cores emulate two pairs.
_COMMAND = f'{PROGRAM} --rate 20'
#: The guest writes to 128 MiB, 25 pages every 10 ms.
_BUSY = f'dmore-dirty 128 25 & {_COMMAND}'
#: And to 32 MiB at up to 40 MiB/s, more than is sent.
_BUSIER = f'dmore-dirty 32 100 & {_COMMAND}'
_BANDWIDTH_MIB = 16
#: Of multifd; libvirt would take two.
_CONNECTIONS = 3
_USERFAULTFD = pathlib.Path('/proc/sys/vm/unprivileged_userfaultfd')
#: What Nova's monitor logs when it obeys force-complete.
_POST_COPY = 'Switching to post-copy migration'


def setUpModule():
    VariantTest.machine = cloud.enter()


def tearDownModule():
    cloud.leave()


class VariantTest(testtools.TestCase):
    """:cvar machine: what ``cloud.enter`` returned"""

    machine: cloud.Machine

    def configure(self, **sections):
        """Have both hosts' nova-compute run with other options."""
        for host in settings.COMPUTES:
            self.enterContext(self.machine.configured(
                host, 'nova-compute', **sections))

    def start(self, name, command=_COMMAND, flavor='m1.guest'):
        """An instance with users, on the first host."""
        machine = self.machine
        made = session.Session(
            case.Runner(machine.place, machine.api, machine.progress,
                        stock.load()),
            Trial(name, flavor, _USERS, command), machine.folder)
        self.addCleanup(made.close)
        made.start()
        return made

    def migrate(self, instance, fault=None, phase=None):
        """To the other host: the sessions go on, and what of them is lost on
        a machine with too few cores is reported."""
        outcome = phase_case.migrate(self, instance, fault, phase)
        self.assertEqual(((), '', (), True), (
            outcome.problems, outcome.nothing, outcome.rebuilt,
            outcome.moved))
        for user in outcome.users.values():
            self.assertEqual(0, user.disconnects, str(user))

    def migrate_at_once(self, *instances):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            for done in [pool.submit(self.migrate, instance)
                         for instance in instances]:
                done.result()

    def logs(self):
        return [self.machine.log(host) for host in settings.COMPUTES]


class PostCopyTest(VariantTest):

    def test_forced(self):
        self._let_unprivileged_qemu()
        self.configure(libvirt={'live_migration_permit_post_copy': True})
        logs = self.logs()
        instance = self.start('post-copy', _BUSY)
        for _there_and_back in range(2):
            self.migrate(instance, 'force_complete', 'pre-copy')
        switched = sum(log.grown().count(_POST_COPY) for log in logs)
        self.assertEqual(2, switched)

    def _let_unprivileged_qemu(self):
        """What libvirt's example ``qemu-postcopy-migration.sysctl`` sets. The
        hosts have this machine's kernel."""
        before = _USERFAULTFD.read_text()
        _USERFAULTFD.write_text('1')
        self.addCleanup(_USERFAULTFD.write_text, before)


class AutoConvergeTest(VariantTest):

    def test_more_is_written_than_sent(self):
        self.configure(libvirt={'live_migration_permit_auto_converge': True,
                                'live_migration_bandwidth': _BANDWIDTH_MIB})
        instance = self.start('auto-converge', _BUSIER)
        domain = instance.start().domain
        for _there_and_back in range(2):
            with throttle.Throttle(domain) as seen:
                self.migrate(instance)
            self.assertGreater(seen.most, 0)


class EarlyTest(VariantTest):

    def test_domain_r_is_not_held(self):
        """It leaves as soon as it can, and waits there for its instance."""
        self.configure(dmore={'hold': False})
        logs = self.logs()
        instance = self.start('early', _BUSY)
        for _there_and_back in range(2):
            self.migrate(instance)
        gaps = [line for log in logs for line in log.grown().splitlines()
                if 'gap in' in line]
        self.assertEqual([], gaps)


class TwoPortsTest(VariantTest):

    def test_second_port_is_the_instances_own(self):
        self.machine.api.flavor('m1.guest-two-ports', 96,
                                **{'hw:serial_port_count': '2'})
        instance = self.start('two-ports', flavor='m1.guest-two-ports')
        subject = instance.start()
        for host in (settings.COMPUTES[1], settings.COMPUTES[0]):
            self.migrate(instance)
            xml = cloud.domain_xml(self.machine, host, subject.domain)
            self.assertEqual(['pipe', 'tcp'], re.findall(
                "<serial type='([a-z]+)'", xml))


class ParallelTest(VariantTest):

    def test_several_connections(self):
        """Each of the two has its main connection, and so many more."""
        self.configure(libvirt={
            'live_migration_parallel_connections': _CONNECTIONS})
        instance = self.start('parallel')
        for _there_and_back in range(2):
            with sniffer.Sniffer() as seen:
                self.migrate(instance)
            listeners = collections.Counter(
                each[2:] for each in seen.opened)
            # QEMU 7.2 was seen to close its socket after the first one, once.
            # Domain R, which had set out early, left with its instance then.
            self.assertEqual([1 + _CONNECTIONS] * 2,
                             sorted(listeners.values())[-2:], seen.opened)


class EncryptedTest(VariantTest):

    def test_native_tls(self):
        self._certify()
        self.configure(libvirt={'live_migration_with_native_tls': True})
        instance = self.start('encrypted')
        with sniffer.Sniffer() as seen:
            self.migrate(instance)
        self.assertEqual([sniffer.TLS] * 2,
                         [begin[:2] for begin in seen.begins.values()])

    def _certify(self):
        """Give each host what QEMU shows, as server and as client."""
        made = authority.Authority(self.machine.folder)
        for host in settings.COMPUTES:
            folder = self.machine.place.certificates(host)
            certificate, key = made.issue(settings.address(host))
            for name, text in (
                    ('ca-cert', made.certificate),
                    *((f'{side}-{kind}', text)
                      for side in ('server', 'client')
                      for kind, text in (('cert', certificate),
                                         ('key', key)))):
                path = folder / f'{name}.pem'
                path.write_text(text)
                self.addCleanup(path.unlink)
