# SPDX-License-Identifier: Apache-2.0
"""The cipher in C (``native/``), as asyncssh uses it."""

from typing import Any

from asyncssh import encryption

#: Bytes of a packet for which there is room at first.
_ROOM = 1 << 12


class ChachaCipher:
    """Stands in for asyncssh's class of this name; see ``use``.

    One object serves one direction of a connection, or both.
    """

    #: The compiled module, see ``use``.
    native: Any = None

    def __init__(self, key: bytes) -> None:
        """:raises ValueError: of the wrong size
        :raises MemoryError: there is no such cipher, or no memory
        """
        self._lib, self._ffi = self.native.lib, self.native.ffi
        if len(key) != self._lib.CHACHA_KEY:
            raise ValueError(f'a key of {len(key)} bytes')
        made = self._lib.chacha_new(key)
        if made == self._ffi.NULL:
            raise MemoryError('no cipher')
        self._chacha = self._ffi.gc(made, self._lib.chacha_free)
        self._out, self._room = self._make_room(_ROOM)

    def _make_room(self, size: int) -> tuple[Any, int]:
        return self._ffi.new('uint8_t[]', size), size

    def encrypt_and_sign(self, header: bytes, data: bytes,
                         nonce: bytes) -> tuple[bytes, bytes]:
        """Encrypt a packet.

        :param header: its length
        :param nonce: its number
        :returns: it with its tag, and nothing that is to come after it
        """
        packet = header + data
        size = len(packet)
        if size + self._lib.CHACHA_TAG > self._room:
            self._out, self._room = self._make_room(
                2 * size + self._lib.CHACHA_TAG)
        if self._lib.chacha_seal(self._chacha, int.from_bytes(nonce, 'big'),
                                 packet, size, self._out):
            raise ValueError('encryption failed')
        return self._ffi.buffer(
            self._out, size + self._lib.CHACHA_TAG)[:], b''

    def decrypt_header(self, header: bytes, nonce: bytes) -> bytes:
        """The length of a packet, which is not authentic yet."""
        if self._lib.chacha_length(
                self._chacha, int.from_bytes(nonce, 'big'), bytes(header),
                self._out):
            raise ValueError('decryption failed')
        length: bytes = self._ffi.buffer(
            self._out, self._lib.CHACHA_LENGTH)[:]
        return length

    def verify_and_decrypt(self, header: bytes, data: bytes, nonce: bytes,
                           tag: bytes) -> bytes | None:
        """What comes after the length of a packet; None: it is forged."""
        if len(tag) != self._lib.CHACHA_TAG:
            return None
        packet = bytes(header) + data + tag
        size = len(data)
        if size > self._room:
            self._out, self._room = self._make_room(2 * size)
        if self._lib.chacha_open(
                self._chacha, int.from_bytes(nonce, 'big'), packet,
                len(header) + size, self._out):
            return None
        content: bytes = self._ffi.buffer(self._out, size)[:]
        return content


def use() -> bool:
    """Have asyncssh use the compiled cipher from now on.

    :returns: whether there is one; only Domain R's image has it (see
        ``ffi_build``)
    """
    try:
        import nova_dmore_cipher
    except ImportError:
        return False
    ChachaCipher.native = nova_dmore_cipher
    setattr(encryption, 'ChachaCipher', ChachaCipher)
    return True
