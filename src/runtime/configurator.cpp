#include "configurator.hpp"

#include "weir/config/document.hpp"
#include "weir/core/log.hpp"
#include "weir/runtime/server.hpp"
#include "weir/transport/certificates.hpp"

#include <algorithm>
#include <stdexcept>

namespace weir::runtime {
namespace {

using Status = admin::ConfigResult::Status;

// Where a configuration comes from that no file holds.
constexpr const char* kRequest = "<request>";

config::LoadResult checked(config::LoadResult loaded) {
    transport::check_all(loaded);
    return loaded;
}

std::vector<std::string> restart_keys(const config::Config& booted, const config::Config& next) {
    const auto differs = [](const auto& a, const auto& b) {
        if (a.has_value() != b.has_value()) return true;
        return a && !(a->address == b->address);
    };
    std::vector<std::string> keys;
    if (booted.threads != next.threads) keys.emplace_back("threads");
    if (differs(booted.admin_listen, next.admin_listen)) keys.emplace_back("admin.listen");
    if (differs(booted.telemetry_listen, next.telemetry_listen))
        keys.emplace_back("telemetry.listen");
    return keys;
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words)
        text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string counted(std::size_t count, const std::string& noun) {
    return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

const config::Problem* first_of(const std::vector<config::Problem>& problems) {
    const auto found = std::find_if(problems.begin(), problems.end(), [](const auto& problem) {
        return problem.severity == config::Problem::Severity::error;
    });
    return found == problems.end() ? nullptr : &*found;
}

std::string place_of(const config::Problem& problem,
                     const std::vector<config::SourceText>& sources) {
    const std::size_t file = problem.place.file;
    std::string text = file < sources.size() ? sources[file].name : std::string{};
    if (problem.place.line == 0) return text;
    return text + ":" + std::to_string(problem.place.line) + ":" +
           std::to_string(problem.place.column);
}

std::string without_quotes(std::string_view tag) {
    if (tag.size() >= 2 && tag.front() == '"' && tag.back() == '"') {
        tag = tag.substr(1, tag.size() - 2);
    }
    return std::string(tag);
}

}  // namespace

std::string first_error(const config::Report& report,
                        const std::vector<config::SourceText>& sources) {
    const auto problems = report.sorted();
    const config::Problem* const first = first_of(problems);
    if (first == nullptr) return {};
    std::string text =
        place_of(*first, sources) + ": error[W" + std::to_string(first->code) + "]: " + first->what;
    if (!first->note.empty()) text += "; " + first->note;
    if (report.errors() > 1) text += " (and " + std::to_string(report.errors() - 1) + " more)";
    return text;
}

Configurator::Configurator(Options options)
    : options_(std::move(options)),
      booted_(options_.config),
      config_(options_.config),
      document_(options_.document),
      loaded_at_(Clock::wall()),
      seen_config_(options_.config) {
    options_.registry.count(telemetry::Family::config_reloads, {"failure"}, 0);
    publish(true);
}

void Configurator::watch(boost::asio::any_io_executor executor, const Watcher::Options& options) {
    if (options_.file.empty()) return;
    watcher_.emplace(
        std::move(executor), [this] { on_change(); }, options);
    Watcher::Contents known;
    if (document_) {
        for (const config::SourceText& source : document_->sources)
            known[source.name] = Watcher::hash_of(source.text);
    }
    watcher_->follow(config_->source.watched, known);
    watcher_->check();
}

// ---- the file

admin::ConfigResult Configurator::reload() {
    if (options_.file.empty()) {
        Result result;
        result.status = Status::no_file;
        result.hash = config_->source.hash;
        return result;
    }
    const TimePoint began = Clock::refresh();
    const auto known = watcher_ ? watcher_->look() : Watcher::Contents{};
    config::LoadResult loaded = checked(config::load_file(options_.file));
    follow(loaded, known);
    return reload(std::move(loaded), began);
}

admin::ConfigResult Configurator::reload(config::LoadResult loaded, TimePoint began) {
    remember(loaded);
    Result result = judge(loaded);
    if (result.status == Status::accepted) put_in_force(loaded, result);
    note(result, began);
    if (options_.on_result) options_.on_result(result);
    return result;
}

// Its files differ, but they may mean the same: a name came into a folder, a comment went.
void Configurator::on_change() {
    const TimePoint began = Clock::refresh();
    const auto known = watcher_->look();
    config::LoadResult loaded = checked(config::load_file(options_.file));
    follow(loaded, known);
    if (!is_as_before(loaded)) static_cast<void>(reload(std::move(loaded), began));
}

void Configurator::remember(const config::LoadResult& loaded) {
    seen_config_ = loaded.config;
    seen_problems_ = loaded ? std::string{} : config::render(loaded.report, loaded.sources);
}

bool Configurator::is_as_before(const config::LoadResult& loaded) const {
    if (!loaded) {
        return !seen_config_ && seen_problems_ == config::render(loaded.report, loaded.sources);
    }
    return seen_config_ && seen_config_->source.hash == loaded.config->source.hash &&
           *seen_config_ == *loaded.config;
}

// Of a file that cannot be read or is no YAML it is not known what else it names: that stays.
void Configurator::follow(const config::LoadResult& loaded, const Watcher::Contents& known) {
    if (!watcher_) return;
    std::vector<std::string> paths = config_->source.watched;
    if (loaded.draft) {
        const auto& more = loaded.draft->source.watched;
        paths.insert(paths.end(), more.begin(), more.end());
    }
    paths.push_back(options_.file);
    std::sort(paths.begin(), paths.end());
    paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
    watcher_->follow(paths, known);
}

// ---- judging and changing

admin::ConfigResult Configurator::judge(const config::LoadResult& loaded) const {
    Result result;
    result.status = loaded ? Status::accepted : Status::invalid;
    result.report = loaded.report;
    result.sources = loaded.sources;
    result.hash = config_->source.hash;
    if (document_ && loaded.document) {
        result.changes = describe::difference(*document_, *loaded.document);
    }
    if (loaded) result.needs_restart = restart_keys(*booted_, *loaded.config);
    return result;
}

void Configurator::put_in_force(config::LoadResult& loaded, Result& result) {
    try {
        options_.install(loaded.config);
    } catch (const std::runtime_error& error) {
        result.status = Status::failed;
        result.failure = error.what();
        return;
    }
    config_ = loaded.config;
    document_ = loaded.document;
    loaded_at_ = Clock::wall();
    is_only_here_ = false;
    result.hash = config_->source.hash;
}

admin::ConfigResult Configurator::validate(std::string_view text) const {
    return judge(
        checked(config::load_text(text, options_.file.empty() ? kRequest : options_.file)));
}

admin::ConfigResult Configurator::apply(const admin::ConfigText& text) {
    const TimePoint began = Clock::refresh();
    Result result;
    result.hash = config_->source.hash;
    if (!text.if_match.empty() && without_quotes(text.if_match) != result.hash) {
        result.status = Status::other_config;
        return result;
    }
    if (text.is_persistent && options_.file.empty()) {
        result.status = Status::no_file;
        return result;
    }
    config::LoadResult loaded =
        checked(config::load_text(text.text, options_.file.empty() ? kRequest : options_.file));
    result = judge(loaded);
    if (result.status == Status::accepted && text.is_persistent) {
        persist(text.text, loaded, result);
    } else if (result.status == Status::accepted) {
        put_in_force(loaded, result);
        is_only_here_ = is_only_here_ || result.status == Status::accepted;
    }
    if (result.status == Status::accepted) {
        follow(loaded, watcher_ ? watcher_->look() : Watcher::Contents{});
    }
    note(result, began);
    return result;
}

// The file is replaced last, when the rest has gone well; if that fails, what ran is put back.
void Configurator::persist(std::string_view text, config::LoadResult& loaded, Result& result) {
    const auto before = config_;
    const auto before_document = document_;
    const WallTime before_at = loaded_at_;
    try {
        FileReplacement file(options_.file, text);
        put_in_force(loaded, result);
        if (result.status != Status::accepted) return;
        file.replace();
        remember(loaded);
    } catch (const std::runtime_error& error) {
        result.status = Status::failed;
        result.failure = error.what();
        if (config_ == before) return;
        options_.install(before);
        config_ = before;
        document_ = before_document;
        loaded_at_ = before_at;
        result.hash = config_->source.hash;
    }
}

admin::ConfigState Configurator::state() const {
    return {.hash = config_->source.hash,
            .file = options_.file,
            .last_error = last_error_,
            .loaded_at = loaded_at_,
            .is_only_here = is_only_here_};
}

// ---- telling

void Configurator::publish(bool is_success) {
    using telemetry::Family;
    auto& registry = options_.registry;
    registry.set(Family::config_last_reload_success, {}, is_success ? 1 : 0);
    registry.count(Family::config_reloads, {is_success ? "success" : "failure"});
    if (!is_success) return;
    const std::chrono::duration<double> at = loaded_at_.time_since_epoch();
    registry.set(Family::config_last_reload_success_timestamp, {}, at.count());
    registry.set_info(Family::config_info, {config_->source.hash});
}

void Configurator::note(const Result& result, TimePoint began) {
    const bool is_success = result.status == Status::accepted;
    last_error_.clear();
    if (!is_success) {
        last_error_ = result.status == Status::failed ? result.failure
                                                      : first_error(result.report, result.sources);
    }
    publish(is_success);
    const auto took =
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::refresh() - began);
    std::string detail = last_error_;
    if (is_success) {
        detail =
            counted(result.changes.size(), "change") + ", now " + result.hash.substr(0, 4) + "…";
        log::info("configuration in force", {{"file", options_.file},
                                             {"hash", result.hash},
                                             {"changes", result.changes.size()},
                                             {"took_us", took.count()}});
    } else {
        log::error("configuration refused", {{"file", options_.file},
                                             {"error", last_error_},
                                             {"errors", result.report.errors()},
                                             {"outcome", unchanged(result.hash)}});
    }
    if (is_success && !result.needs_restart.empty()) {
        log::warn("changed keys need a restart", {{"keys", joined(result.needs_restart)}});
    }
    options_.events.add({.kind = telemetry::Event::Kind::config,
                         .at = Clock::wall(),
                         .to = is_success ? "reloaded" : "refused",
                         .detail = std::move(detail)});
}

}  // namespace weir::runtime
