# SPDX-License-Identifier: Apache-2.0
"""Whether output may be recorded, and from where on."""

import json

from oslotest import base

from nova_dmore.worker import recorded

_ON, _TELLS = {'recorded': True}, {'tells_recording': 1}


class RecordedTest(base.BaseTestCase):

    def _start(self, kept):
        status = kept.status()
        return None if status is None else status['start']

    def test_wanted_and_told(self):
        this = recorded.Recorded()
        self.assertIsNone(this.status())
        this.serves(_TELLS, 99)
        self.assertIsNone(this.status())
        this.configure(_ON, 7)
        self.assertEqual({'start': 7, 'gaps': []}, this.status())

    def test_it_begins_where_it_was_first_wanted(self):
        this = recorded.Recorded()
        this.configure(_ON, 7)
        this.configure(_ON, 9)
        self.assertIsNone(this.status())
        this.serves(_TELLS, 99)
        self.assertEqual(7, self._start(this))
        for off in ({}, {'recorded': False}, {'recorded': 1}):
            this.configure(off, 11)
            self.assertIsNone(this.status())
            this.configure(_ON, 13)
            self.assertEqual(13, self._start(this))

    def test_nothing_of_before_users_were_told(self):
        this = recorded.Recorded()
        this.serves({'ssh': 1}, 5)
        this.configure(_ON, 7)
        self.assertIsNone(this.status())
        for moved in (8, 9):
            this.serves({'ssh': 1}, moved)
            self.assertIsNone(this.status())
        this.serves(_TELLS, 20)
        this.serves(_TELLS, 30)
        self.assertEqual(20, self._start(this))
        this.serves(None, 40)       # it is away for a moment
        self.assertEqual(20, self._start(this))
        # A Domain R of an earlier image takes its place, and a new one its.
        this.serves({'ssh': 0}, 50)
        self.assertIsNone(this.status())
        this.serves(_TELLS, 60)
        self.assertEqual(60, self._start(this))

    def test_gaps_of_output_are_kept(self):
        this = recorded.Recorded()
        this.configure(_ON, 0)
        this.serves(_TELLS, 99)
        this.add_gap({'stream': 'serial0_in', 'number': 0})
        for number in range(1, 50):
            this.add_gap({'stream': 'serial0_out', 'number': number})
        self.assertEqual(list(range(18, 50)),
                         [each['number'] for each in this.status()['gaps']])

    def test_the_next_worker_knows_it(self):
        this = recorded.Recorded()
        this.configure(_ON, 5)
        this.serves(_TELLS, 99)
        this.add_gap({'stream': 'serial0_out', 'number': 1})
        notes = json.loads(json.dumps(this.to_notes()))
        self.assertEqual(this.status(), recorded.Recorded(notes).status())
