/* SPDX-License-Identifier: MIT
 *
 * SHA-256 and its text.
 */
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <string.h>
#include <unistd.h>

void digest_init(struct digest *digest)
{
    sha256_init(&digest->context);
    digest->size = 0;
}

void digest_update(struct digest *digest, const void *bytes, size_t size)
{
    sha256_update(&digest->context, size, bytes);
    digest->size += size;
}

void digest_finish(struct digest *digest, char text[DIGEST_TEXT])
{
    char encoded[BASE64_ENCODE_LENGTH(SHA256_DIGEST_SIZE) + BASE64_ENCODE_FINAL_LENGTH];
    uint8_t sum[SHA256_DIGEST_SIZE];
    struct base64_encode_ctx context;
    size_t length;

    sha256_digest(&digest->context, sizeof(sum), sum);
    base64url_encode_init(&context);
    length = base64_encode_update(&context, encoded, sizeof(sum), sum);
    length += base64_encode_final(&context, encoded + length);
    while (length > 0 && encoded[length - 1] == '=')
        length--;
    memcpy(text, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1);
    memcpy(text + sizeof(DIGEST_PREFIX) - 1, encoded, length);
    text[sizeof(DIGEST_PREFIX) - 1 + length] = '\0';
}

bool digest_file(const char *path, char text[DIGEST_TEXT], uint64_t *size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    unsigned char part[1 << 15];
    struct digest digest;
    ssize_t n = -1;

    if (fd < 0)
        return false;
    digest_init(&digest);
    do {
        n = read(fd, part, sizeof(part));
        if (n > 0)
            digest_update(&digest, part, (size_t)n);
    } while (n > 0 || (n < 0 && errno == EINTR));
    int failure = errno;
    close(fd);
    errno = failure;
    digest_finish(&digest, text);
    *size = digest.size;
    return n == 0;
}
