#include "downstream.hpp"
#include "exchange.hpp"
#include "local_reply.hpp"

#include <utility>

// What may stop a request once its route is known, or keep it waiting.
namespace weir::proxy {

// False: it waits, or was answered.
bool Exchange::passes(const http::RequestHead& head) {
    const auto& filters = route_ != nullptr ? route_->filters : listener_->filters;
    if (filters.empty()) return true;
    if (!pass_)
        pass_ = std::make_unique<filter::Pass>(context_.upstream, static_cast<PassOwner&>(*this));
    is_filtered_ = true;
    state_ = State::filtering;
    const Client& client = downstream_->client();
    const filter::Step step = pass_->begin(
        {.filters = filters,
         .clusters = snapshot_->clusters,
         .listener = listener_->config.name,
         .route = route_ != nullptr ? std::string_view(route_->config->name) : std::string_view(),
         .caller = {.ip = client_,
                    .peer = client.peer,
                    .names = client.names.get(),
                    .is_trusted = client.is_trusted,
                    .is_tls = client.is_tls},
         .grpc = grpc_},
        head);
    if (step == filter::Step::proceed) {
        keep_answer_lines();
        return true;
    }
    if (step == filter::Step::refused) refuse_by_filter();
    return false;
}

// It has waited. What came of the body meanwhile is kept.
void Exchange::on_passed(filter::Step step) {
    if (step == filter::Step::refused) return refuse_by_filter();
    keep_answer_lines();
    const http::RequestHead& head = pass_->head();
    const auto match = listener_->table.match(head);
    serve(head, match);
    if (state_ != State::over && !is_request_full()) downstream_->resume_request();
}

void Exchange::keep_answer_lines() {
    const std::string& lines = pass_->edits().answer_lines;
    if (lines.empty()) return;
    more_lines_.assign(request_id_line_).append(lines);
    request_id_line_ = more_lines_;
}

HeadEdits Exchange::additions(std::string_view lines) const {
    if (!is_filtered_) return {.lines = lines, .removed = {}};
    return {.lines = lines, .removed = pass_->edits().removed_of_answer};
}

void Exchange::refuse_by_filter() {
    const filter::Refusal& refusal = pass_->refusal();
    const std::string lines = pass_->edits().answer_lines + refusal.lines;
    const Saying saying{.status = refusal.status,
                        .grpc_code = refusal.grpc_code,
                        .lines = lines,
                        .body = refusal.body,
                        .has_own_body = refusal.has_own_body};
    if (refusal.reason != Reason::none) {
        return reply({refusal.reason, Error::Origin::local, Error::Retry::never, refusal.detail},
                     refusal.retry_after, saying);
    }
    LocalReply local = usual_reply();
    local.status = saying.status;
    local.body = saying.body;
    local.lines = saying.lines;
    give(local, telemetry::Outcome::ok);
}

void Exchange::keep_early_body(std::string_view data) {
    if (body_.capacity() < data.size()) body_ = context_.take_buffer(data.size());
    body_.append(data);
}

}  // namespace weir::proxy
