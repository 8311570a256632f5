# SPDX-License-Identifier: Apache-2.0
"""Where everything of the test bed lies on this machine."""

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


class Layout:
    """The folders below one state directory.

    ``cache`` and ``stamps`` outlive a cloud; ``cloud`` goes with it; ``logs``
    holds what set-up steps and kept clouds wrote.
    """

    def __init__(self, state: pathlib.Path) -> None:
        self.state = state
        self.cache = state / 'cache'
        self.stamps = state / 'stamps'
        self.logs = state / 'logs'
        self.cloud = state / 'cloud'
        self.lock = state / 'testbed.lock'
        #: The environment of OpenStack's own tests of a cloud.
        self.tempest_venv = state / 'tempest-venv'
        #: A smaller one, made when only unit tests are wanted.
        self.unit_venv = state / 'unit-venv'
        self.guest_image = self.cache / 'guest' / 'guest.qcow2'
        #: QEMU and libvirt of Debian's backports, unpacked.
        self.newer_qemu = self.cache / 'newer-qemu'
        #: OVN's packages, unpacked.
        self.ovn = self.cache / 'ovn'
        #: What browsers load of Horizon beside its pages.
        self.horizon_static = self.cache / 'horizon' / 'static'
        #: Written last when those files are made.
        self.horizon_manifest = (
            self.horizon_static / 'dashboard' / 'manifest.json')
        #: The folder that ``nova-dmore-image build`` fills.
        self.domr_folder = self.cache / 'domr'
        #: A file that holds the path of the Domain R image to use.
        self.domr_record = self.domr_folder / 'current'

    @classmethod
    def from_environment(cls) -> 'Layout':
        """Use ``DMORE_STATE``, or the default."""
        return cls(_given('DMORE_STATE') or _default_state())

    @property
    def venv(self) -> pathlib.Path:
        """The virtual environment; ``DMORE_VENV`` points at another one."""
        return _given('DMORE_VENV') or self.state / 'venv'

    def series_venv(self, name: str) -> pathlib.Path:
        """One with OpenStack's versions of a series, see ``setup.series``."""
        return self.state / 'series' / name

    @property
    def screenshots(self) -> pathlib.Path:
        """What the tests' users have seen; ``DMORE_SCREENSHOTS`` points
        elsewhere."""
        return _given('DMORE_SCREENSHOTS') or self.state / 'screenshots'

    def domr_image(self) -> pathlib.Path | None:
        """The Domain R image that was built last, if there is one."""
        if not self.domr_record.exists():
            return None
        path = pathlib.Path(self.domr_record.read_text().strip())
        return path if path.exists() else None

    def venv_program(self, name: str) -> str:
        return str(self.venv / 'bin' / name)


def _given(variable: str) -> pathlib.Path | None:
    """The place that a variable of the environment names, if it does."""
    given = os.environ.get(variable)
    return pathlib.Path(given).absolute() if given else None
