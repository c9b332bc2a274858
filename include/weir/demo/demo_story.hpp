#pragma once

#include "weir/client/http_client.hpp"
#include "weir/demo/toy_load.hpp"
#include "weir/demo/toy_service.hpp"

#include <functional>
#include <string>
#include <string_view>

namespace weir::demo {

// What happens to the demo's services, and what must follow from it: a service that is alone turns
// bad, its breaker opens and closes; one of a pair goes away, is ejected and comes back. The admin
// port and the metrics are asked over HTTP, as an operator would. Thread: main.
class DemoStory {
  public:
    struct Cast {
        ToyService& legacy;
        ToyService& pair_a;
        ToyService& pair_b;
        ToyLoad& legacy_load;
        ToyLoad& pair_load;
    };
    using Say = std::function<void(std::string_view)>;

    DemoStory(const boost::asio::any_io_executor& executor,
              const Address& admin,
              const Cast& cast,
              Say say);

    // Over and over, for somebody who watches.
    [[nodiscard]] transport::Task<> play_forever(transport::TaskScope& scope);

    // Once, and as fast as it can be told; each assertion is said. False if one failed.
    [[nodiscard]] transport::Task<bool> play_once(transport::TaskScope& scope);

  private:
    using Condition = std::function<transport::Task<bool>(transport::TaskScope&)>;

    transport::Task<> expect(transport::TaskScope& scope, std::string what, Condition condition);
    void note(bool is_true, std::string_view what);

    transport::Task<> assert_calm(transport::TaskScope& scope);
    transport::Task<> assert_breaker_opens(transport::TaskScope& scope);
    transport::Task<> assert_breaker_closes(transport::TaskScope& scope);
    transport::Task<> assert_ejection(transport::TaskScope& scope);
    transport::Task<> assert_return(transport::TaskScope& scope);
    transport::Task<> assert_metrics(transport::TaskScope& scope);

    transport::Task<std::string> ask(transport::TaskScope& scope, std::string path);
    transport::Task<bool> is_breaker(transport::TaskScope& scope,
                                     std::string_view cluster,
                                     std::string_view state);
    transport::Task<bool> is_pair_b(transport::TaskScope& scope, std::string_view state);

    client::HttpClient admin_;
    Cast cast_;
    Say say_;
    bool has_failed_ = false;
};

// The sum of a family's samples whose labels contain all of `labels`, each as it is written:
// cluster="legacy". For metrics in the text format.
[[nodiscard]] double sum_of(std::string_view metrics,
                            std::string_view family,
                            std::initializer_list<std::string_view> labels);

// In JSON as Weir writes it: the text of `key` in the object that has `anchor` ("name":"x") before
// it; empty if there is none.
[[nodiscard]] std::string_view text_after(std::string_view json,
                                          std::string_view anchor,
                                          std::string_view key);

}  // namespace weir::demo
