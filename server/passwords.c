/* server/passwords.c - reading the file, and checking. See passwords.h. */
#include "server/passwords.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "protocol/base64.h"
#include "protocol/number.h"
#include "server/process.h"
#include "slabs/must.h"

enum {
    HASH_BYTES = 32, /* SHA-256 */
    SALT_MIN = 8,
    SALT_MAX = 32, /* with it the first block of PBKDF2 is one block of SHA-256 */
    FILE_MAX = PASSWORDS_MAX * (PASSWORDS_LINE_MAX + 1),
};

/* What is compared: both under the list's keys. */
struct tag {
    unsigned char user[HASH_BYTES];
    unsigned char password[HASH_BYTES]; /* unless the line has a salt */
};

/* A hash that takes its time. */
struct slow {
    uint32_t      iterations;
    unsigned char salt[SALT_MAX];
    unsigned char salt_length;
    unsigned char hash[HASH_BYTES];
};

struct entry {
    struct tag  tag;
    struct slow slow; /* iterations is 0 where the line holds a password */
};

/* Constant, once it is in force. */
struct password_list {
    unsigned      references;
    unsigned      count;
    uint32_t      iterations;  /* of all hashes, or else they could be told apart; or 0 */
    bool          holds_words; /* passwords, and not only hashes */
    bool          readable;    /* by everybody                   */
    unsigned char user_key[HASH_BYTES];
    unsigned char password_key[HASH_BYTES];
    struct slow   nobody; /* what an unknown user's password is compared with */
    struct entry  entries[PASSWORDS_MAX];
};

/* Where the reading is, and what is wrong there. */
struct reading {
    const char           *path;
    struct password_list *list;
    unsigned              line;
    char                 *text;
    size_t                text_bytes;
};

static bool fail(const struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool
fail(const struct reading *reading, const char *format, ...)
{
    char    what[128];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof(what), format, arguments);
    va_end(arguments);
    if (reading->line > 0)
        snprintf(reading->text, reading->text_bytes, "%s:%u: %s", reading->path,
                 reading->line, what);
    else
        snprintf(reading->text, reading->text_bytes, "%s: %s", reading->path, what);
    return false;
}

static bool
keyed_hash(const unsigned char key[HASH_BYTES], struct span bytes,
           unsigned char out[HASH_BYTES])
{
    unsigned length = 0;

    return HMAC(EVP_sha256(), key, HASH_BYTES, (const unsigned char *)bytes.at,
                bytes.length, out, &length) != NULL &&
           length == HASH_BYTES;
}

static bool
fill_random(void *to, size_t bytes)
{
    return getrandom(to, bytes, 0) == (ssize_t)bytes;
}

/* ---- a line ---------------------------------------------------------------------- */

/* Cut off what stands before the next `end`; false if there is none. */
static bool
cut(struct span *rest, char end, struct span *part)
{
    const char *at = rest->length > 0 ? memchr(rest->at, end, rest->length) : NULL;

    if (at == NULL)
        return false;
    *part = (struct span){ rest->at, (size_t)(at - rest->at) };
    *rest = (struct span){ at + 1, rest->length - part->length - 1 };
    return true;
}

/* base64_decode() skips what it does not know; here nothing may be skipped. */
static bool
decode(struct span text, unsigned char *to, size_t room, size_t *length)
{
    char again[BASE64_ROOM(HASH_BYTES)];

    if (!base64_decode(text, (char *)to, room, length) ||
        BASE64_ROOM(*length) != text.length)
        return false;
    base64_encode(again, (struct span){ (const char *)to, *length });
    return memcmp(again, text.at, text.length) == 0;
}

static bool
begins_with(struct span text, struct span prefix)
{
    return text.length >= prefix.length && memcmp(text.at, prefix.at, prefix.length) == 0;
}

static bool
read_slow(const struct reading *reading, struct span rest, struct slow *slow)
{
    struct span iterations, salt;
    size_t      length;

    if (!cut(&rest, '$', &iterations) || !cut(&rest, '$', &salt))
        return fail(reading, "not $pbkdf2-sha256$ITERATIONS$SALT$HASH");
    if (!number_strict_u32(iterations, &slow->iterations) ||
        slow->iterations < PASSWORDS_ITERATIONS_MIN ||
        slow->iterations > PASSWORDS_ITERATIONS_MAX)
        return fail(reading, "the iterations are not from %d to %d",
                    PASSWORDS_ITERATIONS_MIN, PASSWORDS_ITERATIONS_MAX);
    if (!decode(salt, slow->salt, SALT_MAX, &length) || length < SALT_MIN)
        return fail(reading, "the salt is not %d to %d bytes in base64", SALT_MIN,
                    SALT_MAX);
    slow->salt_length = (unsigned char)length;
    if (reading->list->iterations != 0 && slow->iterations != reading->list->iterations)
        return fail(reading, "the iterations are not the same in all lines");
    if (!decode(rest, slow->hash, HASH_BYTES, &length) || length != HASH_BYTES)
        return fail(reading, "the hash is not %d bytes in base64", HASH_BYTES);
    return true;
}

