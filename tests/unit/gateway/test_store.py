# SPDX-License-Identifier: Apache-2.0
"""The file of what is known, and who asks anew."""

import errno
import os
import pathlib
import tempfile
import threading
import time
from unittest import mock

from oslotest import base

from nova_dmore import exception
from nova_dmore.gateway import index
from nova_dmore.gateway import store
from tests.unit.gateway import fakes


def known(age_s=0.0):
    return index.Index(time.time() - age_s, time.time(), {},
                       {fakes.WEB: '192.0.2.5'})


class StoreTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.store = store.Store(self.folder)
        self.asked, self.said = [], []

    def _refresh(self, before):
        self.asked.append(before)
        return known()

    def _fail(self, before):
        self.asked.append(before)
        raise exception.ServiceAwayError('Nova is away')

    def _current(self, refresh, cache_s=20, stale_s=60, limit_s=5):
        store.bring_up_to_date(self.store, refresh, limit_s, cache_s,
                               stale_s, self.said.append)
        return self.store.load()

    def test_nothing_is_known_at_first(self):
        self.assertFalse(self.store.is_fresh())
        self.assertEqual(index.Index(), self.store.load())
        self.assertRaises(exception.ServiceAwayError,
                          self.store.consoles_of, fakes.key(1))

    def test_each_key_has_its_row(self):
        many = {f'{number:08x}{fakes.WEB[8:]}': f'192.0.{number >> 8}.'
                f'{number & 255}' for number in range(1, 300)}
        found = index.Index(
            1.0, 1.0, {
                **{name: index.Server('ann', 'x', fakes.key(1))
                   for name in many},
                fakes.OTHERS: index.Server('bob', 'x', fakes.key(2)),
                fakes.MAIL: index.Server('bob', 'x', fakes.key(3))},
            {**many, fakes.OTHERS: '2001:db8::6'}, 2222)
        self.store.save(found)
        self.assertEqual((2222, many), self.store.consoles_of(fakes.key(1)))
        self.assertEqual((2222, {fakes.OTHERS: '2001:db8::6'}),
                         self.store.consoles_of(fakes.key(2)))
        for nobodys in (fakes.key(3), fakes.key(4), ''):
            self.assertIsNone(self.store.consoles_of(nobodys))
        # The next one takes its place.
        self.store.save(index.Index())
        self.assertIsNone(self.store.consoles_of(fakes.key(1)))
        self.assertEqual({'index.json', 'keys.sqlite'},
                         {path.name for path in self.folder.iterdir()})

    def test_the_index_is_not_read_for_a_key(self):
        self.store.save(index.Index(1.0, 1.0, {
            fakes.WEB: index.Server('ann', 'x', fakes.key(1))},
            {fakes.WEB: '192.0.2.5'}))
        (self.folder / 'index.json').unlink()
        self.assertEqual((22, {fakes.WEB: '192.0.2.5'}),
                         self.store.consoles_of(fakes.key(1)))

    def test_rows_that_are_damaged(self):
        self._current(self._refresh)
        (self.folder / 'keys.sqlite').write_bytes(b'x' * 4096)
        self.assertRaises(exception.ServiceAwayError,
                          self.store.consoles_of, fakes.key(1))
        # Where they are missing all is asked for.
        (self.folder / 'keys.sqlite').unlink()
        self._current(self._refresh)
        self.assertEqual(2, len(self.asked))
        self.assertIsNone(self.store.consoles_of(fakes.key(1)))

    def test_it_is_asked_once(self):
        found = self._current(self._refresh)
        self.assertEqual(found, self._current(self._fail))
        self.assertTrue(self.store.is_fresh())
        self.assertEqual([index.Index()], self.asked)

    def test_it_is_asked_again_when_it_has_expired(self):
        found = self._current(self._refresh)
        self.store.expire_in(0)
        self.assertFalse(self.store.is_fresh())
        self._current(self._refresh)
        self.assertEqual([index.Index(), found], self.asked)

    def test_a_clock_that_was_set_back(self):
        self._current(self._refresh)
        self.store.expire_in(86400)
        self.assertFalse(self.store.is_fresh())

    def test_damaged_files(self):
        self._current(self._refresh)
        for name in ('valid-until', 'index.json'):
            (self.folder / name).write_text('nan' if 'valid' in name else '{')
            self._current(self._refresh)
            self.store.expire_in(0)
        self.assertEqual(3, len(self.asked))

    def test_what_was_true_is_good_for_a_while(self):
        before = known(age_s=30)
        self.store.save(before)
        self.assertEqual(before, self._current(self._fail))
        self.assertIn('Nova is away', self.said[0])
        # And nobody waits again for what fails.
        self.assertEqual(before, self._current(self._fail))
        self.assertEqual(1, len(self.asked))

    def test_a_disk_that_takes_nothing(self):
        """As if Nova were away."""
        before = known(age_s=30)
        self.store.save(before)
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        with mock.patch.object(pathlib.Path, 'write_text', side_effect=full):
            self.assertEqual(before, self._current(self._refresh))
        self.assertIn('No space left', self.said[0])
        self.store.save(known(age_s=90))
        with mock.patch.object(pathlib.Path, 'write_text', side_effect=full):
            self.assertRaises(exception.ServiceAwayError, self._current,
                              self._refresh)

    def test_and_then_no_more(self):
        self.store.save(known(age_s=90))
        for _ in range(2):
            self.assertRaises(exception.ServiceAwayError, self._current,
                              self._fail)
            self.assertFalse(self.store.is_fresh())

    def test_it_is_not_good_for_longer_because_it_was_used(self):
        self.store.save(known(age_s=59.9))
        self._current(self._fail)
        time.sleep(0.15)
        self.assertRaises(exception.ServiceAwayError, self._current,
                          self._fail)

    def test_one_asks_and_the_others_wait(self):
        begun, go_on, found = threading.Event(), threading.Event(), []

        def slowly(before):
            begun.set()
            go_on.wait(10)
            return self._refresh(before)

        threads = [threading.Thread(target=lambda: found.append(
            self._current(slowly))) for _ in range(3)]
        for thread in threads:
            thread.start()
        begun.wait(10)
        self.assertRaises(exception.ServiceAwayError, self._current,
                          self._fail, limit_s=0.1)
        go_on.set()
        for thread in threads:
            thread.join()
        self.assertEqual(1, len(self.asked))
        self.assertEqual(1, len(set(map(index.to_json, found))))
