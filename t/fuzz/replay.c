/* t/fuzz/replay.c - run an entry over files, without libFuzzer.
 *
 *    fuzz_text                   all of t/fuzz/corpus/text/
 *    fuzz_text FILE|FOLDER...    these
 *
 * The last line counts them, for tools/tally. What fails is an assertion or a sanitizer's
 * report, and ends the program; the file's name stands behind it.
 */
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t/fuzz/fuzz.h"

enum { PATH_BYTES = 4096 };

static unsigned    passed, failed;
static const char *now; /* the file that is run */

/* Asked by the sanitizers: they are to die as an assertion does. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *
__asan_default_options(void)
{
    return "abort_on_error=1";
}

const char *
__ubsan_default_options(void)
{
    return "abort_on_error=1";
}

static void
on_abort(int number)
{
    static const char said[] = "the input was ";

    (void)number;
    if (write(STDERR_FILENO, said, sizeof(said) - 1) < 0 ||
        write(STDERR_FILENO, now, strlen(now)) < 0 || write(STDERR_FILENO, "\n", 1) < 0)
        _exit(EXIT_FAILURE);
}

static void
fail(const char *path)
{
    perror(path);
    failed++;
}

/* The entry gets memory of just that size. */
static void
run_file(const char *path, size_t size)
{
    FILE    *file = fopen(path, "rb");
    uint8_t *data = malloc(size > 0 ? size : 1);

    if (file == NULL || data == NULL || fread(data, 1, size, file) != size) {
        fail(path);
    } else {
        now = path;
        LLVMFuzzerTestOneInput(data, size);
        passed++;
    }
    if (file != NULL)
        fclose(file);
    free(data);
}

static void run_path(const char *path);

static void
run_folder(const char *path)
{
    DIR           *folder = opendir(path);
    struct dirent *entry;

    if (folder == NULL) {
        fail(path);
        return;
    }
    while ((entry = readdir(folder)) != NULL) {
        char inner[PATH_BYTES];

        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        run_path(inner);
    }
    closedir(folder);
}

static void
run_path(const char *path)
{
    struct stat about;

    if (stat(path, &about) != 0)
        fail(path);
    else if (S_ISDIR(about.st_mode))
        run_folder(path);
    else
        run_file(path, (size_t)about.st_size);
}

int
main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '_');
    char        corpus[PATH_BYTES];

    snprintf(corpus, sizeof(corpus), "t/fuzz/corpus/%s", name != NULL ? name + 1 : "");
    signal(SIGABRT, on_abort);
    if (argc < 2)
        run_path(corpus);
    for (int i = 1; i < argc; i++)
        run_path(argv[i]);
    fuzz_end();
    printf("%u passed, %u failed\n", passed, failed);
    return failed == 0 && passed > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
