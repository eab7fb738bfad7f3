/* protocol/admin.c - statistics and orders: requests in, answers out. See admin.h. */
#include "protocol/admin.h"

#include <string.h>

#include "protocol/events.h"
#include "protocol/figures.h"
#include "protocol/number.h"
#include "protocol/text_priv.h"

enum {
    MEMLIMIT_LEAST = 8, /* MiB */
    MEMLIMIT_MOST = 1000000000,
    SLEEP_MOST_US = 1000000,
    WINDOW_LEAST_S = 3, /* that the automover looks back */
    WINDOW_MOST_S = 1800,
    SEGMENTS_PERCENT = 80, /* of HOT and WARM together    */
    FRACTION_MAX = 24,     /* characters                  */
};

/* A last token noreply counts as a token here, and silences the answers of orders. */
static struct span
argument(const struct line *line, unsigned at)
{
    return at < line->count ? line->token[at] : SPAN("");
}

/* ---- statistics ------------------------------------------------------------------ */

static void
parse_cachedump(const struct line *line, struct request *request)
{
    uint32_t size_class, most = 0;

    request->operation = OP_DUMP;
    request->mode = DUMP_CACHE;
    if (line->count < 4)
        text_say(request, SPAN("CLIENT_ERROR bad command line\r\n"));
    else if (!number_strict_u32(line->token[2], &size_class) ||
             !number_strict_u32(line->token[3], &most))
        text_say(request, TEXT_BAD_FORMAT);
    else if (size_class > CACHE_CLASS_MAX)
        text_say(request, SPAN("CLIENT_ERROR Illegal slab id\r\n"));
    request->text = request->operation == OP_DUMP ? line->token[2] : request->text;
    request->delta = most;
}

void
admin_parse_stats(const struct command *command, const struct line *line,
                  struct request *request)
{
    struct span     what = argument(line, 1);
    enum stats_kind kind = STATS_GENERAL;

    (void)command;
    request->flags &= ~(uint32_t)REQUEST_SILENT;
    if (text_abbreviates(what, SPAN("cachedump"))) {
        parse_cachedump(line, request);
        return;
    }
    if (text_abbreviates(what, SPAN("detail"))) {
        if (!figures_find(CODEC_TEXT, true, argument(line, 2), &kind))
            text_say(request, SPAN("CLIENT_ERROR usage: stats detail on|off|dump\r\n"));
    } else if (what.length > 0 && !figures_find(CODEC_TEXT, false, what, &kind)) {
        text_say(request, TEXT_ERROR);
    }
    request->mode = (uint8_t)kind;
}

static void
put_figure(struct figures_sink *sink, struct span name, struct span value)
{
    char *to = reply_room(sink->reply, name.length + value.length + 8);

    if (to == NULL)
        return;
    to = span_put(span_put(to, SPAN("STAT ")), name);
    *to++ = ' ';
    reply_wrote(sink->reply, span_put(span_put(to, value), SPAN("\r\n")));
}

static void
put_prefixes(struct figures_sink *sink, struct span lines)
{
    reply_say(sink->reply, lines);
}

static void
put_end(struct figures_sink *sink, enum figures_end end)
{
    static const struct span ends[] = {
        [FIGURES_SHOWN] = SPAN("END\r\n"),
        [FIGURES_RESET] = SPAN("RESET\r\n"),
        [FIGURES_TURNED] = SPAN("OK\r\n"),
        [FIGURES_NOT_ALLOWED] = SPAN("CLIENT_ERROR stats detail not allowed\r\n"),
        [FIGURES_NO_MEMORY] = SPAN("SERVER_ERROR out of memory writing stats\r\n"),
    };

    reply_say(sink->reply, ends[end]);
}

void
admin_render_stats(const struct host *host, const struct request *request,
                   struct reply *reply)
{
    struct figures_sink sink = { request, reply, put_figure, put_prefixes, put_end };

    figures_render(host, &sink);
}

