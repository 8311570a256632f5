# SPDX-License-Identifier: Apache-2.0
"""The set-up: everything that must be there before a cloud or a test can run.

Each step is skipped when what it made is there and came from the same inputs.
"""

import dataclasses
import functools
import hashlib
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Iterable

from laboratory import command
from laboratory.layout import Layout, REPOSITORY
from laboratory.progress import Failure, Progress
from laboratory.setup import debian, layer, series
from laboratory.testbed import dashboard

_CONSTRAINTS = REPOSITORY / 'constraints.txt'
_CLOUD_REQUIREMENTS = REPOSITORY / 'tools' / 'cloud-requirements.txt'
_PLOT_REQUIREMENTS = REPOSITORY / 'tools' / 'plot-requirements.txt'
_FUZZ_REQUIREMENTS = REPOSITORY / 'tools' / 'fuzz-requirements.txt'
_TEMPEST_REQUIREMENTS = REPOSITORY / 'tools' / 'tempest-requirements.txt'
_TEST_REQUIREMENTS = REPOSITORY / 'test-requirements.txt'
_DOC_REQUIREMENTS = REPOSITORY / 'doc' / 'requirements.txt'
#: What an editable install of this project depends on.
_PROJECT = (*(REPOSITORY / name for name in (
    'setup.cfg', 'setup.py', 'pyproject.toml', 'requirements.txt')),
    _TEST_REQUIREMENTS, _DOC_REQUIREMENTS)
_PROJECT_PACKAGES = ('--requirement', str(_TEST_REQUIREMENTS),
                     '--requirement', str(_DOC_REQUIREMENTS),
                     '--editable', str(REPOSITORY))
_BINDEP = REPOSITORY / 'bindep.txt'
_GUEST = REPOSITORY / 'tools' / 'guest'
#: The suite, and what a host has of it.
_NEWER_QEMU = ('bookworm-backports', (
    'qemu-system-x86', 'qemu-utils', 'libvirt-daemon-system',
    'libvirt-daemon-driver-qemu', 'libvirt-clients'))
_OVN = ('bookworm', ('ovn-central', 'ovn-host'))
#: What Debian's python3-dev and the Domain R image go with.
_PYTHON = '3.11'


@dataclasses.dataclass(frozen=True)
class Step:
    """One step of the set-up.

    :param name: as people read it
    :param inputs: files whose content decides whether it is to be done again
    :param product: what the step makes; the step is due if that is not there
    :param action: does it; gets the log file
    :param here: the product knows this source tree's place
    """

    name: str
    inputs: tuple[pathlib.Path, ...]
    product: pathlib.Path
    action: Callable[[pathlib.Path], None]
    here: bool = False


def digest(files: Iterable[pathlib.Path]) -> str:
    """A hash over names and contents; of a folder, of all that is in it."""
    total = hashlib.sha256()
    for path in files:
        members = sorted(x for x in path.rglob('*')
                         if x.is_file() and '__pycache__' not in x.parts
                         ) if path.is_dir() else [path]
        for member in members:
            content = member.read_bytes() if member.exists() else b''
            total.update(f'{member.relative_to(REPOSITORY)}\0{len(content)}\0'
                         .encode())
            total.update(content)
    return total.hexdigest()


