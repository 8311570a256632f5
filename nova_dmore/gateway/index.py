# SPDX-License-Identifier: Apache-2.0
"""What the gateway knows of the cloud: which key reaches which console.

It is read anew when it has expired, and then only what has changed. The key of
an instance is looked up once, when the instance is first seen: Nova gives an
instance the key pair that has the name at that moment, and that key is the one
that Domain R lets in, whatever becomes of the key pair. Only a rebuild may
give it another one, perhaps of the same name: so where Domain R's port tells
the digest of the key, that counts and the name does not.
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping

from nova_dmore.gateway import consoles
from nova_dmore.gateway import public_key

#: Another release begins anew, but for the one before: the keys that it knows
#: may be those of key pairs that are gone.
VERSION = 3
_VERSION_BEFORE = 2
#: Most instances, and bytes of the file.
INSTANCES_MAX = 100_000
FILE_MAX = 1 << 27
#: Seconds by which the clocks of the gateway and of Nova's database may
#: differ.
CLOCKS_S = 300.0
#: Seconds after which all is read anew, if there is time for that: Nova
#: forgets deleted instances, and leaves out those of a cell that is silent.
WHOLE_S = 86400.0


@dataclasses.dataclass(frozen=True)
class Server:
    """One instance.

    :ivar user: the id of the user who made it
    :ivar key_name: of his key pair, if he named one
    :ivar key: the public key, or more of them with a newline between each two;
        empty if there is none that OpenSSH takes, or the key pair is gone;
        None if it was not looked up
    :ivar digest: of the key pair that it was looked up in, or that was sought;
        None if an earlier release looked it up
    """

    user: str
    key_name: str | None
    key: str | None = None
    digest: str | None = None


@dataclasses.dataclass(frozen=True)
class Console:
    """One console, as its port tells of it.

    :ivar digest: of the key pair that it lets in (:func:`digest_of`); None if
        an earlier release made the port, or it lets in none
    """

    address: str
    digest: str | None = None


def digest_of(text: str) -> str:
    """The digest of a key pair, as nova-compute makes it of its text in Nova
    (nova_dmore.virt.network.key_mark)."""
    return hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()


@dataclasses.dataclass(frozen=True)
class Index:
    """What is known.

    :ivar read_at: when Nova was last asked, in seconds since 1970
    :ivar begun_at: when all was read anew, or was to be
    :ivar servers: by uuid
    :ivar addresses: of their consoles, by uuid
    :ivar port: of all consoles
    """

    read_at: float = 0.0
    begun_at: float = 0.0
    servers: Mapping[str, Server] = dataclasses.field(default_factory=dict)
    addresses: Mapping[str, str] = dataclasses.field(default_factory=dict)
    port: int = 22

    def by_key(self) -> dict[str, dict[str, str]]:
        """For each key the addresses of the consoles that it reaches, by
        instance; not more than OpenSSH can be told."""
        users: dict[str, dict[str, list[str]]] = {}
        for name, server in self.servers.items():
            if not server.key or name not in self.addresses:
                continue
            for key in server.key.split('\n'):
                users.setdefault(key, {}).setdefault(
                    server.user, []).append(name)
        return {key: {name: self.addresses[name]
                      for name in _shared_out(of_key.values())}
                for key, of_key in users.items()}

    def since(self, now: float) -> float | None:
        """From when on changes have to be asked for; None for all."""
        if not 0 <= now - self.begun_at < WHOLE_S or self.read_at > now:
            return None
        return self.read_at - CLOCKS_S

    def to_be_read_anew(self) -> 'Index':
        """The same, where :meth:`since` is None."""
        return dataclasses.replace(self, begun_at=0.0)

    def without_reading_anew(self, now: float) -> 'Index | None':
        """The same, where changes alone are asked for until another
        :data:`WHOLE_S` have passed; None if they are already, or if nothing is
        known that could change, or the clock was set back since."""
        if self.since(now) is not None or not (
                0 < self.begun_at <= self.read_at <= now):
            return None
        return dataclasses.replace(self, begun_at=now)


def _shared_out(of_users: Iterable[list[str]]) -> list[str]:
    """The instances that a key reaches, where it is that of several users.

    A public key is no secret: whoever gives it to many instances of his must
    not take the place of its owner's. So all users have their first one, then
    all their second, and so on.

    :param of_users: the instances of each
    """
    ranked = sorted((rank, name) for names in of_users
                    for rank, name in enumerate(sorted(names)))
    return sorted(name for _, name in ranked[:consoles.CONSOLES_MAX])


def to_json(index: Index) -> str:
    """The text of the file."""
    fields = dataclasses.asdict(index)
    fields['servers'] = {
        name: [each.user, each.key_name, each.key, each.digest]
        for name, each in index.servers.items()}
    return json.dumps({'version': VERSION, **fields})


def from_json(text: str) -> Index:
    """The inverse of :func:`to_json`.

    :raises ValueError: it is of another release, or damaged
    """
    try:
        fields = json.loads(text)
        version = fields.pop('version')
        servers = fields.pop('servers').items()
        if version == VERSION:
            known = {name: Server(user, key_name, key, digest)
                     for name, (user, key_name, key, digest) in servers}
        elif version == _VERSION_BEFORE:
            known = {name: Server(user, key_name, key)
                     for name, (user, key_name, key) in servers}
        else:
            raise ValueError('an index of another release')
        return Index(servers=known, **fields)
    except (AttributeError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f'no index: {error}') from error


def updated(index: Index, now: float, port: int,
            there: Mapping[str, Console],
            changed: Iterable[tuple[str, Server | None]],
            keys_of: Callable[[str], Mapping[str, str]]) -> Index:
    """An index that has what was read.

    :param there: all consoles, by instance
    :param changed: instances that changed, None for one that is deleted; all
        of them if :meth:`Index.since` is None
    :param keys_of: the key pairs of a user, by name, as Nova has them; asked
        once for each user of whom one is needed
    :raises ValueError: there are too many instances
    """
    whole = index.since(now) is None
    # A console is there as long as its instance, also where Nova leaves that
    # out of its list, since the cell that it is in does not answer.
    known = {name: server for name, server in index.servers.items()
             if name in there or not whole}
    for name, server in changed:
        known.pop(name, None)
        if server is None:
            continue
        before = index.servers.get(name)
        if before and before.key and before.key_name == server.key_name:
            server = before
        known[name] = server
        if len(known) > INSTANCES_MAX:
            raise ValueError(f'more than {INSTANCES_MAX} instances')
    pairs: dict[str, Mapping[str, str]] = {}

    def pairs_of(user: str) -> Mapping[str, str]:
        if user not in pairs:
            pairs[user] = keys_of(user)
        return pairs[user]

    for name, console in there.items():
        if name in known:
            known[name] = _with_key(
                known[name], index.servers.get(name), console.digest,
                pairs_of)
    return Index(now, now if whole else index.begun_at, known,
                 {name: console.address for name, console in there.items()},
                 port)


def _with_key(server: Server, before: Server | None, digest: str | None,
              pairs_of: Callable[[str], Mapping[str, str]]) -> Server:
    """An instance with the key that its Domain R lets in.

    :param before: what was known of it
    :param digest: as its port tells it
    :param pairs_of: the key pairs of a user
    """
    if server.key_name is None and digest is None:
        return dataclasses.replace(server, key=None)
    if digest is None:
        return server if server.key is not None else _of_pair(
            server, pairs_of(server.user).get(server.key_name or '', ''))
    if server.digest == digest:
        return server
    if before and before.key and before.digest == digest:
        # The instance is to be rebuilt with another one, and is not yet.
        return dataclasses.replace(before, key_name=server.key_name)
    for text in pairs_of(server.user).values():
        if digest_of(text) == digest:
            return _of_pair(server, text)
    # It is gone. One of which nobody knows the digest may be the one.
    known = server.key if server.key and server.digest is None else ''
    return dataclasses.replace(server, key=known, digest=digest)


def _of_pair(server: Server, text: str) -> Server:
    return dataclasses.replace(
        server, key='\n'.join(public_key.of_text(text)),
        digest=digest_of(text))