/* ---- orders ---------------------------------------------------------------------- */

static void
take_order(struct request *request, enum order order)
{
    request->operation = OP_ORDER;
    request->mode = order;
}

/* Take a number for an order, or say what a bad one is answered with. */
static void
take_number(struct request *request, enum order order, struct span token,
            struct span complaint)
{
    uint32_t number;

    if (!number_strict_u32(token, &number)) {
        text_say(request, complaint);
        return;
    }
    take_order(request, order);
    request->delta = number;
}

void
admin_parse_verbosity(const struct command *command, const struct line *line,
                      struct request *request)
{
    uint32_t level;

    (void)command;
    if (!number_strict_u32(line->token[1], &level))
        text_say(request, TEXT_BAD_FORMAT);
    else
        request->expiry = level > 2 ? 2 : level;
}

void
admin_parse_memlimit(const struct command *command, const struct line *line,
                     struct request *request)
{
    (void)command;
    take_number(request, ORDER_MEMORY_LIMIT, argument(line, 1), TEXT_ERROR);
    if (request->operation == OP_SAY)
        return;
    if (request->delta < MEMLIMIT_LEAST)
        text_say(request, SPAN("MEMLIMIT_TOO_SMALL cannot set maxbytes to less than "
                               "8m\r\n"));
    else if (request->delta > MEMLIMIT_MOST)
        text_say(request, SPAN("MEMLIMIT_ADJUST_FAILED input value is megabytes not "
                               "bytes\r\n"));
}

static void
parse_reassign(const struct line *line, struct request *request)
{
    int32_t from, to;

    if (line->count != 4) {
        text_say(request, TEXT_ERROR);
    } else if (!number_strict_i32(line->token[2], &from) ||
               !number_strict_i32(line->token[3], &to)) {
        text_say(request, TEXT_BAD_FORMAT);
    } else {
        take_order(request, ORDER_SLABS_REASSIGN);
        request->delta = (uint64_t)(int64_t)from;
        request->initial = (uint64_t)(int64_t)to;
    }
}

/* Digits with a point among them or without. */
static bool
is_fraction(struct span text)
{
    unsigned points = 0, digits = 0;

    for (size_t i = 0; i < text.length; i++) {
        points += text.at[i] == '.';
        digits += text.at[i] >= '0' && text.at[i] <= '9';
    }
    return digits > 0 && points <= 1 && points + digits == text.length;
}

bool
admin_read_fraction(struct span text, double *number)
{
    bool   negative = text.length > 0 && text.at[0] == '-', small = false;
    double value = 0, scale = 1;

    if (negative || (text.length > 0 && text.at[0] == '+'))
        text = (struct span){ text.at + 1, text.length - 1 };
    if (!is_fraction(text) || text.length > FRACTION_MAX)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] == '.') {
            small = true;
            continue;
        }
        value = value * 10 + (text.at[i] - '0');
        scale = small ? scale * 10 : scale;
    }
    *number = negative ? -value / scale : value / scale;
    return true;
}

static void
parse_ratio(struct span text, enum order order, struct request *request)
{
    double number;

    if (!admin_read_fraction(text, &number)) {
        text_say(request, TEXT_ERROR);
        return;
    }
    take_order(request, order);
    request->text = text;
}

static void
parse_automove(const struct line *line, struct request *request)
{
    struct span what = argument(line, 2), value = argument(line, 3);

    if (text_abbreviates(what, SPAN("ratio"))) {
        parse_ratio(value, ORDER_AUTOMOVE_RATIO, request);
    } else if (text_abbreviates(what, SPAN("freeratio"))) {
        parse_ratio(value, ORDER_AUTOMOVE_FREE_RATIO, request);
    } else if (text_abbreviates(what, SPAN("window"))) {
        take_number(request, ORDER_AUTOMOVE_WINDOW, value, TEXT_BAD_FORMAT);
        if (request->operation == OP_ORDER &&
            (request->delta < WINDOW_LEAST_S || request->delta > WINDOW_MOST_S))
            text_say(request,
                     SPAN("CLIENT_ERROR automove window too low or too high\r\n"));
    } else if (what.length == 0) {
        text_say(request, TEXT_ERROR);
    } else {
        take_number(request, ORDER_AUTOMOVE, what, TEXT_BAD_FORMAT);
        if (request->operation == OP_ORDER && request->delta > 2)
            text_say(request, TEXT_ERROR);
    }
}