class Setup:
    """All steps for one state directory."""

    def __init__(self, layout: Layout, progress: Progress) -> None:
        self._layout = layout
        self._progress = progress

    def packages(self) -> None:
        """Debian packages: what is installed is asked, not remembered.

        :raises Failure: packages are missing, and this is not root
        """
        wanted = debian.missing(debian.parse_bindep(_BINDEP.read_text()))
        if not wanted:
            self._progress.say('Debian packages: all there')
            return
        log = self._log('debian-packages')
        if os.geteuid() != 0:
            raise Failure('Debian packages',
                          f'not root, and missing: {" ".join(wanted)}')
        with self._progress.step(f'Debian packages ({len(wanted)} missing)'):
            debian.install(wanted, log)

    def environment(self) -> None:
        """The virtual environment; this project is an editable install."""
        venv = self._layout.venv
        self._do(Step('virtual environment',
                      (_CONSTRAINTS, _CLOUD_REQUIREMENTS),
                      venv / 'bin' / 'nova-compute', self._make_environment))
        self._do(Step('this project in the environment', _PROJECT,
                      venv / 'bin' / 'nova-dmore-image',
                      _pip(venv, *_PROJECT_PACKAGES), here=True))

    def plots(self) -> None:
        """What figures are drawn with, in the virtual environment."""
        venv = self._layout.venv
        self._do(Step('plots', (_PLOT_REQUIREMENTS,),
                      _packages(venv) / 'matplotlib',
                      _pip(venv, '--requirement', str(_PLOT_REQUIREMENTS))))

    def unit_environment(self) -> pathlib.Path:
        """An environment in which unit tests run.

        The whole one if there is one, else one with nothing but what they
        need.

        :raises Failure: it cannot be made
        """
        if (self._layout.venv / 'bin' / 'nova-compute').exists():
            self.environment()
            return self._layout.venv
        self._do(Step('environment of the unit tests',
                      (_CONSTRAINTS, *_PROJECT),
                      self._layout.unit_venv / 'bin' / 'nova-dmore-image',
                      self._make_unit_environment, here=True))
        return self._layout.unit_venv

    def series_environment(self, one: series.Environment) -> None:
        """One with OpenStack's own versions of a series.

        :raises Failure: it cannot be made, or there is no such Python
        """
        venv = self._layout.series_venv(one.name)
        self._do(Step(f'environment {one.name}',
                      (_CONSTRAINTS, one.file, pathlib.Path(series.__file__),
                       *_PROJECT),
                      venv / 'bin' / 'nova-dmore-image',
                      functools.partial(self._make_series, one), here=True))

    def fuzz_environment(self) -> pathlib.Path:
        """The environment of the unit tests, with a fuzzer.

        :raises Failure: it cannot be made
        """
        venv = self.unit_environment()
        self._do(Step('fuzzer', (_FUZZ_REQUIREMENTS,),
                      _packages(venv) / 'atheris',
                      _pip(venv, '--requirement', str(_FUZZ_REQUIREMENTS))))
        return venv

    def tempest(self) -> None:
        """:raises Failure: it cannot be installed"""
        venv = self._layout.tempest_venv
        self._do(Step('tempest', (_TEMPEST_REQUIREMENTS,),
                      venv / 'bin' / 'tempest', self._make_tempest))

    def horizon(self) -> None:
        """What browsers load of Horizon, gathered once."""
        self._do(Step('Horizon', (_CONSTRAINTS, dashboard.SETTINGS),
                      self._layout.horizon_manifest,
                      functools.partial(dashboard.collect, self._layout)))

    def guest_image(self) -> None:
        self._do(Step('guest image', (_GUEST,), self._layout.guest_image,
                      self._build_guest))

    def domr_image(self) -> None:
        """The Domain R image, made by this project's own command."""
        package = REPOSITORY / 'nova_dmore'
        self._do(Step('Domain R image', (
            package / 'domr', package / 'channel', package / 'wire',
            package / 'image_builder', package / 'image_file.py',
            REPOSITORY / 'setup.cfg'),
            self._layout.domr_record, self._build_domr))

    def newer_qemu(self) -> None:
        """QEMU 10.0 and libvirt 11.3, for hosts that have them."""
        folder = self._layout.newer_qemu
        self._do(Step('QEMU of the backports', (pathlib.Path(layer.__file__),),
                      folder / 'usr' / 'bin' / 'qemu-system-x86_64',
                      functools.partial(layer.build, *_NEWER_QEMU, folder)))

    def ovn(self) -> None:
        """OVN, for clouds that have it."""
        folder = self._layout.ovn
        self._do(Step('OVN', (pathlib.Path(layer.__file__),),
                      folder / 'usr' / 'bin' / 'ovn-controller',
                      functools.partial(layer.build, *_OVN, folder)))

    def everything(self) -> None:
        """:raises Failure: a step failed"""
        self.packages()
        self.environment()
        self.plots()
        self.fuzz_environment()
        self.horizon()
        self.newer_qemu()
        self.guest_image()
        self.domr_image()

    # How a step is done, and how each does it.

    def _log(self, name: str) -> pathlib.Path:
        return self._layout.logs / f'setup-{name.replace(" ", "-")}.log'

    def _do(self, step: Step) -> None:
        stamp = self._layout.stamps / step.name.replace(' ', '-')
        wanted = digest(step.inputs) + (f' {REPOSITORY}' if step.here else '')
        if (step.product.exists() and stamp.exists()
                and stamp.read_text() == wanted):
            self._progress.say(f'{step.name}: done before')
            return
        log = self._log(step.name)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.unlink(missing_ok=True)
        stamp.parent.mkdir(parents=True, exist_ok=True)
        stamp.unlink(missing_ok=True)
        with self._progress.step(step.name):
            step.action(log)
            if not step.product.exists():
                raise Failure(step.name, f'{step.product} was not made', log)
        stamp.write_text(wanted)

    def _make_environment(self, log: pathlib.Path) -> None:
        venv = self._layout.venv
        _new_venv('virtual environment', venv, log)
        _pip(venv, '--requirement', str(_CLOUD_REQUIREMENTS))(log)
        # It embeds the very interpreter that it was built with; a cached wheel
        # may come from another one of the same version.
        _pip(venv, '--no-cache-dir', '--no-binary', 'uwsgi', 'uwsgi')(log)
        _give_configuration(venv, _PYTHON)

    def _make_tempest(self, log: pathlib.Path) -> None:
        venv = self._layout.tempest_venv
        _new_venv('tempest', venv, log)
        _any_pip(venv, '--requirement', str(_TEMPEST_REQUIREMENTS))(log)

    def _make_unit_environment(self, log: pathlib.Path) -> None:
        venv = self._layout.unit_venv
        _new_venv('environment of the unit tests', venv, log)
        _pip(venv, *_PROJECT_PACKAGES)(log)

    def _make_series(self, one: series.Environment, log: pathlib.Path) -> None:
        venv = self._layout.series_venv(one.name)
        _new_venv(f'environment {one.name}', venv, log, one.python)
        chosen = venv / 'constraints.txt'
        services = series.SERVICES[one.series]
        chosen.write_text(series.constraints(
            one.file.read_text(), _CONSTRAINTS.read_text(), services))
        _any_pip(venv, '--constraint', str(chosen), *_PROJECT_PACKAGES,
                 *services)(log)
        _give_configuration(venv, one.python)

    def _build_guest(self, log: pathlib.Path) -> None:
        if os.geteuid() == 0:
            # Packages that apt remembers may have left the mirror since.
            command.logged('guest image', ['apt-get', 'update', '-q'], log)
        command.logged('guest image', [
            sys.executable, str(_GUEST / 'build'),
            str(self._layout.guest_image)], log)

    def _build_domr(self, log: pathlib.Path) -> None:
        self._layout.domr_folder.mkdir(parents=True, exist_ok=True)
        command.logged('Domain R image', [
            self._layout.venv_program('nova-dmore-image'), 'build',
            '--output', str(self._layout.domr_folder)], log)
        # The command's last line is the path of the image.
        self._layout.domr_record.write_text(
            log.read_text().strip().splitlines()[-1])


