# SPDX-License-Identifier: Apache-2.0

import re
import tempfile

from oslo_config import cfg
from oslotest import base

from nova_dmore import conf
from nova_dmore import exception
from nova_dmore.gateway import options as gateway_options
from nova_dmore.hostd import options as hostd_options
from nova_dmore.recorder import options as recorder_options

#: Options that hold an amount, and the unit that the help must name.
UNITS = {'_mib': 'MiB', '_kib': 'KiB', '_ms': 'milliseconds',
         '_timeout': 'seconds', '_interval': 'seconds',
         '_percent': 'percent', '_domain_rs': 'Domain Rs',
         '_seconds': 'seconds', '_days': 'days'}

#: Those of all programs.
EVERY = [*conf.OPTIONS, *hostd_options.OPTIONS, *gateway_options.OPTIONS,
         *recorder_options.OPTIONS]


class OptionsTest(base.BaseTestCase):

    def test_every_option_has_a_help_text(self):
        for option in EVERY:
            self.assertGreater(len(option.help or ''), 20, option.name)
            self.assertRegex(option.help, r'[.)]$', option.name)

    def test_no_default_is_explained(self):
        for option in EVERY:
            if option.default is None:
                self.assertIn('No default', option.help, option.name)
            else:
                self.assertNotIn('No default', option.help, option.name)

    def test_amounts_name_their_unit(self):
        amounts = [option for option in EVERY
                   if type(option) in (cfg.IntOpt, cfg.FloatOpt)]
        self.assertNotEqual([], amounts)
        for option in amounts:
            unit = next((unit for ending, unit in UNITS.items()
                         if option.name.endswith(ending)), None)
            self.assertIsNotNone(unit, f'{option.name} names no unit')
            self.assertRegex(option.help, rf'\b{unit}\b', option.name)

    def test_amounts_have_a_minimum(self):
        for option in EVERY:
            if type(option) in (cfg.IntOpt, cfg.FloatOpt):
                self.assertIsNotNone(option.type.min, option.name)

    def test_booleans_say_what_the_other_value_does(self):
        for option in EVERY:
            if isinstance(option, cfg.BoolOpt):
                self.assertRegex(
                    option.help, rf'With {str(not option.default).lower()}|'
                    rf'With {str(option.default).lower()}', option.name)

    def test_options_and_files_named_in_help_texts_exist(self):
        names = {option.name for option in conf.OPTIONS}
        for option in conf.OPTIONS:
            for name in re.findall(r'\[dmore\] (\w+)', option.help):
                self.assertIn(name, names, option.name)

    def test_register_twice(self):
        options = cfg.ConfigOpts()
        conf.register(options)
        conf.register(options)
        options([])
        self.assertTrue(options.dmore.enabled)
        self.assertEqual('nova-dmore-domr', options.dmore.image)

    def test_a_value_set_in_one_configuration_is_not_in_another(self):
        first, second = cfg.ConfigOpts(), cfg.ConfigOpts()
        for options in (first, second):
            conf.register(options)
            options([])
        first.set_override('image', 'other', 'dmore')
        self.assertEqual('nova-dmore-domr', second.dmore.image)

    def test_generator_sees_every_option(self):
        ((group, options),) = conf.list_opts()
        self.assertEqual('dmore', group.name)
        self.assertIs(conf.OPTIONS, options)

    def test_a_value_that_cannot_be_is_found_at_once(self):
        for wrong in ('ssh_port = 99999', 'memory_mib = -1', 'hold = perhaps',
                      'vnc_keymap = xx', 'image_digest = ab', 'run_dir =',
                      'record_dir = records', 'image_cache_dir = ./images',
                      'log_dir =', 'watch_interval = soon'):
            with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
                file.write(f'[dmore]\n{wrong}\n')
                file.flush()
                options = cfg.ConfigOpts()
                conf.register(options)
                options([], default_config_files=[file.name])
            error = self.assertRaises(exception.ConfigurationError,
                                      conf.check, options)
            self.assertIn(f'[dmore] {wrong.split(" =")[0]}: ', str(error))
            self.assertIn(file.name, str(error))

    def test_digest_is_checked(self):
        options = cfg.ConfigOpts()
        conf.register(options)
        options([])
        options.set_override('image_digest', 'ab' * 32, 'dmore')
        for wrong in ('AB' * 32, 'ab' * 31, 'sha256:' + 'ab' * 32):
            self.assertRaises(ValueError, options.set_override,
                              'image_digest', wrong, 'dmore')
