# SPDX-License-Identifier: Apache-2.0
"""What the gateway knows, and how it learns it."""

import json
import uuid

from oslotest import base

from nova_dmore.gateway import consoles
from nova_dmore.gateway import index
from tests.unit.gateway import fakes

NOW = 1_000_000.0
ADDRESSES = {fakes.WEB: '192.0.2.5', fakes.OTHERS: '192.0.2.6'}


def _reached(found, key):
    return found.by_key().get(key, {})


class IndexTest(base.BaseTestCase):

    def setUp(self):
        super().setUp()
        #: Of Nova.
        self.pairs = {'ann': {'laptop': f'{fakes.key(1)} ann@laptop'},
                      'bob': {'laptop': fakes.key(2)}}
        self.asked = []

    def _keys_of(self, user):
        self.asked.append(user)
        return self.pairs.get(user, {})

    def _updated(self, before, changed, now=NOW, addresses=None,
                 lets_in=None):
        """:param lets_in: by instance, what its port tells of its key"""
        return index.updated(
            before, now, 22, {
                name: index.Console(address, (lets_in or {}).get(name))
                for name, address in (
                    ADDRESSES if addresses is None else addresses).items()},
            changed, self._keys_of)

    def _first(self):
        return self._updated(index.Index(), [
            (fakes.WEB, index.Server('ann', 'laptop')),
            (fakes.MAIL, index.Server('ann', 'laptop')),
            (fakes.OTHERS, index.Server('bob', 'laptop'))])

    def test_a_key_reaches_what_names_it_and_has_a_console(self):
        found = self._first()
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(1)))
        self.assertEqual({fakes.OTHERS: '192.0.2.6'},
                         _reached(found, fakes.key(2)))
        self.assertEqual({}, _reached(found, fakes.key(3)))
        self.assertEqual(['ann', 'bob'], self.asked)

    def test_there_and_back(self):
        found = self._first()
        self.assertEqual(found, index.from_json(index.to_json(found)))

    def test_damaged(self):
        text = index.to_json(self._first())
        for wrong in ('', '[]', 'null', '{}', text[:-1], '[' * 100_000,
                      text.replace('"version": ', '"version": 9'),
                      text.replace('"ann", ', '')):
            self.assertRaises(ValueError, index.from_json, wrong)

    def test_no_key_is_nobodys(self):
        found = self._updated(index.Index(), [
            (fakes.WEB, index.Server('ann', None)),
            (fakes.OTHERS, index.Server('ann', 'gone'))])
        self.assertEqual({}, _reached(found, ''))

    def test_keys_that_openssh_does_not_take(self):
        self.pairs['ann']['laptop'] = 'command="id" ' + fakes.key(1)
        self.assertEqual({}, _reached(self._first(), fakes.key(1)))

    def test_a_key_pair_of_several_lines(self):
        """Domain R lets each of them in."""
        self.pairs['ann']['laptop'] = (
            f'{fakes.key(1)} ann@laptop\r\n\r\n{fakes.key(5)}\n'
            f'cert-authority {fakes.key(6)}\n')
        found = index.from_json(index.to_json(self._first()))
        for number, wanted in ((1, True), (5, True), (6, False)):
            self.assertEqual(
                {fakes.WEB: '192.0.2.5'} if wanted else {},
                _reached(found, fakes.key(number)))

    def test_only_changes_are_asked_for(self):
        first = self._first()
        self.assertEqual(NOW - index.CLOCKS_S, first.since(NOW + 20))
        self.assertIsNone(first.since(NOW + index.WHOLE_S))
        self.assertIsNone(first.since(NOW - 1))
        self.assertIsNone(index.Index().since(NOW))
        self.asked.clear()
        found = self._updated(first, [], NOW + 20)
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(1)))
        self.assertEqual([], self.asked)
        self.assertEqual((NOW + 20, NOW), (found.read_at, found.begun_at))

    def test_the_key_is_that_of_the_instance(self):
        """It is what Nova gave it, also when the name means another one."""
        first = self._first()
        self.pairs['ann']['laptop'] = fakes.key(4)
        for now in (NOW + 20, NOW + index.WHOLE_S):
            found = self._updated(first, [
                (fakes.WEB, index.Server('ann', 'laptop'))], now)
            self.assertEqual({fakes.WEB: '192.0.2.5'},
                             _reached(found, fakes.key(1)))
            self.assertEqual({}, _reached(found, fakes.key(4)))

    def test_rebuilt_with_another_key_pair(self):
        self.pairs['ann']['desktop'] = fakes.key(4)
        found = self._updated(self._first(), [
            (fakes.WEB, index.Server('ann', 'desktop'))], NOW + 20)
        self.assertEqual({}, _reached(found, fakes.key(1)))
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(4)))

    def _tells(self, text):
        return {fakes.WEB: index.digest_of(text)}

    def test_rebuilt_with_another_key_pair_of_the_same_name(self):
        old, new = self.pairs['ann']['laptop'], f'{fakes.key(4)} ann@new'
        first = self._updated(index.Index(), [
            (fakes.WEB, index.Server('ann', 'laptop'))],
            lets_in=self._tells(old))
        self.pairs['ann']['laptop'] = new
        changed = [(fakes.WEB, index.Server('ann', 'laptop'))]
        # Nova's API has begun with it, and Domain R is the one before.
        found = self._updated(first, changed, NOW + 20,
                              lets_in=self._tells(old))
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(1)))
        # Nova tells of no change any more when Domain R has the new one.
        found = self._updated(index.from_json(index.to_json(found)), [],
                              NOW + 40, lets_in=self._tells(new))
        self.assertEqual({}, _reached(found, fakes.key(1)))
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(4)))

    def test_what_the_port_tells_counts_and_the_name_does_not(self):
        """Seen for the first time when the name is another key's."""
        old = self.pairs['ann']['laptop']
        self.pairs['ann'] = {'laptop': fakes.key(4), 'as it was': old}
        found = self._updated(index.Index(), [
            (fakes.WEB, index.Server('ann', 'laptop'))],
            lets_in=self._tells(old))
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(1)))
        self.assertEqual({}, _reached(found, fakes.key(4)))

    def test_one_that_is_gone_is_sought_once(self):
        found = self._updated(index.Index(), [
            (fakes.WEB, index.Server('ann', 'laptop'))],
            lets_in=self._tells('one that nobody knows'))
        self.assertEqual({}, found.by_key())
        self.asked.clear()
        self._updated(found, [], NOW + 20,
                      lets_in=self._tells('one that nobody knows'))
        self.assertEqual([], self.asked)

    def test_to_be_rebuilt_with_another_name(self):
        """It is as before until its Domain R has that one."""
        old = self.pairs['ann']['laptop']
        self.pairs['ann']['desktop'] = fakes.key(4)
        first = self._updated(index.Index(), [
            (fakes.WEB, index.Server('ann', 'laptop'))],
            lets_in=self._tells(old))
        del self.pairs['ann']['laptop']
        found = self._updated(first, [
            (fakes.WEB, index.Server('ann', 'desktop'))], NOW + 20,
            lets_in=self._tells(old))
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(1)))
        found = self._updated(found, [], NOW + 40,
                              lets_in=self._tells(fakes.key(4)))
        self.assertEqual({fakes.WEB: '192.0.2.5'},
                         _reached(found, fakes.key(4)))
        self.assertEqual({}, _reached(found, fakes.key(1)))

    def test_rebuilt_without_a_key_pair(self):
        first = self._updated(index.Index(), [
            (fakes.WEB, index.Server('ann', 'laptop'))],
            lets_in=self._tells(self.pairs['ann']['laptop']))
        changed = [(fakes.WEB, index.Server('ann', None))]
        found = self._updated(
            first, changed, NOW + 20,
            lets_in=self._tells(self.pairs['ann']['laptop']))
        self.assertEqual({}, self._updated(found, [], NOW + 40).by_key())

    def test_what_an_earlier_release_knew(self):
        """Its file has no digests; the key pair may be gone."""
        fields = json.loads(index.to_json(self._first()))
        fields['version'] = 2
        for name in fields['servers']:
            fields['servers'][name].pop()
        before = index.from_json(json.dumps(fields))
        old = self.pairs['ann'].pop('laptop')
        for lets_in in (None, self._tells(old)):
            found = self._updated(before, [
                (fakes.WEB, index.Server('ann', 'laptop'))], NOW + 20,
                lets_in=lets_in)
            self.assertEqual({fakes.WEB: '192.0.2.5'},
                             _reached(found, fakes.key(1)))

    def test_deleted(self):
        found = self._updated(self._first(), [(fakes.WEB, None)], NOW + 20)
        self.assertEqual({}, _reached(found, fakes.key(1)))
        self.assertNotIn(fakes.WEB, found.servers)

    def test_the_address_counts_that_is_there_now(self):
        found = self._updated(self._first(), [], NOW + 20,
                              {fakes.MAIL: '192.0.2.5'})
        self.assertEqual({fakes.MAIL: '192.0.2.5'},
                         _reached(found, fakes.key(1)))

    def test_what_is_read_anew_has_what_has_a_console(self):
        """Also what Nova leaves out, whose cell does not answer."""
        found = self._updated(self._first(), [
            (fakes.WEB, index.Server('ann', 'laptop'))],
            NOW + index.WHOLE_S)
        self.assertEqual({fakes.WEB, fakes.OTHERS}, set(found.servers))
        self.assertEqual({fakes.OTHERS: '192.0.2.6'},
                         _reached(found, fakes.key(2)))

    def test_no_more_than_openssh_can_be_told(self):
        names = [str(uuid.UUID(int=number))
                 for number in range(1, consoles.CONSOLES_MAX + 2)]
        found = self._updated(
            index.Index(),
            [(name, index.Server('ann', 'laptop')) for name in names],
            addresses=dict.fromkeys(names, '192.0.2.5'))
        self.assertEqual(consoles.CONSOLES_MAX,
                         len(_reached(found, fakes.key(1))))

    def test_a_key_that_somebody_else_uses_too(self):
        """His instances do not take the place of its owner's."""
        self.pairs['eve'] = {'stolen': fakes.key(1)}
        eves = [str(uuid.UUID(int=number)) for number in range(1, 701)]
        anns = [f'f{number:07x}{fakes.WEB[8:]}' for number in range(200)]
        found = _reached(self._updated(
            index.Index(),
            [(name, index.Server('eve', 'stolen')) for name in eves]
            + [(name, index.Server('ann', 'laptop')) for name in anns],
            addresses=dict.fromkeys(eves + anns, '192.0.2.5')),
            fakes.key(1))
        self.assertEqual(consoles.CONSOLES_MAX, len(found))
        self.assertLessEqual(set(anns), set(found))
        self.assertEqual(
            eves[:consoles.CONSOLES_MAX - len(anns)],
            [name for name in found if name in eves])

    def test_too_many_instances(self):
        changed = ((str(number), index.Server('ann', None))
                   for number in range(index.INSTANCES_MAX + 1))
        self.assertRaises(ValueError, self._updated, index.Index(), changed)
