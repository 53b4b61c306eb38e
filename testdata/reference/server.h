/*
 * server.h: what the files of the server share, in the lecture's order.
 */
#ifndef SERVER_H
#define SERVER_H

#define _GNU_SOURCE /* accept4, pipe2, tgkill, strerrorname_np: before any other header */
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    PORT = 5002,   /* the lecture's */
    LIMIT = 65536, /* the lecture's 64 KB: of a request line, and of a reply */
};

/* A short text, passed by value: no buffer that threads would share, and none to free.
 * One that a call returns lives up to the end of the statement that it stands in. */
struct text {
    char s[192];
};

/* listen.c: socket, bind, listen, accept. */
struct sockaddr_in;
int open_port(int port);
void accept_clients(int fd);
struct text address(const struct sockaddr_in *in);

/* session.c: a thread for each client. */
int start_session(int conn);
int send_all(int conn, const char *bytes, size_t length);
void hang_up(int conn);

/* request.c: where a request ends. */
struct requests {
    int conn;
    size_t from, to; /* held[from..to): received, and not yet returned */
    bool skip;       /* within a line that was too long: drop bytes up to its end */
    char held[LIMIT + sizeof "\r\n" - 1];
};
enum next { LINE, TOO_LONG, CLOSED };
enum next next_request(struct requests *r, char **line, size_t *length);

/* protocol.c: what a line of text asks for. */
enum verb { LIST, START, STOP, EXIT };
struct request {
    enum verb verb;
    char **tokens; /* the verb, its arguments, NULL: they point into the line */
};
struct reply {
    bool error;
    size_t length;
    char text[LIMIT];
};
bool parse(char *line, size_t length, struct request *request, struct reply *reply);
bool parse_pid(const char *arg, pid_t *pid, struct reply *reply);

/* text.c: what of a client's bytes may be shown. */
bool is_text(const char *line, size_t length, struct reply *reply);
struct text quote(const char *string);
struct text printable(const char *bytes, size_t length);

/* list.c, start.c, stop.c: the verbs. Each fills in the reply. */
void list(int client, struct reply *reply);
void start(char *argv[], struct reply *reply);
void stop(const char *arg, struct reply *reply);

/* start.c: fork and exec. */
void prepare_for_children(void);
struct child *spawn(char *argv[], int out, struct reply *reply);

/* reap.c: wait. */
struct child {
    pid_t pid;
    struct text name;
    bool owned; /* somebody will call await_child or forget_child */
    bool ended; /* and was collected: status is valid */
    int status;
    struct child *next;
};
void reap(void);
pid_t fork_child(char *argv[], struct child **child);
int await_child(struct child *child);
void forget_child(struct child *child);
void end_children(void);

/* signals.c: SIGCHLD, and those that ask the server to end. */
void block_signals(void);
void wait_for_signals(int fd);

/* say.c: what the server says, in English or Spanish. */
extern bool spanish;
void choose_language(void);

/* IN chooses the language. The two texts are formats for the same arguments: the compiler
 * checks both. */
#define IN(en, es) (spanish ? (es) : (en))
#define PRINTF(nth, first) __attribute__((format(printf, nth, first)))

void succeed(struct reply *reply, const char *format, ...) PRINTF(2, 3);
void refuse(struct reply *reply, const char *format, ...) PRINTF(2, 3);
void say(const char *what, const char *format, ...) PRINTF(2, 3);
_Noreturn void cannot_start(const char *format, ...) PRINTF(1, 2);
struct text errno_text(int error);
struct text status_text(int status);

#endif
