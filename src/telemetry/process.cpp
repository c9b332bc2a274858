#include "telemetry/process.hpp"

#include <array>
#include <charconv>
#include <dirent.h>
#include <fcntl.h>
#include <optional>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <unistd.h>

namespace weir::telemetry {
namespace {

std::string read_file(const char* path) {
    std::string content;
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return content;
    std::array<char, 4096> piece;
    ssize_t size = 0;
    while ((size = ::read(fd, piece.data(), piece.size())) > 0) {
        content.append(piece.data(), static_cast<std::size_t>(size));
    }
    ::close(fd);
    return content;
}

std::optional<double> number(std::string_view text) {
    std::uint64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return {};
    return static_cast<double>(value);
}

// The nth word, from 0.
std::string_view word_at(std::string_view text, unsigned n) {
    for (; n > 0 && !text.empty(); --n) {
        const auto blank = text.find(' ');
        text.remove_prefix(blank == std::string_view::npos ? text.size() : blank + 1);
    }
    return text.substr(0, text.find(' '));
}

// Seconds since the epoch at which the machine started.
std::optional<double> boot_time() {
    static constexpr std::string_view kKey = "\nbtime ";
    const std::string content = read_file("/proc/stat");
    const auto at = content.find(kKey);
    if (at == std::string::npos) return {};
    return number(std::string_view(content).substr(at + kKey.size()));
}

std::optional<double> open_descriptors() {
    DIR* const directory = ::opendir("/proc/self/fd");
    if (directory == nullptr) return {};
    double count = -3;  // ".", ".." and the directory's own
    while (::readdir(directory) != nullptr)
        count += 1;
    ::closedir(directory);
    return count;
}

std::optional<double> limit_of(decltype(RLIMIT_NOFILE) which) {
    rlimit limit{};
    if (::getrlimit(which, &limit) != 0) return {};
    return static_cast<double>(limit.rlim_cur);  // unlimited: 2^64, as other clients say it
}

}  // namespace

std::vector<std::pair<Family, double>> read_process() {
    std::vector<std::pair<Family, double>> values;
    const auto add = [&](Family family, std::optional<double> value, double factor = 1) {
        if (value) values.emplace_back(family, *value * factor);
    };

    rusage usage{};
    if (::getrusage(RUSAGE_SELF, &usage) == 0) {
        const auto seconds = [](const timeval& time) {
            return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
        };
        add(Family::process_cpu_seconds, seconds(usage.ru_utime) + seconds(usage.ru_stime));
    }
    add(Family::process_open_fds, open_descriptors());
    add(Family::process_max_fds, limit_of(RLIMIT_NOFILE));
    add(Family::process_virtual_memory_max, limit_of(RLIMIT_AS));

    // The name in parentheses may hold blanks and parentheses: count from the last one (proc(5)).
    const std::string stat = read_file("/proc/self/stat");
    const auto end_of_name = stat.rfind(')');
    if (end_of_name == std::string::npos || end_of_name + 2 > stat.size()) return values;
    const std::string_view fields = std::string_view(stat).substr(end_of_name + 2);
    add(Family::process_virtual_memory, number(word_at(fields, 20)));
    add(Family::process_resident_memory, number(word_at(fields, 21)),
        static_cast<double>(::sysconf(_SC_PAGESIZE)));
    const auto started = number(word_at(fields, 19));
    const auto booted = boot_time();
    if (started && booted) {
        add(Family::process_start_time,
            *booted + *started / static_cast<double>(::sysconf(_SC_CLK_TCK)));
    }
    return values;
}

}  // namespace weir::telemetry
