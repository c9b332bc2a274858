#include "weir/config/values.hpp"

#include "config/addresses.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <netinet/in.h>
#include <optional>
#include <span>
#include <utility>

namespace weir::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct TimeUnit {
    std::string_view name;
    Duration length;
};
constexpr std::array kTimeUnits = {TimeUnit{"h", hours{1}}, TimeUnit{"m", minutes{1}},
                                   TimeUnit{"s", seconds{1}}, TimeUnit{"ms", milliseconds{1}},
                                   TimeUnit{"us", microseconds{1}}};

struct SizeUnit {
    std::string_view name;
    std::uint64_t bytes;
};
constexpr std::array kSizeUnits = {SizeUnit{"B", 1},
                                   SizeUnit{"KB", 1000},
                                   SizeUnit{"MB", 1000 * 1000},
                                   SizeUnit{"GB", 1000 * 1000 * 1000},
                                   SizeUnit{"KiB", 1024},
                                   SizeUnit{"MiB", 1024 * 1024},
                                   SizeUnit{"GiB", 1024 * 1024 * 1024}};

struct Spelling {
    std::string_view written;  // in lower case
    std::string_view meant;
};
constexpr Spelling kSpellings[] = {
    {"msec", "ms"},        {"msecs", "ms"},        {"millis", "ms"},
    {"millisecond", "ms"}, {"milliseconds", "ms"}, {"sec", "s"},
    {"secs", "s"},         {"second", "s"},        {"seconds", "s"},
    {"min", "m"},          {"mins", "m"},          {"minute", "m"},
    {"minutes", "m"},      {"hour", "h"},          {"hours", "h"},
    {"hr", "h"},           {"hrs", "h"},           {"usec", "us"},
    {"usecs", "us"},       {"µs", "us"},           {"k", "KiB"},
    {"kb", "KB"},          {"kib", "KiB"},         {"ki", "KiB"},
    {"m", "MiB"},          {"mb", "MB"},           {"mib", "MiB"},
    {"mi", "MiB"},         {"g", "GiB"},           {"gb", "GB"},
    {"gib", "GiB"},        {"gi", "GiB"},          {"b", "B"},
    {"byte", "B"},         {"bytes", "B"},         {"s", "s"},
    {"ms", "ms"},          {"us", "us"},           {"h", "h"},
};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string quoted(std::string_view text) {
    return "'" + std::string(text) + "'";
}

// Takes the digits a text begins with. Nothing if there are none or too many.
std::optional<std::uint64_t> take_digits(std::string_view& text) {
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

// A decimal number without sign or exponent, "0.5".
std::optional<double> read_decimal(std::string_view text) {
    const bool is_decimal =
        !text.empty() && is_digit(text.front()) && is_digit(text.back()) && text.size() <= 18 &&
        std::count(text.begin(), text.end(), '.') <= 1 &&
        std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '.'; });
    double value = 0;
    if (!is_decimal) return std::nullopt;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

// "64k", "5sec", "1.5s": the number and the unit which was perhaps meant.
std::string guess_unit(std::string_view text, auto is_unit) {
    const auto end = std::min(text.find_first_not_of("0123456789"), text.size());
    if (end == 0 || end > 15) return {};
    auto rest = text.substr(end);
    rest.remove_prefix(std::min(rest.find_first_not_of(' '), rest.size()));
    std::string word(rest);
    for (char& c : word)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
    for (const auto& spelling : kSpellings) {
        if (spelling.written != word || !is_unit(spelling.meant)) continue;
        return "did you mean " + std::string(text.substr(0, end)) + std::string(spelling.meant) +
               "?   ";
    }
    return {};
}

