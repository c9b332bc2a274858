#pragma once

#include "weir/admin/context.hpp"
#include "weir/decode/load.hpp"
#include "weir/telemetry/events.hpp"
#include "weir/telemetry/metrics.hpp"

#include "watcher.hpp"
#include <boost/asio/any_io_executor.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir::runtime {

// Which configuration runs, and how another takes its place: read, checked, put in force whole, or
// not at all. Whatever fails, what ran goes on; the metric, the log and last_error say so. Thread:
// main.
class Configurator {
  public:
    struct Options {
        // The one to begin with, checked and in force already.
        std::shared_ptr<const config::Config> config;
        std::shared_ptr<const config::Document> document;  // none: differences are not told
        std::string file;                                  // empty: nothing to read again
        // Puts it in force. Throws std::runtime_error with a sentence for people, and has changed
        // nothing, if this machine does not let it.
        std::function<void(const std::shared_ptr<const config::Config>&)> install;
        // Told what came of each reading of the file that changed something or was refused.
        std::function<void(const admin::ConfigResult&)> on_result;
        telemetry::Registry& registry;
        telemetry::EventLog& events;
    };

    explicit Configurator(Options options);
    Configurator(const Configurator&) = delete;
    Configurator& operator=(const Configurator&) = delete;

    // From now on a change of its files is a reload, one since they were read included.
    void watch(boost::asio::any_io_executor executor, const Watcher::Options& options);

    [[nodiscard]] admin::ConfigResult reload();
    [[nodiscard]] admin::ConfigResult apply(const admin::ConfigText& text);
    [[nodiscard]] admin::ConfigResult validate(std::string_view text) const;

    [[nodiscard]] const std::shared_ptr<const config::Config>& config() const { return config_; }
    [[nodiscard]] const std::shared_ptr<const config::Document>& document() const {
        return document_;
    }
    [[nodiscard]] admin::ConfigState state() const;

  private:
    using Result = admin::ConfigResult;

    void on_change();
    [[nodiscard]] Result reload(config::LoadResult loaded, TimePoint began);
    [[nodiscard]] Result judge(const config::LoadResult& loaded) const;
    void put_in_force(config::LoadResult& loaded, Result& result);
    void persist(std::string_view text, config::LoadResult& loaded, Result& result);
    void remember(const config::LoadResult& loaded);
    [[nodiscard]] bool is_as_before(const config::LoadResult& loaded) const;
    void follow(const config::LoadResult& loaded, const Watcher::Contents& known);
    void note(const Result& result, TimePoint began);
    void publish(bool is_success);

    const Options options_;
    const std::shared_ptr<const config::Config> booted_;
    std::shared_ptr<const config::Config> config_;
    std::shared_ptr<const config::Document> document_;
    bool is_only_here_ = false;  // what is in force was never written to the file
    WallTime loaded_at_;
    std::string last_error_;
    // What the file said when it was last read: what it meant, or what was wrong with it.
    std::shared_ptr<const config::Config> seen_config_;
    std::string seen_problems_;
    std::optional<Watcher> watcher_;
};

// Replaces a file whole: another in the same folder, with the same owner and mode, written to the
// disk and renamed over it (over what it is a link to). replace() is the last step; without it
// nothing stays. Thread: any.
class FileReplacement {
  public:
    // Throws std::runtime_error with a sentence.
    FileReplacement(const std::string& path, std::string_view text);
    FileReplacement(const FileReplacement&) = delete;
    FileReplacement& operator=(const FileReplacement&) = delete;
    ~FileReplacement();
    void replace();  // throws likewise

  private:
    std::string path_;
    std::string fresh_;
    bool is_replaced_ = false;
};

// "weir.yaml:11:7: error[W101]: unknown key 'conect' (and 2 more)"; empty without an error.
[[nodiscard]] std::string first_error(const config::Report& report,
                                      const std::vector<config::SourceText>& sources);

}  // namespace weir::runtime
