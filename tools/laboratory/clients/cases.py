# SPDX-License-Identifier: Apache-2.0
"""What each program is tried with.

A case opens its client, does what a user does, and finds out in the guest
what has come of it. Between the two the instance moves, where it is to.
"""

import dataclasses
import string
import time
from collections.abc import Callable, Iterable

from laboratory.clients import users
from laboratory.clients.scene import Opener, Scene, Wrong
from laboratory.vnc import picture

#: Nothing but what every keyboard types without Shift.
_TAKE = 'tee typed\r'
_PLAIN = 'the quick brown fox jumps over 1234567890 lazy dogs'
_PRINTABLE = ''.join(sorted(string.ascii_letters + string.digits
                            + string.punctuation))
_FOREIGN = 'Grüße aus Köln, 日本'
_LINES = '\r'.join(f'{number:04} {"x" * 70}' for number in range(40))
_ARROWS = {'Up': '\x1b[A', 'Down': '\x1b[B', 'Left': '\x1b[D',
           'Right': '\x1b[C'}
_SETTLE_S = 20.0
_LOOK_S = 0.3
#: So slowly that a migration lies between the first and the last key.
_SLOW_S = 0.4
_ASK_S = 5.0
_COPIED_S = 3.0
#: For a character of a clipboard, on a machine that has more to do.
_PASTED_S = 0.1
#: X's numbers of keys: xdotool would see to it that a letter by its name comes
#: as it is, whatever the locks say. The last one gives 7 or Home.
_ABC, _KEYPAD_7 = ('38', '56', '54'), '79'


@dataclasses.dataclass(frozen=True)
class Case:
    """:param run: raises Wrong, or Unavailable"""

    client: str
    name: str
    run: Callable[[Scene], None]


def _text(opener: Opener, text: str, seconds: float) -> Callable[
        [Scene], None]:
    """The text is typed while the instance moves."""
    def run(scene: Scene) -> None:
        user = scene.open(opener)
        user.type(_TAKE)
        with scene.moving() as moves:
            user.type(text, _SLOW_S if moves else seconds)
        scene.expect_typed(user, text.replace('\r', '\n') + '\n')
    return run


def _characters(opener: Opener, text: str) -> Callable[[Scene], None]:
    """The text is typed after the instance has moved."""
    def run(scene: Scene) -> None:
        user = scene.open(opener)
        user.type(_TAKE)
        scene.move()
        user.type(text)
        scene.expect_typed(user, text.replace('\r', '\n') + '\n')
    return run


def _pasted(opener: Opener) -> Callable[[Scene], None]:
    def run(scene: Scene) -> None:
        user = scene.open(opener)
        user.type(_TAKE)
        with scene.moving():
            user.paste(_LINES)
        scene.expect_typed(user, _LINES.replace('\r', '\n') + '\n')
    return run


def _arrows(opener: Opener) -> Callable[[Scene], None]:
    def run(scene: Scene) -> None:
        user = scene.open(opener)
        user.type(_TAKE)
        scene.move()
        for name in _ARROWS:
            user.press(name)
        scene.expect_typed(user, ''.join(_ARROWS.values()) + '\n')
    return run


def _control(opener: Opener) -> Callable[[Scene], None]:
    """Control-C ends a program."""
    def run(scene: Scene) -> None:
        user = scene.open(opener)
        user.type('sleep 1000\r')
        scene.move()
        user.press('ctrl+c')
        user.type('touch stopped\r')
        scene.expect(lambda: scene.guest(user).run('ls stopped'), 'stopped',
                     'Control-C has not ended the program')
    return run


def _picture(opener: Opener) -> Callable[[Scene], None]:
    def run(scene: Scene) -> None:
        user = scene.open(opener)
        scene.move()
        deadline = time.monotonic() + _SETTLE_S
        while wrong := picture.wrong_pixels(
                user.picture(), scene.subject.screendump()):
            if time.monotonic() > deadline:
                raise Wrong(f'{wrong} pixels are other than QEMU\'s')
            time.sleep(_LOOK_S)     # until no cursor blinks between the two
    return run


def _caps_lock(scene: Scene) -> None:
    """It was on before the viewer had the focus."""
    scene.open(users.vncdotool).type(_TAKE)
    user = scene.open(users.tigervnc, 'Caps_Lock')
    try:
        scene.move()
        for number in _ABC:
            user.press(number)
        scene.expect_typed(user, 'ABC\n')
    finally:
        user.press('Caps_Lock')


