#pragma once

#include "weir/http/headers.hpp"

#include "http/appender.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace weir::http {

// Copies fields. Lines that lie one after the other in the message go out in one stretch,
// untouched; flush() ends it. Thread: its owner's.
class FieldWriter {
  public:
    explicit FieldWriter(Appender& out) : out_(out) {}

    [[gnu::always_inline]] void copy(const HeaderField& field) {
        const char* const name = field.name.data();
        const char* const value = field.value.data();
        const char* const name_end = name + field.name.size();
        const bool is_line = value == name_end + 2 && std::memcmp(name_end, ": ", 2) == 0;
        const auto gap = reinterpret_cast<std::uintptr_t>(name) -
                         reinterpret_cast<std::uintptr_t>(end_);  // end_ may be null
        if (!is_line || gap != 2 || std::memcmp(end_, "\r\n", 2) != 0) {
            flush();
            begin_ = is_line ? name : put_name(out_, field);
        }
        end_ = value + field.value.size();
    }

    void flush() {
        if (begin_ != nullptr) put_line(out_, {begin_, static_cast<std::size_t>(end_ - begin_)});
        begin_ = nullptr;
    }

  private:
    // Static, so that the pointers can stay in registers.
    [[gnu::noinline]] static const char* put_name(Appender& out, const HeaderField& field) {
        out.put(field.name);
        out.put(": ");
        return field.value.data();
    }
    [[gnu::noinline]] static void put_line(Appender& out, std::string_view line) {
        char* const at = out.claim(line.size() + 2);
        out.commit(http::copy(http::copy(at, line), "\r\n"));
    }

    Appender& out_;
    const char* begin_ = nullptr;
    const char* end_ = nullptr;
};

}  // namespace weir::http
