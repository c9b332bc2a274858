#include "weir/config/config.hpp"
#include "weir/discovery/provider.hpp"

#include "unit/discovery/subject.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <stdlib.h>
#include <string>
#include <sys/stat.h>
#include <vector>

namespace weir::discovery {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using ::testing::HasSubstr;
using Addresses = std::vector<std::string>;

// A real folder; simulated time, so that what is seen without advance() was seen by its events.
class File : public ::testing::Test {
  protected:
    File() {
        std::string path = (fs::temp_directory_path() / "weir-file-XXXXXX").string();
        folder = ::mkdtemp(path.data());
        cluster.name = "orders";
        cluster.discovery.type = config::Discovery::Type::file;
        cluster.discovery.path = folder / "endpoints.yaml";
    }
    ~File() override {
        subject.reset();
        fs::remove_all(folder);
    }

    void write(const std::string& text, const std::string& name = "endpoints.yaml") const {
        std::ofstream(folder / name) << text;
    }
    void replace(const std::string& text) const {
        write(text, "new");
        fs::rename(folder / "new", folder / "endpoints.yaml");
    }

    void start() {
        subject = std::make_unique<test::Subject>(cluster, loop);
        subject->start();
        loop.run_due();
    }

    test::SimulatedClock clock;
    test::ControlLoop loop;
    fs::path folder;
    config::Cluster cluster;
    std::unique_ptr<test::Subject> subject;
};

TEST_F(File, SaysWhatIsInItBeforeStartReturns) {
    write("- 10.0.0.2:80\n- {address: 10.0.0.1:80, weight: 7}\n");
    subject = std::make_unique<test::Subject>(cluster, loop);
    subject->start();
    ASSERT_EQ(subject->updates.size(), 1U);
    EXPECT_EQ(subject->last(), (Addresses{"10.0.0.1:80", "10.0.0.2:80"}));
    EXPECT_EQ(subject->updates[0].endpoints[0].weight, 7U);
    EXPECT_STREQ(subject->status().type, "file");
    EXPECT_TRUE(subject->status().has_answered);
}

TEST_F(File, SeesThatItWasReplacedByRenaming) {
    write("- 10.0.0.1:80\n");
    start();
    replace("- 10.0.0.2:80\n");
    EXPECT_TRUE(subject->reaches({"10.0.0.2:80"}));
    replace("- 10.0.0.3:80\n");
    EXPECT_TRUE(subject->reaches({"10.0.0.3:80"}));
}

TEST_F(File, SeesThatItWasWrittenInPlace) {
    write("- 10.0.0.1:80\n");
    start();
    write("- 10.0.0.2:80\n- 10.0.0.3:80\n");
    EXPECT_TRUE(subject->reaches({"10.0.0.2:80", "10.0.0.3:80"}));
}

// As a volume of Kubernetes is changed: file -> ..data/file, and ..data is renamed over.
TEST_F(File, SeesThatALinkOnItsWayWasSwapped) {
    fs::create_directory(folder / "v1");
    fs::create_directory(folder / "v2");
    write("- 10.0.0.1:80\n", "v1/endpoints.yaml");
    write("- 10.0.0.2:80\n", "v2/endpoints.yaml");
    fs::create_symlink("v1", folder / "..data");
    fs::create_symlink("..data/endpoints.yaml", folder / "endpoints.yaml");
    start();
    ASSERT_EQ(subject->last(), Addresses{"10.0.0.1:80"});
    fs::create_symlink("v2", folder / "..tmp");
    fs::rename(folder / "..tmp", folder / "..data");
    EXPECT_TRUE(subject->reaches({"10.0.0.2:80"}));
}

TEST_F(File, FindsByPollingWhatNoEventTells) {
    const fs::path elsewhere = folder / "elsewhere";
    fs::create_directory(elsewhere);
    write("- 10.0.0.1:80\n", "elsewhere/real.yaml");
    fs::create_symlink(elsewhere / "real.yaml", folder / "endpoints.yaml");
    start();
    write("- 10.0.0.2:80\n", "elsewhere/real.yaml");
    loop.advance(clock, 1s);
    EXPECT_EQ(subject->last(), Addresses{"10.0.0.1:80"});  // perhaps half written: once more
    loop.advance(clock, 1s);
    EXPECT_EQ(subject->last(), Addresses{"10.0.0.2:80"});
}

TEST_F(File, WaitsForAFolderAndAFileThatComeLater) {
    cluster.discovery.path = folder / "later" / "endpoints.yaml";
    start();
    EXPECT_TRUE(subject->updates.empty());
    EXPECT_FALSE(subject->status().has_answered);
    EXPECT_THAT(subject->status().last_error, HasSubstr("endpoints.yaml"));
    EXPECT_EQ(subject->status().failures, 1U);
    fs::create_directory(folder / "later");
    loop.advance(clock, 1s);
    write("- 10.0.0.1:80\n", "later/endpoints.yaml");
    EXPECT_TRUE(subject->reaches({"10.0.0.1:80"}));
    EXPECT_EQ(subject->status().last_error, "");
}

TEST_F(File, KeepsTheLastGoodListAndSaysTheLineWhenItIsBroken) {
    write("- 10.0.0.1:80\n");
    start();
    replace("- 10.0.0.2:80\n- 10.0.0.3:99999\n");
    ASSERT_TRUE(loop.run_until([&] { return subject->status().failures == 1; }));
    EXPECT_THAT(subject->status().last_error, HasSubstr("endpoints.yaml:2:"));
    EXPECT_EQ(subject->last(), Addresses{"10.0.0.1:80"});
    loop.advance(clock, 1h);
    EXPECT_EQ(subject->last(), Addresses{"10.0.0.1:80"});
    replace("- 10.0.0.2:80\n");
    EXPECT_TRUE(subject->reaches({"10.0.0.2:80"}));
    EXPECT_EQ(subject->status().last_error, "");
}

TEST_F(File, KeepsTheLastGoodListWhenItIsDeleted) {
    write("- 10.0.0.1:80\n");
    start();
    fs::remove(folder / "endpoints.yaml");
    ASSERT_TRUE(loop.run_until([&] { return subject->status().failures == 1; }));
    EXPECT_EQ(subject->updates.size(), 1U);
    write("- 10.0.0.2:80\n");
    EXPECT_TRUE(subject->reaches({"10.0.0.2:80"}));
}

TEST_F(File, EmptiesTheSetWhenItIsBrokenIfToldNotToKeepIt) {
    cluster.discovery.keep_last = false;
    write("- 10.0.0.1:80\n");
    start();
    replace("- what\n");
    EXPECT_TRUE(subject->reaches(Addresses{}));
}

TEST_F(File, BelievesAnEmptyListAfterTheHold) {
    write("- 10.0.0.1:80\n");
    start();
    replace("[]\n");
    const auto failures = subject->status().failures;
    loop.advance(clock, 1s);
    ASSERT_TRUE(loop.run_until([&] { return subject->status().last_contact == clock.now(); }));
    loop.advance(clock, 1s);
    const TimePoint latest = clock.now() + 10s;
    while (clock.now() + 2s < latest - 1s)
        loop.advance(clock, 1s);
    EXPECT_EQ(subject->last(), Addresses{"10.0.0.1:80"});
    while (clock.now() < latest)
        loop.advance(clock, 1s);
    EXPECT_EQ(subject->last(), Addresses{});
    EXPECT_EQ(subject->status().failures, failures);
}

TEST_F(File, ResolvesTheNamesInIt) {
    write("- localhost:80\n- 10.0.0.1:80\n");
    start();
    ASSERT_TRUE(loop.run_until([&] { return subject->status().has_answered; }));
    EXPECT_THAT(subject->last(), ::testing::IsSupersetOf({"10.0.0.1:80", "127.0.0.1:80"}));
}

TEST_F(File, SaysNothingAnewWhenOnlyTheOrderChanges) {
    write("- 10.0.0.1:80\n- 10.0.0.2:80\n");
    start();
    replace("# a comment\n- 10.0.0.2:80\n- 10.0.0.1:80\n");
    loop.advance(clock, 1s);
    loop.advance(clock, 1s);
    EXPECT_EQ(subject->updates.size(), 1U);
}

TEST_F(File, RefusesWhatIsNoRegularFile) {
    ASSERT_EQ(::mkfifo((folder / "endpoints.yaml").c_str(), 0600), 0);
    start();  // must not block
    EXPECT_THAT(subject->status().last_error, HasSubstr("not a regular file"));
}

TEST_F(File, StopsWithItsProvider) {
    write("- 10.0.0.1:80\n");
    start();
    subject->stop();
    replace("- 10.0.0.2:80\n");
    loop.advance(clock, 10s);
    loop.run_due();
    EXPECT_EQ(subject->updates.size(), 1U);
}

}  // namespace
}  // namespace weir::discovery
