# SPDX-License-Identifier: Apache-2.0

import itertools

from oslotest import base

from nova_dmore import exception
from nova_dmore.virt.migration import phases
from nova_dmore.virt.migration.phases import Phase

STORY = [Phase.IDLE, Phase.BEGIN, Phase.PREPARED, Phase.PRE_COPY, Phase.STOP,
         Phase.CARRY_OVER, Phase.LIVE, Phase.DONE]
ENDS = {Phase.DONE, Phase.ABORTED}


class PhaseTest(base.BaseTestCase):

    def _after(self, before):
        result = set()
        for after in Phase:
            try:
                phases.check(before, after)
            except exception.PairError as error:
                self.assertIn(before.value, str(error))
                self.assertIn(after.value, str(error))
            else:
                result.add(after)
        return result

    def test_the_whole_story(self):
        for before, after in itertools.pairwise(STORY):
            self.assertIn(after, self._after(before))

    def test_no_step_is_skipped_or_taken_back(self):
        for number, before in enumerate(STORY):
            for after in set(STORY) - set(STORY[number + 1:number + 2]):
                self.assertNotIn(after, self._after(before))

    def test_an_end_is_an_end(self):
        for phase in Phase:
            self.assertEqual(phase in ENDS, not self._after(phase), phase)

    def test_the_instance_can_go_alone_until_both_live(self):
        for before in (Phase.BEGIN, Phase.PREPARED, Phase.PRE_COPY,
                       Phase.STOP, Phase.CARRY_OVER):
            self.assertIn(Phase.ALONE, self._after(before))
        for before in (Phase.LIVE, Phase.DONE, Phase.ABORTED):
            self.assertNotIn(Phase.ALONE, self._after(before))

    def test_nothing_is_aborted_once_both_live(self):
        self.assertNotIn(Phase.ABORTED, self._after(Phase.LIVE))
        self.assertIn(Phase.ABORTED, self._after(Phase.ALONE))
