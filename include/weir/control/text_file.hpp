#pragma once

#include <cstddef>
#include <string>

namespace weir::control {

// A small file, read whole.
struct TextFile {
    std::string text;
    std::string error;  // not empty: it could not be read; a sentence with its path

    bool operator==(const TextFile&) const = default;
};

// Only a regular file of at most that size: opening a pipe would block the loop.
[[nodiscard]] TextFile read_text_file(const std::string& path,
                                      std::size_t most = std::size_t{1024} * 1024);

// The one word in a file: a token, a namespace. Blanks around it are dropped; an error if nothing
// is left, or something that a header could not carry.
[[nodiscard]] TextFile read_word_file(const std::string& path);

// Takes the place of the file in one step: a reader sees the old one or the new one. False: it
// could not be written, and the old one stands.
[[nodiscard]] bool replace_file(const std::string& path, const std::string& text);

}  // namespace weir::control
