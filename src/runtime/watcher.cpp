#include "watcher.hpp"

#include "weir/core/log.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <sys/inotify.h>
#include <unistd.h>

namespace weir::runtime {
namespace {

namespace fs = std::filesystem;
using boost::asio::as_tuple;
using boost::asio::use_awaitable;

constexpr int kMostLinks = 40;  // as the kernel follows
constexpr std::size_t kMostBytes = std::size_t{8} * 1024 * 1024;
constexpr std::string_view kAnyName = "/";  // no file is called so

constexpr std::uint32_t kSelf = IN_MOVE_SELF | IN_DELETE_SELF;
constexpr std::uint32_t kEntries =
    kSelf | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CLOSE_WRITE;
constexpr std::uint32_t kFile = kSelf | IN_MODIFY | IN_CLOSE_WRITE | IN_ATTRIB;

constexpr std::uint64_t kMissing = 0;
constexpr std::uint64_t kStart = 0xcbf29ce484222325U;

// FNV-1a, as for the hash of a configuration.
std::uint64_t add_hash(std::uint64_t hash, std::string_view text) {
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
    return hash;
}

std::uint64_t hash_of_folder(const std::string& path) {
    std::vector<std::string> names;
    std::error_code ec;
    for (fs::directory_iterator at(path, ec), end; !ec && at != end; at.increment(ec)) {
        std::string name = at->path().filename();
        if (!name.starts_with('.')) names.push_back(std::move(name));
    }
    std::sort(names.begin(), names.end());
    std::uint64_t hash = kStart;
    for (const std::string& name : names)
        hash = add_hash(add_hash(hash, name), "/");
    return hash;
}

// Only a regular file is opened: a pipe would hold the loop.
std::uint64_t hash_at(const std::string& path) {
    std::error_code ec;
    const fs::file_status status = fs::status(path, ec);
    if (ec) return kMissing;
    if (fs::is_directory(status)) return hash_of_folder(path);
    if (!fs::is_regular_file(status)) return kMissing;
    std::ifstream file(path, std::ios::binary);
    std::uint64_t hash = kStart;
    std::size_t size = 0;
    std::array<char, 16 * 1024> part;
    while (size < kMostBytes && (file.read(part.data(), part.size()) || file.gcount() > 0)) {
        const auto got = static_cast<std::size_t>(file.gcount());
        hash = add_hash(hash, {part.data(), got});
        size += got;
    }
    return file.bad() || (!file && size == 0 && !file.eof()) ? kMissing : hash;
}

std::deque<std::string> parts_of(const fs::path& path) {
    std::deque<std::string> parts;
    for (const fs::path& part : path) {
        if (part != "/" && part != "." && !part.empty()) parts.push_back(part);
    }
    return parts;
}

}  // namespace

Watcher::Watcher(boost::asio::any_io_executor executor,
                 std::function<void()> changed,
                 const Options& options)
    : executor_(std::move(executor)),
      changed_(std::move(changed)),
      options_(options),
      inotify_(executor_) {
    const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        log::warn("the configuration is not watched: reload it by SIGHUP",
                  {{"error", std::strerror(errno)}});
        return;
    }
    inotify_.assign(fd);
    listening_ = transport::spawn(executor_, "watch of the configuration",
                                  [this](auto& scope) { return listen(scope); });
}

std::uint64_t Watcher::hash_of(std::string_view text) {
    return add_hash(kStart, text);
}

Watcher::Contents Watcher::look() const {
    Contents contents;
    for (const std::string& path : paths_)
        contents[path] = hash_at(path);
    return contents;
}

void Watcher::follow(const std::vector<std::string>& paths, const Contents& known) {
    paths_ = paths;
    // First watched, then looked at: a change in between is an event.
    watch_all();
    Contents next;
    for (const std::string& path : paths_) {
        const auto found = known.find(path);
        next[path] = found == known.end() ? hash_at(path) : found->second;
    }
    known_ = std::move(next);
}

// ---- events

transport::Task<> Watcher::listen(transport::TaskScope& scope) {
    while (true) {
        const auto [ec] = co_await scope.run(
            inotify_, inotify_.async_wait(Descriptor::wait_read, as_tuple(use_awaitable)));
        if (ec) {
            log::error("the configuration is watched no longer", {{"error", ec.message()}});
            co_return;
        }
        if (take_events()) note_event();
    }
}

