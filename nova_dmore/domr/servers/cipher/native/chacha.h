/*
 * Licensed under the Apache License, Version 2.0 (the "License"); you may
 * not use this file except in compliance with the License. You may obtain
 * a copy of the License at
 *
 *      http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
 * WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
 * License for the specific language governing permissions and limitations
 * under the License.
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
