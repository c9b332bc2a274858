#pragma once

#include "weir/auth/rule.hpp"
#include "weir/core/json.hpp"
#include "weir/filter/filter.hpp"
#include "weir/http/message.hpp"
#include "weir/quota/headers.hpp"
#include "weir/upstream/local_cluster.hpp"
#include "weir/upstream/local_context.hpp"

#include <boost/smart_ptr/local_shared_ptr.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace weir::filter {

// Who is at the other end of the connection a request came by. Views outlive the pass.
struct Caller {
    std::string_view ip;    // of the client, as trusted proxies say; else of the connection
    std::string_view peer;  // what its verified certificate says: a SPIFFE id, a SAN; or empty
    const auth::PeerNames* names = nullptr;  // all that certificate says; null without one
    bool is_trusted = false;
    bool is_tls = false;
};

// Who asks, as a filter of authentication found.
struct Identity {
    std::string auth;       // the name of the block in `auth{}`; empty: nobody was asked
    std::string principal;  // the subject, the name of a key or user, the SPIFFE id
    std::shared_ptr<const JsonValue> claims;  // of a token, an object; or nothing
};

// What the tightest of the rate limits said of the request, for the headers of its answer.
struct LimitNote {
    bool is_set = false;
    quota::HeaderStyle style = quota::HeaderStyle::none;
    quota::Standing standing;  // its name is the snapshot's
};

// What filters make of the request, and of any answer to it. Lines end in "\r\n".
struct Edits {
    std::vector<std::string_view> removed;  // of the request, in lower case; texts of the snapshot
    std::string request_lines;
    std::optional<std::string> query;  // in place of the request's, without '?'
    std::vector<std::string_view> removed_of_answer;
    std::string answer_lines;

    void clear();
};

// Told when a pass that had to wait is over.
class PassOwner {
  public:
    virtual void on_passed(Step step) = 0;

  protected:
    ~PassOwner() = default;
};

// A request's way through the filters of its route, one after the other. Reusable. Thread: worker.
//
//   idle --begin()--> proceeding --the last one proceeds--> passed
//   proceeding --a filter waits--> waiting --resume()--> proceeding
//   proceeding --a filter refuses--> refused
//   any --reset()--> idle
class Pass {
  public:
    using Clusters = std::span<const boost::local_shared_ptr<upstream::LocalCluster>>;
    using Filters = std::span<const FilterPtr>;
    struct Surroundings {
        Filters filters;    // like all here: they outlive the pass, or the next begin()
        Clusters clusters;  // of the snapshot
        std::string_view listener;
        std::string_view route;  // empty: none takes the request
        Caller caller;
        http::GrpcKind grpc = http::GrpcKind::none;
    };

    Pass(upstream::LocalContext& context, PassOwner& owner) : context_(context), owner_(&owner) {}
    Pass(const Pass&) = delete;
    Pass& operator=(const Pass&) = delete;
    ~Pass() = default;

    // ---- the exchange's side
    // proceed, refused, or waiting: then on_passed() follows, with one of the others.
    [[nodiscard]] Step begin(const Surroundings& surroundings, const http::RequestHead& head);
    // Also cancels what is waited for, and gives back what is held.
    void reset();
    [[nodiscard]] const Refusal& refusal() const { return refusal_; }
    // The request's head; after waiting, a copy of it.
    [[nodiscard]] const http::RequestHead& head() const { return *head_; }

    // ---- the filters' side
    [[nodiscard]] const Caller& caller() const { return around_.caller; }
    [[nodiscard]] std::string_view listener() const { return around_.listener; }
    [[nodiscard]] std::string_view route() const { return around_.route; }
    [[nodiscard]] http::GrpcKind grpc() const { return around_.grpc; }
    [[nodiscard]] upstream::LocalContext& context() const { return context_; }
    [[nodiscard]] const boost::local_shared_ptr<upstream::LocalCluster>& cluster(
        std::size_t index) const {
        return around_.clusters[index];
    }
    [[nodiscard]] Identity& identity() { return identity_; }
    [[nodiscard]] const Identity& identity() const { return identity_; }
    [[nodiscard]] Edits& edits() { return edits_; }
    [[nodiscard]] const Edits& edits() const { return edits_; }
    [[nodiscard]] LimitNote& limit_note() { return limit_note_; }
    // Of whoever needs one, for as long as a step takes; its capacity is kept.
    [[nodiscard]] std::string& scratch() { return scratch_; }

    [[nodiscard]] Step refuse(Refusal refusal);
    // `on` is destroyed when it has resumed, or if the request ends before. From then on head() is
    // a copy.
    [[nodiscard]] Step wait(std::unique_ptr<Kept> on);
    // From inside begin(), where it need not wait after all.
    void stop_waiting() { waiting_.reset(); }
    // Not from inside begin() of the filter.
    void resume(Step step);
    // Until the request ends.
    void hold(std::unique_ptr<Kept> kept) { held_.push_back(std::move(kept)); }

  private:
    [[nodiscard]] Step run();

    upstream::LocalContext& context_;
    PassOwner* owner_;
    Surroundings around_;
    std::size_t next_ = 0;  // of the filters
    const http::RequestHead* head_ = nullptr;
    http::KeptHead kept_head_;
    Identity identity_;
    Edits edits_;
    LimitNote limit_note_;
    std::string scratch_;
    Refusal refusal_;
    std::unique_ptr<Kept> waiting_;
    std::vector<std::unique_ptr<Kept>> held_;
};

}  // namespace weir::filter
