#include "runtime/configurator.hpp"

#include "support/control_loop.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

namespace weir::runtime {
namespace {

namespace fs = std::filesystem;
using Status = admin::ConfigResult::Status;
using telemetry::Family;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A valid configuration: one cluster with this timeout.
std::string text_with(const std::string& timeout, const std::string& more = {}) {
    return "version: 1\nadmin: {listen: off}\ntelemetry: {listen: off}\nlisteners:\n"
           "  - {listen: \"127.0.0.1:0\", to: c}\nclusters:\n  c:\n"
           "    endpoints: [\"127.0.0.1:9\"]\n    timeout: " +
           timeout + "\n" + more;
}

class ConfiguratorTest : public ::testing::Test {
  protected:
    ConfiguratorTest() {
        std::string name = (fs::temp_directory_path() / "weir-config-XXXXXX").string();
        root_ = fs::canonical(::mkdtemp(name.data()));
        file_ = root_ / "weir.yaml";
        write(text_with("5s"));
        const auto loaded = config::load_file(file_.string());
        EXPECT_TRUE(loaded) << config::render(loaded.report, loaded.sources);
        first_ = loaded.config;
        configurator_.emplace(Configurator::Options{
            .config = loaded.config,
            .document = loaded.document,
            .file = file_.string(),
            .install =
                [this](const auto& next) {
                    if (!refusal_.empty()) throw std::runtime_error(refusal_);
                    installed_.push_back(next);
                },
            .on_result = [this](const auto& result) { results_.push_back(result.status); },
            .registry = registry_,
            .events = events_});
    }
    ~ConfiguratorTest() override {
        configurator_.reset();
        loop_.context().restart();
        loop_.context().poll();
        fs::remove_all(root_);
    }

