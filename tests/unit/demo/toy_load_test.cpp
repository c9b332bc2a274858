#include "weir/demo/toy_load.hpp"

#include "weir/demo/toy_service.hpp"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

namespace weir::demo {
namespace {

using namespace std::chrono_literals;

class ToyLoadTest : public testing::Test {
  protected:
    // Turns the loop until it holds; the test's time limit is the runner's.
    template <typename Condition>
    void run_until(Condition condition) {
        while (!condition())
            main_.run_one();
    }

    boost::asio::io_context main_{1};
    ToyService service_{main_.get_executor(), "toy"};
    ToyLoad load_{main_.get_executor(), service_.address(), "/x", 2, 1ms};
};

TEST_F(ToyLoadTest, CountsWhatAServiceAnswers) {
    run_until([&] { return load_.counts().ok >= 10; });
    EXPECT_EQ(load_.counts().errors(), 0U);
    EXPECT_GE(service_.requests(), 10U);
}

TEST_F(ToyLoadTest, CountsFailuresByTheirStatus) {
    service_.set_mood(ToyService::Mood::failing);
    run_until([&] { return load_.counts().failed.contains("status 500"); });
    EXPECT_EQ(load_.counts().ok, 0U);
    service_.set_mood(ToyService::Mood::well);
    run_until([&] { return load_.counts().ok > 0; });
}

TEST_F(ToyLoadTest, ComesBackToAServiceThatWasGone) {
    run_until([&] { return load_.counts().ok > 0; });
    const Address address = service_.address();
    service_.set_mood(ToyService::Mood::gone);
    run_until([&] { return load_.counts().unanswered >= 3; });
    service_.set_mood(ToyService::Mood::well);
    EXPECT_EQ(service_.address(), address);
    const std::uint64_t before = load_.counts().ok;
    run_until([&] { return load_.counts().ok > before; });
}

TEST_F(ToyLoadTest, EndsWithItsUsers) {
    run_until([&] { return load_.counts().ok > 0; });
    load_.stop();
    const std::uint64_t before = load_.counts().total();
    main_.run_for(20ms);
    EXPECT_EQ(load_.counts().total(), before);
}

TEST(ToyLoadCounts, AreDescribedByTheirKinds) {
    EXPECT_EQ(describe({.ok = 25}), "25 ok");
    EXPECT_EQ(describe({.ok = 3, .unanswered = 1, .failed = {{"breaker_open", 21}}}),
              "3 ok, 21 breaker_open, 1 unanswered");
}

}  // namespace
}  // namespace weir::demo
