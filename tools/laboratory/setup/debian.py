# SPDX-License-Identifier: Apache-2.0
"""Install Debian packages; none of them may start or stop a service."""

import contextlib
import os
import pathlib
import re
from collections.abc import Iterator

from laboratory import command

_POLICY = pathlib.Path('/usr/sbin/policy-rc.d')
_MARK = '# nova-dmore: for the time of an installation'
_DENY = f'#!/bin/sh\n{_MARK}\nexit 101\n'


def parse_bindep(text: str) -> list[str]:
    """The package names of a bindep file, in its order."""
    lines = (re.sub(r'#.*', '', line).split() for line in text.splitlines())
    return [words[0] for words in lines if words]


def missing(packages: list[str]) -> list[str]:
    """The packages that are not installed."""
    listed = command.output(['dpkg-query', '-W', '-f',
                             '${Package} ${db:Status-Status}\\n'])
    installed = {line.split()[0] for line in listed.splitlines()
                 if line.endswith(' installed')}
    return [name for name in packages if name not in installed]


@contextlib.contextmanager
def services_denied(policy: pathlib.Path = _POLICY) -> Iterator[None]:
    """Have maintainer scripts start and stop nothing meanwhile.

    A policy that is already there is put back afterwards, also by the next
    call if this process is killed before it can.
    """
    saved = policy.with_name(policy.name + '.nova-dmore-saved')
    if policy.exists() and _MARK not in policy.read_text():
        os.replace(policy, saved)
    policy.write_text(_DENY)
    policy.chmod(0o755)
    try:
        yield
    finally:
        if saved.exists():
            os.replace(saved, policy)
        else:
            policy.unlink()


def install(packages: list[str], log: pathlib.Path) -> None:
    """Install packages that are missing; none that is there is upgraded.

    :raises Failure: apt ended with an error
    """
    quiet = {**os.environ, 'DEBIAN_FRONTEND': 'noninteractive'}
    with services_denied():
        command.logged('Debian packages', ['apt-get', 'update', '-q'], log,
                       environment=quiet)
        command.logged('Debian packages', [
            'apt-get', 'install', '-q', '-y', '--no-install-recommends',
            '--no-upgrade', *packages], log, environment=quiet)
