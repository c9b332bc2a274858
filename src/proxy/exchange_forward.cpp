#include "weir/http/websocket.hpp"

#include "downstream.hpp"
#include "exchange.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

// What goes upstream: the head, how long an answer may take, what is translated for a server of
// gRPC, and what is relayed after an upgrade.
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

void Exchange::write_upstream_head(const http::RequestHead& head) {
    std::string path;
    if (route_->config->rewrite_path) listener_->table.rewrite_path(route_index(), head, path);
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

void Exchange::forward_web(const http::RequestHead& head) {
    if (!speaks_h2()) return forward_to_target(head);
    web_ = std::make_unique<http::GrpcWeb>(head);
    has_actions_ = recodes_ = true;
    http::RequestHead translated;
    web_->to_server(head, translated);
    if (!body_.empty()) body_ = std::string(web_->to_server(body_));  // came while it was filtered
    if (web_->is_broken() || (is_request_whole_ && web_->is_incomplete()))
        return on_request_broken(kBrokenText);
    forward_to_target(translated);
}

void Exchange::send_web_head(const http::ResponseHead& head, bool is_good) {
    http::ResponseHead translated;
    const bool is_call = web_->to_client(head, translated);
    send_answer_head(is_call ? translated : head, is_good);
}

// ---- upgraded, with HTTP/2 on a side

// A client of HTTP/2 says no key (RFC 8441, 5), and HTTP/1 needs one.
void Exchange::prepare_websocket() {
    static const std::string kItsOwn;
    websocket_ = &kItsOwn;
    if (!relay_) return;
    Random& random = context_.upstream.random;
    const std::string key = http::websocket_key({random(), random()});
    relay_->accept = http::websocket_accept(key);
    websocket_ = &relay_->accept;
    upstream_head_.resize(upstream_head_size_);
    upstream_head_.append("Sec-WebSocket-Key: ").append(key).append("\r\n");
    upstream_head_size_ = upstream_head_.size();
}

void Exchange::start_relay() {
    if (!relay_) relay_ = std::make_unique<Relay>();
    relay_->is_open = true;
    tries_.lead().relay();
    downstream_->relay();
    note_progress();
    const std::string early = std::exchange(relay_->early, {});
    if (!early.empty()) tries_.lead().send_body(early);
    if (relay_->has_up_ended) tries_.lead().finish_body({});
    downstream_->resume_request();
}

// Before it is open the client's window bounds what comes.
void Exchange::relay_up(std::string_view data) {
    if (!relay_->is_open) {
        relay_->early.append(data);
    } else if (tries_.lead().is_sending()) {
        tries_.lead().send_body(data);
    }
}

void Exchange::end_up() {
    if (std::exchange(relay_->has_up_ended, true) || !relay_->is_open) return;
    tries_.lead().finish_body({});
    if (state_ == State::over) return;  // that was the last word, and the stream is closed
    if (!ends_relay()) watch_half_open();
}

void Exchange::relay_down(std::string_view data, bool is_last) {
    response_bytes_ += data.size();
    relay_->has_down_ended = relay_->has_down_ended || is_last;
    note_progress();
    if (!data.empty()) downstream_->send_body(data, false, {});
    if (is_last) {
        downstream_->end_relay();
        if (!ends_relay()) watch_half_open();
    } else if (downstream_->pending() > 0) {
        tries_.lead().pause_response();
    }
}

// WebSocket has no half-open state (RFC 6455, 7): who has been told of the end says its own, or is
// not waited for.
Duration Exchange::relay_idle() const {
    constexpr Duration kHalfOpen = std::chrono::seconds{2};
    const Duration idle = target_->config->timeout.tcp_idle;
    const bool is_told = (relay_->has_down_ended && downstream_->pending() == 0) ||
                         (relay_->has_up_ended && tries_.lead().pending() == 0);
    return is_told ? std::min(idle, kHalfOpen) : idle;
}

void Exchange::watch_half_open() {
    if (!relay_->has_down_ended && !relay_->has_up_ended) return;
    last_progress_ = Clock::now();
    context_.loop.timers().arm(stream_timer_, last_progress_ + relay_idle());
}

// Both ways have ended, and nothing waits for the upstream. What waits for the client goes out yet.
bool Exchange::ends_relay() {
    const bool is_over = relay_->has_up_ended && relay_->has_down_ended && !relay_->is_broken &&
                         tries_.lead().pending() == 0;
    if (!is_over) return false;
    tries_.lead().finish_tunnel();
    finish(status_, Reason::none, telemetry::Outcome::ok);
    end(false);
    return true;
}

void Exchange::on_relay_idle() {
    if (relay_->is_broken) return break_relay(false);
    tries_.lead().finish_body({});
    tries_.lead().finish_tunnel();
    finish(status_, Reason::none, telemetry::Outcome::ok);
    if (!relay_->has_down_ended) downstream_->end_relay();
    end(false);
}

// What it said before goes out yet.
void Exchange::on_relay_broken() {
    relay_->is_broken = true;
    if (downstream_->pending() == 0) break_relay(false);
}

// Both sides are cut off, as one of them is. A connection that breaks is CANCEL to a stream
// (RFC 8441, 5).
void Exchange::break_relay(bool is_clients) {
    tries_.lead().finish_tunnel();
    finish(status_, Reason::none, telemetry::Outcome::ok);
    if (!is_clients) downstream_->cut_off(true);
    end(false);
}

}  // namespace weir::proxy
