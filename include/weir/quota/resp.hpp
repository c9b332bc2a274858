#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

// The protocol of Redis, versions 2 and 3, as a client needs it. No sockets.
namespace weir::quota {

// What a server said. Sets and pushes are arrays; maps are arrays of keys and values in turn;
// attributes are left out.
struct Reply {
    enum class Kind : std::uint8_t { nothing, text, error, integer, number, boolean, array, push };
    Kind kind = Kind::nothing;
    std::string text{};          // of text, error and number
    std::int64_t integer = 0;    // of integer and boolean
    std::vector<Reply> items{};  // of array and push

    [[nodiscard]] bool is_error() const { return kind == Kind::error; }
};

struct ReplyParse {
    enum class State : std::uint8_t { need_more, done, failed } state = State::need_more;
    std::size_t consumed = 0;  // of the input, when done
};

// What we ask has answers of a few numbers; whatever sends more than this is no Redis of ours.
struct ReplyLimits {
    std::size_t bytes = 64 * 1024;
    std::size_t items = 1024;  // of all levels together
    unsigned depth = 8;
};

// Parses one reply at the front of `bytes`: all of them since the last, each time.
[[nodiscard]] ReplyParse parse_reply(std::string_view bytes,
                                     const ReplyLimits& limits,
                                     Reply& into);

// Appends a command.
void append_command(std::string& out, std::initializer_list<std::string_view> words);

}  // namespace weir::quota