def _num_lock(scene: Scene) -> None:
    """It was on before the viewer had the focus."""
    scene.open(users.vncdotool).type(_TAKE)
    user = scene.open(users.tigervnc, 'Num_Lock')
    try:
        scene.move()
        user.press(_KEYPAD_7)
        scene.expect_typed(user, '7\n')
    finally:
        user.press('Num_Lock')


def _clipboard(opener: Opener, size: int) -> Callable[[Scene], None]:
    """It is typed as keys while the instance moves."""
    text = ''.join(f'{number:04} {"Copied" * 11}\n'
                   for number in range(size))[:size - 1] + '\n'

    def run(scene: Scene) -> None:
        user = scene.open(opener)
        user.type(_TAKE)
        user.copy(text)
        # A client may ask first whether the text is wanted; and a user has to
        # leave the panel.
        time.sleep(_COPIED_S)
        user.press('ctrl+alt+v')
        scene.move()
        scene.expect(lambda: scene.look().run('wc -c < typed'), str(size),
                     'not all of the clipboard is typed',
                     60 + len(text) * _PASTED_S)
        scene.expect_typed(user, text + '\n')
    return run


def _held(scene: Scene) -> None:
    """A key goes down before the instance moves, and up afterwards."""
    user = scene.open(users.vncdotool)
    user.type(_TAKE)
    user.hold('a')
    scene.move()
    user.let_go('a')
    scene.expect_typed(user, 'a\n')


def _old_question(scene: Scene) -> None:
    """What the guest asked a terminal before is no question to this one."""
    guest = scene.look()
    guest.run(r"printf '\033[6n\033[c'")
    guest.send(_TAKE.encode())
    scene.open(users.tmux_at_once)
    scene.move()
    time.sleep(_ASK_S)
    guest.send(b'\r\4')
    scene.expect_file(guest, '\n')


def _leaves_it_as_it_was(scene: Scene) -> None:
    user = scene.open(users.tmux)
    guest = scene.look()
    guest.run(r"printf '\033[?1049h\033[?1000h\033[?2004h'")
    scene.move()
    scene.expect(lambda: user.shown('#{alternate_on}'), '1',
                 'the screen of a full-screen program is not shown')
    user.press('Return')
    user.type('\x1d.')
    scene.expect(lambda: user.shown('#{pane_dead}'), '1',
                 'the console cannot be left')
    scene.expect(
        lambda: user.shown('#{alternate_on}#{mouse_any_flag}'), '00',
        'the terminal is left as the full-screen program had it')


_VNC: dict[str, Opener] = {
    'vncdotool': users.vncdotool, 'TigerVNC': users.tigervnc,
    'Remmina': users.remmina, 'noVNC': users.page,
    "Horizon's tab": users.tab}
#: Those whose picture cannot be told from their windows.
_FRAMED = 'Remmina',
_TEXT: dict[str, Opener] = {
    'nova-serialproxy': users.proxy, 'socat': users.socat,
    'OpenSSH': users.openssh, 'OpenSSH in tmux': users.tmux}


def every() -> Iterable[Case]:
    """In the order in which they are tried."""
    for client, opener in _VNC.items():
        yield Case(client, 'a line of text', _text(opener, _PLAIN, 0.05))
        yield Case(client, 'each character of ASCII',
                   _characters(opener, _PRINTABLE))
        yield Case(client, 'arrow keys', _arrows(opener))
        yield Case(client, 'Control-C', _control(opener))
        if client not in _FRAMED:
            yield Case(client, 'the picture', _picture(opener))
    yield Case('vncdotool', 'a key held down', _held)
    yield Case('vncdotool', '10,000 characters of its clipboard',
               _clipboard(users.vncdotool_that_pastes, 10000))
    yield Case('noVNC', 'its clipboard panel',
               _clipboard(users.full_page, 400))
    yield Case('TigerVNC', 'Caps Lock on before it has the focus', _caps_lock)
    yield Case('TigerVNC', 'Num Lock on before it has the focus', _num_lock)
    for client, opener in _TEXT.items():
        yield Case(client, 'a line of text', _text(opener, _PLAIN, 0.02))
        yield Case(client, 'each character of ASCII',
                   _characters(opener, _PRINTABLE))
        yield Case(client, 'characters of UTF-8',
                   _characters(opener, _FOREIGN))
        yield Case(client, '3,000 characters pasted', _pasted(opener))
        yield Case(client, 'arrow keys', _arrows(opener))
        yield Case(client, 'Control-C', _control(opener))
    yield Case('OpenSSH in tmux', 'a question to a terminal, replayed',
               _old_question)
    yield Case('OpenSSH in tmux', 'left while a full-screen program runs',
               _leaves_it_as_it_was)
