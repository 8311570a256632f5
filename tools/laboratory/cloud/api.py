# SPDX-License-Identifier: Apache-2.0
"""What a user and an administrator ask of the cloud."""

import contextlib
import functools
import pathlib
import time
from collections.abc import Iterator

import openstack
from keystoneauth1 import exceptions as auth_exceptions
from openstack.compute.v2 import server_migration
from openstack import exceptions

from laboratory.cloud import machines
from laboratory.progress import Failure
from laboratory.testbed import settings
from laboratory import waiting

_BOOT_S = 300
_MIGRATE_S = 300
_LOOK_S = 0.5
_SSH_PROPERTY = 'dmore:console_ssh'
_KEY_PAIR = 'dmore'
_READY = 'GUEST-READY'
#: Of Nova's API, the first with which a request for a live migration does not
#: wait until both hosts have been looked at.
_AT_ONCE = '2.34'


@contextlib.contextmanager
def requests(place: settings.Place) -> Iterator[None]:
    """Say of a request that fails that it was one.

    :raises Failure: one failed
    """
    try:
        yield
    except (exceptions.SDKException,
            auth_exceptions.ClientException) as error:
        raise Failure('a request to the cloud', str(error),
                      place.log(settings.CONTROLLER, 'nova-api')) from error


def disk(image: str, volume_gib: int) -> dict[str, object]:
    """What says of a new instance where its disk is from."""
    if not volume_gib:
        return {'image_id': image}
    return {'block_device_mapping': [{
        'boot_index': 0, 'uuid': image, 'source_type': 'image',
        'destination_type': 'volume', 'volume_size': volume_gib,
        'delete_on_termination': True}]}


