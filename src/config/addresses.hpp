#pragma once

#include "weir/config/config.hpp"
#include "weir/config/values.hpp"

namespace weir::config {

// "orders:80", "10.0.0.5:9000", "[::1]:80", "unix:/run/x.sock". Leaves the place to the caller.
[[nodiscard]] Read<Endpoint> read_endpoint(std::string_view text);

// ":8080", "127.0.0.1:8080", "[::1]:8080", "unix:/run/x.sock". Port 0 is any free one.
[[nodiscard]] Read<ListenAddress> read_listen(std::string_view text);

// A resolver: an address, port 53 unless given.
[[nodiscard]] Read<Address> read_server(std::string_view text);

// Letters, digits, '-', '_' and '.', in labels of at most 63; no address.
[[nodiscard]] bool is_host_name(std::string_view text);

}  // namespace weir::config
