# SPDX-License-Identifier: Apache-2.0
"""``tools/fuzz``: the command line."""

import argparse
import os
import pathlib
import secrets
import subprocess
import sys

from laboratory import launch
from laboratory.fuzz import fuzzer, parts
from laboratory.layout import Layout, REPOSITORY, TOOLS
from laboratory.progress import Failure, Progress
from laboratory.setup import prepare

#: Bytes of an input that is shown with what it brings about.
_SHOWN_MAX = 1024


def main(arguments: list[str] | None = None) -> int:
    """Fuzz what is named.

    :returns: the exit status: 1 if anything was found
    """
    options = parser().parse_args(arguments)
    try:
        chosen = parts.chosen(options.target)
    except KeyError:
        print(f'fuzz: there is no target {options.target}; see --help',
              file=sys.stderr)
        return 2
    return launch.run('fuzz', lambda: _fuzz(options, chosen))


def _fuzz(options: argparse.Namespace, chosen: list[parts.Part]) -> int:
    """:raises Failure: it is not possible"""
    run = _Run(options, Layout.from_environment(), Progress())
    try:
        if options.reproduce is not None:
            return run.reproduce(chosen)
        return run.fixed(chosen) if options.fixed_only else run.fuzz(chosen)
    except OSError as error:
        raise Failure(options.target, str(error)) from error


def parser() -> argparse.ArgumentParser:
    """The parser of the command line."""
    made = argparse.ArgumentParser(
        prog='fuzz', formatter_class=argparse.RawDescriptionHelpFormatter,
        description='Try the boundaries with hostile bytes, led by '
        'coverage. What is found is\nkept as a file that --reproduce takes.',
        epilog='targets and their parts:\n' + '\n'.join(
            f'  {part.name:20} {part.summary}' for part in parts.PARTS))
    made.add_argument('target', metavar='TARGET', help=', '.join(
        parts.TARGETS) + ', one part of these, or "all"')
    made.add_argument('--minutes', type=float, default=1, metavar='N',
                      help='of new inputs, shared by the parts (default: '
                      '%(default)s)')
    made.add_argument('--seed', type=int, metavar='S', help='the same one '
                      'with the same corpus tries the same inputs, as far '
                      'as time allows (default: another one each time)')
    made.add_argument('--corpus', type=pathlib.Path, metavar='FOLDER',
                      help='begin with the inputs in FOLDER/TARGET/PART, and '
                      'keep there what tells something (default: a folder '
                      'of the state, so that a later run goes on)')
    made.add_argument('--finds', type=pathlib.Path, metavar='FOLDER',
                      help='where to keep what is found (default: likewise)')
    which = made.add_mutually_exclusive_group()
    which.add_argument('--fixed-only', action='store_true', help='only the '
                       'inputs in the source tree, without the fuzzer')
    which.add_argument('--minimise', action='store_true', help='afterwards '
                       'replace the inputs in the source tree by the few '
                       'smallest that tell as much as all')
    which.add_argument('--reproduce', type=pathlib.Path, metavar='FILE',
                       help='run one input, and show what it does')
    return made


class _Run:
    """One run of the command."""

    def __init__(self, options: argparse.Namespace, layout: Layout,
                 progress: Progress) -> None:
        self._options = options
        self._progress = progress
        self._state = layout.state / 'fuzz'
        self._corpus = (options.corpus or self._state / 'corpus').absolute()
        self._finds = (options.finds or self._state / 'finds').absolute()
        self._setup = prepare.Setup(layout, progress)
        self._python = ''
        self._environment = {
            'PYTHONPATH': f'{TOOLS}:{REPOSITORY}',
            'PYTHONWARNINGS': 'ignore', 'PYTHONDONTWRITEBYTECODE': '1'}

    def fuzz(self, chosen: list[parts.Part]) -> int:
        """New inputs; returns the exit status."""
        python = self._setup.fuzz_environment() / 'bin' / 'python'
        self._python = str(python)
        seed = (secrets.randbelow(1 << 31) if self._options.seed is None
                else self._options.seed)
        seconds = self._options.minutes * 60 / len(chosen)
        self._progress.say(f'seed {seed}, {seconds:.1f} s for each of '
                           f'{len(chosen)} parts')
        results = []
        for part in chosen:
            self._progress.say(f'{part.name} ...')
            results.append(fuzzer.fuzz(
                part, self._command(part), seconds, seed,
                self._corpus / part.name, self._finds, self._progress,
                self._environment))
            if self._options.minimise and not part.native:
                self._say('minimise', part, str(self._corpus / part.name))
        return self._report(results, seed)

    def fixed(self, chosen: list[parts.Part]) -> int:
        """The inputs in the source tree; returns the exit status."""
        self._python = str(self._setup.unit_environment() / 'bin' / 'python')
        status = 0
        for part in chosen:
            files = (sorted(map(str, part.corpus.iterdir()))
                     if part.corpus.is_dir() else [])
            if files:
                self._progress.say(f'{part.name}: {len(files)} inputs')
                status |= self._again(part, files)
        return 1 if status else 0

    def reproduce(self, chosen: list[parts.Part]) -> int:
        """One input; returns the exit status.

        :raises Failure: nobody can tell what it is for
        """
        path = self._options.reproduce.absolute()
        part = (chosen[0] if len(chosen) == 1
                else parts.of_file(path, chosen))
        if part is None:
            raise Failure('--reproduce', f'{path} does not tell by its name '
                          f'which part it is for; name one: ' + ', '.join(
                              each.name for each in chosen))
        self._python = str(self._setup.unit_environment() / 'bin' / 'python')
        status = self._again(part, [str(path)])
        self._progress.say(f'{part.name}: {path}: '
                           f'{"it fails" if status else "nothing happens"}')
        return 1 if status else 0

    # -- how

    def _command(self, part: parts.Part) -> list[str]:
        if not part.native:
            return [self._python, '-m', 'laboratory.fuzz.inside', part.name]
        folder = self._state / 'build'
        folder.mkdir(parents=True, exist_ok=True)
        with self._progress.step(f'building {part.name}'):
            # Where it can import what the image is built with.
            built = subprocess.run(
                [str(self._setup.unit_environment() / 'bin' / 'python'), '-m',
                 'laboratory.fuzz.vnc', str(folder)], stdout=subprocess.PIPE,
                text=True, env={**self._environment, 'PATH': os.defpath},
                cwd=REPOSITORY)
        if built.returncode:
            raise Failure(part.name, 'it cannot be built, see above')
        return [built.stdout.splitlines()[-1]]

    def _again(self, part: parts.Part, files: list[str]) -> int:
        if part.native:
            return subprocess.run([*self._command(part), *files]).returncode
        return self._say('again', part, *files)

    def _say(self, program: str, part: parts.Part, *arguments: str) -> int:
        return subprocess.run(
            [self._python, '-m', f'laboratory.fuzz.{program}', part.name,
             *arguments],
            env={**self._environment, 'PATH': os.defpath},
            cwd=REPOSITORY).returncode

    def _report(self, results: list[fuzzer.Result], seed: int) -> int:
        for result in results:
            print(result)
        finds = [(result.name, find) for result in results
                 for find in result.finds]
        for name, find in finds:
            print(f'FOUND {name}: {find.text}\n  again: tools/fuzz {name} '
                  f'--reproduce {find.file}')
            data = find.file.read_bytes()
            if len(data) <= _SHOWN_MAX:
                # The machine may be gone when somebody reads this.
                print(f'  {data.hex()}')
        print(f'{sum(each.executions for each in results)} executions, '
              f'{len(finds)} finds, seed {seed}', flush=True)
        return 1 if finds else 0