class Cloud:
    """As the user that the environment names.

    :param place: whose logs a failure points to
    """

    def __init__(self, place: settings.Place) -> None:
        self._sdk = openstack.connect()
        self._log_of = functools.partial(machines.compute_log, place)

    def boot(self, name: str, flavor: str, host: str, image: str = 'guest',
             volume_gib: int = 0, look_s: float = 0.5) -> str:
        """Start an instance on a host, after removing an older one; its id.

        :param volume_gib: if not 0, its disk is a volume of that size, which
            is made from the image and goes with the instance
        :param look_s: seconds from one look at it to the next
        :raises Failure: it does not become active
        """
        compute = self._sdk.compute
        for older in compute.servers(name=f'^{name}$'):
            self.delete(older.id)
        server = compute.create_server(
            name=name, key_name=_KEY_PAIR, availability_zone=f'nova:{host}',
            **disk(self._sdk.image.find_image(image).id, volume_gib),
            flavor_id=compute.find_flavor(flavor).id,
            networks=[{'uuid': self._sdk.network.find_network(
                settings.PRIVATE_NAME).id}])
        try:
            compute.wait_for_server(server, interval=look_s, wait=_BOOT_S)
        except (exceptions.ResourceFailure,
                exceptions.ResourceTimeout) as error:
            fault = compute.get_server(server.id).fault or {}
            raise Failure(f'boot of {name}', fault.get('message', str(error)),
                          self._log_of(host)) from error
        return server.id

    def upload(self, name: str, path: pathlib.Path, **properties: str) -> None:
        """An image of a disk that everybody may use, if it is not there."""
        if self._sdk.image.find_image(name) is None:
            self._sdk.image.create_image(
                name=name, filename=str(path), disk_format='qcow2',
                container_format='bare', visibility='public', wait=True,
                use_import=False, hw_video_model='vga', **properties)

    def flavor(self, name: str, memory_mib: int, *, disk_gib: int = 0,
               **specs: str) -> None:
        """A flavor with one processor, if it is not there.

        :param disk_gib: without one the disk is as large as the image
        """
        compute = self._sdk.compute
        if compute.find_flavor(name) is None:
            made = compute.create_flavor(name=name, ram=memory_mib, vcpus=1,
                                         disk=disk_gib)
            if specs:
                compute.create_flavor_extra_specs(made, specs)

    def wait_until_booted(self, server: str, host: str) -> None:
        """Until the guest's shell is there.

        :raises Failure: it does not come
        """
        if not waiting.until(lambda: _READY in self.console_log(server),
                             _BOOT_S, 1):
            raise Failure('boot of the guest', 'no shell on its console '
                          f'after {_BOOT_S} s', self._log_of(host))

    def delete(self, server: str, look_s: float = 0.5) -> None:
        """Remove an instance and wait until it is gone.

        :param look_s: seconds from one look for it to the next
        """
        compute = self._sdk.compute
        found = compute.find_server(server)
        if found is not None:
            compute.delete_server(found)
            compute.wait_for_delete(found, interval=look_s, wait=120)

    def domain(self, server: str) -> str:
        """The name of the instance's libvirt domain."""
        return self._sdk.compute.get_server(server).instance_name

    def migrate(self, server: str, source: str, destination: str,
                look_s: float = _LOOK_S) -> float:
        """Live-migrate; seconds from the request until it is over.

        :param look_s: seconds from one look at it to the next
        :raises Failure: the instance is not on the destination then
        """
        step = f'live migration {source} -> {destination}'
        begin = time.monotonic()
        self.ask_to_migrate(step, server, destination)
        while True:
            passed = time.monotonic() - begin
            if passed > _MIGRATE_S:
                raise Failure(step, f'not over after {passed:.0f} s',
                              self._log_of(source))
            # For what is shown of an instance Nova asks Neutron twice: while
            # it moves that would take half a processor from the consoles
            # which are measured.
            if not self.migrations(server):
                found = self._sdk.compute.get_server(server)
                if found.task_state is None or found.status == 'ERROR':
                    break
            time.sleep(look_s)
        if found.status == 'ERROR' or found.compute_host != destination:
            raise Failure(step, 'the instance is '
                          f'{found.status} on {found.compute_host} after '
                          f'{passed:.1f} s', self._log_of(source))
        return time.monotonic() - begin

    def console_url(self, server: str, kind: str = 'serial') -> str:
        """What ``openstack console url show --serial`` prints, or --novnc.

        :param kind: ``serial`` or ``novnc``
        :raises OSError: there is none now
        """
        try:
            return self._sdk.compute.create_server_remote_console(
                server, type=kind).url
        except exceptions.SDKException as error:
            raise ConnectionError(f'no URL: {error}') from error

    def console_log(self, server: str) -> str:
        """What ``openstack console log show`` prints."""
        shown = self._sdk.compute.get_server_console_output(server)
        return shown['output'] if shown else ''

    def ssh_url(self, server: str) -> str:
        """The SSH address that ``openstack server show`` tells.

        :raises Failure: it tells none
        """
        found = self._sdk.compute.get_server(server)
        if _SSH_PROPERTY not in found.metadata:
            raise Failure('SSH console', 'the server has no property '
                          f'{_SSH_PROPERTY}: it has no Domain R',
                          self._log_of(found.compute_host))
        return found.metadata[_SSH_PROPERTY]

    def ask_to_migrate(self, step: str, server: str, destination: str
                       ) -> None:
        """Ask for a live migration, as today's clients of Nova do. The SDK's
        own method uses an older microversion, with which Nova answers late.

        :raises Failure: of the step: Nova refuses
        """
        try:
            exceptions.raise_from_response(self._sdk.compute.post(
                f'/servers/{server}/action', microversion=_AT_ONCE,
                json={'os-migrateLive': {'host': destination,
                                         'block_migration': 'auto'}}))
        except exceptions.SDKException as error:
            raise Failure(step, str(error)) from error

    def migrations(self, server: str
                   ) -> list[server_migration.ServerMigration]:
        """The migrations that Nova takes for being under way.

        :raises SDKException: it does not tell
        """
        return list(self._sdk.compute.server_migrations(server))
