#include "weir/control/text_file.hpp"
#include "weir/core/log.hpp"
#include "weir/decode/load.hpp"

#include "discovery/kinds.hpp"
#include "discovery/last_good.hpp"
#include "discovery/name_set.hpp"
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/inotify.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace weir::discovery {
namespace {

using boost::asio::as_tuple;
using boost::asio::use_awaitable;
using Descriptor = boost::asio::posix::stream_descriptor;

constexpr std::size_t kLargestFile = std::size_t{4} * 1024 * 1024;
constexpr Duration kRefresh = std::chrono::seconds{1};

std::string first_problem(const std::string& path, const config::Report& report) {
    for (const config::Problem& problem : report.sorted()) {
        if (problem.severity != config::Problem::Severity::error) continue;
        if (problem.place.line == 0) return path + ": " + problem.what;
        return path + ":" + std::to_string(problem.place.line) + ":" +
               std::to_string(problem.place.column) + ": " + problem.what;
    }
    return path + ": no list of endpoints";
}

// Reads the file anew when its directory tells of a change (the directory, as files are replaced by
// renaming and volumes by swapping a link), and each `refresh`, as some file systems tell nothing.
// Thread: main.
class FileProvider final : public Provider {
  public:
    FileProvider(const config::Cluster& cluster, const boost::asio::any_io_executor& executor)
        : cluster_(cluster.name),
          path_(cluster.discovery.path),
          refresh_(cluster.discovery.refresh.value_or(kRefresh)),
          executor_(executor),
          inotify_(executor),
          listed_({cluster.discovery.keep_last, cluster.discovery.empty_hold}),
          names_(executor, {cluster.name, "file", cluster.discovery}) {}

    void start(Sink sink) override {
        names_.start(std::move(sink));
        if (const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC); fd >= 0) {
            inotify_.assign(fd);
            watch_directory();
            watching_ = transport::spawn(executor_, "watch of " + path_,
                                         [this](auto& scope) { return follow_events(scope); });
        }
        read(Trigger::event);
        polling_ = transport::spawn(executor_, "reading of " + path_,
                                    [this](auto& scope) { return poll(scope); });
    }

    [[nodiscard]] Status status() const override { return names_.status(); }

  private:
    enum class Trigger : std::uint8_t { event, poll };

    transport::Task<> follow_events(transport::TaskScope& scope) {
        for (;;) {
            const auto [ec] = co_await scope.run(
                inotify_, inotify_.async_wait(Descriptor::wait_read, as_tuple(use_awaitable)));
            if (ec) co_return;  // the polling goes on
            if (take_events()) read(Trigger::event);
        }
    }

    // Whether one of them may have changed the file: it was closed or moved, or something was moved
    // here that the path may lead through, like the link of a mounted volume.
    bool take_events() {
        alignas(inotify_event) std::array<char, 4096> events;
        const std::string name = std::filesystem::path(path_).filename();
        bool is_ours = false;
        ssize_t size = 0;
        while ((size = ::read(inotify_.native_handle(), events.data(), events.size())) > 0) {
            for (std::size_t at = 0; at < static_cast<std::size_t>(size);) {
                inotify_event event{};
                std::memcpy(&event, events.data() + at, sizeof event);
                const char* about = event.len == 0 ? "" : events.data() + at + sizeof event;
                is_ours = is_ours || (event.mask & (IN_MOVED_TO | IN_Q_OVERFLOW)) != 0;
                is_ours = is_ours || name == about;
                at += sizeof event + event.len;
            }
        }
        return is_ours;
    }

    transport::Task<> poll(transport::TaskScope& scope) {
        for (;;) {
            Duration wait = refresh_;
            if (const auto at = listed_.recheck_at()) {
                wait = std::clamp<Duration>(*at - Clock::refresh(), std::chrono::milliseconds{1},
                                            refresh_);
            }
            co_await scope.sleep_for(wait);
            watch_directory();
            read(Trigger::poll);
        }
    }

    // Again and again, as the directory may come later or be another one now; the same again is
    // nothing new to the kernel.
    void watch_directory() {
        if (!inotify_.is_open()) return;
        const auto parent = std::filesystem::path(path_).parent_path();
        const std::string directory = parent.empty() ? "." : parent.string();
        ::inotify_add_watch(
            inotify_.native_handle(), directory.c_str(),
            IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_ONLYDIR);
    }

    // A poll may meet a writer half-way: what it finds must be there twice. An event comes when the
    // writer has closed the file.
    void read(Trigger trigger) {
        control::TextFile content = control::read_text_file(path_, kLargestFile);
        const bool is_settled = trigger == Trigger::event || content == seen_;
        seen_ = content;
        if (!is_settled) return;
        if (content != taken_) {
            taken_ = std::move(content);
            take();
        }
        believe();
    }

    void take() {
        parsed_.reset();
        std::string error = taken_->error;
        if (error.empty()) {
            config::EndpointsResult result = config::parse_endpoints(taken_->text, path_);
            parsed_ = std::move(result.endpoints);
            if (!parsed_) error = first_problem(path_, result.report);
        }
        if (parsed_) {
            if (is_failing_) log::info("endpoints file is good again", {{"cluster", cluster_}});
        } else {
            log::warn("endpoints file not taken", {{"cluster", cluster_}, {"error", error}});
            names_.failed(std::move(error));
        }
        is_failing_ = !parsed_;
    }

    // Also without a change: an empty list is believed only after a while.
    void believe() {
        const TimePoint now = Clock::refresh();
        if (parsed_) {
            listed_.answered(*parsed_, now);
            names_.contacted(now);
        } else {
            listed_.failed();
            // Nothing was ever read: that is not an empty list.
            if (names_.status().updates == 0) return;
        }
        if (given_ == listed_.items()) return;
        given_ = listed_.items();
        names_.replace(*given_);
    }

    std::string cluster_;
    std::string path_;
    Duration refresh_;
    boost::asio::any_io_executor executor_;
    Descriptor inotify_;
    std::optional<control::TextFile> seen_;   // by the last read
    std::optional<control::TextFile> taken_;  // what parsed_ is of
    std::optional<std::vector<config::Endpoint>> parsed_;
    bool is_failing_ = false;
    LastGood<config::Endpoint> listed_;
    std::optional<std::vector<config::Endpoint>> given_;  // to names_
    NameSet names_;
    transport::TaskHandle watching_;
    transport::TaskHandle polling_;
};

}  // namespace

std::unique_ptr<Provider> make_file_provider(const config::Cluster& cluster,
                                             boost::asio::any_io_executor executor) {
    return std::make_unique<FileProvider>(cluster, std::move(executor));
}

}  // namespace weir::discovery
