#include "commands.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

static int say(int client, const char *text)
{
    return send(client, text, strlen(text), MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int cmd_list(int client)
{
    char table[65536];
    FILE *ps = popen("ps -e -o pid,comm", "r");
    if (!ps)
        return say(client, "Error: popen\n");
    size_t n = fread(table, 1, sizeof table, ps);
    pclose(ps);
    return send(client, table, n, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int cmd_start(int client, char **args)
{
    char text[80];
    pid_t pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execvp(args[0], args);
        _exit(127);
    }
    sprintf(text, "OK: PID %d\n", pid);
    return say(client, text);
}

int cmd_stop(int client, char **args)
{
    char *end;
    long pid = strtol(args[0], &end, 10);
    if (*end != '\0' || pid < 2)
        return say(client, "Error: that is not a pid\n")
    if (kill(pid, SIGKILL) < 0)
        return say(client, "Error: kill failed\n");
    return say(client, "OK: process %ld was killed\n", pid);
}
