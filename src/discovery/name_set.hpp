#pragma once

#include "weir/config/config.hpp"
#include "weir/core/random.hpp"
#include "weir/discovery/provider.hpp"
#include "weir/transport/task.hpp"

#include "discovery/dns_query.hpp"
#include "discovery/last_good.hpp"
#include <boost/asio/any_io_executor.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace weir::discovery {

// A list of endpoints as written, each an address or a name, made into addresses: what all kinds of
// provider end in. Names are asked for again and again; the sink hears of every change of the
// whole. Thread: main.
class NameSet {
  public:
    struct Options {
        std::string cluster;  // for the log
        const char* type = "";
        config::Discovery discovery;
    };

    // An endpoint as written, and what no list says of one.
    struct Entry {
        config::Endpoint endpoint;
        std::uint8_t priority = 0;
    };

    NameSet(boost::asio::any_io_executor executor, Options options);
    NameSet(const NameSet&) = delete;
    NameSet& operator=(const NameSet&) = delete;
    ~NameSet();

    void start(Provider::Sink sink) { sink_ = std::move(sink); }

    // The list is now this. What was learnt of a name that stays is kept. Where nothing is known of
    // the new names yet, and until one of them has an answer, those before serve.
    void replace(const std::vector<Entry>& entries);
    void replace(const std::vector<config::Endpoint>& endpoints);

    // A source other than the resolver reports here, too.
    void contacted(TimePoint now);
    void failed(std::string error);

    [[nodiscard]] const Status& status() const { return status_; }

  private:
    struct Name;

    [[nodiscard]] transport::Task<> keep_fresh(transport::TaskScope& scope, Name& name);
    [[nodiscard]] Duration learn(Name& name, const DnsAnswer& answer, TimePoint now);
    [[nodiscard]] Duration back_off(Name& name);
    [[nodiscard]] bool knows_all() const;
    [[nodiscard]] static Found found_at(const Name& name, const Address& address);
    void tell_of(Name& name, const std::string& error);
    void publish();

    boost::asio::any_io_executor executor_;
    Options options_;
    Random random_ = Random::from_system();
    Provider::Sink sink_;
    Status status_;
    Update last_;
    std::vector<std::unique_ptr<Name>> names_;
    std::vector<Found>
        left_;  // what names had that went, while nothing is known of those that came
    TimePoint left_at_{};
};

}  // namespace weir::discovery
