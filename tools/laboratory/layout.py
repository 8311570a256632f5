# SPDX-License-Identifier: Apache-2.0
"""Where everything of the test bed lies on this machine."""

import dataclasses
import os
import pathlib

#: The source tree this file belongs to.
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
#: What Python finds this package in.
TOOLS = REPOSITORY / 'tools'

_NAME = 'nova-dmore-testbed'


def _default_state() -> pathlib.Path:
    if os.geteuid() == 0:
        return pathlib.Path('/var/lib') / _NAME
    # Not root, there can be no cloud; unit tests need a place all the same.
    home = os.environ.get('XDG_STATE_HOME')
    return (pathlib.Path(home) if home
            else pathlib.Path.home() / '.local' / 'state') / _NAME


@dataclasses.dataclass(frozen=True)
class Layout:
    """The folders below one state directory.

    ``venv``, ``cache`` and ``stamps`` outlive a cloud; ``cloud`` goes with it;
    ``logs`` holds what set-up steps and kept clouds wrote, ``screenshots``
    what tests saw.
    """

    state: pathlib.Path

    @classmethod
    def from_environment(cls) -> 'Layout':
        """Use ``DMORE_STATE``, or the default."""
        given = os.environ.get('DMORE_STATE')
        return cls(pathlib.Path(given).absolute() if given
                   else _default_state())

    @property
    def venv(self) -> pathlib.Path:
        """The virtual environment; ``DMORE_VENV`` points at another one."""
        given = os.environ.get('DMORE_VENV')
        return pathlib.Path(given).absolute() if given else self.state / 'venv'

    @property
    def tempest_venv(self) -> pathlib.Path:
        """The environment of OpenStack's own tests of a cloud."""
        return self.state / 'tempest-venv'

    @property
    def unit_venv(self) -> pathlib.Path:
        """A smaller one, made when only unit tests are wanted."""
        return self.state / 'unit-venv'

    def series_venv(self, name: str) -> pathlib.Path:
        """One with OpenStack's versions of a series, see ``setup.series``."""
        return self.state / 'series' / name

    @property
    def cache(self) -> pathlib.Path:
        return self.state / 'cache'

    @property
    def stamps(self) -> pathlib.Path:
        return self.state / 'stamps'

    @property
    def logs(self) -> pathlib.Path:
        return self.state / 'logs'

    @property
    def screenshots(self) -> pathlib.Path:
        """What the tests' users have seen; ``DMORE_SCREENSHOTS`` points
        elsewhere."""
        given = os.environ.get('DMORE_SCREENSHOTS')
        return (pathlib.Path(given).absolute() if given
                else self.state / 'screenshots')

    @property
    def cloud(self) -> pathlib.Path:
        return self.state / 'cloud'

    @property
    def lock(self) -> pathlib.Path:
        return self.state / 'testbed.lock'

    @property
    def guest_image(self) -> pathlib.Path:
        return self.cache / 'guest' / 'guest.qcow2'

    @property
    def newer_qemu(self) -> pathlib.Path:
        """QEMU and libvirt of Debian's backports, unpacked."""
        return self.cache / 'newer-qemu'

    @property
    def ovn(self) -> pathlib.Path:
        """OVN's packages, unpacked."""
        return self.cache / 'ovn'

    @property
    def horizon_static(self) -> pathlib.Path:
        """What browsers load of Horizon beside its pages."""
        return self.cache / 'horizon' / 'static'

    @property
    def horizon_manifest(self) -> pathlib.Path:
        """Written last when those files are made."""
        return self.horizon_static / 'dashboard' / 'manifest.json'

    @property
    def domr_folder(self) -> pathlib.Path:
        """The folder that ``nova-dmore-image build`` fills."""
        return self.cache / 'domr'

    @property
    def domr_record(self) -> pathlib.Path:
        """A file that holds the path of the Domain R image to use."""
        return self.domr_folder / 'current'

    def domr_image(self) -> pathlib.Path | None:
        """The Domain R image that was built last, if there is one."""
        if not self.domr_record.exists():
            return None
        path = pathlib.Path(self.domr_record.read_text().strip())
        return path if path.exists() else None

    def venv_program(self, name: str) -> str:
        return str(self.venv / 'bin' / name)
