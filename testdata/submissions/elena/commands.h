#ifndef COMMANDS_H
#define COMMANDS_H

int cmd_list(int client);
int cmd_start(int client, char **args);
int cmd_stop(int client, char **args);

#endif
