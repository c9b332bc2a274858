/* Discovery modules of other authors: the interface between Weir and a shared object that finds
 * endpoints.
 *
 * C, and stable: within one WEIR_DISCOVERY_ABI nothing changes its meaning or place. Structures may
 * grow at their end; `size` says how much of one its writer knew. docs/guide/discovery.md goes
 * through it, docs/examples/discovery_plugin.c is a whole one.
 *
 *     clusters:
 *       orders:
 *         discovery: {type: plugin, path: /usr/lib/weir/mine.so, name: orders, options: {url:
 * "http://..."}}
 *
 * Life: Weir opens the object (RTLD_NOW, RTLD_LOCAL) when a configuration names it, and never
 * closes it, as threads of its own may still be in it. Each cluster has an instance: start() makes
 * one, stop() ends it. A reload that changes the cluster's discovery stops the old instance when
 * the new one has started.
 *
 * Threads: start() and stop() are called on Weir's main thread, which also serves the admin port:
 * neither may wait for a network. Whoever wants to wait starts a thread. The functions of the host
 * may be called from any thread, at any time, several at once, also from within start(); after
 * stop() has begun they do nothing and say so. They never wait for Weir.
 *
 * Trouble: a plugin runs with all rights of the process, and what it breaks is broken. But a set
 * that makes no sense is refused as a whole, with the reason in `weir discovery`, and the cluster
 * goes on with what it had.
 */
#ifndef WEIR_DISCOVERY_PLUGIN_H
#define WEIR_DISCOVERY_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEIR_DISCOVERY_ABI 1u

/* Most endpoints of a set, and bytes of a text. */
#define WEIR_DISCOVERY_MAX_ENDPOINTS 100000u
#define WEIR_DISCOVERY_MAX_TEXT 1024u

/* An endpoint. All of it is the caller's, and copied before publish() returns. Members that are not
 * known are 0. */
typedef struct weir_endpoint {
    size_t size;         /* sizeof(weir_endpoint): also the step from one to the next */
    const char* address; /* "10.0.0.1:80", "[::1]:80", "unix:/run/app.sock"; no host names */
    const char* name;    /* what to call it, "orders-1.internal:80"; null: its address */
    const char* zone;    /* where it is; null: nobody knows */
    const char*
        uid; /* who it is: at another uid an address is somebody else; null: its address is all */
    uint32_t weight;   /* 1 to 65535; 0: 100 */
    uint32_t priority; /* 0 to 255; others are used when none of a smaller one is left */
} weir_endpoint;

/* What publish() answers. */
enum {
    WEIR_DISCOVERY_OK = 0,
    WEIR_DISCOVERY_REFUSED = 1, /* the set makes no sense, and nothing of it is used */
    WEIR_DISCOVERY_STOPPED = 2  /* nobody listens any more */
};

enum {
    WEIR_DISCOVERY_DEBUG = 0,
    WEIR_DISCOVERY_INFO = 1,
    WEIR_DISCOVERY_WARN = 2,
    WEIR_DISCOVERY_ERROR = 3
};

/* Which cluster this is: handed to start(), and given back with each call of the host. */
typedef struct weir_discovery_handle weir_discovery_handle;

/* What Weir does for the plugin. Valid as long as the process lives. */
typedef struct weir_discovery_host {
    size_t size;
    /* This is the whole set now. One that is empty says that there are none, and is believed when
     * it has been so for `empty_hold`. The same set again is a sign of life. Of several in a moment
     * only the last is used. */
    int (*publish)(weir_discovery_handle* handle, const weir_endpoint* endpoints, size_t count);
    /* The source could not be asked; `why` is a sentence for operators. The set stays as it is. */
    void (*fail)(weir_discovery_handle* handle, const char* why);
    /* A line of the diagnostic log. */
    void (*log)(weir_discovery_handle* handle, int level, const char* text);
} weir_discovery_host;

typedef struct weir_discovery_option {
    const char* key;
    const char* value; /* as written */
} weir_discovery_option;

/* What the configuration says. Valid until start() returns. */
typedef struct weir_discovery_config {
    size_t size;
    const char* cluster;
    const char* name;                     /* discovery.name, or the cluster's */
    uint32_t port;                        /* discovery.port; 0: not said */
    const weir_discovery_option* options; /* discovery.options, in the order of the keys */
    size_t option_count;
} weir_discovery_config;

/* What the plugin does for Weir. */
typedef struct weir_discovery_plugin {
    uint32_t abi; /* WEIR_DISCOVERY_ABI it was compiled with */
    size_t size;  /* sizeof(weir_discovery_plugin) */
    const char* name;
    const char* version;
    /* Begins to find endpoints; the instance it returns is the plugin's own matter. Null: it
     * cannot, and `error` has the sentence why, of at most error_size bytes with the zero at its
     * end. Weir tries again later. */
    void* (*start)(const weir_discovery_host* host,
                   weir_discovery_handle* handle,
                   const weir_discovery_config* config,
                   char* error,
                   size_t error_size);
    /* Ends what start() began, threads included, and frees the instance. */
    void (*stop)(void* instance);
} weir_discovery_plugin;

/* The one symbol Weir looks for. `abi` is the host's: a plugin that knows several answers with one
 * that fits, others with their own. What it returns is valid as long as the process lives. */
#define WEIR_DISCOVERY_SYMBOL "weir_discovery_plugin_of"
const weir_discovery_plugin* weir_discovery_plugin_of(uint32_t abi);

#ifdef __cplusplus
}
#endif

#endif