    void write(const std::string& text) const {
        std::ofstream(file_, std::ios::binary | std::ios::trunc) << text;
    }
    [[nodiscard]] std::string read() const {
        std::ifstream file(file_, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    void watch() {
        configurator_->watch(loop_.context().get_executor(),
                             {.quiet = std::chrono::milliseconds{2}});
    }
    [[nodiscard]] std::int64_t reloads(std::string_view result) const {
        return registry_.value(Family::config_reloads, {result});
    }
    void expect_unchanged() const {
        EXPECT_EQ(configurator_->config(), first_);
        EXPECT_EQ(configurator_->state().hash, first_->source.hash);
        EXPECT_TRUE(installed_.empty());
    }

    test::ControlLoop loop_;
    fs::path root_;
    fs::path file_;
    telemetry::Registry registry_;
    telemetry::EventLog events_;
    std::shared_ptr<const config::Config> first_;
    std::vector<std::shared_ptr<const config::Config>> installed_;
    std::vector<Status> results_;
    std::string refusal_;
    std::optional<Configurator> configurator_;
};

TEST_F(ConfiguratorTest, BeginsWithWhatRuns) {
    const auto state = configurator_->state();
    EXPECT_EQ(state.hash, first_->source.hash);
    EXPECT_EQ(state.file, file_.string());
    EXPECT_EQ(state.last_error, "");
    EXPECT_EQ(registry_.value(Family::config_last_reload_success, {}), 1);
    EXPECT_EQ(registry_.value(Family::config_info, {first_->source.hash}), 1);
    EXPECT_EQ(reloads("success"), 1);
    EXPECT_TRUE(events_.recent(10).empty());
}

TEST_F(ConfiguratorTest, ReloadPutsTheFileInForceAndTellsWhatChanged) {
    write(text_with("7s"));
    const auto result = configurator_->reload();
    ASSERT_EQ(result.status, Status::accepted);
    ASSERT_EQ(installed_.size(), 1U);
    EXPECT_EQ(configurator_->config(), installed_[0]);
    EXPECT_EQ(installed_[0]->clusters.at("c").timeout.request, std::chrono::seconds{7});
    EXPECT_EQ(result.hash, installed_[0]->source.hash);
    ASSERT_EQ(result.changes.size(), 1U);
    EXPECT_EQ(result.changes[0].path, "clusters.c.timeout.request");
    EXPECT_EQ(result.changes[0].from, "5s");
    EXPECT_EQ(result.changes[0].to, "7s");
    EXPECT_EQ(reloads("success"), 2);
    EXPECT_EQ(registry_.value(Family::config_info, {result.hash}), 1);
    EXPECT_EQ(registry_.value(Family::config_info, {first_->source.hash}), 0);
    ASSERT_EQ(events_.recent(10).size(), 1U);
    EXPECT_EQ(events_.recent(10)[0].to, "reloaded");
    EXPECT_THAT(events_.recent(10)[0].detail, HasSubstr("1 change,"));
    EXPECT_THAT(results_, ElementsAre(Status::accepted));
}

TEST_F(ConfiguratorTest, ARefusedFileChangesNothingAndIsRemembered) {
    write(text_with("7"));
    const auto result = configurator_->reload();
    EXPECT_EQ(result.status, Status::invalid);
    EXPECT_TRUE(result.report.has_errors());
    EXPECT_EQ(result.hash, first_->source.hash);
    expect_unchanged();
    EXPECT_THAT(configurator_->state().last_error,
                HasSubstr(file_.string() + ":9:14: error[W103]: a duration needs a unit"));
    EXPECT_EQ(registry_.value(Family::config_last_reload_success, {}), 0);
    EXPECT_EQ(reloads("failure"), 1);
    EXPECT_EQ(events_.recent(1).at(0).to, "refused");

    write(text_with("5s"));
    EXPECT_EQ(configurator_->reload().status, Status::accepted);
    EXPECT_EQ(configurator_->state().last_error, "");
    EXPECT_EQ(registry_.value(Family::config_last_reload_success, {}), 1);
}

TEST_F(ConfiguratorTest, WhatThisMachineRefusesChangesNothing) {
    write(text_with("7s"));
    refusal_ = "cannot listen on :80: permission denied";
    const auto result = configurator_->reload();
    EXPECT_EQ(result.status, Status::failed);
    EXPECT_EQ(result.failure, refusal_);
    expect_unchanged();
    EXPECT_EQ(configurator_->state().last_error, refusal_);
    EXPECT_EQ(reloads("failure"), 1);
}

TEST_F(ConfiguratorTest, AFileThatIsGoneChangesNothing) {
    fs::remove(file_);
    EXPECT_EQ(configurator_->reload().status, Status::invalid);
    expect_unchanged();
    EXPECT_THAT(configurator_->state().last_error, HasSubstr("No such file"));
}

TEST_F(ConfiguratorTest, NamesTheKeysThatNeedARestartUntilTheyAreBack) {
    write(text_with("5s", "threads: 3\n"));
    EXPECT_THAT(configurator_->reload().needs_restart, ElementsAre("threads"));
    write(text_with("6s", "threads: 3\n"));
    EXPECT_THAT(configurator_->reload().needs_restart, ElementsAre("threads")) << "still not";
    write(text_with("6s"));
    EXPECT_TRUE(configurator_->reload().needs_restart.empty());
}

TEST_F(ConfiguratorTest, NamesThePortsThatNeedARestart) {
    std::string text = text_with("5s");
    text.replace(text.find("admin: {listen: off}"), 20, "admin: {listen: \"127.0.0.1:1\"}");
    text.replace(text.find("telemetry: {listen: off}"), 24, "telemetry: {listen: \"127.0.0.1:2\"}");
    write(text);
    EXPECT_THAT(configurator_->reload().needs_restart,
                ElementsAre("admin.listen", "telemetry.listen"));
}

TEST_F(ConfiguratorTest, AnAppliedTextIsInForceUntilTheFileIsReadAgain) {
    const auto result =
        configurator_->apply({.text = text_with("9s"), .if_match = {}, .is_persistent = false});
    ASSERT_EQ(result.status, Status::accepted);
    EXPECT_EQ(configurator_->config()->clusters.at("c").timeout.request, std::chrono::seconds{9});
    EXPECT_EQ(read(), text_with("5s"));
    EXPECT_EQ(configurator_->reload().status, Status::accepted);
    EXPECT_EQ(configurator_->config()->clusters.at("c").timeout.request, std::chrono::seconds{5});
}

TEST_F(ConfiguratorTest, AppliesOnlyToTheConfigurationItIsMeantFor) {
    const auto other = configurator_->apply(
        {.text = text_with("9s"), .if_match = "0123456789abcdef", .is_persistent = false});
    EXPECT_EQ(other.status, Status::other_config);
    EXPECT_EQ(other.hash, first_->source.hash);
    expect_unchanged();
    EXPECT_EQ(reloads("failure"), 0) << "nobody's configuration was wrong";
    EXPECT_EQ(
        configurator_->apply({.text = text_with("9s"), .if_match = "\"\"", .is_persistent = false})
            .status,
        Status::other_config);
    const std::string tag = "\"" + first_->source.hash + "\"";
    EXPECT_EQ(
        configurator_->apply({.text = text_with("9s"), .if_match = tag, .is_persistent = false})
            .status,
        Status::accepted);
}

TEST_F(ConfiguratorTest, APersistentTextReplacesTheFileWithItsMode) {
    ASSERT_EQ(::chmod(file_.c_str(), 0604), 0);
    const std::string text = text_with("9s", "# why\n");
    const auto result = configurator_->apply({.text = text, .if_match = {}, .is_persistent = true});
    ASSERT_EQ(result.status, Status::accepted) << result.failure;
    EXPECT_EQ(read(), text);
    struct stat status {};
    ASSERT_EQ(::stat(file_.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777U, 0604U);
    EXPECT_EQ(std::distance(fs::directory_iterator(root_), {}), 1) << "no temporary file stays";
    EXPECT_EQ(configurator_->reload().changes.size(), 0U);
}

TEST_F(ConfiguratorTest, WhatCannotBeInForceIsNotWritten) {
    const std::string before = read();
    for (const std::string& text : {text_with("9"), text_with("9s")}) {
        refusal_ = "cannot listen on :80: permission denied";
        const auto result =
            configurator_->apply({.text = text, .if_match = {}, .is_persistent = true});
        EXPECT_NE(result.status, Status::accepted);
        EXPECT_EQ(read(), before);
        EXPECT_EQ(std::distance(fs::directory_iterator(root_), {}), 1);
    }
    expect_unchanged();
}

TEST_F(ConfiguratorTest, WhatCannotBeWrittenIsNotInForce) {
    fs::remove(file_);
    const auto result =
        configurator_->apply({.text = text_with("9s"), .if_match = {}, .is_persistent = true});
    EXPECT_EQ(result.status, Status::failed);
    EXPECT_THAT(result.failure, HasSubstr("cannot write"));
    expect_unchanged();
}

TEST_F(ConfiguratorTest, ValidateChangesNothing) {
    const auto good = configurator_->validate(text_with("8s"));
    EXPECT_EQ(good.status, Status::accepted);
    ASSERT_EQ(good.changes.size(), 1U);
    EXPECT_EQ(good.changes[0].to, "8s");
    EXPECT_EQ(configurator_->validate(text_with("8")).status, Status::invalid);
    EXPECT_EQ(configurator_->validate("\tno").status, Status::invalid);
    expect_unchanged();
    EXPECT_EQ(configurator_->state().last_error, "");
    EXPECT_EQ(reloads("failure"), 0);
}

TEST_F(ConfiguratorTest, AChangedFileIsReloadedByItself) {
    watch();
    write(text_with("7s"));
    ASSERT_TRUE(loop_.run_until([&] { return !results_.empty(); }));
    EXPECT_EQ(configurator_->config()->clusters.at("c").timeout.request, std::chrono::seconds{7});
    write("version: 1\n\tno");
    ASSERT_TRUE(loop_.run_until([&] { return results_.size() == 2; }));
    EXPECT_EQ(results_.back(), Status::invalid);
    write(text_with("8s"));
    ASSERT_TRUE(loop_.run_until([&] { return results_.size() == 3; }));
    EXPECT_EQ(configurator_->config()->clusters.at("c").timeout.request, std::chrono::seconds{8});
}

TEST_F(ConfiguratorTest, AChangeBetweenReadingAndWatchingIsNotMissed) {
    write(text_with("7s"));
    watch();
    EXPECT_THAT(results_, ElementsAre(Status::accepted));
}

TEST_F(ConfiguratorTest, AnUnchangedFileIsNotReloadedWhenItIsWatched) {
    watch();
    EXPECT_TRUE(results_.empty());
}

TEST_F(ConfiguratorTest, AReloadBySignalIsNotRepeatedByTheWatch) {
    watch();
    write(text_with("7s"));
    EXPECT_EQ(configurator_->reload().status, Status::accepted);
    write(text_with("8s"));
    ASSERT_TRUE(loop_.run_until([&] { return results_.size() >= 2; }));
    EXPECT_EQ(results_.size(), 2U);
    EXPECT_EQ(configurator_->config()->clusters.at("c").timeout.request, std::chrono::seconds{8});
}

TEST(Configurator, WithoutAFileThereIsNothingToReloadOrToPersist) {
    telemetry::Registry registry;
    telemetry::EventLog events;
    const auto loaded = config::load_text(text_with("5s"), "<command line>");
    ASSERT_TRUE(loaded);
    Configurator configurator({.config = loaded.config,
                               .document = loaded.document,
                               .file = {},
                               .install = [](const auto& /*next*/) {},
                               .on_result = {},
                               .registry = registry,
                               .events = events});
    EXPECT_EQ(configurator.reload().status, Status::no_file);
    const std::string text = text_with("6s");
    EXPECT_EQ(configurator.apply({.text = text, .if_match = {}, .is_persistent = true}).status,
              Status::no_file);
    EXPECT_EQ(configurator.apply({.text = text, .if_match = {}, .is_persistent = false}).status,
              Status::accepted);
}

TEST_F(ConfiguratorTest, AFileBehindALinkIsReplacedNotTheLink) {
    fs::create_symlink("weir.yaml", root_ / "link.yaml");
    { const FileReplacement abandoned((root_ / "link.yaml").string(), "never"); }
    EXPECT_EQ(read(), text_with("5s"));
    FileReplacement((root_ / "link.yaml").string(), "new").replace();
    EXPECT_EQ(read(), "new");
    EXPECT_TRUE(fs::is_symlink(root_ / "link.yaml"));
}

TEST(FirstError, SaysWhereItIsAndHowManyFollow) {
    config::Report report;
    report.add({.severity = config::Problem::Severity::warning, .code = 201, .place = {1, 1, 0}});
    report.add({.code = 103, .place = {7, 3, 0}, .what = "later"});
    report.add({.code = 101, .place = {2, 5, 0}, .what = "unknown key 'x'", .note = "remove it"});
    EXPECT_EQ(first_error(report, {{"weir.yaml", ""}}),
              "weir.yaml:2:5: error[W101]: unknown key 'x'; remove it (and 1 more)");
    EXPECT_EQ(first_error({}, {}), "");
}

}  // namespace
}  // namespace weir::runtime
