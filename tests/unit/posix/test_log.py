# SPDX-License-Identifier: Apache-2.0
"""The log of a pair: nobody makes it long, or writes it."""

import io
import logging
import os
import tempfile
from unittest import mock

from oslotest import base

from nova_dmore.posix import log


class TestLog(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        self.now = 0.0
        self.stream = io.StringIO()
        self.log_to(self.stream)

    def log_to(self, stream):
        self.handler = log.BoundedHandler(stream, lambda: self.now)
        self.handler.setFormatter(log.PrintableFormatter('%(message)s'))
        self.logger = logging.Logger('pair')
        self.logger.addHandler(self.handler)

    def flood(self, count, message='a peer did something'):
        for _ in range(count):
            self.logger.warning(message)

    def lines(self):
        return self.stream.getvalue().splitlines()

    def test_one_place_is_not_all_of_it(self):
        self.flood(10000)
        self.assertEqual(log.SITE_BURST, len(self.lines()))
        self.logger.warning('something else')
        self.assertEqual([f'{10000 - log.SITE_BURST} messages more',
                          'something else'], self.lines()[-2:])

    def test_it_goes_on_slowly(self):
        self.flood(1000)
        before = len(self.lines())
        for _ in range(100):
            self.now += 1.0
            self.flood(100)
        # One each, and how many there were beside it.
        self.assertEqual(200, len(self.lines()) - before)
        self.assertEqual('99 messages more', self.lines()[-2])

    def test_bytes(self):
        for number in range(100):
            exec(compile('\n' * number + 'flood()', 'many places', 'exec'),
                 {'flood': lambda: [self.logger.warning(
                     'x' * 100000, stacklevel=3) for _ in range(100)]})
        self.assertLess(log.BYTES_BURST // 2, len(self.stream.getvalue()))
        self.assertLessEqual(len(self.stream.getvalue()), log.BYTES_BURST)

    def test_a_full_file(self):
        with tempfile.TemporaryFile('w+') as file:
            self.log_to(file)
            os.truncate(file.fileno(), log.FILE_MAX)
            self.flood(5)
            self.assertEqual(log.FILE_MAX, os.fstat(file.fileno()).st_size)
            os.truncate(file.fileno(), 0)       # by logrotate
            file.seek(0)
            self.flood(1, 'again')
            file.seek(0)
            self.assertEqual('5 messages more\nagain\n', file.read())

    def test_the_end_tells_what_was_left_out(self):
        self.flood(log.SITE_BURST + 3)
        self.handler.close()
        self.assertEqual('3 messages more', self.lines()[-1])

    def test_nobody_else_begins_a_line(self):
        self.logger.warning('a\n2026 CRITICAL b\x1b[2J')
        self.logger.warning('%s', 'c\r' * 100000)
        try:
            raise ValueError('d\x1b\u202e\n')
        except ValueError:
            self.logger.exception('e\n')
        text = self.stream.getvalue()
        self.assertIn('a\\n2026 CRITICAL b\\x1b[2J\n', text)
        self.assertIn('\ne\\n\nTraceback', text)
        self.assertIn('ValueError: d\\x1b\\u202e\n', text)
        self.assertLess(len(text), 2 * log.MESSAGE_MAX)


class TestSetUp(base.BaseTestCase):

    def test_in_a_fork(self):
        """What its parent has not yet said is not said by a fork, too."""
        root = logging.getLogger()
        before, level = root.handlers, root.level
        self.addCleanup(setattr, root, 'handlers', before)
        self.addCleanup(root.setLevel, level)
        parent = io.StringIO()
        root.handlers = [log.BoundedHandler(parent)]
        for _ in range(log.SITE_BURST + 5):
            root.warning('again')
        length = len(parent.getvalue())
        log.set_up('worker', False)
        handler, = root.handlers
        handler.stream = io.StringIO()
        root.warning('mine')
        self.assertIn('worker', handler.stream.getvalue())
        self.assertEqual(length, len(parent.getvalue()))
        self.assertEqual(logging.INFO, root.level)

    def test_another_fork(self):
        """It goes on with the handler, and has budgets of its own."""
        root = logging.getLogger()
        before, level = root.handlers, root.level
        self.addCleanup(setattr, root, 'handlers', before)
        self.addCleanup(root.setLevel, level)
        root.handlers = []
        with mock.patch('sys.stderr', io.StringIO()) as stream:
            log.set_up('hostd', False)
            handler, = root.handlers
            for _ in range(log.SITE_BURST + 5):
                root.warning('again')
            log.set_up('keeper', True)
            root.debug('mine')
        self.assertEqual([handler], root.handlers)
        # Not one line of how many were left out before.
        lines = stream.getvalue().splitlines()
        self.assertEqual(log.SITE_BURST + 1, len(lines))
        self.assertRegex(lines[-1], r' keeper\[\d+\] DEBUG mine$')
