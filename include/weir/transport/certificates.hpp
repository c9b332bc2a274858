#pragma once

#include "weir/config/config.hpp"
#include "weir/config/report.hpp"
#include "weir/core/clock.hpp"
#include "weir/decode/load.hpp"

namespace weir::transport {

// Adds what is wrong with the certificates and keys that a configuration names: they do not belong
// together (W120), one cannot be read or is none (W121), a key is too weak (W123), a certificate or
// a list of revoked ones is out of date (a warning, W220). Reads the files. Thread: main.
void check_certificates(const config::Config& config, config::Report& report, WallTime now);

// Adds to what config found what the modules right of it know: routes, keys, certificates. All of
// it in one run, as they look at the draft; a configuration with errors is taken away. Whoever
// loads one to use it calls this, once. Thread: main.
void check_all(config::LoadResult& loaded);

// Warnings of addresses that could not be listened on now: in use (W210), a privilege is missing
// (W211), on no interface of this machine (W212). Binds each for a moment. Another process of this
// user that shares a port, as a running Weir does, is not in the way. Thread: main.
void check_ports(const config::Config& config, config::Report& report);

}  // namespace weir::transport
