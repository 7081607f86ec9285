/* SPDX-License-Identifier: MIT */
#include "answers.h"

#include "hub.h"

#include <errno.h>
#include <stdlib.h>

struct answers {
    void *kept[ANSWER_KINDS];
};

static void destroy(void *of_flow)
{
    struct answers *answers = of_flow;

    for (int kind = 0; answers != NULL && kind < ANSWER_KINDS; kind++)
        free(answers->kept[kind]);
    free(answers);
}

int answer_keep(struct hub *hub, enum answer kind, void *memory)
{
    void **place = hub->host->local(hub, destroy);
    struct answers *answers;

    if (place != NULL && *place == NULL)
        *place = calloc(1, sizeof(struct answers));
    if (place == NULL || *place == NULL) {
        free(memory);
        errno = ENOMEM;
        return -1;
    }
    answers = *place;
    free(answers->kept[kind]);
    answers->kept[kind] = memory;
    return 0;
}
