#include "downstream.hpp"
#include "exchange.hpp"

// What is special about calls of gRPC: their deadline, and clients that speak gRPC-Web.
namespace weir::proxy {

// Anybody's: who says less than they mean harms only themselves. What we cannot read is for the
// server to refuse.
void Exchange::read_grpc_timeout(const http::RequestHead& head) {
    const http::HeaderField* const field = head.headers.find(http::HeaderId::grpc_timeout);
    const auto timeout = field != nullptr ? http::parse_grpc_timeout(field->value) : std::nullopt;
    says_grpc_timeout_ = field == nullptr || timeout;
    if (timeout) caller_deadline_ = std::min(caller_deadline_, began_ + *timeout);
}

std::optional<Duration> Exchange::request_timeout() const {
    if (grpc_ == http::GrpcKind::none) return target_->config->timeout.request;
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
    forward_to_target(translated, match);
}

void Exchange::send_web_head(const http::ResponseHead& head, bool is_good) {
    http::ResponseHead translated;
    const bool is_call = web_->to_client(head, translated);
    send_answer_head(is_call ? translated : head, is_good);
}

}  // namespace weir::proxy