void
admin_parse_slabs(const struct command *command, const struct line *line,
                  struct request *request)
{
    (void)command;
    if (text_abbreviates(argument(line, 1), SPAN("reassign")))
        parse_reassign(line, request);
    else if (text_abbreviates(argument(line, 1), SPAN("automove")))
        parse_automove(line, request);
    else
        text_say(request, TEXT_ERROR);
}

/* The tokens of a line from one to another, with what is between them. */
static struct span
stretch(const struct line *line, unsigned from, unsigned to)
{
    const char *end = line->token[to].at + line->token[to].length;

    return (struct span){ line->token[from].at, (size_t)(end - line->token[from].at) };
}

static void
parse_temporary(const struct line *line, struct request *request)
{
    int32_t ttl;

    if (!number_strict_i32(argument(line, 2), &ttl)) {
        text_say(request, TEXT_ERROR);
        return;
    }
    take_order(request, ORDER_LRU_TEMPORARY);
    request->delta = (uint64_t)(int64_t)ttl;
}

void
admin_parse_lru(const struct command *command, const struct line *line,
                struct request *request)
{
    struct span what = argument(line, 1), how = argument(line, 2);

    (void)command;
    if (text_abbreviates(what, SPAN("tune")) && line->count >= 6) {
        take_order(request, ORDER_LRU_TUNE);
        request->text = stretch(line, 2, 5);
    } else if (text_abbreviates(what, SPAN("mode")) &&
               (span_equal(how, SPAN("flat")) || span_equal(how, SPAN("segmented")))) {
        take_order(request, ORDER_LRU_MODE);
        request->delta = how.at[0] == 's';
    } else if (text_abbreviates(what, SPAN("temp_ttl"))) {
        parse_temporary(line, request);
    } else {
        text_say(request, TEXT_ERROR);
    }
}

static void
parse_dump(const struct line *line, enum dump_kind kind, struct request *request)
{
    if (line->count < 3) {
        text_say(request, TEXT_ERROR);
        return;
    }
    request->operation = OP_DUMP;
    request->mode = kind;
    request->text = line->token[2];
}

void
admin_parse_crawler(const struct command *command, const struct line *line,
                    struct request *request)
{
    struct span what = argument(line, 1);

    (void)command;
    if (text_abbreviates(what, SPAN("crawl")) && line->count > 2) {
        take_order(request, ORDER_CRAWLER_CRAWL);
        request->text = line->token[2];
    } else if (text_abbreviates(what, SPAN("metadump"))) {
        parse_dump(line, DUMP_META, request);
    } else if (text_abbreviates(what, SPAN("mgdump"))) {
        parse_dump(line, DUMP_KEYS, request);
    } else if (text_abbreviates(what, SPAN("tocrawl")) && line->count > 2) {
        take_number(request, ORDER_CRAWLER_MOST, line->token[2], TEXT_BAD_FORMAT);
    } else if (text_abbreviates(what, SPAN("sleep")) && line->count > 2) {
        take_number(request, ORDER_CRAWLER_SLEEP, line->token[2], TEXT_BAD_FORMAT);
        if (request->operation == OP_ORDER && request->delta > SLEEP_MOST_US)
            text_say(request, SPAN("CLIENT_ERROR sleep must be one second or less\r\n"));
    } else if (text_abbreviates(what, SPAN("enable"))) {
        take_order(request, ORDER_CRAWLER_ENABLE);
    } else if (text_abbreviates(what, SPAN("disable"))) {
        take_order(request, ORDER_CRAWLER_DISABLE);
    } else {
        text_say(request, TEXT_ERROR);
    }
}

