/* SPDX-License-Identifier: MIT */
#include "env.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static bool is_replaced(const char *old, char *const *more, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t name = (size_t)(strchr(more[i], '=') + 1 - more[i]);

		if (strncmp(old, more[i], name) == 0)
			return true;
	}
	return false;
}

char **env_with(char *const *more, size_t count)
{
	size_t n = 0, to = 0;
	char **env;

	while (environ[n] != NULL)
		n++;
	env = malloc((n + count + 1) * sizeof(*env));
	if (env == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!is_replaced(environ[i], more, count))
			env[to++] = environ[i];
	for (size_t i = 0; i < count; i++)
		env[to++] = more[i];
	env[to] = NULL;
	return env;
}
