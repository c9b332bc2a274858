#include "downstream.hpp"
#include "exchange.hpp"

#include <algorithm>
#include <charconv>

// What goes upstream: the head, how long an answer may take, and what is translated for a server of
// gRPC.
namespace weir::proxy {
namespace {

http::ForwardRequest::ClientCert client_cert_of(const config::Listener& listener) {
    using To = http::ForwardRequest::ClientCert;
    switch (listener.forward_client_cert) {
        case config::ClientCert::set:
            return To::replaced;
        case config::ClientCert::append:
            return To::appended;
        default:
            return To::kept;
    }
}

// The number a field says, or none.
std::optional<std::uint64_t> number_of(const http::RequestHead& head, std::string_view name) {
    const http::HeaderField* const field = head.headers.find(name);
    if (field == nullptr) return std::nullopt;
    std::uint64_t number = 0;
    const char* const end = field->value.data() + field->value.size();
    const auto [at, error] = std::from_chars(field->value.data(), end, number);
    if (error != std::errc() || at != end) return std::nullopt;
    return number;
}

}  // namespace

void Exchange::write_upstream_head(const http::RequestHead& head, const route::RouteMatch& match) {
    std::string path;
    if (match.index != kNoIndex) listener_->table.rewrite_path(match, path);
    // What was matched is what is forwarded.
    if (path.empty() && !head.unmerged_path.empty() && !route_->config->actions.merge_slashes)
        path = head.unmerged_path;
    const bool trusts = downstream_->client().is_trusted;
    if (trusts && head.headers.find(http::HeaderId::weir_internal) != nullptr)
        read_hop_fields(head);
    if (grpc_ != http::GrpcKind::none) read_grpc_timeout(head);
    const auto& rewrite_host = route_->config->rewrite_host;
    http::ForwardRequest forward{
        .path = path,
        .host = rewrite_host ? std::string_view(*rewrite_host) : std::string_view(),
        .client_ip = downstream_->client().ip,
        .scheme = downstream_->client().is_tls ? "https" : "http",
        .request_id = request_id_,
        .trusts_client = trusts,
        .is_upgrade = is_upgrade_,
        .drops_grpc_timeout = says_grpc_timeout_,
        .client_cert = client_cert_of(listener_->config),
        .certificate = downstream_->client().certificate};
    if (is_filtered_) {
        forward.removed = pass_->edits().removed;
        forward.extra = pass_->edits().request_lines;
    }
    http::write_request_head(upstream_head_, head, forward);
    upstream_head_size_ = upstream_head_.size() - 2;
}

// What the hop before us says: a mesh peer, or a trusted proxy.
void Exchange::read_hop_fields(const http::RequestHead& head) {
    constexpr std::uint64_t kLongest = 86'400'000;  // a day
    retry_depth_ = static_cast<std::uint8_t>(
        std::min<std::uint64_t>(number_of(head, http::kRetryDepth).value_or(0), 254));
    if (const auto wait = number_of(head, http::kDeadline); wait && *wait <= kLongest)
        caller_deadline_ = began_ + std::chrono::milliseconds{*wait};
}

// Anybody's: who says less than they mean harms only themselves. What we cannot read is for the
// server to refuse.
void Exchange::read_grpc_timeout(const http::RequestHead& head) {
    const http::HeaderField* const field = head.headers.find(http::HeaderId::grpc_timeout);
    const auto timeout = field != nullptr ? http::parse_grpc_timeout(field->value) : std::nullopt;
    says_grpc_timeout_ = field == nullptr || timeout;
    if (timeout) caller_deadline_ = std::min(caller_deadline_, began_ + *timeout);
}

std::optional<Duration> Exchange::call_timeout() const {
    if (caller_deadline_ == TimePoint::max()) return std::nullopt;
    return caller_deadline_ - began_;
}

// A server of gRPC speaks HTTP/2. To one that does not gRPC-Web passes as it is: it may be one of
// gRPC-Web itself.
bool Exchange::speaks_h2() const {
    using enum config::ClusterProtocol;
    const auto& clusters = snapshot_->shared->config().clusters;
    const auto cluster = clusters.find(target_->config->cluster);
    if (cluster == clusters.end()) return false;
    const auto protocol = cluster->second.protocol;
    return protocol == h2 || protocol == h2c || (protocol == automatic && cluster->second.tls);
}

void Exchange::forward_web(const http::RequestHead& head, const route::RouteMatch& match) {
    if (!speaks_h2()) return forward_to_target(head, match);
    web_ = std::make_unique<http::GrpcWeb>(head);
    http::RequestHead translated;
    web_->to_server(head, translated);
    if (!body_.empty()) body_ = std::string(web_->to_server(body_));  // came while it was filtered
    if (web_->is_broken() || (is_request_whole_ && web_->is_incomplete()))
        return on_request_broken(kBrokenText);
    forward_to_target(translated, match);
}

void Exchange::send_web_head(const http::ResponseHead& head, bool is_good) {
    http::ResponseHead translated;
    const bool is_call = web_->to_client(head, translated);
    send_answer_head(is_call ? translated : head, is_good);
}

}  // namespace weir::proxy
