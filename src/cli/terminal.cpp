#include "cli/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace weir::cli {
namespace {

constexpr std::size_t kUsualWidth = 80;
constexpr std::size_t kUsualHeight = 24;
constexpr Duration kPeriod = std::chrono::seconds{1};

bool is_terminal() {
    return ::isatty(STDOUT_FILENO) == 1;
}

std::size_t number_in(const char* variable) {
    const char* const text = std::getenv(variable);
    std::size_t number = 0;
    if (text != nullptr) std::from_chars(text, text + std::strlen(text), number);
    return number;
}

winsize size_of_terminal() {
    winsize size{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) size = {};
    return size;
}

void write(const std::string& text) {
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

// Each line over the one that was there, without a blank screen in between.
std::string in_place(const std::string& text) {
    std::string out = "\x1b[H";
    for (const char c : text) {
        if (c == '\n') out += "\x1b[K";
        out += c;
    }
    return out + "\x1b[J";
}

sigset_t ends() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP})
        sigaddset(&set, number);
    return set;
}

}  // namespace

Look look_of_stdout() {
    Look look;
    look.width = number_in("COLUMNS");
    if (!is_terminal()) return look;
    if (const std::size_t width = size_of_terminal().ws_col; width != 0) look.width = width;
    if (look.width == 0) look.width = kUsualWidth;
    const char* const no_colour = std::getenv("NO_COLOR");
    const char* const terminal = std::getenv("TERM");
    const bool is_plain = (no_colour != nullptr && *no_colour != '\0') ||
                          (terminal != nullptr && std::strcmp(terminal, "dumb") == 0);
    look.has_colour = !is_plain;
    return look;
}

Interrupts::Interrupts() {
    const sigset_t set = ends();
    sigprocmask(SIG_BLOCK, &set, nullptr);
    fd_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

Interrupts::~Interrupts() {
    if (fd_ >= 0) ::close(fd_);
    const sigset_t set = ends();
    // One that came would end the process now, with its own exit code, instead of in order.
    const timespec at_once{};
    while (sigtimedwait(&set, nullptr, &at_once) > 0) {
    }
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

bool Interrupts::wait_for(Duration duration) const {
    const TimePoint end = Clock::refresh() + duration;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::refresh());
        pollfd one{fd_, POLLIN, 0};
        const int ready = ::poll(&one, 1, static_cast<int>(std::max<long>(left.count(), 0)));
        if (ready > 0) return true;
        if (left.count() <= 0) return false;
    }
}

std::string first_rows(const std::string& text, std::size_t rows) {
    const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    if (lines < rows || rows < 2) return text;
    std::size_t end = 0;
    for (std::size_t line = 0; line + 2 < rows; ++line)
        end = text.find('\n', end) + 1;
    return text.substr(0, end) + "(" + std::to_string(lines - (rows - 2)) + " more lines)\n";
}

void watch(const Interrupts& interrupts, const std::function<std::optional<std::string>()>& take) {
    const bool has_screen = is_terminal();
    if (has_screen) write("\x1b[?1049h\x1b[?25l");
    TimePoint next = Clock::refresh();
    for (;;) {
        const auto text = take();
        if (!text) break;
        const std::size_t rows = size_of_terminal().ws_row;
        write(has_screen ? in_place(first_rows(*text, rows == 0 ? kUsualHeight : rows)) : *text);
        next = std::max(next + kPeriod, Clock::refresh());
        if (interrupts.wait_for(next - Clock::refresh())) break;
    }
    if (has_screen) write("\x1b[?25h\x1b[?1049l");
}

}  // namespace weir::cli
