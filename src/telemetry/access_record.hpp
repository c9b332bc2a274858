#pragma once

#include "weir/telemetry/access_log.hpp"

#include <cstddef>
#include <string>

// A record as a line. Both write into memory of the caller's and return its new end.
namespace weir::telemetry {

// No text of a record is written longer than this (before escaping): the limits of the protocol
// bound them, but not every buffer should be as large as the largest header.
inline constexpr std::size_t kLongestPath = 8192;
inline constexpr std::size_t kLongestText = 512;

// Bytes that the line needs at most, with that path.
[[nodiscard]] std::size_t most_bytes(const AccessRecord& record, std::string_view path);

// One JSON object and a newline; always valid JSON in UTF-8, whatever the texts hold. `path` is the
// record's, redacted; `scratch` is memory for what must be escaped.
char* write_json(char* out,
                 const AccessRecord& record,
                 std::string_view path,
                 AccessTime& time,
                 std::string& scratch);

// For people, local time; bytes that are no printable ASCII are written \xNN, so that a request
// cannot steer a terminal.
char* write_text(char* out, const AccessRecord& record, std::string_view path, AccessTime& time);

// Text as write_text() writes it.
void append_visible(std::string& out, std::string_view text);

// "12:01:07.114", local time.
char* write_local_time(char* out, WallTime at, AccessTime& time);

}  // namespace weir::telemetry
