/* protocol/figures.c - statistics, whatever the protocol. See figures.h. */
#include "protocol/figures.h"

#include <stdlib.h>
#include <string.h>

#include "protocol/text_priv.h"

enum { VALUE_MAX = 1024 }; /* what is longer (a list of addresses) is cut */

/* In the order in which they are tried. */
static const struct {
    struct span     word;
    enum stats_kind kind;
    bool            detail; /* after that word                         */
    bool            exact;  /* it may neither be cut short nor go on   */
    bool            text;   /* the binary protocol does not know it    */
} names[] = {
    { SPAN("reset"), STATS_RESET, false, false, false },
    { SPAN("on"), STATS_PREFIXES_ON, true, false, false },
    { SPAN("off"), STATS_PREFIXES_OFF, true, false, false },
    { SPAN("dump"), STATS_PREFIXES, true, false, false },
    { SPAN("settings"), STATS_SETTINGS, false, false, false },
    { SPAN("conns"), STATS_CONNS, false, false, true },
    { SPAN("extstore"), STATS_EXTSTORE, false, false, true },
    { SPAN("items"), STATS_ITEMS, false, true, false },
    { SPAN("slabs"), STATS_SLABS, false, true, false },
    { SPAN("sizes"), STATS_SIZES, false, true, false },
};

bool
figures_find(enum codec codec, bool detail, struct span word, enum stats_kind *kind)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct span name = names[i].word;
        bool        fits = names[i].exact        ? span_equal(word, name)
                           : codec == CODEC_TEXT ? text_abbreviates(word, name)
                                                 : span_starts_with(word, name);

        if (fits && names[i].detail == detail &&
            !(names[i].text && codec != CODEC_TEXT)) {
            *kind = names[i].kind;
            return true;
        }
    }
    return false;
}

static void
emit(void *ctx, const char *name, const char *value)
{
    struct figures_sink *sink = ctx;

    sink->figure(sink, (struct span){ name, strlen(name) },
                 (struct span){ value, strnlen(value, VALUE_MAX) });
}

static void
show_prefixes(const struct host *host, struct figures_sink *sink)
{
    size_t length;
    char  *lines = host->prefixes(host->server, &length);

    if (lines == NULL)
        sink->reply->lacks_memory = true;
    else
        sink->prefixes(sink, (struct span){ lines, length });
    free(lines);
}

static enum figures_end
run(const struct host *host, struct figures_sink *sink)
{
    enum stats_kind kind = sink->request->mode;
    bool            turns = kind == STATS_PREFIXES_ON || kind == STATS_PREFIXES_OFF;

    if ((turns || kind == STATS_PREFIXES) && !host->dump_enabled)
        return FIGURES_NOT_ALLOWED;
    if (turns) {
        host->prefixes_turn(host->server, kind == STATS_PREFIXES_ON);
        return FIGURES_TURNED;
    }
    if (kind == STATS_RESET) {
        host->stats_reset(host->server);
        return FIGURES_RESET;
    }
    if (kind == STATS_PREFIXES)
        show_prefixes(host, sink);
    else
        host->stats(host->server, kind, emit, sink);
    return FIGURES_SHOWN;
}

void
figures_render(const struct host *host, struct figures_sink *sink)
{
    struct reply *reply = sink->reply;
    size_t        flat_used = reply->flat_used;
    unsigned      count = reply->count;

    sink->end(sink, run(host, sink));
    if (!reply->lacks_memory)
        return;
    reply_retract(reply, flat_used, count);
    sink->end(sink, FIGURES_NO_MEMORY);
}