Complaint no_duration(std::string_view text) {
    std::string guess = guess_unit(text, [](std::string_view unit) {
        return std::any_of(kTimeUnits.begin(), kTimeUnits.end(),
                           [&](const TimeUnit& u) { return u.name == unit; });
    });
    if (guess.empty() && text.ends_with('s') && !text.ends_with("ms") && !text.ends_with("us")) {
        const auto decimal = read_decimal(text.substr(0, text.size() - 1));
        if (decimal && *decimal < 1e6) {
            guess = "did you mean " + std::to_string(std::llround(*decimal * 1000)) + "ms?   ";
        }
    }
    return {.what = quoted(text) + " is no duration", .note = guess + "units: us, ms, s, m, h"};
}

}  // namespace

Read<Duration> read_duration(std::string_view text) {
    if (text == "0") return Duration::zero();
    if (const auto bare = read_decimal(text)) {
        const std::string number(text);
        if (number.find('.') != std::string::npos && *bare < 1e6) {
            return Complaint{.code = 103,
                             .what = "a duration needs a unit",
                             .note = "write " + std::to_string(std::llround(*bare * 1000)) +
                                     "ms if these are seconds"};
        }
        const auto note = *bare < 100
                              ? "write " + number + "s, " + number + "ms or " + number + "m"
                              : "write " + number + "ms, " + number + "s or " + number + "m";
        return Complaint{.code = 103, .what = "a duration needs a unit", .note = note};
    }
    Duration sum{};
    auto rest = text;
    std::size_t next = 0;  // units go from large to small, each once
    while (!rest.empty()) {
        const auto number = take_digits(rest);
        const auto name = rest.substr(0, std::min(rest.find_first_of("0123456789"), rest.size()));
        while (next < kTimeUnits.size() && kTimeUnits[next].name != name)
            ++next;
        if (!number || next == kTimeUnits.size()) return no_duration(text);
        const auto length = kTimeUnits[next++].length;
        constexpr auto kLongest = Duration(hours{24 * 365});
        if (*number > static_cast<std::uint64_t>(kLongest / length)) {
            return Complaint{.code = 117, .what = quoted(text) + " is longer than a year"};
        }
        sum += length * static_cast<Duration::rep>(*number);
        rest.remove_prefix(name.size());
    }
    return text.empty() ? Read<Duration>(no_duration(text)) : Read<Duration>(sum);
}

Read<std::uint64_t> read_size(std::string_view text) {
    auto rest = text;
    const auto number = take_digits(rest);
    if (number && rest.empty()) {
        if (*number == 0) return std::uint64_t{0};
        const std::string digits(text);
        return Complaint{.code = 103,
                         .what = "a size needs a unit",
                         .note = "write " + digits + "B, " + digits + "KiB or " + digits + "MiB"};
    }
    for (const auto& unit : kSizeUnits) {
        if (!number || rest != unit.name) continue;
        if (*number > (std::uint64_t{1} << 53U) / unit.bytes) {
            return Complaint{.code = 117, .what = quoted(text) + " is too large"};
        }
        return *number * unit.bytes;
    }
    const auto is_unit = [](std::string_view name) {
        return std::any_of(kSizeUnits.begin(), kSizeUnits.end(),
                           [&](const SizeUnit& u) { return u.name == name; });
    };
    return Complaint{.what = quoted(text) + " is no size",
                     .note = guess_unit(text, is_unit) + "units: B, KB, MB, GB, KiB, MiB, GiB"};
}

Read<double> read_percent(std::string_view text) {
    if (text.ends_with('%')) {
        const auto value = read_decimal(text.substr(0, text.size() - 1));
        if (value) return *value / 100;
    }
    const auto bare = read_decimal(text);
    if (!bare) {
        const auto number = text.substr(0, std::min(text.find_first_of(" %"), text.size()));
        const bool is_near = read_decimal(number) && text.ends_with('%');
        return Complaint{
            .what = quoted(text) + " is no percentage",
            .note = is_near ? "did you mean " + std::string(number) + "%?" : "write 50%"};
    }
    std::string note = "write " + std::string(text) + "%";
    if (*bare > 0 && *bare < 1) {
        auto percent = std::to_string(*bare * 100);
        percent.erase(percent.find_last_not_of('0') + 1);
        if (percent.ends_with('.')) percent.pop_back();
        note = "write " + percent + "%  (" + std::string(text) + "% is also possible if you mean " +
               (*bare == 0.5 ? "half a percent)" : "less than one percent)");
    }
    return Complaint{
        .code = 106, .what = "a percentage needs %, got " + std::string(text), .note = note};
}

