/* t/linear/wire.h - a blocking connection with a clock beside it. */
#ifndef LARDER_T_LINEAR_WIRE_H
#define LARDER_T_LINEAR_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options;

struct wire {
    int      fd;
    char    *in;
    size_t   at, end, in_room; /* unread bytes are [at, end) */
    char    *out;
    size_t   length, out_room;
    uint64_t sent_ns;   /* just before the last request went out     */
    uint64_t heard_ns;  /* just after the latest bytes of its answer */
    char     said[160]; /* the latest line, for who complains         */
};

uint64_t wire_now_ns(void);

/* What goes wrong is told by errno; 0: the other side has closed. `slow`: little is
 * received at a time. */
bool wire_open(struct wire *w, const struct options *opt, bool slow);
void wire_close(struct wire *w);

/* Adds to the request. */
void wire_put(struct wire *w, const char *bytes, size_t length);
__attribute__((format(printf, 2, 3))) void wire_say(struct wire *w, const char *format,
                                                    ...);
bool                                       wire_send(struct wire *w);

/* A line of the answer, without its end; and bytes with CR LF behind them. Both are valid
 * until the next call. */
bool wire_line(struct wire *w, char **line);
bool wire_bytes(struct wire *w, size_t length, char **bytes);

#endif
