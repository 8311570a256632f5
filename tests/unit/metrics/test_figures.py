# SPDX-License-Identifier: Apache-2.0
"""What nova-compute counts, and what is left of it when it restarts."""

import os
import shutil
import threading

import fixtures
from oslotest import base

from nova_dmore.metrics import figures

_NO_NUMBERS = ('Infinity', 'NaN', '-1', '1' + 400 * '0', '9' * 5000, 'true',
               '"1"', '1e400', '[]')


class FiguresTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = self.useFixture(fixtures.TempDir()).path
        self.path = figures.path_in(os.path.join(folder, 'records'))
        self.log = self.useFixture(fixtures.FakeLogger())
        self.figures = figures.Figures(self.path)

    def test_a_restart(self):
        self.figures.count('gaps', 'serial0_out', 'exact')
        self.figures.count('gap_bytes', 'serial0_out', 'exact', by=5)
        self.figures.observe('migration_stop_seconds', 0.2)
        again = figures.Figures(self.path)
        again.count('gap_bytes', 'serial0_out', 'exact', by=2)
        again.observe('migration_stop_seconds', 99.0)
        again = figures.Figures(self.path)
        self.assertEqual(
            {('gaps', ('serial0_out', 'exact')): 1,
             ('gap_bytes', ('serial0_out', 'exact')): 7}, again.counts)
        buckets, total = again.histograms['migration_stop_seconds']
        self.assertEqual([0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 1], buckets)
        self.assertAlmostEqual(99.2, total)
        self.assertEqual('', self.log.output)

    def test_gauges(self):
        self.figures.set('ports_used', 5)
        self.figures.set('ports_allowed', 7)
        self.figures.set('ports_used', 6)
        self.figures.set('ports_allowed', None)
        self.figures.set('ports_allowed', None)
        self.assertEqual({'ports_used': 6},
                         figures.Figures(self.path).gauges)

    def test_threads(self):
        threads = [threading.Thread(target=lambda: [
            self.figures.count('rebuilds') for _ in range(50)])
            for _ in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        self.assertEqual({('rebuilds', ()): 200},
                         figures.Figures(self.path).counts)

    def test_a_file_of_no_use(self):
        os.makedirs(os.path.dirname(self.path))
        for said, content in enumerate((
                        '', '[]', '{"counts": 5}', '{"counts": []}',
                        '{"counts": [["a"]], "histograms": {}}',
                        '{"counts": [], "histograms": []}',
                        '[' * 100000, ' ' * (1 << 18),
                        *(f'{{"counts": [["rebuilds", [], {number}]], '
                          '"histograms": {}}' for number in _NO_NUMBERS),
                        *(f'{{"counts": [["rebuilds", [], 1]], "histograms": '
                          f'{{"migration_stop_seconds": [{list(range(11))}, '
                          f'{number}]}}}}' for number in _NO_NUMBERS)), 1):
            with open(self.path, 'w') as file:
                file.write(content)
            self.assertRaises(ValueError, figures.read, self.path)
            self.assertEqual({}, figures.Figures(self.path).counts)
            # It is put aside, so that it is said once.
            self.assertEqual({}, figures.Figures(self.path).counts)
            self.assertEqual(said, self.log.output.count('begins at 0'))
            with open(f'{self.path}.damaged') as file:
                self.assertEqual(content, file.read())
        # One that another release wrote is, for what this one knows.
        with open(self.path, 'w') as file:
            file.write('{"counts": [["rebuilds", [], 3], ["other", [], 1], '
                       '["gaps", ["x"], 1]], '
                       '"histograms": {"other": [[1], 1], '
                       '"migration_stop_seconds": [[1], 1]}, '
                       '"gauges": {"other": 1, "ports_used": 2}}')
        again = figures.Figures(self.path)
        self.assertEqual({'ports_used': 2}, again.gauges)
        self.assertEqual({('rebuilds', ()): 3}, again.counts)
        again.observe('migration_stop_seconds', 1)

    def test_a_file_of_others(self):
        self.figures.count('rebuilds')
        elsewhere = f'{self.path}.elsewhere'
        os.rename(self.path, elsewhere)
        for make in (lambda: os.symlink(elsewhere, self.path),
                     lambda: os.mkfifo(self.path),
                     lambda: os.mkdir(self.path),
                     lambda: self._writable_by_others(elsewhere)):
            make()
            self.assertRaises((OSError, ValueError), figures.read, self.path)
            self.assertEqual({}, figures.Figures(self.path).counts)
            again = figures.Figures(self.path)
            again.count('rebuilds', by=2)
            self.assertEqual({('rebuilds', ()): 2},
                             figures.read(self.path).counts)
            os.unlink(self.path)
            aside = f'{self.path}.damaged'
            (os.rmdir if os.path.isdir(aside) else os.unlink)(aside)

    def _writable_by_others(self, elsewhere):
        shutil.copy(elsewhere, self.path)
        os.chmod(self.path, 0o666)

    def test_counts_end_somewhere(self):
        for _ in range(2):
            self.figures.count('gap_bytes', 'serial0_out', 'exact',
                               by=figures.COUNT_MAX)
            self.figures.observe('migration_skew_seconds', 9e18)
            self.figures.observe('migration_skew_seconds', 9e18)
        again = figures.read(self.path)
        self.assertEqual({('gap_bytes', ('serial0_out', 'exact')):
                          figures.COUNT_MAX}, again.counts)
        self.assertEqual(4, again.histograms['migration_skew_seconds'][0][-1])

    def test_a_disk_that_is_full(self):
        self.figures = figures.Figures('/proc/version/figures.json')
        self.figures.count('rebuilds')
        self.assertIn('Not counted', self.log.output)
