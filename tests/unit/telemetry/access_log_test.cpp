#include "weir/telemetry/access_log.hpp"

#include "weir/telemetry/metrics.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdlib.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace weir::telemetry {
namespace {

class AccessLogTest : public testing::Test {
  protected:
    void SetUp() override {
        std::string name = testing::TempDir() + "weir_access_XXXXXX";
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string path(const char* name = "access.log") const {
        return folder_ + "/" + name;
    }

    [[nodiscard]] AccessLog::Options options() const {
        AccessLog::Options made;
        made.to = path();
        made.format = AccessLog::Format::json;
        return made;
    }

    static AccessRecord record(std::string_view request_path = "/a") {
        static const AccessPolicy all({}, "in", "", "");
        AccessRecord made;
        made.policy = &all;
        made.method = "GET";
        made.path = request_path;
        made.status = 200;
        return made;
    }

    static std::string read(const std::string& from) {
        std::ifstream file(from);
        std::ostringstream content;
        content << file.rdbuf();
        return content.str();
    }

    static std::ptrdiff_t lines(const std::string& content) {
        return std::count(content.begin(), content.end(), '\n');
    }

    [[nodiscard]] std::int64_t dropped(std::string_view reason = "buffer_full") const {
        return registry_.value(Family::access_log_dropped, {reason});
    }

    std::string folder_;
    Registry registry_;
};

TEST_F(AccessLogTest, WritesWhatWasFlushed) {
    AccessLog log(options(), registry_);
    AccessLogShard shard(log);
    shard.append(record("/one"));
    shard.append(record("/two"));
    log.drain();
    EXPECT_EQ(read(path()), "") << "not handed over yet";
    shard.flush();
    log.drain();
    const std::string content = read(path());
    EXPECT_EQ(lines(content), 2);
    EXPECT_LT(content.find("/one"), content.find("/two"));
    EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, HandsOverAFullBufferByItself) {
    AccessLog log(options(), registry_);
    AccessLogShard shard(log);
    const std::string long_path(8000, 'x');
    for (int i = 0; i < 12; ++i)
        shard.append(record(long_path));
    log.drain();
    const auto written = lines(read(path()));
    EXPECT_GT(written, 0);
    EXPECT_LT(written, 12);
    shard.flush();
    log.drain();
    EXPECT_EQ(lines(read(path())), 12);
}

TEST_F(AccessLogTest, WritesTheRestWhenItEnds) {
    {
        AccessLog log(options(), registry_);
        AccessLogShard shard(log);
        shard.append(record());
    }
    EXPECT_EQ(lines(read(path())), 1);
}

TEST_F(AccessLogTest, KeepsLinesOfSeveralWorkersWhole) {
    constexpr int kWorkers = 4;
    constexpr int kRecords = 3000;
    {
        auto roomy = options();
        roomy.buffer = std::size_t{64} << 20;
        AccessLog log(roomy, registry_);
        std::vector<std::thread> workers;
        for (int worker = 0; worker < kWorkers; ++worker) {
            workers.emplace_back([&log] {
                AccessLogShard shard(log);
                for (int i = 0; i < kRecords; ++i)
                    shard.append(record());
            });
        }
        for (auto& worker : workers)
            worker.join();
    }
    std::istringstream content(read(path()));
    int whole = 0;
    for (std::string line; std::getline(content, line); ++whole) {
        ASSERT_TRUE(line.starts_with("{\"time\":") && line.ends_with("}")) << line;
    }
    EXPECT_EQ(whole, kWorkers * kRecords);
    EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, DropsAndCountsWhenItsBufferIsFull) {
    // A pipe that nobody reads yet holds the writer.
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    const int reader = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
    ASSERT_GE(reader, 0);
    constexpr int kRecords = 5000;
    std::ptrdiff_t read_back = 0;
    {
        auto small = options();
        small.to = path("pipe");
        small.buffer = std::size_t{32} * 1024;
        AccessLog log(small, registry_);
        AccessLogShard shard(log);
        for (int i = 0; i < kRecords; ++i)
            shard.append(record());
        EXPECT_GT(dropped(), 0);
        const std::int64_t before = dropped();
        shard.append(record());
        EXPECT_EQ(dropped(), before + 1);

        // Read all, so that the writer gets on and ends.
        std::thread drain([&log, &shard] {
            shard.flush();
            log.drain();
            shard.flush();
            log.drain();
        });
        std::array<char, 65536> piece;
        ::fcntl(reader, F_SETFL, 0);
        while (read_back + dropped() < kRecords + 1) {
            const ssize_t size = ::read(reader, piece.data(), piece.size());
            if (size <= 0) break;
            read_back += std::count(piece.begin(), piece.begin() + size, '\n');
        }
        drain.join();
    }
    ::close(reader);
    EXPECT_EQ(read_back + dropped(), kRecords + 1) << "each record was written or counted";
}

TEST_F(AccessLogTest, CountsWhatASinkRefuses) {
    auto full = options();
    full.to = "/dev/full";
    AccessLog log(full, registry_);
    AccessLogShard shard(log);
    shard.append(record());
    shard.append(record());
    shard.flush();
    log.drain();
    EXPECT_EQ(dropped("write_error"), 2);
    EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, SurvivesAReaderThatWent) {
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    const int reader = ::open(path("pipe").c_str(), O_RDONLY | O_NONBLOCK);
    auto to_pipe = options();
    to_pipe.to = path("pipe");
    AccessLog log(to_pipe, registry_);
    ::close(reader);
    AccessLogShard shard(log);
    shard.append(record());
    shard.flush();
    log.drain();
    EXPECT_EQ(dropped("write_error"), 1);
}

TEST_F(AccessLogTest, OpensItsFileAgainForLogrotate) {
    AccessLog log(options(), registry_);
    AccessLogShard shard(log);
    shard.append(record("/before"));
    shard.flush();
    log.drain();
    std::filesystem::rename(path(), path("access.log.1"));
    shard.append(record("/between"));
    shard.flush();
    log.reopen();
    shard.append(record("/after"));
    shard.flush();
    log.drain();
    const std::string old = read(path("access.log.1"));
    EXPECT_NE(old.find("/before"), std::string::npos);
    EXPECT_NE(old.find("/between"), std::string::npos);
    EXPECT_EQ(lines(old), 2);
    EXPECT_NE(read(path()).find("/after"), std::string::npos);
    EXPECT_EQ(lines(read(path())), 1);
}

TEST_F(AccessLogTest, KeepsTheOldFileIfItCannotOpenANewOne) {
    AccessLog log(options(), registry_);
    AccessLogShard shard(log);
    std::filesystem::rename(path(), path("access.log.1"));
    std::filesystem::create_directory(path());
    log.reopen();
    shard.append(record());
    shard.flush();
    log.drain();
    EXPECT_EQ(lines(read(path("access.log.1"))), 1);
}

TEST_F(AccessLogTest, AppendsToWhatIsThere) {
    std::ofstream(path()) << "kept\n";
    {
        AccessLog log(options(), registry_);
        AccessLogShard shard(log);
        shard.append(record());
    }
    EXPECT_TRUE(read(path()).starts_with("kept\n{"));
}

TEST_F(AccessLogTest, WritesNothingWhenOff) {
    auto off = options();
    off.to = "off";
    AccessLog log(off, registry_);
    EXPECT_FALSE(log.is_on());
    AccessLogShard shard(log);
    shard.append(record());
    shard.flush();
    log.write_line("x", WallTime{});
    log.reopen();
    log.drain();
    EXPECT_FALSE(std::filesystem::exists("off"));
    EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, RefusesAFileItCannotOpen) {
    auto bad = options();
    bad.to = path("no/such/folder");
    EXPECT_THROW(AccessLog(bad, registry_), std::system_error);
}

TEST_F(AccessLogTest, ChoosesJsonAwayFromATerminal) {
    auto automatic = options();
    automatic.format = AccessLog::Format::auto_detect;
    EXPECT_FALSE(AccessLog(automatic, registry_).is_text());
}

TEST_F(AccessLogTest, RefusesAPipeThatNobodyReads) {
    ASSERT_EQ(::mkfifo(path("pipe").c_str(), 0600), 0);
    auto to_pipe = options();
    to_pipe.to = path("pipe");
    EXPECT_THROW(AccessLog(to_pipe, registry_), std::system_error) << "it would wait for a reader";
}

TEST_F(AccessLogTest, GoesToAnotherFileFromTheNextRecordOn) {
    AccessLog log(options(), registry_);
    AccessLogShard shard(log);
    AccessLogShard idle(log);
    shard.append(record("/old"));
    idle.append(record("/idle"));
    auto next = options();
    next.to = path("next.log");
    log.configure(next);
    shard.append(record("/new"));
    shard.flush();
    idle.flush();
    log.drain();
    EXPECT_NE(read(path("next.log")).find("/new"), std::string::npos);
    EXPECT_EQ(lines(read(path("next.log"))), 1);
    // All have left the old one: it is closed, and a third file makes room.
    next.to = path("third.log");
    const auto is_open = [this](const std::string& name) {
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
            std::error_code gone;
            if (std::filesystem::read_symlink(entry, gone) == name) return true;
        }
        return false;
    };
    while (is_open(path()))
        std::this_thread::yield();
    EXPECT_EQ(lines(read(path())), 2);
    log.configure(next);
    shard.append(record("/third"));
    shard.flush();
    log.drain();
    EXPECT_EQ(lines(read(path("third.log"))), 1);
    EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, ChangesItsFormatAndTurnsOffAndOn) {
    AccessLog log(options(), registry_);
    AccessLogShard shard(log);
    auto next = options();
    next.format = AccessLog::Format::text;
    log.configure(next);
    EXPECT_TRUE(log.is_text());
    shard.append(record("/text"));
    auto off = options();
    off.to = "off";
    log.configure(off);
    EXPECT_FALSE(log.is_on());
    shard.append(record("/nothing"));
    log.configure(options());
    EXPECT_TRUE(log.is_on() && !log.is_text());
    shard.append(record("/json"));
    shard.flush();
    log.drain();
    while (lines(read(path())) < 2)
        std::this_thread::yield();
    const std::string content = read(path());
    EXPECT_NE(content.find("GET  /text"), std::string::npos);
    EXPECT_NE(content.find("\"path\":\"/json\""), std::string::npos);
    EXPECT_EQ(content.find("/nothing"), std::string::npos);
}

TEST_F(AccessLogTest, KeepsItsFileIfTheNextOneCannotBeOpened) {
    AccessLog log(options(), registry_);
    AccessLogShard shard(log);
    auto next = options();
    next.to = path("no/such/folder");
    EXPECT_THROW(log.configure(next), std::system_error);
    shard.append(record("/kept"));
    shard.flush();
    log.drain();
    EXPECT_EQ(lines(read(path())), 1);
}

TEST_F(AccessLogTest, LosesNothingWhenReconfiguredUnderLoad) {
    constexpr int kWorkers = 3;
    constexpr int kRecords = 20'000;
    auto first = options();
    first.buffer = std::size_t{64} << 20;
    auto second = first;
    second.to = path("second.log");
    {
        AccessLog log(first, registry_);
        std::atomic<int> running{kWorkers};
        std::vector<std::thread> workers;
        for (int worker = 0; worker < kWorkers; ++worker) {
            workers.emplace_back([&] {
                AccessLogShard shard(log);
                for (int i = 0; i < kRecords; ++i)
                    shard.append(record());
                --running;
            });
        }
        for (bool is_first = false; running > 0; is_first = !is_first)
            log.configure(is_first ? first : second);
        for (auto& worker : workers)
            worker.join();
    }
    EXPECT_EQ(lines(read(path())) + lines(read(path("second.log"))), kWorkers * kRecords);
    EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, HidesNamedParametersInThePath) {
    config::AccessLog config;
    config.redact = {"token"};
    const AccessPolicy hiding(config, "in", "", "");
    {
        AccessLog log(options(), registry_);
        AccessLogShard shard(log);
        auto secret = record("/a?token=s3cret&b=1");
        secret.policy = &hiding;
        shard.append(secret);
    }
    EXPECT_NE(read(path()).find("\"path\":\"/a?token=***&b=1\""), std::string::npos);
    EXPECT_EQ(read(path()).find("s3cret"), std::string::npos);
}

TEST_F(AccessLogTest, WritesWhatThePolicyKeeps) {
    config::AccessLog config;
    config.sample = 0.25;
    const AccessPolicy sampled(config, "in", "", "");
    constexpr int kRecords = 4000;
    {
        auto roomy = options();
        roomy.buffer = std::size_t{16} << 20;
        AccessLog log(roomy, registry_);
        AccessLogShard shard(log, 42);
        auto one = record();
        one.policy = &sampled;
        for (int i = 0; i < kRecords; ++i)
            shard.append(one);
    }
    const auto kept = static_cast<double>(lines(read(path())));
    EXPECT_NEAR(kept / kRecords, 0.25, 0.03) << "the seed is fixed";
    EXPECT_EQ(dropped(), 0);
}

TEST_F(AccessLogTest, MixesLinesForPeopleIntoText) {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    auto as_text = options();
    as_text.format = AccessLog::Format::text;
    {
        AccessLog log(as_text, registry_);
        AccessLogShard shard(log);
        shard.append(record());
        shard.flush();
        log.write_line("●  breaker legacy  closed → open",
                       WallTime{} + std::chrono::milliseconds{1002});
    }
    EXPECT_EQ(read(path()),
              "00:00:00.000  GET  /a           200   0.0ms\n"
              "00:00:01.002  ●  breaker legacy  closed → open\n");
    {
        AccessLog log(options(), registry_);
        log.write_line("not in JSON", WallTime{});
    }
    EXPECT_EQ(read(path()).find("not in JSON"), std::string::npos);
}

}  // namespace
}  // namespace weir::telemetry
