/* A discovery module for Weir, in C: reads the endpoints of a cluster from a file, a line each, every second.
 *
 *     cc -shared -fPIC -pthread -I include -o file_lines.so docs/examples/discovery_plugin.c
 *
 *     clusters:
 *       orders:
 *         discovery: {type: plugin, path: ./file_lines.so, options: {file: /run/orders.txt, every_ms: "1000"}}
 *
 * A line is an address, and then, if need be, its weight and its zone: "10.0.0.1:80 50 north".
 */
#define _POSIX_C_SOURCE 200809L

#include "weir/discovery/plugin.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_LINES = 1000, LONGEST_LINE = 256 };

struct instance {
    const weir_discovery_host *host;
    weir_discovery_handle *handle;
    char *file;
    long every_ms;

    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t stopped;
    int is_stopped; /* guarded by mutex */
};

struct line {
    char text[LONGEST_LINE];
    char address[LONGEST_LINE];
    char zone[LONGEST_LINE];
};

/* Tells Weir the whole set, or why there is none: never half of one. */
static void look(struct instance *self) {
    FILE *in = fopen(self->file, "r");
    if (in == NULL) {
        char why[512];
        snprintf(why, sizeof why, "%s: %s", self->file, strerror(errno));
        self->host->fail(self->handle, why);
        return;
    }
    struct line *lines = calloc(MOST_LINES, sizeof *lines);
    weir_endpoint *endpoints = calloc(MOST_LINES, sizeof *endpoints);
    size_t count = 0;
    while (lines != NULL && endpoints != NULL && count < MOST_LINES &&
           fgets(lines[count].text, LONGEST_LINE, in) != NULL) {
        struct line *line = &lines[count];
        weir_endpoint *endpoint = &endpoints[count];
        unsigned weight = 0;
        if (sscanf(line->text, "%255s %u %255s", line->address, &weight, line->zone) < 1) continue;
        endpoint->size = sizeof *endpoint;
        endpoint->address = line->address;
        endpoint->zone = line->zone;
        endpoint->weight = weight;
        ++count;
    }
    if (lines == NULL || endpoints == NULL || ferror(in)) {
        self->host->fail(self->handle, "the file could not be read to its end");
    } else {
        self->host->publish(self->handle, endpoints, count);
    }
    free(endpoints);
    free(lines);
    fclose(in);
}

static void *run(void *argument) {
    struct instance *self = argument;
    pthread_mutex_lock(&self->mutex);
    while (!self->is_stopped) {
        pthread_mutex_unlock(&self->mutex);
        look(self);
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += self->every_ms / 1000;
        until.tv_nsec += self->every_ms % 1000 * 1000000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec += 1;
            until.tv_nsec -= 1000000000;
        }
        pthread_mutex_lock(&self->mutex);
        while (!self->is_stopped && pthread_cond_timedwait(&self->stopped, &self->mutex, &until) != ETIMEDOUT) {
        }
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static void release(struct instance *self) {
    if (self == NULL) return;
    free(self->file);
    free(self);
}

static void *start(const weir_discovery_host *host,
                   weir_discovery_handle *handle,
                   const weir_discovery_config *config,
                   char *error,
                   size_t error_size) {
    struct instance *self = calloc(1, sizeof *self);
    if (self == NULL) return NULL;
    self->host = host;
    self->handle = handle;
    self->every_ms = 1000;
    for (size_t i = 0; i < config->option_count; ++i) {
        const weir_discovery_option *option = &config->options[i];
        if (strcmp(option->key, "file") == 0) {
            free(self->file);
            self->file = strdup(option->value);
        } else if (strcmp(option->key, "every_ms") == 0) {
            self->every_ms = strtol(option->value, NULL, 10);
        } else {
            snprintf(error, error_size, "there is no option '%s'", option->key);
            release(self);
            return NULL;
        }
    }
    if (self->file == NULL || self->every_ms < 1) {
        snprintf(error, error_size, "it takes the options file, and every_ms of at least 1");
        release(self);
        return NULL;
    }
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->stopped, &attributes);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&self->thread, NULL, run, self) != 0) {
        snprintf(error, error_size, "no thread is to be had");
        release(self);
        return NULL;
    }
    host->log(handle, WEIR_DISCOVERY_INFO, "following a file");
    return self;
}

/* Wakes the thread and waits for it: a moment, as it never waits for anything but its time. */
static void stop(void *instance) {
    struct instance *self = instance;
    pthread_mutex_lock(&self->mutex);
    self->is_stopped = 1;
    pthread_cond_signal(&self->stopped);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->stopped);
    pthread_mutex_destroy(&self->mutex);
    release(self);
}

static const weir_discovery_plugin plugin = {
    .abi = WEIR_DISCOVERY_ABI,
    .size = sizeof(weir_discovery_plugin),
    .name = "file_lines",
    .version = "1.0",
    .start = start,
    .stop = stop,
};

const weir_discovery_plugin *weir_discovery_plugin_of(uint32_t abi) {
    return abi == WEIR_DISCOVERY_ABI ? &plugin : NULL;
}
