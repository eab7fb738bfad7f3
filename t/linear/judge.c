/* t/linear/judge.c - reads histories and judges them. */
#include "t/linear/judge.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "t/linear/history.h"
#include "t/linear/memory.h"
#include "t/linear/report.h"
#include "t/linear/search.h"

enum { HISTORY_MAX = 200, LINE_BYTES = 1024 };

struct judge {
    FILE        *file;
    unsigned     line, passed, failed;
    char         title[LINE_BYTES];
    bool         legal;
    struct model model;
    struct op    ops[HISTORY_MAX];
    size_t       count;
};

/* legal|illegal [strict] [old]: what it shows */
static bool
take_title(struct judge *j, char *line)
{
    char *colon = strstr(line, ": "), *word;

    if (colon == NULL)
        return false;
    *colon = '\0';
    snprintf(j->title, sizeof(j->title), "%s", colon + 2);
    j->model =
        (struct model){ .vanishes = true, .late_ns = 100000000, .item_max = 1 << 20 };
    j->legal = strncmp(line, "legal", 5) == 0;
    j->count = 0;
    while ((word = strsep(&line, " ")) != NULL) {
        if (strcmp(word, "strict") == 0)
            j->model.vanishes = false;
        else if (strcmp(word, "old") == 0)
            j->model.old_counters = true;
        else if (strcmp(word, "legal") != 0 && strcmp(word, "illegal") != 0)
            return false;
    }
    return true;
}

static void
decide(struct judge *j)
{
    const struct op  *ops[HISTORY_MAX];
    struct search    *search = search_create(&j->model);
    struct possible   fresh = possible_fresh();
    struct search_end found;
    bool              right;

    for (size_t i = 0; i < j->count; i++)
        ops[i] = &j->ops[i];
    found = search_run(search, &fresh, ops, j->count, UINT64_MAX, NULL);
    right = j->count > 0 && found.verdict == (j->legal ? SEARCH_OK : SEARCH_VIOLATION);
    printf("%s - %s: %s\n", right ? "ok" : "not ok", j->legal ? "legal" : "illegal",
           j->title);
    if (!right && found.verdict == SEARCH_VIOLATION)
        report_violation(stdout, search, &found, ops, j->count);
    j->passed += right;
    j->failed += !right;
    possible_free(&fresh);
    search_destroy(&search);
}

/* A title begins at the margin, a history ends with an empty line. */
static bool
take_line(struct judge *j, char *line)
{
    line[strcspn(line, "\n")] = '\0';
    if (*line == '#')
        return true;
    if (*line == '\0') {
        if (j->title[0] != '\0' && j->count > 0) {
            decide(j);
            j->title[0] = '\0';
        }
        return true;
    }
    if (*line != ' ')
        return j->title[0] == '\0' && take_title(j, line);
    return j->title[0] != '\0' && j->count < HISTORY_MAX &&
           history_parse_op(line, &j->ops[j->count++]);
}

int
judge_file(const char *path)
{
    struct judge *j = memory_resize(NULL, 1, sizeof(*j));
    char          line[LINE_BYTES];
    int           status;

    *j = (struct judge){ .file = fopen(path, "r") };
    if (j->file == NULL) {
        perror(path);
        free(j);
        return 2;
    }
    while (fgets(line, sizeof(line), j->file) != NULL) {
        j->line++;
        if (!take_line(j, line)) {
            printf("not ok - %s:%u: cannot be understood\n", path, j->line);
            j->failed++;
        }
    }
    if (j->count > 0 && j->title[0] != '\0')
        decide(j);
    fclose(j->file);
    printf("%u passed, %u failed\n", j->passed, j->failed);
    status = j->failed > 0;
    free(j);
    return status;
}
