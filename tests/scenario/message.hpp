#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::test {

// A message as a peer reads it, by a reader of the tests' own.
struct Message {
    std::string head;  // up to and including the empty line
    std::string body;  // decoded
    int status = 0;    // of an answer

    // Of the first such header field, in any case; empty if there is none.
    [[nodiscard]] std::string field(std::string_view name) const;
};

// Takes the next whole message off the front of `bytes`. Without a length, an answer's body lasts
// until the end; a request has none.
[[nodiscard]] std::optional<Message> take_message(std::string& bytes,
                                                  bool is_answer,
                                                  bool is_head_request,
                                                  bool has_ended);

}  // namespace weir::test
