#include "weir/demo/toy_load.hpp"

#include <chrono>
#include <utility>

namespace weir::demo {
namespace {

constexpr Duration kPatience = std::chrono::seconds{5};

void add(ToyLoad::Counts& counts, const std::optional<client::HttpClient::Answer>& answer) {
    if (!answer) {
        ++counts.unanswered;
    } else if (answer->status < 400) {
        ++counts.ok;
    } else if (answer->weir_error.empty()) {
        ++counts.failed["status " + std::to_string(answer->status)];
    } else {
        ++counts.failed[answer->weir_error];
    }
}

}  // namespace

std::uint64_t ToyLoad::Counts::errors() const {
    std::uint64_t sum = unanswered;
    for (const auto& [word, count] : failed)
        sum += count;
    return sum;
}

ToyLoad::ToyLoad(const boost::asio::any_io_executor& executor,
                 const Address& proxy,
                 std::string path,
                 unsigned users,
                 Duration pause)
    : executor_(executor), proxy_(proxy), path_(std::move(path)), pause_(pause) {
    for (unsigned i = 0; i < users; ++i) {
        const Duration first = pause * i / users;
        users_.push_back(transport::spawn(executor, "load on " + path_,
                                          [this, first](transport::TaskScope& scope) {
                                              return ask_again_and_again(scope, first);
                                          }));
    }
}

transport::Task<> ToyLoad::ask_again_and_again(transport::TaskScope& scope, Duration first) {
    client::HttpClient client(executor_, proxy_, kPatience);
    co_await scope.sleep_for(first);
    for (TimePoint next = Clock::refresh();;) {
        const auto answer = co_await client.get(scope, path_);
        count(answer);
        next = std::max(next + pause_, Clock::refresh());
        co_await scope.sleep_for(next - Clock::refresh());
    }
}

void ToyLoad::count(const std::optional<client::HttpClient::Answer>& answer) {
    add(counts_, answer);
    add(recent_, answer);
}

ToyLoad::Counts ToyLoad::take_recent() {
    return std::exchange(recent_, {});
}

std::string describe(const ToyLoad::Counts& counts) {
    std::string text = std::to_string(counts.ok) + " ok";
    for (const auto& [word, count] : counts.failed)
        text += ", " + std::to_string(count) + " " + word;
    if (counts.unanswered > 0) text += ", " + std::to_string(counts.unanswered) + " unanswered";
    return text;
}

}  // namespace weir::demo
