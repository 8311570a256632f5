# SPDX-License-Identifier: Apache-2.0
"""What the gateway asks Nova and Neutron; it changes nothing there.

The addresses are those of Neutron's ports, which are the operator's: what Nova
tells of an instance besides its user and key pair, its user may have written.
"""

import datetime
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from keystoneauth1 import adapter
from keystoneauth1 import exceptions
from keystoneauth1 import loading
from keystoneauth1.loading import session as session_loading
from keystoneauth1 import session as session_module
from oslo_config import cfg

from nova_dmore import exception
from nova_dmore.gateway import consoles
from nova_dmore.gateway import index
from nova_dmore.gateway import options

#: As nova-compute makes the ports (nova_dmore.virt.network.address).
DEVICE_OWNER = 'compute:dmore'
DEVICE_PREFIX = 'domr-'
#: What their descriptions say (nova_dmore.virt.network.key_mark).
_KEY = re.compile('console-key-sha256:([0-9a-f]{64})')
#: Key pairs of another user, in pages.
_MICROVERSION = '2.35'
_PAGE = 1000
#: Seconds of one request.
_REQUEST_S = 10.0
_Made = TypeVar('_Made')
_GONE = ('DELETED', 'SOFT_DELETED')


class _Session(session_module.Session):     # type: ignore[misc]
    """Ends with the limit, whatever asks: also keystoneauth itself, for a
    token and for versions. A server that takes a connection and never answers
    would keep the process for ever otherwise, and with it the lock that all
    other log-ins wait for.

    :ivar deadline: by the monotonic clock
    """

    deadline = 0.0

    def request(self, *arguments: Any, **more: Any) -> Any:
        """See there.

        :raises exceptions.ConnectTimeout: there is no time left
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise exceptions.ConnectTimeout(
                'Nova, Neutron and Keystone take too long; see [gateway] '
                'limit_seconds')
        return super().request(*arguments, **{
            **more, 'timeout': min(left, _REQUEST_S)})


class _Loader(session_loading.Session):     # type: ignore[misc]

    @property
    def plugin_class(self) -> type[_Session]:
        return _Session


class Cloud:
    """:param given: the options
    :param limit_s: so long all requests may take
    :raises exception.ConfigurationError: there are no credentials
    """

    def __init__(self, given: options.Options, limit_s: float) -> None:
        self._network = given.management_network
        try:
            auth = loading.load_auth_from_conf_options(
                given.conf, options.NAME)
            session = _Loader().load_from_conf_options(
                given.conf, options.NAME, auth=auth)
        except (exceptions.ClientException, cfg.Error) as error:
            raise exception.ConfigurationError(
                f'[gateway]: no credentials: {error}') from error
        if auth is None:
            raise exception.ConfigurationError(
                '[gateway] auth_type is not set; give the credentials as '
                '[neutron] has them')
        assert isinstance(session, _Session)    # its loader has made it
        session.deadline = time.monotonic() + limit_s
        common = {'session': session, 'interface': given.interface,
                  'region_name': given.region_name}
        self._session = session
        # Keystone's catalogue may have their addresses with the version of
        # the API or without.
        self._nova = adapter.Adapter(
            service_type='compute', default_microversion=_MICROVERSION,
            min_version='2.1', max_version='2.latest', **common)
        self._neutron = adapter.Adapter(
            service_type='network', min_version='2', max_version='2.latest',
            **common)

    def consoles(self) -> dict[str, index.Console]:
        """The consoles, by instance.

        On the management network, and of the operator's project alone: users
        may give ports of their own any name and owner.
        """
        return dict(each for each in self._pages(
            self._neutron, '/ports', 'ports', _console,
            network_id=self._network_id(), project_id=self._project_id(),
            device_owner=DEVICE_OWNER) if each)

    def changed(self, since: float | None
                ) -> Iterator[tuple[str, index.Server | None]]:
        """Instances that changed, as :func:`nova_dmore.gateway.index.updated`
        takes them."""
        query = {} if since is None else {
            'changes-since': datetime.datetime.fromtimestamp(
                max(since, 0), datetime.UTC).strftime('%Y-%m-%dT%H:%M:%SZ')}
        return self._pages(
            self._nova, '/servers/detail', 'servers', lambda server: (
                server['id'], None if server['status'] in _GONE else
                index.Server(server['user_id'], server['key_name'])),
            all_tenants='1', **query)

    def keys_of(self, user: str) -> Mapping[str, str]:
        """The key pairs of a user, by name."""
        return dict(self._pages(
            self._nova, '/os-keypairs', 'keypairs', lambda each: (
                each['keypair']['name'], each['keypair']['public_key']),
            user_id=user))

    def _project_id(self) -> str:
        """The project of the credentials; nova-compute has the same one for
        Neutron."""
        try:
            found = self._session.get_project_id()
        except exceptions.ClientException as error:
            raise exception.ServiceAwayError(f'Keystone: {error}') from error
        if not found:
            raise exception.ConfigurationError(
                '[gateway]: the credentials name no project; it has to be '
                'that of [neutron] of nova-compute, in which the ports of '
                'Domain Rs are')
        return str(found)

    def _network_id(self) -> str:
        for name in ('name', 'id'):
            found = list(self._pages(
                self._neutron, '/networks', 'networks',
                lambda each: str(each['id']), **{name: self._network}))
            if len(found) == 1:
                return found[0]
            if found:
                raise exception.ConfigurationError(
                    f'[gateway] management_network: {len(found)} networks '
                    f'are named {self._network!r}; give the id')
        raise exception.ConfigurationError(
            f'[gateway] management_network: Neutron has no network '
            f'{self._network!r}; name the one that [dmore] '
            'management_network of nova-compute names')

    def _pages(self, service: adapter.Adapter, path: str, kind: str,
               make: Callable[[dict[str, Any]], _Made], **query: str
               ) -> Iterator[_Made]:
        """What a list has, page by page.

        :param make: of an entry
        :raises exception.ServiceAwayError: it cannot be had, or in time
        """
        while True:
            try:
                answer = service.get(
                    path, params={**query, 'limit': _PAGE}).json()
                found, links = answer[kind], answer.get(f'{kind}_links', [])
                made = [make(each) for each in found]
                last = found and (found[-1]['keypair']['name']
                                  if kind == 'keypairs' else found[-1]['id'])
                more = found and any(
                    link['rel'] == 'next' for link in links)
            except (exceptions.ClientException, ValueError, TypeError,
                    LookupError, AttributeError) as error:
                raise exception.ServiceAwayError(
                    f'{path}: {error!r}') from error
            yield from made
            if not more:
                return
            query['marker'] = last


def _console(port: dict[str, Any]) -> tuple[str, index.Console] | None:
    """Instance and console; None if it is no port of a pair, or has no
    address."""
    told = _KEY.search(port.get('description') or '')
    try:
        return (consoles.instance(
                    port['device_id'].removeprefix(DEVICE_PREFIX)),
                index.Console(
                    consoles.address(port['fixed_ips'][0]['ip_address']),
                    told and told[1]))
    except (ValueError, IndexError):
        return None
