# SPDX-License-Identifier: Apache-2.0
"""Runs phases of the plugin against recorders of DevStack and of a host."""

import dataclasses
import pathlib
import shlex
import subprocess

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
PLUGIN = REPOSITORY / 'devstack'
_HERE = pathlib.Path(__file__).parent

#: An all-in-one node.
ALL = ('g-api', 'n-api', 'n-cond', 'n-cpu', 'n-novnc', 'neutron-api',
       'tempest')
COMPUTE_ONLY = ('n-cpu', 'ovn-controller')
#: As stack.sh calls the plugin.
STACK = ('stack pre-install', 'stack install', 'stack post-config',
         'stack extra', 'stack test-config')
UNSTACK, CLEAN = 'unstack', 'clean'

NOVA_CONF = '/etc/nova/nova.conf'
NOVA_CPU_CONF = '/etc/nova/nova-cpu.conf'
TEMPEST_CONFIG = '/opt/stack/tempest/etc/tempest.conf'
DROP_IN = '/etc/systemd/system/devstack@n-cpu.service.d/nova-dmore.conf'
BIN = '/opt/stack/data/venv/bin'
INSTANCE = '22d84c6e-a2fe-4dd0-a03c-1a109540e0e7'


@dataclasses.dataclass(frozen=True)
class Done:
    """What phases did.

    :param calls: the words of each call, in order
    :param output: what was printed
    :param status: the exit status
    """

    calls: list[list[str]]
    output: str
    status: int

    def of(self, *start: str) -> list[list[str]]:
        """The calls that begin with these words, without them."""
        return [call[len(start):] for call in self.calls
                if call[:len(start)] == list(start)]

    def options(self, file: str) -> dict[tuple[str, str], str]:
        """What was set in a file, by section and name."""
        given = [call[1:] if call[0] == '-sudo' else call
                 for call in self.of('iniset')]
        return {(call[1], call[2]): call[3] for call in given
                if call[0] == file}


class Host:
    """A host that is stacked.

    :param folder: an empty one
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder = folder
        self.root = folder / 'root'
        programs = folder / 'bin'
        for made in (self.root, programs):
            made.mkdir()
        (programs / 'openstack').symlink_to(_HERE / 'openstack.sh')
        self._path = programs

    def run(self, *phases: str, services: tuple[str, ...] = ALL,
            trace: bool = False, **variables: str) -> Done:
        """Run phases of one script: stack.sh, unstack.sh or clean.sh.

        :param trace: with the shell's trace, which DevStack always has
        """
        calls = self._folder / 'calls'
        calls.write_text('')
        given = {
            'CALLS': calls, 'ROOT': self.root, 'INSTANCE': INSTANCE,
            'DEST': '/opt/stack', 'DATA_DIR': '/opt/stack/data',
            'DMORE_DIR': REPOSITORY, 'STACK_USER': 'stack',
            'ENABLED_SERVICES': ','.join(services), 'VIRT_DRIVER': 'libvirt',
            'NOVA_BIN_DIR': BIN, 'NOVA_CONF': NOVA_CONF,
            'NOVA_CPU_CONF': NOVA_CPU_CONF, 'SERVICE_PASSWORD': 'password',
            'SERVICE_PROJECT_NAME': 'service', 'APPARMOR': 'yes',
            'SYSTEMD_DIR': '/etc/systemd/system', 'PACKAGES_OF_HOST': 'deb',
            'TEMPEST_CONFIG': TEMPEST_CONFIG, **variables}
        lines = [
            f'export {" ".join(f"{name}={shlex.quote(str(value))}" for name, value in given.items())}',  # noqa: E501
            f'PATH={self._path}:$PATH',
            f'declare -A GITDIR=([nova-dmore]={REPOSITORY})',
            f'source {_HERE}/recorders.sh',
            # nova-dmore-image is called with its path.
            f'eval "{BIN}/nova-dmore-image() '
            f'{{ record {BIN}/nova-dmore-image \\"\\$@\\"; }}"',
            f'source {PLUGIN}/settings',
            # The others go on after an error.
            'set -o errexit' if phases[0].startswith('stack') else '',
            'set -o xtrace' if trace else '',
            *(f'source {PLUGIN}/plugin.sh {phase}' for phase in phases)]
        done = subprocess.run(
            ['bash', '-c', '\n'.join(lines)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return Done([call.split('\037')[:-1]
                     for call in calls.read_text().split('\036')[:-1]],
                    done.stdout, done.returncode)

    def files(self) -> dict[str, str]:
        """Contents by path, and what there is in the cloud."""
        return {f'/{path.relative_to(self.root)}': path.read_text()
                for path in self.root.rglob('*') if path.is_file()}
