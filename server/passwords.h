/* server/passwords.h - who may log in: a file of `user:password` lines.
 *
 * A line holds a password, or what was made of one with salt:
 *
 *    user:password
 *    user:$pbkdf2-sha256$ITERATIONS$SALT$HASH      salt and hash in base64
 *
 * Empty lines and comments (# and no colon) are passed over; lines may end with CR LF.
 *
 * In memory there are no passwords, only keyed hashes under a key that is made anew with
 * each list. A check takes the same time whoever the user is and whatever is wrong: both
 * sides are hashed, and then compared with every line of the list, to the end. That is also
 * why all hashes of a file have the same number of iterations.
 *
 * Threads: passwords_check() from any thread. The rest belongs to the main thread.
 * Locks:   a list never changes. The lock guards which one is in force and who still
 *          looks at one; nothing else is done under it.
 */
#ifndef LARDER_SERVER_PASSWORDS_H
#define LARDER_SERVER_PASSWORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "slabs/lock.h"
#include "slabs/span.h"

enum {
    PASSWORDS_MAX = 64,       /* lines                             */
    PASSWORDS_LINE_MAX = 255, /* bytes of one                      */
    PASSWORDS_ITERATIONS_MIN = 1000,
    PASSWORDS_ITERATIONS_MAX = 10 * 1000, /* some milliseconds of a worker's time */
};

/* What is said of -S where no file is named. */
#define PASSWORDS_WANTED                                                                 \
    "-S: who may log in? Name a file of user:password lines by -Y, or by "               \
    "MEMCACHED_SASL_PWDB in the environment."

struct password_list;

struct passwords {
    char                 *path; /* absolute, so that it is found again after a chdir() */
    struct lock           lock; /* LEAF; guards the next, and the references to lists  */
    struct password_list *list;
};

/* Read the file. False, with one line in `text` that names it, when it cannot be read, is
 * no such file, or everybody may write to it. Then there is nothing to be freed. */
bool passwords_open(struct passwords *passwords, const char *path, char *text,
                    size_t text_bytes) __attribute__((warn_unused_result));
/* Read it again; where that fails, as above, the old list stays in force. */
bool passwords_reload(struct passwords *passwords, char *text, size_t text_bytes)
    __attribute__((warn_unused_result));
void passwords_close(struct passwords *passwords);

/* Is that this user's password? */
bool passwords_check(struct passwords *passwords, struct span user, struct span password);

/* Are there passwords in the file that everybody on this machine can read? */
bool passwords_are_exposed(const struct passwords *passwords);

#endif
