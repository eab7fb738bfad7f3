/* protocol/login.c - before a login. See login.h. */
#include "protocol/login.h"

#include <string.h>

#include "protocol/number.h"

enum {
    LINE_BEGINS = 3, /* bytes that have to be there before a line is looked at   */
    LINE_MIN = 6,    /* bytes before LF; with fewer it is nobody that we know    */
    TOKENS = 5,      /* the last of them is the length                           */
};

/* ---- text ------------------------------------------------------------------------ */

static enum parse_status
say(struct request *request, struct span text)
{
    request->operation = OP_SAY;
    request->flags = REQUEST_OPEN;
    request->text = text;
    return PARSE_OK;
}

/* The length that a line announces; false if it is not of the form above. The line comes
 * without its LF. */
static bool
read_length(struct span line, uint32_t *length)
{
    struct span token = { line.at, 0 };
    size_t      at = 0;

    if (memcmp(line.at, "set", 3) != 0 || line.at[line.length - 1] != '\r')
        return false;
    line.length--;
    for (unsigned i = 0; i < TOKENS; i++) {
        while (at < line.length && line.at[at] == ' ')
            at++;
        token = (struct span){ line.at + at, 0 };
        while (at < line.length && line.at[at] != ' ')
            at++;
        token.length = (size_t)(line.at + at - token.at);
    }
    return token.length > 0 && number_strict_u32(token, length);
}

/* `token` is user and password, with what has to be CR LF behind it. */
static enum parse_status
read_token(struct span token, struct request *request)
{
    const char *space;

    if (memcmp(token.at + token.length - VALUE_TAIL, "\r\n", VALUE_TAIL) != 0)
        return say(request, SPAN("CLIENT_ERROR bad command line termination\r\n"));
    token.length -= VALUE_TAIL;
    space = memchr(token.at, ' ', token.length);
    if (space == NULL)
        return say(request, SPAN("CLIENT_ERROR bad authentication token format\r\n"));
    request->operation = OP_LOGIN;
    request->mode = LOGIN_TRY;
    request->flags = REQUEST_OPEN;
    request->text = (struct span){ token.at, (size_t)(space - token.at) };
    request->value =
        (struct span){ space + 1, (size_t)(token.at + token.length - space) - 1 };
    return PARSE_OK;
}

enum parse_status
login_parse(struct span input, struct request *request)
{
    size_t      most = input.length < LOGIN_LINE_MAX ? input.length : LOGIN_LINE_MAX;
    const char *end;
    struct span token;
    uint32_t    length;
    size_t      line;
    bool        good;

    *request = (struct request){ .codec = CODEC_TEXT };
    if (input.length < LINE_BEGINS)
        return PARSE_MORE;
    end = memchr(input.at, '\n', most);
    if (end == NULL)
        return input.length > LOGIN_LINE_MAX ? PARSE_BAD : PARSE_MORE;
    line = (size_t)(end - input.at);
    if (line < LINE_MIN)
        return PARSE_BAD;
    good = read_length((struct span){ input.at, line }, &length);
    if (good && length > LOGIN_TOKEN_MAX && length <= LOGIN_TOKEN_TOLD)
        return PARSE_BAD;
    if (!good || length > LOGIN_TOKEN_TOLD) {
        request->length = (uint32_t)line + 1;
        return say(request, good ? SPAN("CLIENT_ERROR auth token too long\r\n")
                                 : SPAN("CLIENT_ERROR unauthenticated\r\n"));
    }
    token = (struct span){ end + 1, (size_t)length + VALUE_TAIL };
    if (input.length - line - 1 < token.length)
        return PARSE_MORE;
    request->length = (uint32_t)(line + 1 + token.length);
    return read_token(token, request);
}

void
login_deny(struct request *request)
{
    (void)say(request, SPAN("CLIENT_ERROR unauthenticated\r\n"));
}

/* ---- SASL ------------------------------------------------------------------------ */

bool
login_read_plain(struct span message, struct span *user, struct span *password)
{
    const char *end = message.at + message.length, *first, *second;
    struct span name;

    if (message.length == 0 || (first = memchr(message.at, '\0', message.length)) == NULL)
        return false;
    name = (struct span){ message.at, (size_t)(first - message.at) };
    first++;
    if (first == end || (second = memchr(first, '\0', (size_t)(end - first))) == NULL)
        return false;
    *user = (struct span){ first, (size_t)(second - first) };
    *password = (struct span){ second + 1, (size_t)(end - second) - 1 };
    return name.length == 0 || span_equal(name, *user);
}

/* ---- both ------------------------------------------------------------------------ */

bool
login_may_run(const struct request *request)
{
    if (!(request->flags & REQUEST_OPEN))
        return false;
    switch ((enum operation)request->operation) {
    case OP_SAY:
    case OP_LOGIN:
    case OP_MECHANISMS:
    case OP_VERSION:
        return true;
    case OP_GET:
    case OP_STORE:
    case OP_DELETE:
    case OP_ARITHMETIC:
    case OP_TOUCH:
    case OP_FLUSH:
    case OP_NOOP:
    case OP_VERBOSITY:
    case OP_STATS:
    case OP_DUMP:
    case OP_ORDER:
    case OP_WATCH:
    case OP_DEBUG_TIME:
    case OP_QUIT:
    case OP_COUNT:
        break;
    }
    return false;
}

static bool
is_right(const struct host *host, const struct request *request, bool begun)
{
    switch ((enum login_kind)request->mode) {
    case LOGIN_STEP:
        if (!begun)
            return false;
        break;
    case LOGIN_TRY:
        break;
    case LOGIN_BEGIN:
    case LOGIN_HOPELESS:
        return false;
    }
    return host->authenticate(host->server, request->text, request->value);
}

void
login_run(struct login *login, const struct host *host, struct command_counters *counters,
          const struct request *request, struct result *result)
{
    bool begun = login->begun;

    *result = (struct result){ 0 };
    login->begun = request->mode == LOGIN_BEGIN;
    login->done = false;
    login->secret = true;
    if (login->begun)
        return;
    login->done = is_right(host, request, begun);
    result->refused = !login->done;
    counter_add(&counters->auth_cmds, 1);
    if (login->done)
        login->refusals = 0;
    else
        counter_add(&counters->auth_errors, 1);
}

bool
login_note_refusal(struct login *login, const struct request *request,
                   const struct result *result)
{
    if (request->operation == OP_SAY || result->refused)
        login->refusals++;
    return login->refusals >= LOGIN_REFUSALS_MAX;
}