/* Only one line of a user can be the one whose salt is taken. */
static bool
check_unique(const struct reading *reading, const struct entry *entry)
{
    const struct password_list *list = reading->list;

    for (unsigned i = 0; i < list->count; i++) {
        const struct entry *other = &list->entries[i];

        if ((entry->slow.iterations > 0 || other->slow.iterations > 0) &&
            memcmp(entry->tag.user, other->tag.user, HASH_BYTES) == 0)
            return fail(reading, "a user with a hash stands here twice");
    }
    return true;
}

static bool
read_line(const struct reading *reading, struct span line)
{
    static const struct span marked = SPAN("$pbkdf2-sha256$");
    struct password_list    *list = reading->list;
    struct entry            *entry = &list->entries[list->count];
    struct span              user, word = line;
    bool                     hashed;

    if (list->count == PASSWORDS_MAX)
        return fail(reading, "there are more than %d lines", PASSWORDS_MAX);
    if (line.length > PASSWORDS_LINE_MAX)
        return fail(reading, "the line has more than %d bytes", PASSWORDS_LINE_MAX);
    if (!cut(&word, ':', &user))
        return fail(reading, "not user:password");
    if (user.length == 0 || word.length == 0)
        return fail(reading, "the %s is empty", user.length == 0 ? "user" : "password");
    if (memchr(line.at, '\0', line.length) != NULL ||
        memchr(line.at, '\r', line.length) != NULL)
        return fail(reading, "the line holds a NUL, or a CR before its end");
    hashed = begins_with(word, marked);
    if (hashed &&
        !read_slow(reading,
                   (struct span){ word.at + marked.length, word.length - marked.length },
                   &entry->slow))
        return false;
    if (!keyed_hash(list->user_key, user, entry->tag.user) ||
        (!hashed && !keyed_hash(list->password_key, word, entry->tag.password)))
        return fail(reading, "hashing failed");
    if (!check_unique(reading, entry))
        return false;
    if (hashed)
        list->iterations = entry->slow.iterations;
    list->holds_words |= !hashed;
    list->count++;
    return true;
}

/* Nobody's line: empty, or a comment. One with a colon is a user's, as in memcached. */
static bool
is_nobodys(struct span line)
{
    return line.length == 0 ||
           (line.at[0] == '#' && memchr(line.at, ':', line.length) == NULL);
}

static bool
read_lines(struct reading *reading, struct span rest)
{
    while (rest.length > 0) {
        struct span line;

        reading->line++;
        if (!cut(&rest, '\n', &line)) {
            line = rest;
            rest.length = 0;
        }
        if (line.length > 0 && line.at[line.length - 1] == '\r')
            line.length--;
        if (!is_nobodys(line) && !read_line(reading, line))
            return false;
    }
    reading->line = 0;
    return reading->list->count > 0 || fail(reading, "nobody stands in it");
}

/* ---- the file -------------------------------------------------------------------- */

/* Is it a file that only its owner and who he trusts can write to? */
static bool
check_file(const struct reading *reading, int fd)
{
    struct stat about;

    if (fd < 0 || fstat(fd, &about) != 0)
        return fail(reading, "%s", strerror(errno));
    if (!S_ISREG(about.st_mode))
        return fail(reading, "it is no regular file");
    if (about.st_mode & S_IWOTH)
        return fail(reading, "everybody may write to it");
    reading->list->readable = about.st_mode & S_IROTH;
    return true;
}