def _packages(venv: pathlib.Path, python: str = _PYTHON) -> pathlib.Path:
    return venv / 'lib' / f'python{python}' / 'site-packages'


def _new_venv(step: str, venv: pathlib.Path, log: pathlib.Path,
              python: str = _PYTHON) -> None:
    shutil.rmtree(venv, ignore_errors=True)
    command.logged(step, [_interpreter(python), '-m', 'venv', str(venv)], log)


def _give_configuration(venv: pathlib.Path, python: str) -> None:
    """Nova's functional tests read etc/nova beside the package."""
    (_packages(venv, python) / 'etc').symlink_to(venv / 'etc')


def _pip(venv: pathlib.Path, *arguments: str
         ) -> Callable[[pathlib.Path], None]:
    """What installs packages; it gets the log file."""
    return _any_pip(venv, '--constraint', str(_CONSTRAINTS), *arguments)


def _any_pip(venv: pathlib.Path, *arguments: str
             ) -> Callable[[pathlib.Path], None]:
    """Likewise, in whatever versions there are."""
    return lambda log: command.logged('packages of Python', [
        str(venv / 'bin' / 'pip'), 'install', '--quiet',
        '--disable-pip-version-check', *arguments], log)


def _interpreter(version: str) -> str:
    """The interpreter for a virtual environment.

    Debian's own if it has the right version, since libvirt-dev and python3-dev
    go with it.

    :raises Failure: there is none of the right version
    """
    for candidate in (f'/usr/bin/python{version}',
                      shutil.which(f'python{version}')):
        # What is found may be a script that looks for one in vain.
        if (candidate and pathlib.Path(candidate).exists()
                and command.output([candidate, '-c', 'print("works")'])):
            return candidate
    raise Failure('virtual environment', f'Python {version} is not installed')
