/* Servidor de procesos remotos. Diego Ibáñez, Sistemas Operativos */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define PUERTO 5002
#define TAM 65536

void responder(int cliente, char *texto)
{
    send(cliente, texto, strlen(texto), 0);
}

void listar(int cliente)
{
    char linea[512];
    FILE *ps = popen("ps -e -o pid,comm", "r");
    if (ps == NULL) {
        responder(cliente, "Error: popen\n");
        return;
    }
    int total = 0;
    while (fgets(linea, sizeof linea, ps) != NULL) {
        total += strlen(linea);
        if (total > TAM)
            break;
        responder(cliente, linea);
    }
    pclose(ps);
}

void iniciar(int cliente, char *comando)
{
    char *argv[32];
    int n = 0;
    char *guardado;
    char *token = strtok_r(comando, " ", &guardado);
    while (token != NULL && n < 31) {
        argv[n++] = token;
        token = strtok_r(NULL, " ", &guardado);
    }
    argv[n] = NULL;
    if (n == 0) {
        responder(cliente, "Error: falta el comando\n");
        return;
    }

    pid_t pid = fork();
    if (pid == -1) {
        responder(cliente, "Error: no se pudo crear el proceso\n");
    } else if (pid == 0) {
        int nulo = open("/dev/null", O_WRONLY);
        dup2(nulo, STDOUT_FILENO);
        dup2(nulo, STDERR_FILENO);
        close(nulo);
        close(cliente);
        execvp(argv[0], argv);
        exit(1);
    } else {
        char r[100];
        snprintf(r, sizeof r, "Proceso iniciado con PID %d\n", pid);
        responder(cliente, r);
    }
}

void detener(int cliente, char *texto)
{
    char r[100];
    int pid = atoi(texto);
    if (pid <= 1) {
        responder(cliente, "Error: PID no permitido\n");
        return;
    }
    if (kill(pid, SIGKILL) == 0)
        snprintf(r, sizeof r, "Proceso %d terminado\n", pid);
    else
        snprintf(r, sizeof r, "Error: no se pudo terminar el proceso %d\n", pid);
    responder(cliente, r);
}

void *atender(void *p)
{
    int cliente = *(int *)p;
    char buffer[TAM];
    free(p);

    while (1) {
        int n = recv(cliente, buffer, TAM - 1, 0);
        if (n <= 0)
            break;
        buffer[n] = '\0';
        buffer[strcspn(buffer, "\r\n")] = '\0';
        printf("recibido: %s\n", buffer);

        char *resto = strchr(buffer, ' ');
        if (resto != NULL)
            *resto++ = '\0';
        else
            resto = "";
        for (int i = 0; buffer[i]; i++)
            buffer[i] = toupper((unsigned char)buffer[i]);

        if (!strcmp(buffer, "LIST") || !strcmp(buffer, "LISTAR"))
            listar(cliente);
        else if (!strcmp(buffer, "START") || !strcmp(buffer, "INICIAR"))
            iniciar(cliente, resto);
        else if (!strcmp(buffer, "STOP") || !strcmp(buffer, "DETENER"))
            detener(cliente, resto);
        else if (!strcmp(buffer, "EXIT") || !strcmp(buffer, "SALIR"))
            break;
        else
            responder(cliente, "Error: comando desconocido\n");
    }
    close(cliente);
    return NULL;
}

int main(void)
{
    int servidor = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in dir;
    memset(&dir, 0, sizeof dir);
    dir.sin_family = AF_INET;
    dir.sin_port = htons(PUERTO);
    dir.sin_addr.s_addr = INADDR_ANY;
    if (bind(servidor, (struct sockaddr *)&dir, sizeof dir) < 0) {
        perror("bind");
        return 1;
    }
    listen(servidor, 10);
    printf("Servidor en el puerto %d\n", PUERTO);

    while (1) {
        int *cliente = malloc(sizeof(int));
        *cliente = accept(servidor, NULL, NULL);
        if (*cliente < 0) {
            perror("accept");
            free(cliente);
            continue;
        }
        pthread_t hilo;
        pthread_create(&hilo, NULL, atender, cliente);
        pthread_detach(hilo);
    }
}
