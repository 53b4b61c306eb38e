/*
 * Tries to fill the disks: writes into the current folder and wherever else everybody may write.
 * A limit on a file's size does not stop it, since it goes on with the next file.
 *
 * Bounded by itself: 128 MiB in each of four folders, in files named attack-disk-filler.N, which
 * the next run would only write again. It removes them when SIGTERM asks it to end, or else after
 * 5 minutes; a SIGKILL leaves them there.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { FILES = 8, MIB = 1 << 20, EACH = 16 }; /* EACH in MiB */

static const char *const folders[] = {".", "/tmp", "/var/tmp", "/dev/shm"};
static char block[MIB];

static void each(int number, int folder, char *path, size_t size)
{
    snprintf(path, size, "%s/attack-disk-filler.%d", folders[folder], number);
}

static void fill(int folder)
{
    int written = 0;
    const char *why = "that is enough";
    char path[64];
    for (int i = 0; i < FILES; i++) {
        each(i, folder, path, sizeof path);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
        ssize_t n = 0;
        for (int m = 0; fd >= 0 && m < EACH && (n = write(fd, block, MIB)) == MIB; m++)
            written++;
        if (fd < 0 || n < 0)
            why = strerror(errno);
        if (fd >= 0)
            close(fd);
    }
    dprintf(1, "disk-filler: %d MiB in %s: %s\n", written, folders[folder], why);
}

int main(void)
{
    sigset_t end;
    int sig;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    sigaddset(&end, SIGALRM);
    sigprocmask(SIG_BLOCK, &end, NULL);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error then */
    alarm(300);

    memset(block, 'x', sizeof block); /* zeros might be stored as a hole */
    for (int folder = 0; folder < 4; folder++)
        fill(folder);
    sigwait(&end, &sig);
    for (int folder = 0; folder < 4; folder++)
        for (int i = 0; i < FILES; i++) {
            char path[64];
            each(i, folder, path, sizeof path);
            unlink(path);
        }
    return 1;
}