// Whether one of them may be about a path of ours.
bool Watcher::take_events() {
    alignas(inotify_event) std::array<char, 4096> events;
    bool is_ours = false;
    ssize_t size = 0;
    while ((size = ::read(inotify_.native_handle(), events.data(), events.size())) > 0) {
        for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
            inotify_event event{};
            std::memcpy(&event, events.data() + at, sizeof event);
            const char* const name = event.len == 0 ? "" : events.data() + at + sizeof event;
            at += sizeof event + event.len;
            is_ours = is_ours || (event.mask & IN_Q_OVERFLOW) != 0;
            const auto watch = watches_.find(event.wd);
            if (watch == watches_.end()) continue;
            const auto& names = watch->second;
            is_ours = is_ours || *name == '\0' || names.contains(name) || names.contains(kAnyName);
            if ((event.mask & IN_IGNORED) != 0) watches_.erase(watch);
        }
    }
    return is_ours;
}

void Watcher::note_event() {
    last_event_ = Clock::refresh();
    if (is_settling_) return;
    is_settling_ = true;
    first_event_ = last_event_;
    settling_ = transport::spawn(executor_, "change of the configuration",
                                 [this](auto& scope) { return settle(scope); });
}

transport::Task<> Watcher::settle(transport::TaskScope& scope) {
    while (true) {
        const TimePoint due =
            std::min(last_event_ + options_.quiet, first_event_ + options_.longest);
        const TimePoint now = Clock::refresh();
        if (now >= due) break;
        co_await scope.sleep_for(due - now);
    }
    is_settling_ = false;
    check();
}

void Watcher::check() {
    ++checks_;
    watch_all();
    Contents now = look();
    if (now == known_) return;
    known_ = std::move(now);
    changed_();
}

// ---- what is watched

void Watcher::watch_all() {
    if (!inotify_.is_open()) return;
    next_.clear();
    for (const std::string& path : paths_)
        watch_path(path);
    for (const auto& [watch, names] : watches_) {
        if (!next_.contains(watch)) ::inotify_rm_watch(inotify_.native_handle(), watch);
    }
    watches_ = std::move(next_);
    next_.clear();
}

// Goes the way of the path, link by link. Each folder is watched before what is in it is looked at.
void Watcher::watch_path(const std::string& path) {
    std::error_code ec;
    std::deque<std::string> parts = parts_of(fs::absolute(path, ec));
    fs::path at = "/";
    int links = 0;
    while (!parts.empty()) {
        const std::string name = parts.front();
        parts.pop_front();
        if (name == "..") {
            at = at.parent_path();
            continue;
        }
        const fs::path next = at / name;
        fs::file_status status = fs::symlink_status(next, ec);
        if (fs::is_directory(status)) {
            watch_one(next, kSelf | IN_ONLYDIR, {});
            at = next;
            continue;
        }
        // A link, the file, or nothing yet: its folder tells when that changes.
        watch_one(at, kEntries | IN_ONLYDIR, name);
        status = fs::symlink_status(next, ec);
        if (!fs::is_symlink(status)) {
            if (fs::is_directory(status)) parts.push_front(name);  // came a moment ago
            if (fs::is_directory(status) && ++links <= kMostLinks) continue;
            if (fs::is_regular_file(status)) watch_one(next, kFile, {});
            return;
        }
        if (++links > kMostLinks) return;
        const fs::path target = fs::read_symlink(next, ec);
        if (target.is_absolute()) at = "/";
        const auto behind = parts_of(target);
        parts.insert(parts.begin(), behind.begin(), behind.end());
    }
    watch_one(at, kEntries | IN_ONLYDIR, std::string(kAnyName));  // the path is a folder
}

void Watcher::watch_one(const std::string& path, std::uint32_t mask, const std::string& name) {
    const int watch =
        ::inotify_add_watch(inotify_.native_handle(), path.c_str(), mask | IN_MASK_ADD);
    if (watch < 0) return;
    auto& names = next_[watch];
    if (!name.empty()) names.insert(name);
}

}  // namespace weir::runtime
