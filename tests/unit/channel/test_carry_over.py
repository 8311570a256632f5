# SPDX-License-Identifier: Apache-2.0
"""The carry-over as JSON, and what is refused."""

import dataclasses
import json
import unittest

import hypothesis
from hypothesis import strategies

from nova_dmore.channel import carry_over
from nova_dmore.channel import display
from nova_dmore.channel import errors
from nova_dmore import wire
from tests import examples

OUT = wire.Stream.SERIAL0_OUT
# What a Domain R has moved it to, and some way from there.
OFFSETS = strategies.integers(0, wire.JUMP_MAX + (1 << 60))
CARRY_OVERS = strategies.builds(
    carry_over.CarryOver, OFFSETS, strategies.booleans(),
    strategies.fixed_dictionaries({
        wire.Stream.CONTROL_TO_HOST: OFFSETS,
        wire.Stream.SERIAL0_IN: OFFSETS,
        wire.Stream.INPUT0_IN: OFFSETS}),
    strategies.fixed_dictionaries({
        stream: strategies.builds(carry_over.Unstored, OFFSETS,
                                  strategies.binary(max_size=50))
        for stream in (wire.Stream.CONTROL_TO_DOMAIN_R, OUT)}),
    strategies.none() | strategies.integers(
        0, display.SIDE_MAX).flatmap(
            lambda height: strategies.builds(
                display.Picture, strategies.integers(
                    0, display.SIDE_MAX), strategies.just(height),
                strategies.binary(
                    min_size=display.HASH_SIZE, max_size=display.HASH_SIZE
                ).map(lambda band: (band,) * display.band_count(height)))),
    strategies.integers(0, 0x1ff),
    strategies.frozensets(strategies.integers(0, 0xff), max_size=3),
    strategies.frozensets(strategies.integers(0, 0xff), max_size=3),
    strategies.integers(0, 0x1ff))
JSON = strategies.recursive(
    strategies.none() | strategies.booleans() | strategies.integers()
    | strategies.floats(allow_nan=False) | strategies.text(max_size=8),
    lambda inner: strategies.lists(inner, max_size=3)
    | strategies.dictionaries(strategies.text(max_size=8), inner,
                              max_size=3), max_leaves=5)


def good():
    return carry_over.CarryOver(
        7, True,
        {wire.Stream.CONTROL_TO_HOST: 1, wire.Stream.SERIAL0_IN: 2,
         wire.Stream.INPUT0_IN: 8},
        {wire.Stream.CONTROL_TO_DOMAIN_R: carry_over.Unstored(3, b''),
         OUT: carry_over.Unstored(4, b'abc')},
        display.Picture(720, 17, (b'01234567', b'89abcdef')), 5).to_json()


