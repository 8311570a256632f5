"""Where everything of the test bed lies on this machine."""

import dataclasses
import os
import pathlib

#: The source tree this file belongs to.
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]

_DEFAULT_STATE = '/var/lib/nova-dmore-testbed'


@dataclasses.dataclass(frozen=True)
class Layout:
    """The folders below one state directory.

    ``venv``, ``cache`` and ``stamps`` outlive a cloud; ``cloud`` goes with it;
    ``logs`` holds what set-up steps and kept clouds wrote.
    """

    state: pathlib.Path

    @classmethod
    def from_environment(cls) -> 'Layout':
        """Use ``DMORE_STATE``, or the default."""
        state = os.environ.get('DMORE_STATE') or _DEFAULT_STATE
        return cls(pathlib.Path(state).absolute())

    @property
    def venv(self) -> pathlib.Path:
        """The virtual environment; ``DMORE_VENV`` points at another one."""
        given = os.environ.get('DMORE_VENV')
        return pathlib.Path(given).absolute() if given else self.state / 'venv'

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
    def cloud(self) -> pathlib.Path:
        return self.state / 'cloud'

    @property
    def lock(self) -> pathlib.Path:
        return self.state / 'testbed.lock'

    @property
    def guest_image(self) -> pathlib.Path:
        return self.cache / 'guest' / 'guest.qcow2'

    @property
    def domr_image(self) -> pathlib.Path:
        """The folder that ``nova-dmore-image build`` fills."""
        return self.cache / 'domr'

    def venv_program(self, name: str) -> str:
        return str(self.venv / 'bin' / name)
