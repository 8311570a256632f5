/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * What Python sees of chacha20-poly1305@openssh.com. cffi reads this file too,
 * which knows no other preprocessor lines than constants.
 *
 * A packet begins with its length, which has a key of its own. Functions that
 * return int return 0, or -1 if it did not work.
 */

#define CHACHA_KEY 64		/* of the packet, then of its length */
#define CHACHA_LENGTH 4
#define CHACHA_TAG 16

struct chacha;

/* NULL: no memory, or the library has no such cipher. */
struct chacha *chacha_new(const uint8_t *key);
void chacha_free(struct chacha *chacha);
/* Encrypt a packet of so many bytes; its tag comes after it. */
int chacha_seal(struct chacha *chacha, uint64_t number, const uint8_t *packet,
		size_t size, uint8_t *out);
/* Decrypt the length; it is not authentic yet. */
int chacha_length(struct chacha *chacha, uint64_t number,
		  const uint8_t *packet, uint8_t *out);
/* Check a packet that its tag follows, and decrypt what comes after the
 * length. */
int chacha_open(struct chacha *chacha, uint64_t number, const uint8_t *packet,
		size_t size, uint8_t *out);
