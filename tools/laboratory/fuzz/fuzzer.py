# SPDX-License-Identifier: Apache-2.0
"""Run libFuzzer on one part, follow what it says, and keep what it finds."""

import dataclasses
import os
import pathlib
import re
import subprocess
import time
from collections.abc import Sequence

from laboratory.fuzz import again, parts
from laboratory.layout import REPOSITORY
from laboratory.progress import Failure, Progress

#: Of the process, in MiB.
MEMORY_MIB = 1536
#: Seconds between two lines that tell how far it is.
_TELL_S = 10
#: A part that goes wrong in so many ways is not fuzzed on.
_FINDS_MAX = 8
#: Each find ends libFuzzer, which begins again.
_STARTS_MAX = 40
#: Seconds that it may take to begin and to end beside its time.
_GRACE_S = 90

_STATUS = re.compile(r'^#(\d+)\s+(\w+)\s+cov: (\d+)(?:.*corp: (\d+))?')
_ARTIFACT = re.compile(r'Test unit written to (\S+)')
_FRAME = re.compile(r'^\s+File "([^"]+)", line (\d+), in (\S+)')
#: Of the sanitizers.
_SUMMARY = re.compile(r'^SUMMARY: (.*)')


@dataclasses.dataclass(frozen=True)
class Find:
    """One kind of a finding.

    :ivar file: the input
    :ivar text: what went wrong, and where
    """

    file: pathlib.Path
    text: str


@dataclasses.dataclass
class Result:
    """What came of one part.

    :ivar executions: how often it was run
    :ivar coverage: libFuzzer's count of edges
    :ivar corpus: inputs that tell something
    """

    name: str
    executions: int = 0
    coverage: int = 0
    corpus: int = 0
    finds: list[Find] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        return (f'{self.name}: {self.executions} executions, coverage '
                f'{self.coverage}, {self.corpus} inputs, '
                f'{len(self.finds)} finds')


class Reader:
    """Understands what libFuzzer and atheris print."""

    def __init__(self, result: Result) -> None:
        self._result = result
        self._before = result.executions
        self._frames: list[str] = []
        self._error = ''
        self._in_traceback = False
        self.artifact: pathlib.Path | None = None

    def take(self, line: str) -> None:
        """One line of its output."""
        if match := _STATUS.match(line):
            self._result.executions = self._before + int(match[1])
            self._result.coverage = max(self._result.coverage, int(match[3]))
            self._result.corpus = int(match[4] or self._result.corpus)
        elif match := _ARTIFACT.search(line):
            self.artifact = pathlib.Path(match[1])
        elif 'Uncaught Python exception' in line:
            self._in_traceback = True
        elif line.startswith('==') or line.startswith('MS: '):
            self._in_traceback = False
            if 'ERROR: libFuzzer: ' in line and not self._error:
                self._error = line.partition('ERROR: libFuzzer: ')[2]
        elif match := _FRAME.match(line):
            self._frames.append(f'{_short(match[1])}:{match[2]} {match[3]}')
        elif match := _SUMMARY.match(line):
            self._error = self._error or match[1]
        elif (self._in_traceback and line[:1].strip()
                and not line.startswith('Traceback')):
            self._error = line

    @property
    def where(self) -> str:
        """What makes one find like another: the place that raised."""
        kind = self._error.partition(':')[0]
        own = [each for each in self._frames
               if not each.startswith(('tools/laboratory/fuzz/oracle', '/'))]
        text = self._error if kind.endswith('Finding') else kind
        return f'{re.sub("[0-9]+", "N", text)[:60]} at {(own or [""])[-1]}'

    @property
    def text(self) -> str:
        """What went wrong, for people."""
        own = [each for each in self._frames if not each.startswith('/')]
        return (f'{ascii(self._error[:200])[1:-1]} ('
                f'{", ".join(own[-3:]) or "see its output"})')


def _short(path: str) -> str:
    return path.removeprefix(f'{REPOSITORY}/')


def fuzz(part: parts.Part, command: Sequence[str], seconds: float, seed: int,
         folder: pathlib.Path, finds: pathlib.Path, progress: Progress,
         environment: dict[str, str]) -> Result:
    """Fuzz one part for some time, whatever is found.

    :param command: to which libFuzzer's flags are added
    :param folder: its corpus, which grows
    :param finds: where inputs go that show something
    :raises Failure: the fuzzer does not run
    """
    result = Result(part.name)
    folder.mkdir(parents=True, exist_ok=True)
    finds.mkdir(parents=True, exist_ok=True)
    end = time.monotonic() + seconds
    places: set[str] = set()
    for start in range(_STARTS_MAX):
        left = end - time.monotonic()
        if start and (left < 2 or len(result.finds) >= _FINDS_MAX):
            break
        flags = [f'-max_total_time={max(1, round(left))}',
                 f'-seed={(seed + start) % (1 << 31) or 1}',
                 f'-max_len={part.length}', f'-timeout={again.LIMIT_S}',
                 f'-rss_limit_mb={MEMORY_MIB}', '-print_final_stats=1',
                 f'-artifact_prefix={finds}/{part.file_name}-',
                 str(folder), *([str(part.corpus)] if part.corpus.is_dir()
                                else [])]
        log = finds / f'{part.file_name}.log'
        reader, status = _run([*command, *flags], result, log, progress,
                              environment, left + _GRACE_S)
        if status == 0:
            break
        if reader.artifact is None:
            raise Failure(f'fuzz {part.name}', 'the fuzzer ended with '
                          f'{status}', log)
        if reader.where in places:
            reader.artifact.unlink(missing_ok=True)     # once more
            continue
        places.add(reader.where)
        result.finds.append(Find(reader.artifact, reader.text))
        progress.say(f'{part.name}: FOUND {reader.text}\n  '
                     f'{reader.artifact}')
    return result


def _run(command: Sequence[str], result: Result, log: pathlib.Path,
         progress: Progress, environment: dict[str, str], limit_s: float
         ) -> tuple[Reader, int]:
    reader = Reader(result)
    told = time.monotonic()
    with log.open('w') as stream:
        # By itself when nobody is there any more to do it.
        process = subprocess.Popen(
            ['timeout', '--signal=KILL', str(round(limit_s)), *command],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors='replace',
            env={**os.environ, **environment}, cwd=REPOSITORY)
        assert process.stdout is not None   # it is a pipe
        try:
            # atheris shows exceptions on one, libFuzzer all else on the
            # other.
            for line in process.stdout:
                stream.write(line)
                reader.take(line.rstrip('\n'))
                if time.monotonic() - told > _TELL_S:
                    told = time.monotonic()
                    progress.say(str(result))
            return reader, process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
