/* server/options_file.c - configuration files, line by line. See options_file.h. */
#include "server/options_file.h"

#include <stdbool.h>
#include <string.h>

static const char blanks[] = " \t\r\n\f\v";

/* The end of a word that begins here, with its quotes taken out. NULL if one is left open. */
static char *
end_word(char *at)
{
    char *to = at, quote = '\0';

    for (; *at != '\0' && (quote != '\0' || strchr(blanks, *at) == NULL); at++) {
        if (quote == '\0' && (*at == '"' || *at == '\''))
            quote = *at;
        else if (*at == quote)
            quote = '\0';
        else
            *to++ = *at;
    }
    if (quote != '\0')
        return NULL;
    if (*at != '\0')
        at++;
    *to = '\0';
    return at;
}

int
options_split(char *text, char **words, int most)
{
    int count = 0;

    while (text += strspn(text, blanks), *text != '\0') {
        if (count == most)
            return -1;
        words[count++] = text;
        text = end_word(text);
        if (text == NULL)
            return -1;
    }
    return count;
}

/* Cut off a comment: a # at the beginning or behind a blank, outside of quotes. */
static void
cut_comment(char *line)
{
    char quote = '\0';
    bool may_begin = true;

    for (; *line != '\0'; line++) {
        if (quote == '\0' && may_begin && *line == '#') {
            *line = '\0';
            return;
        }
        if (quote == '\0' && (*line == '"' || *line == '\''))
            quote = *line;
        else if (*line == quote)
            quote = '\0';
        may_begin = strchr(blanks, *line) != NULL;
    }
}

static void
cut_blanks(char *text)
{
    size_t length = strlen(text);

    while (length > 0 && strchr(blanks, text[length - 1]) != NULL)
        length--;
    text[length] = '\0';
}

enum options_line
options_take_line(char *line, char **name, char **value, const char **wrong)
{
    char *words[2] = { NULL, NULL }, *equals;
    int   count;

    cut_comment(line);
    line += strspn(line, blanks);
    cut_blanks(line);
    *name = line;
    *value = NULL;
    if (*line == '\0')
        return OPTIONS_LINE_EMPTY;
    if (*line == '-')
        return OPTIONS_LINE_WORDS;
    equals = strchr(line, '=');
    if (equals == NULL) {
        *wrong = "between a name and its value belongs a =";
        return line[strcspn(line, blanks)] == '\0' ? OPTIONS_LINE_SETTING
                                                   : OPTIONS_LINE_BAD;
    }
    *equals = '\0';
    cut_blanks(line);
    count = options_split(equals + 1, words, 2);
    *value = words[0];
    *wrong = count == 0   ? "a value is missing behind the ="
             : count == 2 ? "there is more than one value; quotes keep blanks together"
                          : "a quote is not closed";
    return count == 1 ? OPTIONS_LINE_SETTING : OPTIONS_LINE_BAD;
}
