#include "weir/control/text_file.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <unistd.h>

namespace weir::control {

TextFile read_text_file(const std::string& path, std::size_t most) {
    std::error_code ec;
    const auto status = std::filesystem::status(path, ec);
    if (ec) return {{}, path + ": " + ec.message()};
    if (!std::filesystem::is_regular_file(status)) return {{}, path + ": not a regular file"};
    std::ifstream file(path, std::ios::binary);
    if (!file) return {{}, path + ": cannot be opened"};
    TextFile read;
    std::array<char, 16 * 1024> part;
    while (file.read(part.data(), part.size()) || file.gcount() > 0) {
        read.text.append(part.data(), static_cast<std::size_t>(file.gcount()));
        if (read.text.size() > most) {
            return {{}, path + ": larger than " + std::to_string(most) + " bytes"};
        }
    }
    if (file.bad()) return {{}, path + ": cannot be read"};
    return read;
}

TextFile read_word_file(const std::string& path) {
    constexpr std::size_t kMost = std::size_t{64} * 1024;
    constexpr const char* kBlanks = " \t\r\n";
    TextFile read = read_text_file(path, kMost);
    if (!read.error.empty()) return read;
    const auto first = read.text.find_first_not_of(kBlanks);
    if (first == std::string::npos) return {{}, path + ": is empty"};
    read.text = read.text.substr(first, read.text.find_last_not_of(kBlanks) + 1 - first);
    const bool is_word =
        std::all_of(read.text.begin(), read.text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    if (!is_word) return {{}, path + ": is not one word"};
    return read;
}

bool replace_file(const std::string& path, const std::string& text) {
    const std::string fresh = path + "." + std::to_string(::getpid()) + ".new";
    {
        std::ofstream file(fresh, std::ios::binary | std::ios::trunc);
        file.write(text.data(), static_cast<std::streamsize>(text.size()));
        file.close();
        if (!file) {
            std::remove(fresh.c_str());
            return false;
        }
    }
    if (std::rename(fresh.c_str(), path.c_str()) == 0) return true;
    std::remove(fresh.c_str());
    return false;
}

}  // namespace weir::control