static bool
read_file(const struct reading *reading, int fd, char *to, size_t *length)
{
    ssize_t n;

    if (!check_file(reading, fd))
        return false;
    *length = 0;
    while ((n = read(fd, to + *length, FILE_MAX + 1 - *length)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(reading, "%s", strerror(errno));
        *length += (size_t)n;
        if (*length > FILE_MAX)
            return fail(reading, "it has more than %d bytes", FILE_MAX);
    }
    return true;
}

static struct password_list *
list_create(void)
{
    struct password_list *list = calloc(1, sizeof(*list));

    if (list == NULL)
        return NULL;
    list->references = 1;
    list->nobody.salt_length = 16;
    if (fill_random(list->user_key, sizeof(list->user_key)) &&
        fill_random(list->password_key, sizeof(list->password_key)) &&
        fill_random(list->nobody.salt, sizeof(list->nobody.salt)) &&
        fill_random(list->nobody.hash, sizeof(list->nobody.hash)))
        return list;
    free(list);
    return NULL;
}

static void
list_free(struct password_list *list)
{
    OPENSSL_cleanse(list, sizeof(*list));
    free(list);
}

static bool
load_into(struct reading *reading, char *bytes)
{
    int    fd = open(reading->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    size_t length;
    bool   good = read_file(reading, fd, bytes, &length) &&
                read_lines(reading, (struct span){ bytes, length });

    if (fd >= 0)
        close(fd);
    return good;
}

static struct password_list *
load(const char *path, char *text, size_t text_bytes)
{
    struct reading reading = { .path = path, .text = text, .text_bytes = text_bytes };
    char          *bytes = malloc(FILE_MAX + 1);

    reading.list = list_create();
    if (bytes == NULL || reading.list == NULL) {
        fail(&reading, "out of memory");
    } else if (load_into(&reading, bytes)) {
        reading.list->nobody.iterations = reading.list->iterations;
        OPENSSL_cleanse(bytes, FILE_MAX + 1);
        free(bytes);
        return reading.list;
    }
    if (bytes != NULL)
        OPENSSL_cleanse(bytes, FILE_MAX + 1);
    free(bytes);
    if (reading.list != NULL)
        list_free(reading.list);
    return NULL;
}

/* ---- lists ----------------------------------------------------------------------- */

static struct password_list *
list_take(struct passwords *passwords)
{
    struct password_list *list;

    lock_take(&passwords->lock);
    list = passwords->list;
    list->references++;
    lock_drop(&passwords->lock);
    return list;
}

static void
list_drop(struct passwords *passwords, struct password_list *list)
{
    bool last;

    lock_take(&passwords->lock);
    last = --list->references == 0;
    lock_drop(&passwords->lock);
    if (last)
        list_free(list);
}

bool
passwords_open(struct passwords *passwords, const char *path, char *text,
               size_t text_bytes)
{
    *passwords = (struct passwords){ .path = process_full_path(path) };
    if (passwords->path == NULL) {
        snprintf(text, text_bytes, "%s: %s", path, strerror(errno));
        return false;
    }
    passwords->list = load(passwords->path, text, text_bytes);
    if (passwords->list == NULL) {
        free(passwords->path);
        passwords->path = NULL;
        return false;
    }
    lock_init(&passwords->lock, RANK_LEAF);
    return true;
}

bool
passwords_reload(struct passwords *passwords, char *text, size_t text_bytes)
{
    struct password_list *list = load(passwords->path, text, text_bytes), *old;

    if (list == NULL)
        return false;
    lock_take(&passwords->lock);
    old = passwords->list;
    passwords->list = list;
    lock_drop(&passwords->lock);
    list_drop(passwords, old);
    return true;
}

void
passwords_close(struct passwords *passwords)
{
    if (passwords->list == NULL)
        return;
    list_drop(passwords, passwords->list);
    passwords->list = NULL;
    lock_fini(&passwords->lock);
    free(passwords->path);
    passwords->path = NULL;
}

bool
passwords_are_exposed(const struct passwords *passwords)
{
    return passwords->list->holds_words && passwords->list->readable;
}

/* ---- checking -------------------------------------------------------------------- */

/* Copy where `take` is 1 and not where it is 0, in the same time. */
static void
copy_if(unsigned take, void *to, const void *from, size_t bytes)
{
    unsigned char        mask = (unsigned char)-take, *out = to;
    const unsigned char *in = from;

    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)((out[i] & ~mask) | (in[i] & mask));
}

static unsigned
is_same(const void *a, const void *b, size_t bytes)
{
    return CRYPTO_memcmp(a, b, bytes) == 0;
}

static unsigned
check_slowly(const struct slow *slow, struct span password)
{
    unsigned char hash[HASH_BYTES];
    bool          made = PKCS5_PBKDF2_HMAC(password.at, (int)password.length, slow->salt,
                                           slow->salt_length, (int)slow->iterations, EVP_sha256(),
                                           HASH_BYTES, hash) == 1;

    return made & is_same(hash, slow->hash, HASH_BYTES);
}

static bool
check(const struct password_list *list, struct span user, struct span password)
{
    struct slow slow = list->nobody;
    struct tag  tag;
    unsigned    right = 0, known = 0;

    if (!keyed_hash(list->user_key, user, tag.user) ||
        !keyed_hash(list->password_key, password, tag.password))
        return false;
    for (unsigned i = 0; i < list->count; i++) {
        const struct entry *entry = &list->entries[i];
        unsigned            hashed = entry->slow.iterations > 0; /* no secret */
        unsigned here = is_same(entry->tag.user, tag.user, HASH_BYTES) & hashed;

        right |= is_same(&entry->tag, &tag, sizeof(tag)) & !hashed;
        known |= here;
        copy_if(here, &slow, &entry->slow, sizeof(slow));
    }
    if (list->iterations > 0)
        right |= check_slowly(&slow, password) & known;
    return right;
}

bool
passwords_check(struct passwords *passwords, struct span user, struct span password)
{
    struct password_list *list;
    bool                  right;

    /* No line is so long, and whoever sends it knows that. */
    if (user.length > PASSWORDS_LINE_MAX || password.length > PASSWORDS_LINE_MAX)
        return false;
    list = list_take(passwords);
    right = check(list, user, password);
    list_drop(passwords, list);
    return right;
}
