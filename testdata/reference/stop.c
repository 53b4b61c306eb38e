/*
 * stop.c: STOP, the forced end. SIGKILL can be neither caught, blocked nor ignored
 * (signal(7)).
 */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

/* Whether a pid is the server's own, or one of its threads': on Linux kill takes a
 * thread's id for that of its process. Signal 0 only asks. */
static bool is_us(pid_t pid)
{
    return tgkill(getpid(), pid, 0) == 0;
}

/* Ends a process. The kernel decides who may: EPERM if the process is another user's,
 * ESRCH if there is none. */
void stop(const char *arg, struct reply *reply)
{
    pid_t pid;
    if (!parse_pid(arg, &pid, reply))
        return;
    if (is_us(pid))
        refuse(reply, IN("process %d is protected", "el proceso %d está protegido"), pid);
    else if (kill(pid, SIGKILL) < 0)
        refuse(reply, IN("cannot stop process %d: kill: %s",
                         "no se puede detener el proceso %d: kill: %s"),
               pid, errno_text(errno).s);
    else
        succeed(reply, IN("OK: sent SIGKILL to process %d (forced end)\n",
                          "OK: se envió SIGKILL al proceso %d (terminación forzada)\n"),
                pid);
}