void
admin_parse_watch(const struct command *command, const struct line *line,
                  struct request *request)
{
    (void)command;
    request->flags &= ~(uint32_t)REQUEST_SILENT;
    request->delta = line->count < 2 ? WATCH_FETCHERS : 0;
    for (unsigned i = 1; i < line->count; i++) {
        uint32_t kind = events_kind(line->token[i]);

        if (kind == 0)
            request->initial = 1; /* refused later, after what is refused to all */
        request->delta |= kind;
    }
}

struct span
admin_refuse_watch(const struct host *host, const struct request *request, bool pipelined)
{
    if (!host->watch_enabled)
        return SPAN("CLIENT_ERROR watch commands not allowed\r\n");
    if (pipelined)
        return SPAN("ERROR cannot pipeline other commands before watch\r\n");
    return request->initial != 0 ? TEXT_ERROR : SPAN("");
}

void
admin_parse_shutdown(const struct command *command, const struct line *line,
                     struct request *request)
{
    (void)command;
    take_order(request, ORDER_SHUTDOWN);
    request->text = argument(line, 1);
    if (line->silent) /* `shutdown noreply` does nothing */
        text_say(request, SPAN(""));
}

void
admin_parse_certificates(const struct command *command, const struct line *line,
                         struct request *request)
{
    (void)command, (void)line;
    request->flags &= ~(uint32_t)REQUEST_SILENT;
    take_order(request, ORDER_RELOAD_CERTIFICATES);
}

/* Take the next word off the text. */
static struct span
take_word(struct span *text)
{
    struct span word;

    while (text->length > 0 && text->at[0] == ' ')
        *text = (struct span){ text->at + 1, text->length - 1 };
    word = (struct span){ text->at, 0 };
    while (word.length < text->length && word.at[word.length] != ' ')
        word.length++;
    *text = (struct span){ text->at + word.length, text->length - word.length };
    return word;
}

struct span
admin_read_tuning(struct span text, struct cache_lru *lru)
{
    struct span hot = take_word(&text), warm = take_word(&text);
    struct span hot_factor = take_word(&text), warm_factor = take_word(&text);

    if (!number_strict_u32(hot, &lru->hot_percent) ||
        !number_strict_u32(warm, &lru->warm_percent) ||
        !admin_read_fraction(hot_factor, &lru->hot_factor) ||
        !admin_read_fraction(warm_factor, &lru->warm_factor))
        return TEXT_ERROR;
    if ((uint64_t)lru->hot_percent + lru->warm_percent > SEGMENTS_PERCENT)
        return SPAN("ERROR hot and warm pcts must not exceed 80\r\n");
    if (lru->hot_factor <= 0 || lru->warm_factor <= 0)
        return SPAN("ERROR hot/warm age factors must be greater than 0\r\n");
    return SPAN("");
}

enum admin_classes
admin_read_classes(struct span text, unsigned count, bool classes[CACHE_CLASS_MAX + 1])
{
    bool all = span_equal(text, SPAN("all")), some = all;

    for (unsigned i = 0; i <= CACHE_CLASS_MAX; i++)
        classes[i] = all && i > 0;
    while (!all && text.length > 0) {
        const char *comma = memchr(text.at, ',', text.length);
        size_t      length = comma != NULL ? (size_t)(comma - text.at) : text.length;
        size_t      next = length + (comma != NULL);
        uint32_t    number;

        if (length > 0) {
            if (!number_strict_u32((struct span){ text.at, length }, &number) ||
                number == 0 || number > count)
                return ADMIN_CLASSES_BAD;
            classes[number] = some = true;
        }
        text = (struct span){ text.at + next, text.length - next };
    }
    return some ? ADMIN_CLASSES_OK : ADMIN_CLASSES_NONE;
}
