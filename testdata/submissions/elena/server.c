#include "commands.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void reaper(int sig)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

static void *session(void *arg)
{
    int client = (int)(long)arg;
    char line[65536], *args[64];
    FILE *in = fdopen(client, "r");
    while (fgets(line, sizeof line, in)) {
        int n = 0;
        char *save;
        for (char *t = strtok_r(line, " \t\r\n", &save); t && n < 63; t = strtok_r(NULL, " \t\r\n", &save))
            args[n++] = t;
        args[n] = NULL;
        if (n > 0 && strcasecmp(args[0], "LIST") == 0)
            cmd_list(client);
        else if (n > 1 && strcasecmp(args[0], "START") == 0)
            cmd_start(client, args + 1);
        else if (n > 1 && strcasecmp(args[0], "STOP") == 0)
            cmd_stop(client, args + 1);
        else if (n > 0 && strcasecmp(args[0], "EXIT") == 0)
            break;
        else
            send(client, "Error: what?\n", 13, MSG_NOSIGNAL);
    }
    fclose(in);
    return NULL;
}

int main(void)
{
    signal(SIGCHLD, reaper);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = { 0 };
    addr.sin_family = AF_INET;
    addr.sin_port = htons(5002);
    bind(fd, (struct sockaddr *)&addr, sizeof addr);
    listen(fd, 128);
    while (1) {
        int client = accept(fd, NULL, NULL);
        pthread_t t;
        pthread_create(&t, NULL, session, (void *)(long)client);
        pthread_detach(t);
    }
}