class CarryOverTest(unittest.TestCase):

    @examples.settings()
    @hypothesis.given(CARRY_OVERS)
    def test_round_trip(self, value):
        text = json.dumps(value.to_json())
        self.assertEqual(
            value, carry_over.CarryOver.from_json(json.loads(text)))

    @examples.settings()
    @hypothesis.given(
        strategies.sampled_from([
            (), ('layout_version',), ('epoch',), ('acknowledged',),
            ('taken',), ('taken', 'serial0_in'), ('unstored',),
            ('unstored', 'serial0_out'),
            ('unstored', 'serial0_out', 'base'),
            ('unstored', 'serial0_out', 'data'), ('picture',),
            ('picture', 'width'), ('picture', 'height'),
            ('picture', 'bands'), ('large_picture',), ('buttons',),
            ('more_buttons',), ('keys',), ('owed_keys',),
            ('owed_buttons',)]), JSON)
    def test_anything_is_refused_or_meant(self, path, junk):
        value = good()
        if path:
            place = value
            for name in path[:-1]:
                place = place[name]
            place[path[-1]] = junk
        else:
            value = junk
        try:
            result = carry_over.CarryOver.from_json(value)
        except errors.CarryOverError:
            return
        said = result.to_json()
        # The same button may be said in both.
        for each in value, said:
            each['buttons'] |= each.pop('more_buttons', 0)
        self.assertEqual(value, said)

    def refused(self, pattern, value):
        self.assertRaisesRegex(errors.CarryOverError, pattern,
                               carry_over.CarryOver.from_json, value)

    def test_offset_of_another_world(self):
        value = good()
        value['taken']['serial0_in'] = wire.OFFSET_MAX + 1
        self.refused('taken of SERIAL0_IN', value)

    def test_boolean_is_no_number(self):
        value = good()
        value['epoch'] = True
        self.refused('epoch', value)

    def test_too_much_data(self):
        value = good()
        value['unstored']['serial0_out']['data'] = (
            'AAAA' * (carry_over.CARRY_OVER_DATA_MAX // 3 + 1))
        self.refused('too long', value)

    def test_picture_with_bands_of_another_height(self):
        for bands, pattern in (('AAAA', 'lacks bands'),
                               ('AAAA' * 7, 'too long'),
                               ('=' * 20, 'not base64')):
            value = good()
            value['picture']['bands'] = bands
            self.refused(pattern, value)
        value = good()
        value['picture']['height'] = wire.EARLIER_HEIGHT_MAX + 1
        self.refused('height', value)

    def test_large_picture_is_none_to_a_host_of_release_0_2(self):
        for width, height, name in ((2560, 1600, 'picture'),
                                    (2561, 1600, 'large_picture'),
                                    (1440, 2560, 'large_picture'),
                                    (3840, 2160, 'large_picture')):
            value = good()
            value.pop('picture')
            made = dataclasses.replace(
                carry_over.CarryOver.from_json(value),
                picture=display.Picture(
                    width, height, (b'01234567',) * (-(-height // 16))))
            value = made.to_json()
            self.assertEqual({name}, {
                each for each in value if 'picture' in each and value[each]})
            self.assertIn('picture', value)
            self.assertEqual(made, carry_over.CarryOver.from_json(value))

    def test_large_picture_that_cannot_be(self):
        for change in ({'large_picture': good()['picture']},
                       {'large_picture': {'width': 65536, 'height': 1,
                                          'bands': 'AAAAAAAAAAA='}},
                       {'picture': None, 'large_picture': None},
                       {'picture': None,
                        'large_picture': {'width': 9, 'height': 65536,
                                          'bands': ''}},
                       {'picture': None, 'large_picture': good()['picture']}):
            self.assertRaises(errors.CarryOverError,
                              carry_over.CarryOver.from_json,
                              {**good(), **change})

    def test_buttons_that_are_none(self):
        value = good()
        value['buttons'] = 0x200
        self.refused('buttons', value)
        self.refused('more_buttons', {**good(), 'more_buttons': 0x200})

    def test_buttons_of_hosts_of_several_releases(self):
        value = dataclasses.replace(
            carry_over.CarryOver.from_json(good()), buttons=0x181).to_json()
        self.assertEqual(1, value['buttons'])       # all that 0.2 takes
        self.assertEqual(0x181, carry_over.CarryOver.from_json(value).buttons)
        del value['more_buttons']
        self.assertEqual(1, carry_over.CarryOver.from_json(value).buttons)

    def test_keys_that_are_none(self):
        for keys in {}, [256], [-1], ['a'], [0] * 257:
            self.refused('key', {**good(), 'keys': keys})
            self.refused('key', {**good(), 'owed_keys': keys})
        self.refused('owed_buttons', {**good(), 'owed_buttons': 0x200})

    def test_keys_of_a_host_of_an_earlier_release(self):
        value = dataclasses.replace(carry_over.CarryOver.from_json(good()),
                                    keys=frozenset([29, 200])).to_json()
        self.assertEqual({29, 200}, carry_over.CarryOver.from_json(value).keys)
        for name in 'keys', 'owed_keys', 'owed_buttons':
            del value[name]
        self.assertEqual(set(), carry_over.CarryOver.from_json(value).keys)

    def test_unknown_stream(self):
        value = good()
        value['taken']['display'] = 1
        self.refused('taken', value)

    def test_fits_into_a_request(self):
        data = bytes(carry_over.CARRY_OVER_DATA_MAX)
        value = good()
        value |= {name: field for name, field in carry_over.CarryOver(
            0, True, {}, {}, display.Picture(
                display.SIDE_MAX, display.SIDE_MAX,
                (bytes(display.HASH_SIZE),) * display.band_count(
                    display.SIDE_MAX))).to_json().items()
            if 'picture' in name}
        for each in value['unstored'].values():
            each['base'] = wire.JUMP_MAX
        full = carry_over.CarryOver.from_json(value)
        full.unstored[OUT] = carry_over.Unstored(0, data)
        # The control stream's part is bounded by its journal.
        full.unstored[wire.Stream.CONTROL_TO_DOMAIN_R] = (
            carry_over.Unstored(0, bytes(1 << 17)))
        text = json.dumps(full.to_json())
        self.assertLess(len(text), wire.REQUEST_LINE_MAX - 1024)
