#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace weir::http {

// Copies `text` to `at`, where there is room, and returns the end of the copy. Short texts are a
// few moves that may overlap instead of a call.
[[gnu::always_inline]] inline char* copy(char* at, std::string_view text) {
    const std::size_t size = text.size();
    const auto both_ends = [=]<typename Word>(Word first, Word last) {
        std::memcpy(&first, text.data(), sizeof first);
        std::memcpy(&last, text.data() + size - sizeof last, sizeof last);
        std::memcpy(at, &first, sizeof first);
        std::memcpy(at + size - sizeof last, &last, sizeof last);
    };
    if (size > 16) {
        std::memcpy(at, text.data(), size);
    } else if (size >= 8) {
        both_ends(std::uint64_t{}, std::uint64_t{});
    } else if (size >= 4) {
        both_ends(std::uint32_t{}, std::uint32_t{});
    } else if (size > 0) {
        at[0] = text[0];
        at[size / 2] = text[size / 2];
        at[size - 1] = text[size - 1];
    }
    return at + size;
}

// A literal: its copy is a few moves.
template <std::size_t N>
[[gnu::always_inline]] inline char* copy(char* at, const char (&text)[N]) {
    std::memcpy(at, text, N - 1);
    return at + (N - 1);
}

// Gathers many short pieces, which are appended to the string at once. What is too long for its own
// room goes on in the string's. Thread: its owner's.
class Appender {
  public:
    explicit Appender(std::string& out) : out_(out) {}
    Appender(const Appender&) = delete;
    Appender& operator=(const Appender&) = delete;

    // Room for so many bytes: they are copied there, and commit() gets the end of them.
    [[nodiscard]] char* claim(std::size_t size) {
        if (size > static_cast<std::size_t>(end_ - at_)) grow(size);
        return at_;
    }
    void commit(char* end) { at_ = end; }

    void put(std::string_view text) { commit(copy(claim(text.size()), text)); }
    template <std::size_t N>
    void put(const char (&text)[N]) {
        commit(copy(claim(N), text));
    }

    // Last of all: only now is the string whole.
    void finish() {
        if (is_in_string_) {
            out_.resize(static_cast<std::size_t>(at_ - out_.data()));
        } else {
            out_.append(room_, static_cast<std::size_t>(at_ - room_));
        }
    }

  private:
    static constexpr std::size_t kRoom = 2048;

    [[gnu::noinline]] void grow(std::size_t more) {
        finish();
        is_in_string_ = true;
        const std::size_t used = out_.size();
        out_.resize(used + more + kRoom);
        at_ = out_.data() + used;
        end_ = out_.data() + out_.size();
    }

    std::string& out_;
    char room_[kRoom];  // only what was written is read
    char* at_ = room_;
    char* end_ = room_ + kRoom;
    bool is_in_string_ = false;
};

}  // namespace weir::http
