#pragma once

#include "weir/client/http_client.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace weir::demo {

// A light, steady load on one path of a proxy. Thread: main.
class ToyLoad {
  public:
    struct Counts {
        std::uint64_t ok = 0;
        std::uint64_t unanswered = 0;
        std::map<std::string, std::uint64_t> failed;  // by weir-error, else "status 500"

        [[nodiscard]] std::uint64_t errors() const;
        [[nodiscard]] std::uint64_t total() const { return ok + errors(); }
    };

    // Each of `users` asks, waits for the answer, and asks again `pause` after it asked.
    ToyLoad(const boost::asio::any_io_executor& executor,
            const Address& proxy,
            std::string path,
            unsigned users,
            Duration pause);
    ToyLoad(const ToyLoad&) = delete;
    ToyLoad& operator=(const ToyLoad&) = delete;

    void stop() { users_.clear(); }
    [[nodiscard]] const Counts& counts() const { return counts_; }
    // Since the last call.
    [[nodiscard]] Counts take_recent();

  private:
    transport::Task<> ask_again_and_again(transport::TaskScope& scope, Duration first);
    void count(const std::optional<client::HttpClient::Answer>& answer);

    boost::asio::any_io_executor executor_;
    const Address proxy_;
    const std::string path_;
    const Duration pause_;
    Counts counts_;
    Counts recent_;
    std::vector<transport::TaskHandle> users_;
};

// "25 ok", "3 ok, 22 breaker_open".
[[nodiscard]] std::string describe(const ToyLoad::Counts& counts);

}  // namespace weir::demo
