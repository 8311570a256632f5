# SPDX-License-Identifier: Apache-2.0
"""``tools/test tempest``: OpenStack's own tests of a cloud, at the test cloud.

``configuration`` tells Tempest what the cloud is, ``inside`` runs it.
"""
