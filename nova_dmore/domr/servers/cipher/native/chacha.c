/*
 * SPDX-License-Identifier: Apache-2.0
 *
 * OpenSSH's PROTOCOL.chacha20poly1305, with OpenSSL's ciphers. They are made
 * once for a key: to make them takes longer than to encrypt a packet.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "chacha.h"

#define KEY_SIZE (CHACHA_KEY / 2)
#define BLOCK_SIZE 64		/* the first one is the key of the tag */

struct chacha {
	EVP_CIPHER_CTX *packet;
	EVP_CIPHER_CTX *length;
	EVP_MAC_CTX *tag;
};

static EVP_CIPHER_CTX *new_stream(const uint8_t *key)
{
	static const uint8_t start[16];
	EVP_CIPHER_CTX *stream = EVP_CIPHER_CTX_new();

	if (stream != NULL && !EVP_EncryptInit_ex(stream, EVP_chacha20(), NULL,
						  key, start)) {
		EVP_CIPHER_CTX_free(stream);
		stream = NULL;
	}
	return stream;
}

static EVP_MAC_CTX *new_tag(void)
{
	EVP_MAC *kind = EVP_MAC_fetch(NULL, "POLY1305", NULL);
	EVP_MAC_CTX *tag = kind == NULL ? NULL : EVP_MAC_CTX_new(kind);

	EVP_MAC_free(kind);
	return tag;
}

struct chacha *chacha_new(const uint8_t *key)
{
	struct chacha *chacha = calloc(1, sizeof(*chacha));

	if (chacha == NULL)
		return NULL;
	chacha->packet = new_stream(key);
	chacha->length = new_stream(key + KEY_SIZE);
	chacha->tag = new_tag();
	if (chacha->packet == NULL || chacha->length == NULL ||
	    chacha->tag == NULL) {
		chacha_free(chacha);
		return NULL;
	}
	return chacha;
}

void chacha_free(struct chacha *chacha)
{
	EVP_CIPHER_CTX_free(chacha->packet);
	EVP_CIPHER_CTX_free(chacha->length);
	EVP_MAC_CTX_free(chacha->tag);
	free(chacha);
}

/* Go to the first block of a packet's stream; -1 if that did not work. */
static int rewind_to(EVP_CIPHER_CTX *stream, uint64_t number)
{
	uint8_t start[16] = {0};	/* number of the block, of the packet */
	int i;

	for (i = 0; i < 8; i++)
		start[15 - i] = (uint8_t)(number >> 8 * i);
	return EVP_EncryptInit_ex(stream, NULL, NULL, NULL, start) ? 0 : -1;
}

/* To encrypt and to decrypt are the same. */
static int apply(EVP_CIPHER_CTX *stream, const uint8_t *in, size_t size,
		 uint8_t *out)
{
	int count;

	if (size > INT32_MAX ||
	    !EVP_EncryptUpdate(stream, out, &count, in, (int)size))
		return -1;
	return (size_t)count == size ? 0 : -1;
}

/* Begin a packet, and have the key of its tag. */
static int begin(struct chacha *chacha, uint64_t number)
{
	uint8_t block[BLOCK_SIZE] = {0};
	int good;

	if (rewind_to(chacha->packet, number) ||
	    apply(chacha->packet, block, sizeof(block), block))
		return -1;
	good = EVP_MAC_init(chacha->tag, block, KEY_SIZE, NULL);
	OPENSSL_cleanse(block, sizeof(block));
	return good ? 0 : -1;
}

static int make_tag(struct chacha *chacha, const uint8_t *packet, size_t size,
		    uint8_t *tag)
{
	size_t count;

	if (!EVP_MAC_update(chacha->tag, packet, size) ||
	    !EVP_MAC_final(chacha->tag, tag, &count, CHACHA_TAG))
		return -1;
	return count == CHACHA_TAG ? 0 : -1;
}

int chacha_seal(struct chacha *chacha, uint64_t number, const uint8_t *packet,
		size_t size, uint8_t *out)
{
	if (size < CHACHA_LENGTH || begin(chacha, number) ||
	    chacha_length(chacha, number, packet, out) ||
	    apply(chacha->packet, packet + CHACHA_LENGTH, size - CHACHA_LENGTH,
		  out + CHACHA_LENGTH))
		return -1;
	return make_tag(chacha, out, size, out + size);
}

int chacha_length(struct chacha *chacha, uint64_t number,
		  const uint8_t *packet, uint8_t *out)
{
	if (rewind_to(chacha->length, number))
		return -1;
	return apply(chacha->length, packet, CHACHA_LENGTH, out);
}

int chacha_open(struct chacha *chacha, uint64_t number, const uint8_t *packet,
		size_t size, uint8_t *out)
{
	uint8_t tag[CHACHA_TAG];

	if (size < CHACHA_LENGTH || begin(chacha, number) ||
	    make_tag(chacha, packet, size, tag) ||
	    CRYPTO_memcmp(tag, packet + size, CHACHA_TAG))
		return -1;
	return apply(chacha->packet, packet + CHACHA_LENGTH,
		     size - CHACHA_LENGTH, out);
}