Read<double> read_rate(std::string_view text) {
    if (read_decimal(text)) {
        const std::string number(text);
        return Complaint{.code = 103,
                         .what = "a rate needs a unit",
                         .note = "write " + number + "/s, " + number + "/m or " + number + "/h"};
    }
    const auto slash = text.find('/');
    const auto unit = slash == std::string_view::npos ? std::string_view{} : text.substr(slash + 1);
    const auto value = read_decimal(text.substr(0, slash));
    if (value && unit == "s") return *value;
    if (value && unit == "m") return *value / 60;
    if (value && unit == "h") return *value / 3600;
    if (value && unit == "d") return *value / 86400;
    return Complaint{.what = quoted(text) + " is no rate", .note = "write 100/s, 600/m or 50/h"};
}

Read<std::uint64_t> read_integer(std::string_view text) {
    auto rest = text;
    const auto value = take_digits(rest);
    if (value && rest.empty()) return *value;
    return Complaint{.what = quoted(text) + " is no whole number"};
}

Read<bool> read_boolean(std::string_view text) {
    if (text == "true") return true;
    if (text == "false") return false;
    constexpr std::pair<std::string_view, std::string_view> kMeant[] = {
        {"yes", "true"},    {"on", "true"},     {"1", "true"},    {"True", "true"},
        {"TRUE", "true"},   {"no", "false"},    {"off", "false"}, {"0", "false"},
        {"False", "false"}, {"FALSE", "false"}, {"y", "true"},    {"n", "false"},
        {"Yes", "true"},    {"No", "false"},    {"On", "true"},   {"Off", "false"}};
    std::string note = "write true or false";
    for (const auto& [written, meant] : kMeant) {
        if (text == written) note = "write " + std::string(meant);
    }
    return Complaint{.what = quoted(text) + " is no boolean", .note = note};
}

std::string size_to_text(std::uint64_t bytes) {
    const SizeUnit* best = &kSizeUnits.front();
    for (const auto& unit : kSizeUnits) {
        const bool fits = bytes >= unit.bytes && bytes % unit.bytes == 0;
        if (fits && unit.bytes > best->bytes) best = &unit;
    }
    return std::to_string(bytes / best->bytes) + std::string(best->name);
}

std::string to_text(Duration duration) {
    if (duration == Duration::zero()) return "0s";
    std::string out;
    const bool is_long = duration >= minutes{1};
    for (const auto& unit : kTimeUnits) {
        // Below a minute one unit is enough: 1500ms, not 1s500ms.
        if (!is_long && duration % unit.length != Duration::zero()) continue;
        const auto count = duration / unit.length;
        if (count == 0) continue;
        out += std::to_string(count) + std::string(unit.name);
        duration -= count * unit.length;
        if (duration == Duration::zero()) break;
    }
    return out;
}

