/*
 * request.c: cuts what a client sends into lines. TCP is a stream of bytes: one recv may
 * bring half a request, or three and a half, so only the line ending says where a request
 * ends.
 */
#include "server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* Waits for bytes and returns how many came: 0 when the client has closed, -1 if the
 * connection broke. */
static ssize_t receive(struct requests *r)
{
    memmove(r->held, r->held + r->from, r->to - r->from);
    r->to -= r->from;
    r->from = 0;

    ssize_t n;
    do
        n = recv(r->conn, r->held + r->to, sizeof r->held - r->to, 0);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        r->to += (size_t)n;
    return n;
}

/* Takes the CR off a line's end and checks the length of what is left. The byte after
 * that is the line ending's, or free: there the line is ended as C's strings are. */
static enum next whole(char *line, size_t *length)
{
    if (*length > 0 && line[*length - 1] == '\r')
        --*length;
    if (*length > LIMIT)
        return TOO_LONG;
    line[*length] = '\0';
    return LINE;
}

/*
 * Returns LINE and the next line without its ending, which is LF or CR LF; it stays where
 * it is until the next call. A last line that the client did not end counts. A line of
 * more than LIMIT bytes is TOO_LONG, once, and the rest of it is skipped. CLOSED is the
 * end.
 */
enum next next_request(struct requests *r, char **line, size_t *length)
{
    for (;;) {
        *line = r->held + r->from;
        *length = r->to - r->from;
        char *end = memchr(*line, '\n', *length);
        if (end != NULL) {
            *length = (size_t)(end - *line);
            r->from += *length + 1;
            if (!r->skip)
                return whole(*line, length);
            r->skip = false;
            continue;
        }

        if (r->skip || *length == sizeof r->held) {
            bool first = !r->skip;
            r->from = r->to = 0;
            r->skip = true;
            if (first)
                return TOO_LONG;
        }

        ssize_t n = receive(r);
        if (n == 0 && r->to > 0) { /* the client closed its end after an unended line */
            *line = r->held;
            *length = r->to;
            r->from = r->to = 0;
            return whole(*line, length);
        }
        if (n <= 0)
            return CLOSED;
    }
}
