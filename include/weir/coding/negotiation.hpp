#pragma once

#include "weir/coding/encoder.hpp"
#include "weir/http/message.hpp"

#include <optional>
#include <span>
#include <string>

namespace weir::coding {

// The coding of `offered`, the preferred first, that this client likes best (RFC 9110, 12.5.3):
// none if it likes none, would rather have the answer as it is, or has said no-transform.
[[nodiscard]] std::optional<Coding> negotiate(std::span<const Coding> offered,
                                              const http::RequestHead& head);

// Whether an answer is worth coding, and may be: text of at least a KiB that is not coded yet, that
// nobody has signed, and that is no part of one. Never what is read as it is written
// (text/event-stream, gRPC), nor what is compressed by itself.
[[nodiscard]] bool is_worth_coding(const http::ResponseHead& head);

// The answer as it goes out: `into` are the fields that stay, `lines` those that change or come in
// addition. Without a coding the answer stays as it is, but for whom it is meant: caches must know
// that others get another one (Vary).
void describe(const http::ResponseHead& head,
              std::optional<Coding> coding,
              http::ResponseHead& into,
              std::string& lines);

}  // namespace weir::coding