// ---- addresses
namespace {

constexpr unsigned kMostPort = 65535;

bool is_digits(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

Complaint no_address(std::string what, std::string note) {
    return {.code = 113, .what = std::move(what), .note = std::move(note)};
}

struct HostPort {
    std::string_view host;  // without brackets
    std::uint16_t port = 0;
    bool is_bracketed = false;
};

// Spellings that people bring from elsewhere.
std::optional<Complaint> check_form(std::string_view text) {
    if (const auto scheme = text.find("://"); scheme != std::string_view::npos) {
        const auto rest = text.substr(scheme + 3);
        const auto host = rest.substr(0, rest.find('/'));
        const bool has_port = host.find(':') != std::string_view::npos;
        const auto* port = text.starts_with("https") ? ":443" : ":80";
        return no_address(quoted(text) + " is a URL, not an address",
                          "write " + std::string(host) + (has_port ? "" : port));
    }
    if (!text.starts_with('[') && std::count(text.begin(), text.end(), ':') > 1) {
        return no_address(quoted(text) + " is no address",
                          "an IPv6 address needs brackets: \"[::1]:8080\"");
    }
    return std::nullopt;
}

// Splits at the port and checks it. The port of "x:99999" is where a complaint points.
Read<HostPort> split(std::string_view text, unsigned least_port) {
    if (auto complaint = check_form(text)) return std::move(*complaint);
    const auto colon = text.rfind(':');
    const bool is_bracketed = text.starts_with('[');
    const auto close = text.find(']');
    if (is_bracketed && (close == std::string_view::npos || close + 1 != colon)) {
        return no_address(quoted(text) + " is no address", "write \"[::1]:8080\"");
    }
    const auto port_text = text.substr(colon + 1);
    unsigned port = 0;
    const auto [end, ec] =
        std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
    if (!is_digits(port_text)) {
        return no_address(quoted(port_text) + " is no port",
                          "write " + std::string(text.substr(0, colon)) + ":8080");
    }
    if (ec != std::errc{} || port > kMostPort || port < least_port) {
        return Complaint{.code = 111,
                         .what = "port " + std::string(port_text) + " is out of range 1-65535",
                         .at = colon + 1,
                         .size = port_text.size()};
    }
    const auto host = is_bracketed ? text.substr(1, close - 1) : text.substr(0, colon);
    return HostPort{host, static_cast<std::uint16_t>(port), is_bracketed};
}

Read<Endpoint> read_unix(std::string_view text) {
    auto address = Address::parse(text);
    if (!address) return no_address(quoted(text) + " is no Unix socket", "write unix:/run/x.sock");
    Endpoint endpoint;
    endpoint.text = text;
    endpoint.host = text.substr(5);
    endpoint.address = std::move(address);
    return endpoint;
}

Complaint no_udp(std::string_view text) {
    return no_address(quoted(text) + " is UDP: Weir relays TCP only", "leave 'udp:' out for TCP");
}

constexpr std::uint8_t kMappedBits = 96;
constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

std::uint8_t mask_of(unsigned prefix, std::size_t byte) {
    const auto bits = prefix <= byte * 8 ? 0U : prefix - static_cast<unsigned>(byte) * 8;
    return bits >= 8 ? std::uint8_t{0xFF} : static_cast<std::uint8_t>(0xFF00U >> bits);
}

}  // namespace

bool is_host_name(std::string_view text) {
    if (text.ends_with('.')) text.remove_suffix(1);
    if (text.empty() || text.size() > 253 || text.starts_with('-')) return false;
    std::size_t label = 0;
    bool has_letter = false;
    for (const char c : text) {
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        const bool is_part = is_letter || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (c == '.' ? label == 0 : !is_part) return false;
        label = c == '.' ? 0 : label + 1;
        has_letter = has_letter || is_letter || c == '_' || c == '-';
        if (label > 63) return false;
    }
    return has_letter && label > 0;
}

Read<Endpoint> read_endpoint(std::string_view text) {
    if (text.starts_with("udp:")) return no_udp(text);
    if (text.starts_with("unix:")) return read_unix(text);
    if (text.find(':') == std::string_view::npos) {
        const bool is_port = is_digits(text);
        return no_address(quoted(text) + (is_port ? " has no host" : " has no port"),
                          is_port ? "write 127.0.0.1:" + std::string(text)
                                  : "write " + std::string(text) + ":80");
    }
    const auto parts = split(text, 1);
    if (const auto* complaint = std::get_if<Complaint>(&parts)) return *complaint;
    const auto& [host, port, is_bracketed] = std::get<HostPort>(parts);
    if (host.empty()) {
        return no_address(quoted(text) + " has no host", "write 127.0.0.1" + std::string(text));
    }
    Endpoint endpoint;
    endpoint.text = text;
    endpoint.host = host;
    endpoint.port = port;
    endpoint.address = Address::from_ip(host, port);
    const bool is_v6 = endpoint.address && endpoint.address->is_v6();
    if (endpoint.address ? is_v6 != is_bracketed : is_bracketed || !is_host_name(host)) {
        return no_address(quoted(host) + " is no address and no host name", "");
    }
    return endpoint;
}

Read<ListenAddress> read_listen(std::string_view text) {
    if (text.starts_with("udp:")) return no_udp(text);
    if (text.starts_with("fd:")) {
        return Complaint{.code = 109, .what = "'fd:' addresses are not supported by this version"};
    }
    if (is_digits(text))
        return no_address(quoted(text) + " is no address", "write :" + std::string(text));
    ListenAddress listen{.text = std::string(text), .address = {}, .place = {}};
    if (text.starts_with("unix:")) {
        const auto address = Address::parse(text);
        if (!address)
            return no_address(quoted(text) + " is no Unix socket", "write unix:/run/x.sock");
        listen.address = *address;
        return listen;
    }
    if (text.find(':') == std::string_view::npos) {
        return no_address(quoted(text) + " has no port", "write " + std::string(text) + ":8080");
    }
    const auto parts = split(text, 0);
    if (const auto* complaint = std::get_if<Complaint>(&parts)) return *complaint;
    const auto address = Address::parse(text);
    if (!address) {
        const auto host = std::get<HostPort>(parts).host;
        const auto port = std::to_string(std::get<HostPort>(parts).port);
        const auto note = "write 127.0.0.1:" + port + ", or :" + port + " for all addresses";
        return no_address(quoted(host) + " is no IP address to listen on", note);
    }
    listen.address = *address;
    return listen;
}

Read<Address> read_server(std::string_view text) {
    if (auto address = Address::from_ip(text, 53)) return *address;
    auto address = Address::parse(text);
    if (address && !address->is_unix() && address->port() != 0 && !text.starts_with(':'))
        return *address;
    return no_address(quoted(text) + " is no resolver", "write 10.0.0.2 or 10.0.0.2:53");
}

std::optional<Cidr> Cidr::parse(std::string_view text) {
    const auto slash = text.find('/');
    const std::string ip(text.substr(0, slash));
    Cidr cidr;
    cidr.text_ = text;
    unsigned most = 128;
    if (inet_pton(AF_INET, ip.c_str(), cidr.network_.data() + kMapped.size()) == 1) {
        std::memcpy(cidr.network_.data(), kMapped.data(), kMapped.size());
        most = 32;
    } else if (inet_pton(AF_INET6, ip.c_str(), cidr.network_.data()) != 1) {
        return std::nullopt;
    }
    unsigned prefix = most;
    if (slash != std::string_view::npos) {
        const auto digits = text.substr(slash + 1);
        const auto [end, ec] =
            std::from_chars(digits.data(), digits.data() + digits.size(), prefix);
        if (ec != std::errc{} || end != digits.data() + digits.size() || prefix > most)
            return std::nullopt;
    }
    if (most == 32) prefix += kMappedBits;
    cidr.prefix_ = static_cast<std::uint8_t>(prefix);
    for (std::size_t i = 0; i < cidr.network_.size(); ++i) {
        cidr.network_[i] = static_cast<std::uint8_t>(cidr.network_[i] & mask_of(prefix, i));
    }
    return cidr;
}

bool Cidr::contains(const Address& address) const {
    sockaddr_storage storage{};
    address.to_socket(storage);
    Bits bits{};
    if (storage.ss_family == AF_INET) {
        std::memcpy(bits.data(), kMapped.data(), kMapped.size());
        std::memcpy(bits.data() + kMapped.size(),
                    &reinterpret_cast<const sockaddr_in&>(storage).sin_addr, 4);
    } else if (storage.ss_family == AF_INET6) {
        std::memcpy(bits.data(), &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr,
                    bits.size());
    } else {
        return false;
    }
    for (std::size_t i = 0; i < bits.size(); ++i) {
        if ((bits[i] & mask_of(prefix_, i)) != network_[i]) return false;
    }
    return true;
}

}  // namespace weir::config
