#include "discovery/found_set.hpp"

#include "support/control_loop.hpp"
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <unistd.h>

namespace weir::discovery {
namespace {

using namespace std::chrono_literals;
using test::ControlLoop;
using test::SimulatedClock;

Found found(const std::string& address, std::uint8_t priority = 0) {
    return {.address = *Address::parse(address), .name = address, .priority = priority};
}

std::string texts(const std::vector<Found>& all) {
    std::string text;
    for (const Found& each : all)
        text += (text.empty() ? "" : " ") + each.address.to_string();
    return text;
}

class FoundSetTest : public ::testing::Test {
  protected:
    FoundSetTest() { options_.cluster = "c"; }
    ~FoundSetTest() override {
        std::error_code ec;
        std::filesystem::remove_all(folder_, ec);
    }

    std::unique_ptr<FoundSet> make() {
        auto set = std::make_unique<FoundSet>(loop_.context().get_executor(), options_);
        set->start([this](Update update) { told_.push_back(texts(update.endpoints)); });
        return set;
    }
    void keep() { options_.state_dir = folder_; }

    SimulatedClock clock_;
    ControlLoop loop_;
    FoundSet::Options options_{
        .cluster = "c", .type = "kubernetes", .discovery = {}, .state_dir = {}};
    const std::string folder_ =
        (std::filesystem::temp_directory_path() / ("weir-found-" + std::to_string(::getpid())))
            .string();
    std::vector<std::string> told_;
};

using Told = std::vector<std::string>;

TEST_F(FoundSetTest, TellsOfChangesOnly) {
    const auto set = make();
    set->answered({found("10.0.0.2:80"), found("10.0.0.1:80")});
    set->answered({found("10.0.0.1:80"), found("10.0.0.2:80")});
    set->answered({found("10.0.0.1:80")});
    EXPECT_EQ(told_, (Told{"10.0.0.1:80 10.0.0.2:80", "10.0.0.1:80"}));
    EXPECT_EQ(set->status().updates, 2U);
    EXPECT_TRUE(set->status().has_answered);
}

TEST_F(FoundSetTest, TellsThatThereIsNobody) {
    const auto set = make();
    set->answered({});
    EXPECT_EQ(told_, Told{""});
}

TEST_F(FoundSetTest, TakesTheBetterOfTwoAtAnAddress) {
    const auto set = make();
    Found leaving = found("10.0.0.1:80");
    leaving.state = Found::State::terminating;
    set->answered({leaving, found("10.0.0.1:80", 2), found("10.0.0.1:80", 1)});
    ASSERT_EQ(set->endpoints().size(), 1U);
    EXPECT_EQ(set->endpoints()[0].priority, 1);
    EXPECT_EQ(set->endpoints()[0].state, Found::State::serving);
}

TEST_F(FoundSetTest, HoldsAnEmptyAnswerForAWhile) {
    const auto set = make();
    set->answered({found("10.0.0.1:80")});
    set->answered({});
    EXPECT_EQ(told_.size(), 1U);
    loop_.advance(clock_, 9s);
    EXPECT_EQ(told_.size(), 1U);
    loop_.advance(clock_, 1100ms);
    EXPECT_EQ(told_, (Told{"10.0.0.1:80", ""}));
}

TEST_F(FoundSetTest, EmptiesNothingWhileTheSourceFails) {
    const auto set = make();
    set->answered({found("10.0.0.1:80")});
    set->answered({});
    set->failed("away");
    loop_.advance(clock_, 60s);
    EXPECT_EQ(told_.size(), 1U);
    EXPECT_EQ(set->status().last_error, "away");
    EXPECT_EQ(set->status().failures, 1U);
    set->answered({found("10.0.0.1:80")});
    EXPECT_EQ(set->status().last_error, "");
    EXPECT_EQ(told_.size(), 1U);
}

TEST_F(FoundSetTest, TellsTheFirstOfManyChangesAtOnceAndTheRestTogether) {
    const auto set = make();
    int made = 0;
    const auto change = [&] {
        set->changed([&made]() -> std::optional<std::vector<Found>> {
            return std::vector<Found>{found("10.0.0." + std::to_string(++made) + ":80")};
        });
    };
    change();
    EXPECT_EQ(made, 1);
    for (int i = 0; i < 10; ++i)
        change();
    EXPECT_EQ(made, 1);
    loop_.run_due();
    loop_.advance(clock_, 25ms);
    EXPECT_EQ(made, 2);
    loop_.advance(clock_, 100ms);
    EXPECT_EQ(made, 2);
    EXPECT_EQ(told_.size(), 2U);
}

TEST_F(FoundSetTest, GivesTheNextProcessWhatItKnew) {
    keep();
    {
        const auto set = make();
        auto one = found("10.0.0.1:80", 3);
        one.uid = "u";
        one.zone = "z";
        one.speaks = Found::Speaks::h2c;
        one.weight = 7;
        set->answered({one});
    }
    clock_.advance(60s);
    const auto next = make();
    ASSERT_EQ(told_, (Told{"10.0.0.1:80", "10.0.0.1:80"}));
    const Found& kept = next->endpoints()[0];
    EXPECT_EQ(kept.uid, "u");
    EXPECT_EQ(kept.zone, "z");
    EXPECT_EQ(kept.speaks, Found::Speaks::h2c);
    EXPECT_EQ(kept.weight, 7U);
    EXPECT_EQ(kept.priority, 3);
    EXPECT_TRUE(next->status().is_snapshot);
    EXPECT_TRUE(next->status().has_answered);
    const Duration age = Clock::now() - *next->status().last_contact;
    EXPECT_GE(age, 59s);
    EXPECT_LE(age, 61s);
    next->answered({found("10.0.0.1:80")});
    EXPECT_FALSE(next->status().is_snapshot);
}

TEST_F(FoundSetTest, UsesNoSnapshotThatIsTooOld) {
    keep();
    make()->answered({found("10.0.0.1:80")});
    clock_.advance(16min);
    const auto next = make();
    EXPECT_EQ(told_.size(), 1U);
    EXPECT_FALSE(next->status().has_answered);
}

TEST_F(FoundSetTest, SavesNoSnapshotAsIfItWereNews) {
    keep();
    make()->answered({found("10.0.0.1:80")});
    for (int i = 0; i < 4; ++i) {
        clock_.advance(4min);
        static_cast<void>(make());
    }
    EXPECT_EQ(told_.size(), 4U);  // not the one after sixteen minutes
}

TEST_F(FoundSetTest, KeepsNothingWhereNothingIsToBeKept) {
    keep();
    options_.discovery.keep_last = false;
    make()->answered({found("10.0.0.1:80")});
    EXPECT_FALSE(std::filesystem::exists(folder_));
    const auto set = make();
    set->answered({found("10.0.0.1:80")});
    set->failed("away");
    EXPECT_EQ(told_.back(), "");
}

TEST(Snapshots, AreRefusedUnlessTheyAreWhole) {
    const SnapshotFile file("/nowhere", "shop/orders:80", {});
    EXPECT_EQ(file.path(), "/nowhere/discovery-shop%2forders%3a80");
    const std::string whole =
        file.encode({WallTime(1000s), {found("10.0.0.1:80"), found("unix:/run/x.sock")}});
    std::string why;
    ASSERT_TRUE(file.decode(whole, why)) << why;
    for (std::size_t size = 0; size < whole.size(); ++size)
        ASSERT_FALSE(file.decode(std::string_view(whole).substr(0, size), why)) << size;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        std::string damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 1);
        ASSERT_FALSE(file.decode(damaged, why)) << at;
        ASSERT_FALSE(why.empty());
    }
}

TEST(Snapshots, AreOfOneSource) {
    config::Discovery discovery;
    discovery.name = "shop/orders";
    const SnapshotFile file("/nowhere", "c", discovery);
    discovery.name = "shop/others";
    const SnapshotFile other("/nowhere", "c", discovery);
    std::string why;
    EXPECT_FALSE(other.decode(file.encode({WallTime(1000s), {}}), why));
    EXPECT_EQ(why, "it is of another source");
}

}  // namespace
}  // namespace weir::discovery
