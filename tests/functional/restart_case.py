# SPDX-License-Identifier: Apache-2.0
"""What tests share in which nova-compute dies in an operation.

Beside the hosts with the plug-in there are hosts with Nova's own driver, and
beside the server with a pair there is its twin on these: the same happens to
both, and then both have to be in the same state.
"""

import dataclasses
import os
import time

import fixtures
import libvirt
from nova import conf
from nova import context
from nova import objects
from nova.tests.fixtures import libvirt as fakelibvirt
from nova.tests.functional.api import client

from nova_dmore.virt.network import address
from nova_dmore.virt.pair import announcement
from nova_dmore.virt.pair import xml as xml_module
from tests.functional import base
from tests.functional import death
from tests.functional import operations

CONF = conf.CONF
IMAGE = '155d900f-4e14-4e4c-a73d-069cbf4541e6'
#: What a nova-compute that has just started, or runs for a while, does with
#: instances that are not as they should be.
_PERIODIC = ('_sync_power_states', '_cleanup_running_deleted_instances',
             '_cleanup_incomplete_migrations', '_poll_rebooting_instances',
             '_run_pending_deletes', 'update_available_resource')


@dataclasses.dataclass(frozen=True)
class Operation:
    """What a user has Nova do, and in which state."""

    #: Called with the test case, the server, and the kind of its hosts, 'c'
    #: or 's'.
    do: object
    #: Called before with the test case and the server; returns when it is
    #: ready.
    prepare: object = None
    #: Number of the host whose nova-compute dies.
    dies: str = '1'
    #: Whether it makes its server, and returns it.
    creates: bool = False
    #: Number of the host that comes back after it was lost.
    returns: str | None = None
    #: Whether Nova waits for an answer of the nova-compute that dies, for as
    #: long as ``rpc_response_timeout``.
    is_waited_for: bool = False


def act(action, **arguments):
    return lambda case, server, kind: case.api.post_server_action(
        server['id'], {action: arguments or None})


def wait_for(status, *steps):
    def prepare(case, server):
        for step in steps:
            step(case, server, None)
        case._wait_for_server_parameter(
            server, {'status': status, 'OS-EXT-STS:task_state': None})
    return prepare


