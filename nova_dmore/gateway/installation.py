# SPDX-License-Identifier: Apache-2.0
"""``nova-dmore-gateway setup``: what a host needs to be the gateway.

Each step checks first whether it is done, and says what it did; so the command
may be repeated, for instance after an upgrade or with another port.
"""

import dataclasses
import grp
import ipaddress
import os
import pathlib
import pwd
import stat
import subprocess
import sys
import sysconfig
from collections.abc import Callable

from nova_dmore import exception
from nova_dmore.gateway import store

USER = 'nova-dmore-gateway'
LOGIN = 'console'
_UNIT = 'nova-dmore-gateway.service'
_HOST_KEY = pathlib.Path('/etc/ssh/nova-dmore-gateway_ed25519_key')
_SSHD = pathlib.Path('/etc/ssh/nova-dmore-gateway.conf')
_SYSTEMD = pathlib.Path('/etc/systemd/system') / _UNIT
#: As the files of etc/ have it.
_PROGRAM = '/usr/bin/nova-dmore-gateway'
#: Where they are: installed by pip (Debian's installs below /usr/local), by a
#: package, or in a source tree.
_PLACES = (*(pathlib.Path(prefix, 'share/nova-dmore/etc') for prefix in
             (sysconfig.get_path('data'), sys.prefix)),
           pathlib.Path(__file__).parents[2] / 'etc')


@dataclasses.dataclass(frozen=True)
class Choice:
    """What the operator chooses.

    :ivar port: that users connect to
    :ivar listen: addresses that they connect to; none for all
    :ivar start: whether the service is started
    """

    port: int
    listen: tuple[str, ...]
    start: bool


def install(program: pathlib.Path, config: pathlib.Path, choice: Choice,
            say: Callable[[str], None] = print) -> None:
    """Do what is not done.

    :param program: this one, which the files and an account name
    :param config: with the group ``[gateway]``
    :raises exception.ConfigurationError: something stands in the way; what
        was done before stays
    """
    if os.geteuid() != 0:
        raise exception.ConfigurationError('setup has to be run as root')
    program = _safe(program)
    sshd = sshd_config(_source('ssh', _SSHD.name), program, config, choice)
    _account(USER, '/usr/sbin/nologin', say)
    _account(LOGIN, str(program), say)
    group = grp.getgrnam(USER).gr_gid
    _folder(store.FOLDER, say)
    if not config.exists():
        _write(config, _source('nova-dmore', 'gateway.conf.sample'), 0o640,
               group, say)
    if not _HOST_KEY.exists():
        _run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', USER, '-f',
             str(_HOST_KEY))
        say(f'made {_HOST_KEY}')
    changed = [
        _write(_SSHD, sshd, 0o644, 0, say),
        _write(_SYSTEMD, _source('systemd', _UNIT), 0o644, 0, say)]
    if choice.start:
        _start(program, config, any(changed), say)
    fingerprint = _run('ssh-keygen', '-l', '-f', f'{_HOST_KEY}.pub')
    say(f'tell users the host key of the gateway: {fingerprint.split()[1]}')


def sshd_config(text: str, program: pathlib.Path, config: pathlib.Path,
                choice: Choice) -> str:
    """The configuration of etc/ for this host.

    :raises exception.ConfigurationError: the choice cannot be used
    """
    if not 0 < choice.port < 65536:
        raise exception.ConfigurationError(
            f'--port: {choice.port} is no port; name one from 1 to 65535')
    try:
        listen = [ipaddress.ip_address(each) for each in choice.listen]
    except ValueError as error:
        raise exception.ConfigurationError(f'--listen: {error}') from error
    lines = [f'Port {choice.port}',
             *(f'ListenAddress {each}' for each in listen)]
    return text.replace('Port 2222', '\n'.join(lines)).replace(
        _PROGRAM, f'{program} --config-file {config}')


def _safe(program: pathlib.Path) -> pathlib.Path:
    """sshd runs no command that anybody but root could have written."""
    program = program.resolve()
    for path in (program, *program.parents):
        status = path.stat()
        if status.st_uid != 0 or status.st_mode & (
                stat.S_IWGRP | stat.S_IWOTH):
            raise exception.ConfigurationError(
                f'{path} belongs to another user than root, or others may '
                f'write it: sshd would not run {program}')
    return program


def _source(folder: str, name: str) -> str:
    for place in _PLACES:
        if (place / folder / name).exists():
            return (place / folder / name).read_text()
    raise exception.ConfigurationError(
        f'{folder}/{name} is in none of {", ".join(map(str, _PLACES))}: '
        'install nova-dmore again')


def _account(name: str, shell: str, say: Callable[[str], None]) -> None:
    try:
        found = pwd.getpwnam(name)
    except KeyError:
        # With "*" nobody has the password; an account that is locked ("!")
        # could not log in with a key either.
        _run('useradd', '--system', '--user-group', '--no-create-home',
             '--home-dir', '/', '--shell', shell, '--password',
             '*', '--comment', 'nova-dmore SSH gateway', name)
        say(f'made the user {name}')
        return
    if pathlib.Path(found.pw_shell).name != pathlib.Path(shell).name:
        raise exception.ConfigurationError(
            f'there is a user {name} already, whose shell is '
            f'{found.pw_shell}: the gateway needs this name, and runs '
            'beside no other use of it')
    if found.pw_shell != shell:
        _run('usermod', '--shell', shell, name)
        say(f'gave the user {name} the shell {shell}')


def _folder(path: pathlib.Path, say: Callable[[str], None]) -> None:
    owner = pwd.getpwnam(USER)
    if not path.exists():
        path.mkdir(mode=0o700)
        say(f'made {path}')
    os.chown(path, owner.pw_uid, owner.pw_gid)


def _write(path: pathlib.Path, text: str, mode: int, group: int,
           say: Callable[[str], None]) -> bool:
    """Have a file say this; whether it did not."""
    if path.exists() and path.read_text() == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f'{path.name}.new')
    scratch.unlink(missing_ok=True)
    # Closed to others before there is anything in it.
    with open(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600),
              'w') as file:
        file.write(text)
        os.fchown(file.fileno(), 0, group)
        os.fchmod(file.fileno(), mode)
    os.rename(scratch, path)
    say(f'wrote {path}')
    return True


def _start(program: pathlib.Path, config: pathlib.Path, changed: bool,
           say: Callable[[str], None]) -> None:
    try:
        known = _run('runuser', '-u', USER, '--', str(program),
                     '--config-file', str(config), 'refresh')
    except exception.ConfigurationError as error:
        raise exception.ConfigurationError(
            f'nothing is started, for the gateway cannot ask the cloud: edit '
            f'{config}, which {USER} has to be able to read, and repeat this '
            f'({error})') from error
    say(f'the cloud has {known.strip()}')
    _run('systemctl', 'daemon-reload')
    _run('systemctl', 'enable', '--quiet', _UNIT)
    active = subprocess.run(['systemctl', 'is-active', '--quiet', _UNIT],
                            check=False).returncode == 0
    if changed or not active:
        _run('systemctl', 'restart', _UNIT)
        say(f'started {_UNIT}; sessions that were open live on')


def _run(*command: str) -> str:
    """:raises exception.ConfigurationError: it fails"""
    try:
        done = subprocess.run(command, capture_output=True, text=True,
                              check=False)
    except OSError as error:
        raise exception.ConfigurationError(f'{command[0]}: {error}') from error
    if done.returncode:
        raise exception.ConfigurationError(
            f'"{" ".join(command)}" failed: {done.stderr.strip()}')
    return done.stdout
