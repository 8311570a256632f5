# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
"""A pair that is about to be migrated, with real processes."""

from oslotest import base

from nova_dmore import wire
from tests.unit.worker import fakes

SOURCE = wire.Role.SOURCE


class Stop(base.BaseTestCase):
    """A source that is live and armed."""

    def setUp(self):
        super().setUp()
        self.pair = fakes.Pair(self)
        self.client = self.pair.client
        self.instance, self.domain_r = (
            self.pair.instance(), self.pair.domain_r())
        self.pair.live()
        self.client.arm('m', SOURCE)

    def carried(self):
        """The offsets, when all has stopped; a worker may be restarting."""
        self.assertIsNotNone(self.client.frozen(3000).stopped_at)
        return self.client.hand_over(1000)

    def types_two(self):
        """They stay unread."""
        self.domain_r.types(b'ab')
        fakes.wait_for(lambda: self.instance.unread() == 2)
