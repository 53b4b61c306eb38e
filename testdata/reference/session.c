/*
 * session.c: one client and the thread that serves it: receive a request, run its verb,
 * send the reply, until one of the two closes.
 */
#include "server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A thread's stack: its two buffers of 64 KB, and as much again. With the 8 MB that it
 * gets by default, 500 clients would reserve 4 GB. (-fsanitize=thread wants 1 MB.) */
enum { STACK = 256 * 1024 };

static void *serve(void *arg);

/* Starts the thread. It is detached: nobody joins it, and all that it holds goes with it.
 * Returns 0, or pthread_create's error; then conn is still the caller's to close. */
int start_session(int conn)
{
    pthread_attr_t detached;
    int error = pthread_attr_init(&detached);
    if (error != 0)
        return error;
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, STACK);

    /* The descriptor goes by value. Its address would be that of the caller's variable,
     * which may hold the next client's descriptor by the time the thread looks. */
    pthread_t thread;
    error = pthread_create(&thread, &detached, serve, (void *)(intptr_t)conn);
    pthread_attr_destroy(&detached);
    return error;
}

/* Runs one request. The arguments' number has been checked. */
static void answer(int client, const struct request *request, struct reply *reply)
{
    switch (request->verb) {
    case LIST:
        list(client, reply);
        break;
    case START:
        start(request->tokens + 1, reply);
        break;
    case STOP:
        stop(request->tokens[1], reply);
        break;
    case EXIT:
        succeed(reply, IN("Goodbye.\n", "Adiós.\n"));
        break;
    }
}

/* Answers one line. Returns whether the session goes on. */
static bool answer_line(int client, char *line, size_t length, struct reply *reply)
{
    say("request", IN("client %d: %s", "cliente %d: %s"), client,
        printable(line, length).s);
    struct request request;
    if (!parse(line, length, &request, reply))
        return true;
    answer(client, &request, reply);
    free(request.tokens);
    return request.verb != EXIT;
}

/* Serves a client to its end. */
static void converse(int client, int conn)
{
    struct requests requests; /* not zeroed: of its 64 KB only what is used costs RAM */
    requests.conn = conn;
    requests.from = requests.to = 0;
    requests.skip = false;

    bool goes_on = true;
    while (goes_on) {
        char *line;
        size_t length;
        struct reply reply;
        reply.error = false;
        switch (next_request(&requests, &line, &length)) {
        case CLOSED:
            return;
        case TOO_LONG:
            refuse(&reply, IN("the line is longer than %d bytes and was skipped",
                              "la línea tiene más de %d bytes y se descartó"), LIMIT);
            break;
        case LINE:
            goes_on = answer_line(client, line, length, &reply);
            break;
        }
        if (reply.error)
            say("error", IN("client %d was told: %.*s", "respuesta al cliente %d: %.*s"),
                client, (int)reply.length - 1, reply.text); /* without its LF */
        if (send_all(conn, reply.text, reply.length) < 0)
            return; /* the client went */
    }
}

/* The thread. */
static void *serve(void *arg)
{
    static atomic_int clients; /* how many there have been: the log numbers them */
    int client = ++clients;
    int conn = (int)(intptr_t)arg;

    struct sockaddr_in peer = {0};
    socklen_t size = sizeof peer;
    getpeername(conn, (struct sockaddr *)&peer, &size); /* 0.0.0.0:0 if it has gone */
    say("accept", IN("client %d from %s, descriptor %d",
                     "cliente %d desde %s, descriptor %d"),
        client, address(&peer).s, conn);

    /* Two small replies in a row: without this, the second waits for the first to be
     * acknowledged, up to 40 ms (Nagle's algorithm, tcp(7)). */
    int on = 1;
    setsockopt(conn, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

    converse(client, conn);
    say("close", IN("client %d", "cliente %d"), client);
    hang_up(conn);
    return NULL;
}

/* Sends all bytes, however many calls it takes: one send may take less than it was
 * given. MSG_NOSIGNAL: a client that has gone is the error EPIPE, not the signal
 * SIGPIPE. Returns 0, or -1 if the connection broke. */
int send_all(int conn, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = send(conn, bytes, length, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        length -= (size_t)n;
    }
    return 0;
}

/* Closes a connection. What has arrived and was not read is read first: closing a socket
 * that holds unread bytes resets the connection, and a reset could overtake our last
 * reply. */
void hang_up(int conn)
{
    char rest[4096];
    for (size_t n = 0; n < LIMIT; n += sizeof rest) /* no more: some send for ever */
        if (recv(conn, rest, sizeof rest, MSG_DONTWAIT) <= 0)
            break;
    close(conn); /* the only copy: no child has one, so the client sees the end at once */
}
