# SPDX-License-Identifier: Apache-2.0
"""Keeper and worker as processes, with a fake QEMU and a Domain R end."""

from oslotest import base

from tests.unit.worker import fakes


def ends(domain_r, client):
    """Its QEMU ends. Until the keeper knows, it lets no other one in."""
    domain_r.close()

    def is_known():
        known = client.status().domain_r
        return not known.attached and not known.connected
    fakes.wait_for(is_known)


class LivePair(base.BaseTestCase):
    """A pair that is live on one host."""

    def setUp(self):
        super().setUp()
        self.pair = self.make_pair()
        self.client = self.pair.client

    def make_pair(self):
        return fakes.Pair(self)

    def taken(self):
        return self.client.status().streams['serial0_in']['position']

    def go_live(self):
        instance, domain_r = self.pair.instance(), self.pair.domain_r()
        self.pair.live()
        return instance, domain_r
