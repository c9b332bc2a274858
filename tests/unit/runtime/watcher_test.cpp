#include "runtime/watcher.hpp"

#include "support/control_loop.hpp"
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>
#include <unistd.h>

namespace weir::runtime {
namespace {

namespace fs = std::filesystem;

class WatcherTest : public ::testing::Test {
  protected:
    WatcherTest() {
        std::string name = (fs::temp_directory_path() / "weir-watcher-XXXXXX").string();
        root_ = fs::canonical(::mkdtemp(name.data()));
        fs::create_directory(root_ / "conf");
    }
    ~WatcherTest() override {
        watcher_.reset();
        loop_.context().restart();
        loop_.context().poll();
        fs::remove_all(root_);
    }

    static void write(const fs::path& path, const std::string& text) {
        std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
    }
    static void write_by_rename(const fs::path& path, const std::string& text) {
        write(path.string() + ".new", text);
        fs::rename(path.string() + ".new", path);
    }

    void follow(const std::vector<fs::path>& paths) {
        watcher_.emplace(
            loop_.context().get_executor(), [this] { ++changes_; },
            Watcher::Options{.quiet = std::chrono::milliseconds{5},
                             .longest = std::chrono::milliseconds{500}});
        std::vector<std::string> texts(paths.begin(), paths.end());
        watcher_->follow(texts, {});
    }

    // The next change is told, once what came before is settled.
    [[nodiscard]] bool is_told() {
        const int before = told_;
        const bool came = loop_.run_until([&] { return changes_ > before; });
        told_ = changes_;
        return came;
    }

    // What happens is noticed and looked at, and there is nothing to tell.
    [[nodiscard]] bool is_quiet(const std::function<void()>& happens) {
        const std::uint64_t checks = watcher_->checks();
        happens();
        const bool was_checked = loop_.run_until([&] { return watcher_->checks() > checks; });
        return was_checked && changes_ == told_;
    }

    test::ControlLoop loop_;
    fs::path root_;
    std::optional<Watcher> watcher_;
    int changes_ = 0;
    int told_ = 0;
};

TEST_F(WatcherTest, TellsOfAFileWrittenInPlace) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    write(root_ / "conf/weir.yaml", "two");
    EXPECT_TRUE(is_told());
    std::ofstream(root_ / "conf/weir.yaml", std::ios::app) << "three";
    EXPECT_TRUE(is_told());
}

TEST_F(WatcherTest, TellsOfAFileRenamedOverIt) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    for (const char* text : {"two", "three", "four"}) {
        write_by_rename(root_ / "conf/weir.yaml", text);
        EXPECT_TRUE(is_told()) << text;
    }
}

TEST_F(WatcherTest, TellsOfAWriteAfterARename) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    write_by_rename(root_ / "conf/weir.yaml", "two");
    EXPECT_TRUE(is_told());
    // Through another name of the same file, as through a bind mount: its own folder hears nothing.
    fs::create_hard_link(root_ / "conf/weir.yaml", root_ / "elsewhere.yaml");
    write(root_ / "elsewhere.yaml", "three");
    EXPECT_TRUE(is_told());
}

TEST_F(WatcherTest, TellsOfASwappedLinkOfAMountedConfigMap) {
    const fs::path mount = root_ / "conf";
    fs::create_directory(mount / "..v1");
    write(mount / "..v1/weir.yaml", "one");
    fs::create_directory_symlink("..v1", mount / "..data");
    fs::create_symlink("..data/weir.yaml", mount / "weir.yaml");
    follow({mount / "weir.yaml"});
    for (const char* version : {"..v2", "..v3"}) {
        fs::create_directory(mount / version);
        write(mount / version / "weir.yaml", version);
        fs::create_directory_symlink(version, mount / "..data_tmp");
        fs::rename(mount / "..data_tmp", mount / "..data");
        EXPECT_TRUE(is_told()) << version;
    }
    fs::remove_all(mount / "..v1");
    write(mount / "..v3/weir.yaml", "in place");
    EXPECT_TRUE(is_told());
}

TEST_F(WatcherTest, TellsOfAFolderThatWentAndCameBack) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    fs::remove_all(root_ / "conf");
    EXPECT_TRUE(is_told()) << "gone";
    fs::create_directory(root_ / "conf");
    write(root_ / "conf/weir.yaml", "two");
    EXPECT_TRUE(is_told()) << "back";
    write(root_ / "conf/weir.yaml", "three");
    EXPECT_TRUE(is_told()) << "in the new folder";
}

TEST_F(WatcherTest, TellsOfAFolderThatAnotherTookThePlaceOf) {
    write(root_ / "conf/weir.yaml", "one");
    fs::create_directory(root_ / "next");
    write(root_ / "next/weir.yaml", "two");
    follow({root_ / "conf/weir.yaml"});
    fs::rename(root_ / "conf", root_ / "old");
    fs::rename(root_ / "next", root_ / "conf");
    EXPECT_TRUE(is_told());
    write(root_ / "conf/weir.yaml", "three");
    EXPECT_TRUE(is_told());
}

TEST_F(WatcherTest, TellsOfAFileThatWasNotThereYet) {
    follow({root_ / "conf/later/weir.yaml"});
    fs::create_directory(root_ / "conf/later");
    write(root_ / "conf/later/weir.yaml", "one");
    EXPECT_TRUE(is_told());
    write(root_ / "conf/later/weir.yaml", "two");
    EXPECT_TRUE(is_told());
}

TEST_F(WatcherTest, TellsOfAnyNameInAWatchedFolder) {
    follow({root_ / "conf"});
    write(root_ / "conf/more.yaml", "");
    EXPECT_TRUE(is_told());
    fs::remove(root_ / "conf/more.yaml");
    EXPECT_TRUE(is_told());
}

TEST_F(WatcherTest, SaysNothingOfATouchNorOfTheSameWrittenAgain) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    const fs::path file = root_ / "conf/weir.yaml";
    EXPECT_TRUE(is_quiet([&] { fs::last_write_time(file, fs::file_time_type::clock::now()); }));
    EXPECT_TRUE(is_quiet([&] { write(file, "one"); })) << "the same written again";
    EXPECT_TRUE(is_quiet([&] {
        fs::remove(file);
        write(file, "one");
    })) << "missing for a moment";
}

TEST_F(WatcherTest, TellsOfManyChangesOnce) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    for (int i = 0; i < 100; ++i)
        write_by_rename(root_ / "conf/weir.yaml", std::to_string(i));
    EXPECT_TRUE(is_told());
    EXPECT_TRUE(is_quiet([&] { write(root_ / "conf/weir.yaml", "99"); }));
    EXPECT_EQ(changes_, 1);
}

TEST_F(WatcherTest, TellsOfWhatChangedAfterTheOwnerRead) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    const auto read = watcher_->look();
    write(root_ / "conf/weir.yaml", "two");
    watcher_->follow({root_ / "conf/weir.yaml"}, read);
    EXPECT_TRUE(is_told());
}

TEST_F(WatcherTest, SaysNothingOfWhatTheOwnerHasRead) {
    write(root_ / "conf/weir.yaml", "one");
    follow({root_ / "conf/weir.yaml"});
    EXPECT_TRUE(is_quiet([&] {
        write(root_ / "conf/weir.yaml", "two");
        watcher_->follow({root_ / "conf/weir.yaml"}, watcher_->look());
    }));
}

}  // namespace
}  // namespace weir::runtime
