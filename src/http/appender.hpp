#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace weir::http {

// Appends many short pieces to a string: one bounds check and a copy each, where string::append
// costs a call. The string is whole again after finish() or the destructor. Thread: its owner's.
class Appender {
  public:
    explicit Appender(std::string& out) : out_(out) {
        const std::size_t size = out.size();
        out.resize(size + kRoom);
        at_ = out.data() + size;
        end_ = out.data() + out.size();
    }
    Appender(const Appender&) = delete;
    Appender& operator=(const Appender&) = delete;
    ~Appender() { finish(); }

    void put(std::string_view text) {
        if (text.empty()) return;  // its data may be null
        if (text.size() > room()) grow(text.size());
        std::memcpy(at_, text.data(), text.size());
        at_ += text.size();
    }

    // A literal: its copy is a few moves.
    template <std::size_t N>
    void put(const char (&text)[N]) {
        if (N > room()) grow(N);
        std::memcpy(at_, text, N - 1);
        at_ += N - 1;
    }

    void finish() { out_.resize(static_cast<std::size_t>(at_ - out_.data())); }

  private:
    static constexpr std::size_t kRoom = 768;

    [[nodiscard]] std::size_t room() const { return static_cast<std::size_t>(end_ - at_); }

    void grow(std::size_t more) {
        const auto used = static_cast<std::size_t>(at_ - out_.data());
        out_.resize(used + more + 2 * kRoom);
        at_ = out_.data() + used;
        end_ = out_.data() + out_.size();
    }

    std::string& out_;
    char* at_ = nullptr;
    char* end_ = nullptr;
};

}  // namespace weir::http
