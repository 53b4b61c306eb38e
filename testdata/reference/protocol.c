/*
 * protocol.c: the plain text protocol: verbs and their aliases, and how a line becomes a
 * request.
 *
 *     LIST             the process table
 *     START cmd arg…   run a program
 *     STOP pid         end a process by force
 *     EXIT             close the session
 */
#include "server.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*
 * Each verb's own name and then its aliases, in English and in Spanish. strcasecmp knows
 * the case of ASCII letters only (we leave the locale at "C"), so ADIóS stands here too.
 */
static const char *const names[][13] = {
    [LIST] = {"LIST", "LISTAR", "LS", "PS", "LISTA", "VER", "SHOW", "MOSTRAR",
              "PROCESOS", "PROCESSES"},
    [START] = {"START", "INICIAR", "RUN", "EJECUTAR", "LAUNCH", "LANZAR", "EXEC",
               "CORRER", "BEGIN", "EMPEZAR", "CREATE", "CREAR"},
    [STOP] = {"STOP", "DETENER", "KILL", "MATAR", "END", "TERMINAR", "FINISH",
              "FINALIZAR", "CANCEL", "CANCELAR", "HALT", "PARAR"},
    [EXIT] = {"EXIT", "SALIR", "QUIT", "BYE", "ADIOS", "ADIÓS", "ADIóS", "CLOSE",
              "CERRAR", "DISCONNECT", "DESCONECTAR"},
};

/* Finds a verb by any of its names. */
static bool find_verb(const char *name, enum verb *verb)
{
    for (*verb = LIST; *verb <= EXIT; ++*verb)
        for (const char *const *known = names[*verb]; *known != NULL; known++)
            if (strcasecmp(name, *known) == 0)
                return true;
    return false;
}

/* Checks how many arguments a verb was given. False: the reply says what is wrong. */
static bool check_arguments(enum verb verb, char **arguments, struct reply *reply)
{
    int count = 0; /* none, one, more */
    while (count < 2 && arguments[count] != NULL)
        count++;
    switch (verb) {
    case START:
        if (count == 0)
            refuse(reply, IN("START needs a program: START sleep 60",
                             "START necesita un programa: START sleep 60"));
        return count > 0;
    case STOP:
        if (count != 1)
            refuse(reply, IN("STOP needs one pid: STOP 1234",
                             "STOP necesita un pid: STOP 1234"));
        return count == 1;
    default:
        if (count > 0)
            refuse(reply, IN("%s takes no arguments", "%s no lleva argumentos"),
                   names[verb][0]);
        return count == 0;
    }
}

/* Finds the verb that the tokens begin with. False: the reply says what is wrong. */
static bool understand(char **tokens, enum verb *verb, struct reply *reply)
{
    if (tokens[0] == NULL) {
        refuse(reply, IN("empty line: say LIST, START cmd, STOP pid or EXIT",
                         "línea vacía: escribe LIST, START cmd, STOP pid o EXIT"));
        return false;
    }
    if (!find_verb(tokens[0], verb)) {
        refuse(reply,
               IN("unknown verb %s: say LIST, START cmd, STOP pid or EXIT",
                  "verbo desconocido %s: escribe LIST, START cmd, STOP pid o EXIT"),
               quote(tokens[0]).s);
        return false;
    }
    return check_arguments(*verb, tokens + 1, reply);
}

/*
 * Reads a line as a request: tokens, split at runs of spaces and tabs. The line is ended
 * by '\0' and is cut up in place. True: the caller frees request->tokens. False: there is
 * nothing to free, and the reply says what is wrong.
 */
bool parse(char *line, size_t length, struct request *request, struct reply *reply)
{
    if (!is_text(line, length, reply))
        return false;

    char **tokens = calloc(length / 2 + 2, sizeof *tokens); /* "a b c": three, and NULL */
    if (tokens == NULL) {
        refuse(reply, "calloc: %s", errno_text(errno).s);
        return false;
    }
    char *place; /* strtok would keep it in one variable for all threads */
    size_t n = 0;
    for (char *token = strtok_r(line, " \t", &place); token != NULL;
         token = strtok_r(NULL, " \t", &place))
        tokens[n++] = token;

    if (!understand(tokens, &request->verb, reply)) {
        free(tokens);
        return false;
    }
    request->tokens = tokens;
    return true;
}

/*
 * Reads the argument of STOP: decimal digits only, from 2 to the largest pid_t. A sign, a
 * letter or a larger number is refused here, since atoi(3) would turn it into another
 * process's pid: 4294967298 wraps around to 2, and -1 means every process there is
 * (kill(2)). False: the reply says what is wrong.
 */
bool parse_pid(const char *arg, pid_t *pid, struct reply *reply)
{
    if (arg[strspn(arg, "0123456789")] != '\0') {
        refuse(reply, IN("%s is not a pid: give decimal digits only",
                         "%s no es un pid: usa solo dígitos decimales"), quote(arg).s);
        return false;
    }
    long long number = strtoll(arg, NULL, 10); /* past its range: LLONG_MAX */
    if (number > INT32_MAX) {
        refuse(reply, IN("%s is not a pid: the largest is %d",
                         "%s no es un pid: el máximo es %d"), quote(arg).s, INT32_MAX);
        return false;
    }
    if (number < 2) {
        refuse(reply, IN("process %lld is protected", "el proceso %lld está protegido"),
               number);
        return false;
    }
    *pid = (pid_t)number;
    return true;
}
