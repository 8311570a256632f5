# SPDX-License-Identifier: Apache-2.0
"""The units of systemd, as far as they have something in common."""

import configparser
import pathlib

from oslotest import base

_UNITS = pathlib.Path(__file__).parents[2] / 'etc/systemd'
#: After so many starts in so many seconds systemd gives a unit up, where
#: nothing else is said (systemd-system.conf(5)).
_BURST, _INTERVAL_S = 5, 10


class UnitTest(base.BaseTestCase):

    def test_none_is_given_up(self):
        """What it lacks may come later: nobody should have to start it then.
        """
        found = sorted(_UNITS.glob('*.service'))
        self.assertEqual(4, len(found))
        for path in found:
            unit = configparser.ConfigParser(strict=False, interpolation=None)
            unit.optionxform = str
            unit.read(path)
            self.assertIn(unit['Service']['Restart'], ('always', 'on-failure'))
            self.assertTrue(
                unit['Unit'].get('StartLimitIntervalSec') == '0'
                or _BURST * int(unit['Service']['RestartSec']) > _INTERVAL_S,
                path.name)
