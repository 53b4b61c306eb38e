/*
 * main.c: the lecture's remote process manager, from its first step to its orderly end.
 *
 *     server_bin [-port 5002]
 *
 * To read it in the lecture's order: listen.c (socket, bind, listen, accept), session.c
 * (a thread for each client), request.c (recv, and where a request ends), protocol.c
 * (what it says), list.c (a pipe from ps), start.c (fork and exec), stop.c (kill), reap.c
 * (wait), signals.c (SIGCHLD). text.c and say.c serve them all; server.h is what they
 * share.
 */
#include "server.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int port_option(int argc, char *argv[]);

int main(int argc, char *argv[])
{
    choose_language();
    int port = port_option(argc, argv);
    prepare_for_children();
    block_signals(); /* before there is a second thread: each inherits the mask */

    int fd = open_port(port);
    wait_for_signals(fd); /* in a thread of its own, which also reaps */
    accept_clients(fd);   /* returns once a signal has shut the socket down */

    end_children();
    return 0; /* with the process end all of its threads and descriptors */
}

/* Explains wrong use and ends the server with status 2. */
static _Noreturn void wrong_use(void)
{
    fputs(IN("usage: server_bin [-port N]\n\n"
             "  -port N  the TCP port, 0 to 65535, 5002 unless given;\n"
             "           0 lets the kernel choose\n",
             "uso: server_bin [-port N]\n\n"
             "  -port N  el puerto TCP, de 0 a 65535, 5002 si no se indica;\n"
             "           con 0 lo elige el kernel\n"),
          stderr);
    exit(2);
}

/* Returns the port that the command line asks for. */
static int port_option(int argc, char *argv[])
{
    static const struct option options[] = {{"port", required_argument, NULL, 'p'}, {0}};
    long port = PORT;
    opterr = 0; /* getopt would speak English only */
    for (int c; (c = getopt_long_only(argc, argv, "", options, NULL)) != -1;) {
        if (c != 'p' || *optarg == '\0' || strspn(optarg, "0123456789") != strlen(optarg))
            wrong_use();
        port = strtol(optarg, NULL, 10); /* past its range: LONG_MAX */
    }
    if (optind < argc || port > 65535)
        wrong_use();
    return (int)port;
}
