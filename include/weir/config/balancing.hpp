#pragma once

#include <cstdint>
#include <string>

// Which endpoint of a cluster a request goes to (`lb`). Values of the checked configuration, as
// config.hpp says.
namespace weir::config {

enum class Policy : std::uint8_t {
    p2c_ewma,
    round_robin,
    least_request,
    random,
    maglev,
    ring_hash
};

// What the policies maglev and ring_hash send to the same endpoint.
struct HashKey {
    enum class Source : std::uint8_t { header, cookie, client_ip, path };
    Source source = Source::client_ip;
    std::string name;  // of a header in lower case, or of a cookie

    bool operator==(const HashKey&) const = default;
};

// What to do when no endpoint is ready.
enum class NoneReady : std::uint8_t { least_bad, all, fail };

}  // namespace weir::config
