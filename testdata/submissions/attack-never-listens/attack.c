/*
 * Tries to make the grader wait for ever: it starts, and does nothing at all.
 *
 * Bounded by itself: it ends after 5 minutes.
 */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    alarm(300);
    dprintf(1, "never-listens: waiting\n");
    for (;;)
        pause();
}
