#pragma once

#include "weir/transport/task.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace weir::runtime {

// Tells when the content of files has changed, whatever way it came there:
//
//   written in place              the folder tells, and the file itself, as the folder of a bind
//                                 mount hears nothing
//   another file renamed over it  the folder tells
//   a link of its path swapped    the folder of each link tells (a mounted ConfigMap: "..data")
//   a folder went and came back   the folders above tell
//
// Changes are let settle: `changed` is called when nothing happened for `quiet`, or `longest` after
// the first event, and only if the content differs from what was last known: a touch says nothing.
// A file that cannot be read is a content, too. Thread: main.
class Watcher {
  public:
    struct Options {
        Duration quiet = std::chrono::milliseconds{100};
        Duration longest = std::chrono::seconds{1};
    };
    // A hash a path. Of a folder: of the names in it, hidden ones excepted.
    using Contents = std::map<std::string, std::uint64_t, std::less<>>;

    // Without inotify (a limit of the system) it says so in the log and watches nothing.
    Watcher(boost::asio::any_io_executor executor,
            std::function<void()> changed,
            const Options& options);
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;

    // Of what is watched, now. To be taken before it is read: what changes later is then told.
    [[nodiscard]] Contents look() const;
    // Watches these from now on, and takes `known` for what the owner has read; paths that are not
    // in it are looked at.
    void follow(const std::vector<std::string>& paths, const Contents& known);

    // Looks now, as after an event.
    void check();
    [[nodiscard]] static std::uint64_t hash_of(std::string_view text);

    // How often events made it look at the content, whatever it found.
    [[nodiscard]] std::uint64_t checks() const { return checks_; }

  private:
    using Descriptor = boost::asio::posix::stream_descriptor;

    transport::Task<> listen(transport::TaskScope& scope);
    transport::Task<> settle(transport::TaskScope& scope);
    [[nodiscard]] bool take_events();
    void note_event();

    void watch_all();
    void watch_path(const std::string& path);
    void watch_one(const std::string& path, std::uint32_t mask, const std::string& name);

    boost::asio::any_io_executor executor_;
    std::function<void()> changed_;
    const Options options_;
    std::vector<std::string> paths_;
    Contents known_;

    Descriptor inotify_;
    // By watch: the names in a folder that count; all of them if kAnyName is one.
    std::map<int, std::set<std::string, std::less<>>> watches_;
    std::map<int, std::set<std::string, std::less<>>> next_;  // while they are made anew

    std::uint64_t checks_ = 0;
    bool is_settling_ = false;
    TimePoint first_event_;
    TimePoint last_event_;
    transport::TaskHandle listening_;
    transport::TaskHandle settling_;
};

}  // namespace weir::runtime
