/*
 * list.c: LIST, the process table. ps is a child whose standard output is a pipe that we
 * read: the lecture's popen("ps -e -o pid,comm", "r") in its parts, without the shell.
 */
#include "server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What a reply leaves out. */
struct lost {
    size_t bytes, rows;
};

/* Fills a buffer from a pipe and returns how many bytes it holds: fewer than size only
 * at the end. One read returns what the pipe holds at that moment, and no more. */
static size_t read_full(int pipe, char *buffer, size_t size)
{
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(pipe, buffer + n, size - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

static size_t count_rows(const char *bytes, size_t length)
{
    size_t rows = 0;
    for (size_t i = 0; i < length; i++)
        rows += bytes[i] == '\n';
    return rows;
}

/* Reads the pipe up to its end, keeps as many whole lines as fit the table, and returns
 * their length. The rest is read too, to be counted, and so that ps is not left blocked
 * on a full pipe; it takes the same 4 KB over and over. */
static size_t read_table(int pipe, char table[LIMIT], struct lost *lost)
{
    size_t kept = read_full(pipe, table, LIMIT);
    char rest[4096];
    for (size_t n; (n = read_full(pipe, rest, sizeof rest)) > 0;) {
        lost->bytes += n;
        lost->rows += count_rows(rest, n);
    }
    if (lost->bytes == 0)
        return kept;
    const char *last = memrchr(table, '\n', kept);
    size_t whole = last == NULL ? 0 : (size_t)(last + 1 - table);
    lost->bytes += kept - whole;
    return whole;
}

/* Runs ps and reads its table into the reply. Returns ps's wait status, or -1 if it
 * could not be started, and the reply says why. */
static int run_ps(struct reply *reply, struct lost *lost)
{
    int ends[2]; /* read from the first what is written to the second */
    if (pipe2(ends, O_CLOEXEC) < 0) {
        refuse(reply, IN("cannot list processes: pipe: %s",
                         "no se pueden listar los procesos: pipe: %s"),
               errno_text(errno).s);
        return -1;
    }
    char *argv[] = {"ps", "-e", "-o", "pid,comm", NULL};
    struct child *ps = spawn(argv, ends[1], reply);
    close(ends[1]); /* our copy of the write end: while one is open, read waits */
    if (ps != NULL)
        reply->length = read_table(ends[0], reply->text, lost);
    close(ends[0]); /* the read end: all has been read, or nobody writes */
    return ps == NULL ? -1 : await_child(ps);
}

/* Replies what ps prints, up to the lecture's 64 KB. The log says what was cut. */
void list(int client, struct reply *reply)
{
    struct lost lost = {0};
    int status = run_ps(reply, &lost);
    if (status < 0)
        return;
    if (status != 0) {
        refuse(reply, IN("cannot list processes: ps %s",
                         "no se pueden listar los procesos: ps %s"),
               status_text(status).s);
        return;
    }
    if (lost.bytes > 0)
        say("cut", IN("client %d got %zu of %zu bytes: %zu rows lost",
                      "el cliente %d recibió %zu de %zu bytes: %zu filas perdidas"),
            client, reply->length, reply->length + lost.bytes, lost.rows);
    if (reply->length == 0) /* no reply at all would leave the client waiting */
        refuse(reply, IN("cannot list processes: ps wrote no whole line within %d bytes",
                         "no se pueden listar los procesos: "
                         "ps no escribió ni una línea completa en %d bytes"), LIMIT);
}