class TestCase(base.TestCase):
    """Hosts c1 with the plug-in and s1 with Nova's own driver, or two each."""

    CAST_AS_CALL = False
    #: Numbers of the hosts of each kind.
    numbers = '1'

    def setUp(self):
        # Before any thread is started.
        self.deaths = self.useFixture(death.Deaths())
        self.processes = {}
        super().setUp()
        self.deaths.wrap(self.neutron_for_domain_r)
        self.flags(rpc_response_timeout=40, long_rpc_timeout=40,
                   manager_shutdown_timeout=1,
                   # The pools of threads are of this process: those of the
                   # dead stay in them.
                   max_concurrent_builds=100, max_concurrent_snapshots=100,
                   max_concurrent_live_migrations=100,
                   default_thread_pool_size=100,
                   cell_worker_thread_pool_size=100)
        self.flags(running_deleted_instance_timeout=0,
                   running_deleted_instance_action='reap')
        self.see_consoles()
        for name, value in {
                # No program is run, and no time is waited.
                'nova.virt.libvirt.driver.LibvirtDriver.'
                'migrate_disk_and_power_off': operations._power_off,
                'nova.virt.libvirt.driver.LibvirtDriver._cleanup_resize':
                lambda *_: None,
                'nova.virt.libvirt.driver.LibvirtDriver.snapshot':
                operations.snapshot,
                'nova.virt.libvirt.guest.Guest.sync_guest_time':
                lambda guest: None,
                # As libvirt has it: to Nova's fake a paused domain is a dead
                # one, and nobody can ask why it is paused.
                'nova.tests.fixtures.libvirt.Domain.isActive':
                lambda domain: int(domain._state in (
                    fakelibvirt.VIR_DOMAIN_RUNNING,
                    fakelibvirt.VIR_DOMAIN_PAUSED)),
                'nova.tests.fixtures.libvirt.Domain.state':
                lambda domain, flags=0: [
                    domain._state, libvirt.VIR_DOMAIN_PAUSED_USER],
                'nova.tests.fixtures.libvirt.VIR_DOMAIN_PAUSED_MIGRATION':
                libvirt.VIR_DOMAIN_PAUSED_MIGRATION,
                'nova_dmore.virt.care.reconcile.PATIENCE_S': 0.4,
                'nova_dmore.virt.care.reconcile.ASK_S': 0.2,
                'nova_dmore.virt.care.reconcile._SURE_S': 0.8,
                'nova_dmore.virt.care.watch._AGAIN_S': 0.1,
                'nova_dmore.virt.care.watch._FIRST_RETRY_S': 0.1,
                'nova_dmore.virt.care.watch._STOP_S': 0.1}.items():
            self.useFixture(fixtures.MonkeyPatch(name, value))
        for number in self.numbers:
            for kind in 'sc':
                self.start(kind + number)
        self.reserved_at_first = self.reserved()

    def start(self, hostname='c1', **arguments):
        self.flags(compute_driver='libvirt.LibvirtDriver'
                   if hostname.startswith('s') else 'dmore.DMoreDriver')
        with self.deaths.process(hostname) as self.processes[hostname]:
            super().start(hostname, **arguments)
        # Before Nova's fixtures wait for the threads of its services.
        self.addCleanup(self.deaths.release)
        self.driver(hostname).get_host_ip_addr = (
            lambda: f'192.0.2.{ord(hostname[0])}{hostname[1]}')
        return self.computes[hostname]

    # -- an operation, and a death in it ------------------------------------

    def check(self, operation, *steps):
        """Have nova-compute die before each of some steps of an operation.

        :param steps: names of steps; of one that Nova's own driver does not
            take, with the one before which that has to die for the same.
        """
        outcomes = {}
        for step in steps:
            step, stock_step = step if isinstance(step, tuple) else (
                step, step)
            try:
                if stock_step not in outcomes:
                    outcomes[stock_step] = self._stock_outcome(
                        operation, stock_step)
                self._check_one(operation, step, *outcomes[stock_step])
            except AssertionError as error:
                raise AssertionError(f'dead before {step!r}: {error}'
                                     ) from error

    def _stock_outcome(self, operation, step):
        """What becomes of a server without a pair: its state after the death,
        and after a hard reboot, and whether it could be had."""
        server = self.die(operation, 's', step)
        dead = self.state(server)
        is_mended = self._mend(server)
        mended = self.state(server)
        self.delete(server)
        return dead, is_mended, mended

    def _check_one(self, operation, step, dead, is_mended, mended):
        server = self.die(operation, 'c', step)
        self.until_so(lambda: self.assertEqual(dead, self.state(server)))
        self.until_so(lambda: self.assert_consistent(server))
        self.assertEqual(is_mended, self._mend(server))
        self.assertEqual(mended, self.state(server))
        self.until_so(lambda: self.assert_consistent(server))
        if is_mended:
            self.assert_pair(server, self.instance(server).host)
        self.delete(server)
        self.until_so(lambda: self.assert_swept(server))

    def make(self, operation, hostname):
        """A server that is as the operation finds it; None: it makes one."""
        self.neutron_for_domain_r.free_addresses[:] = ['10.0.0.5']
        if operation.creates:
            return None
        server = self.boot(host=hostname)
        # Nova leaves there what it needs to take back a rescue.
        os.makedirs(os.path.join(CONF.instances_path, server['id']),
                    exist_ok=True)
        if operation.prepare is not None:
            operation.prepare(self, server)
        return server

    def die(self, operation, kind, step):
        """Have a nova-compute die in an operation, and start the next one.

        :returns: the server.
        """
        hostname = kind + operation.dies
        server = self.make(operation, kind + '1')
        process = self.processes[hostname]
        process.steps.clear()
        process.dies_at = step
        answer = operation.do(self, server, kind)
        if operation.creates:
            server = answer
        self.until(process.dead.is_set, lambda: (
            f'{process.steps}, {self.state(server)}'))
        self.kill(hostname)
        self.restart(hostname)
        if operation.returns is not None:
            self.find_again(kind + operation.returns)
        if operation.is_waited_for:
            self.until(lambda: self.instance(server).task_state is None)
        return server

    def _mend(self, server):
        """Do what a user or an admin does with a server that is stuck.

        :returns: whether Nova could do it.
        """
        instance = self.instance(server)
        if instance.deleted or instance.launched_at is None:
            return False
        if instance.task_state is not None or instance.vm_state == 'error':
            self.admin_api.post_server_action(
                server['id'], {'os-resetState': {'state': 'active'}})
        try:
            self.api.post_server_action(
                server['id'], {'reboot': {'type': 'HARD'}})
        except client.OpenStackApiException as error:
            self.assertEqual(409, error.response.status_code)
            return False
        self.until(lambda: self.instance(server).task_state is None)
        return self.instance(server).vm_state == 'active'

    def delete(self, server):
        if not self.instance(server).deleted:
            self.api.delete_server(server['id'])
            self.until(lambda: self.instance(server).deleted)

    # -- a death, and what is done then -------------------------------------

    def kill(self, hostname):
        """Have a nova-compute end as ``kill -9`` ends it."""
        process, service = self.processes[hostname], self.computes[hostname]
        self.deaths.bury(process)
        for server in (service.rpcserver, service.rpcserver_alt):
            server.stop()
        service.tg.stop()
        driver = self.driver(hostname)
        if hostname.startswith('c'):
            driver._rpc_server.stop()
            driver._watch.stop()

    def restart(self, hostname):
        """Start the next nova-compute of a host, after :meth:`kill`."""
        connection = self.connection(hostname)
        del self.computes[hostname], self.compute_rp_uuids[hostname]
        self.flags(watch_interval=0.1, group='dmore')
        self.start(hostname, connection=connection)
        self.run_periodic(hostname)

    def run_periodic(self, hostname):
        manager = self.computes[hostname].manager
        for name in _PERIODIC:
            getattr(manager, name)(context.get_admin_context())

    def until(self, condition, what=lambda: 'nothing happened', wait_s=60):
        """
        :param what: tells what happened instead.
        """
        deadline = time.monotonic() + wait_s
        while not condition():
            if time.monotonic() > deadline:
                self.fail(what())
            time.sleep(0.05)

    def until_so(self, check, wait_s=30):
        """Until an assertion holds."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                return check()
            except AssertionError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    # -- what is there ------------------------------------------------------

    def assert_swept(self, server):
        """Nothing is left of a server, nor of a pair, when the watch has
        swept."""
        for hostname in self.hosts():
            self.driver(hostname)._watch._reconciler.sweep()
        self.assertEqual({}, self._get_allocations_by_server_uuid(
            server['id']))
        self.assertEqual(self.reserved_at_first, self.reserved())
        self.assertEqual({}, self.neutron_for_domain_r.ports)
        self.assertEqual(set(), self.shadow.alive)
        self.assertEqual(set(), self.shadow.folders)
        for hostname in self.hosts():
            self.assertEqual([], self.driver(hostname)._pairs.records.all())
            self.assertEqual([], [
                name for name, domain in list(
                    self.connection(hostname)._vms.items())
                if name.startswith('domr-') or domain.isActive()])

    def instance(self, server):
        """As Nova's database has it, also when it is deleted."""
        return objects.Instance.get_by_uuid(
            context.get_admin_context(read_deleted='yes'), server['id'])

    def reserved(self):
        """MiB that Domain Rs take of the hosts, as Placement is told."""
        for hostname in self.hosts():
            self.run_periodic(hostname)
        return [self._get_provider_inventory(self.compute_rp_uuids[hostname])[
            'MEMORY_MB']['reserved'] for hostname in self.hosts()]

    def domain_of(self, server, hostname):
        """The server's own domain on a host, or None."""
        return next(
            (domain for domain in self.connection(hostname)._vms.values()
             if domain.UUIDString() == server['id']), None)

    def hosts(self):
        """The hosts with the plug-in."""
        return [name for name in self.computes if name.startswith('c')]

    def state(self, server):
        """What Nova and libvirt say of a server; its host by number."""
        instance = self.instance(server)
        domains = {
            hostname[1]: domain._state for hostname in self.computes
            if (domain := self.domain_of(server, hostname)) is not None}
        return {
            'host': (instance.host or '')[1:], 'vm_state': instance.vm_state,
            'task_state': instance.task_state,
            'power_state': instance.power_state,
            'deleted': bool(instance.deleted), 'domains': domains}

    def assert_consistent(self, server):
        """There is one whole pair where the instance runs, or paused; where
        it is off there may be one, or what a start begins with; and no part
        of one is anywhere else. Nova's database says that it has one."""
        uuid, instance = server['id'], self.instance(server)
        ports = [port for port in self.neutron_for_domain_r.ports.values()
                 if port['device_id'] == address.device_id(uuid)]
        self.assertLessEqual(len(ports), 1)
        known = {hostname: record for hostname in self.hosts() if (
            record := self.driver(hostname)._pairs.get(uuid)) is not None}
        self.assertLessEqual(len(known), 1)
        for hostname in self.hosts():
            directory = self.pair_directory(server, hostname)
            parts = (directory in self.shadow.alive,
                     self.domain_r(server, hostname) is not None,
                     directory in self.shadow.folders)
            if hostname not in known:
                self.assertEqual((False, False, False), parts, hostname)
            domain = self.domain_of(server, hostname)
            if domain is None or not domain.isActive():
                continue
            if not xml_module.has_shadow_devices(domain.XMLDesc(0)):
                self.assertNotIn(hostname, known)
                continue
            self.assertEqual((True, True, True), parts, hostname)
            record = known[hostname]
            self.assertFalse(record.incoming)
            # Before, the watch may still take the pair away.
            self.assertTrue(self.driver(
                hostname)._watch._reconciler.is_reconciled(record))
            self.assertEqual(
                [(record.address.port_id, hostname)],
                [(port['id'], port['binding:host_id']) for port in ports])
            self.assertEqual([(record.address.port_id, hostname)],
                             list(self.neutron_for_domain_r.bindings))
            if instance.host == hostname and instance.task_state is None:
                self.assertIn(announcement.NOTE, instance.system_metadata)
