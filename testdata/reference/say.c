/*
 * say.c: what the server says, to its clients and in its log, in English or in Spanish.
 * No buffer here is shared by threads: strerror(3) and strsignal(3) have one, so they are
 * not used.
 */
#include "server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

bool spanish; /* set once, before there is a second thread */

/* Finds the reader's language: the first of these that is set decides (setlocale(3)), and
 * what is not Spanish is English. */
void choose_language(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && *value != '\0') {
            spanish = strncmp(value, "es", 2) == 0;
            return;
        }
    }
}

/* The reply to a success. */
void succeed(struct reply *reply, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    reply->length = (size_t)vsnprintf(reply->text, sizeof reply->text, format, args);
    va_end(args);
}

/* The reply to an error: one line, which begins with "Error". */
void refuse(struct reply *reply, const char *format, ...)
{
    char why[512];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    succeed(reply, "Error: %s\n", why);
    reply->error = true;
}

/* Writes a line of the log: the time, what it is about, the details. One write a line,
 * so that no other thread's line comes in between. */
void say(const char *what, const char *format, ...)
{
    struct timespec now;
    struct tm local;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &local);

    char line[1024], details[900], clock[sizeof "23:59:59"];
    va_list args;
    va_start(args, format);
    vsnprintf(details, sizeof details, format, args);
    va_end(args);
    strftime(clock, sizeof clock, "%H:%M:%S", &local);
    int length = snprintf(line, sizeof line, "%s.%03ld  %-8s %s\n", clock,
                          now.tv_nsec / 1000000, what, details);
    if (write(STDERR_FILENO, line, (size_t)length) < 0)
        return; /* nobody reads the log: no reason not to serve */
}

/* Says what kept the server from starting, and ends it with status 1. */
void cannot_start(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("Error: ", stderr);
    vfprintf(stderr, format, args);
    fputs("\n", stderr);
    va_end(args);
    exit(1);
}

/* The errnos that a student meets here, in both languages. */
static const struct {
    int error;
    const char *en, *es;
} errnos[] = {
    {E2BIG, "argument list too long", "la lista de argumentos es demasiado larga"},
    {EACCES, "permission denied", "permiso denegado"},
    {EADDRINUSE, "address already in use", "la dirección ya está en uso"},
    {EAGAIN, "resource temporarily unavailable", "recurso no disponible por ahora"},
    {ECANCELED, "the server is shutting down", "el servidor se está cerrando"},
    {EISDIR, "is a directory", "es un directorio"},
    {ELOOP, "too many levels of symbolic links", "demasiados enlaces simbólicos"},
    {EMFILE, "too many open files", "demasiados archivos abiertos"},
    {ENAMETOOLONG, "file name too long", "el nombre de archivo es demasiado largo"},
    {ENFILE, "too many open files in system",
     "demasiados archivos abiertos en el sistema"},
    {ENOENT, "no such file or directory", "no existe el archivo o directorio"},
    {ENOEXEC, "exec format error", "formato de ejecutable no válido"},
    {ENOMEM, "cannot allocate memory", "no se puede asignar memoria"},
    {ENOTDIR, "not a directory", "no es un directorio"},
    {EPERM, "operation not permitted", "operación no permitida"},
    {ESRCH, "no such process", "no existe ese proceso"},
};

/* Says an errno with its name: "no such process (ESRCH)". One that is not in the table
 * is said in the C library's English. */
struct text errno_text(int error)
{
    const char *said = strerrordesc_np(error), *name = strerrorname_np(error);
    for (size_t i = 0; i < sizeof errnos / sizeof *errnos; i++)
        if (errnos[i].error == error)
            said = IN(errnos[i].en, errnos[i].es);
    struct text text;
    snprintf(text.s, sizeof text.s, "%s (%s)", said == NULL ? "?" : said,
             name == NULL ? "?" : name);
    return text;
}

/* Says how a child ended (wait(2)): the three things that its status can say here, where
 * waitpid is not asked about those that are stopped or go on. */
struct text status_text(int status)
{
    struct text text;
    if (WIFEXITED(status)) {
        snprintf(text.s, sizeof text.s,
                 IN("exited with status %d", "terminó con estado de salida %d"),
                 WEXITSTATUS(status));
        return text;
    }
    const char *name = sigabbrev_np(WTERMSIG(status)); /* of a real-time signal: none */
    snprintf(text.s, sizeof text.s,
             IN("was killed by signal %d (SIG%s)%s", "murió por la señal %d (SIG%s)%s"),
             WTERMSIG(status), name == NULL ? "RT" : name,
             WCOREDUMP(status) ? IN(", core dumped", ", con volcado de memoria") : "");
    return text;
}
