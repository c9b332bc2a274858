#include "weir/filter/pass.hpp"

#include "weir/core/error.hpp"

namespace weir::filter {

void Edits::clear() {
    removed.clear();
    request_lines.clear();
    query.reset();
    removed_of_answer.clear();
    answer_lines.clear();
}

Step Pass::begin(const Surroundings& surroundings, const http::RequestHead& head) {
    around_ = surroundings;
    head_ = &head;
    next_ = 0;
    return run();
}

Step Pass::run() {
    while (next_ < around_.filters.size()) {
        const Step step = around_.filters[next_++]->begin(*this);
        if (step != Step::proceed) return step;
    }
    return Step::proceed;
}

void Pass::reset() {
    waiting_.reset();
    held_.clear();
    head_ = nullptr;
    around_ = {};
    identity_ = {};
    edits_.clear();
    limit_note_.is_set = false;
    refusal_ = {};
    kept_head_.clear();
}

Step Pass::refuse(Refusal refusal) {
    refusal_ = std::move(refusal);
    return Step::refused;
}

Step Pass::wait(std::unique_ptr<Kept> on) {
    if (head_ != &kept_head_.head()) {
        kept_head_.keep(*head_);
        head_ = &kept_head_.head();
    }
    waiting_ = std::move(on);
    return Step::waiting;
}

void Pass::resume(Step step) {
    WEIR_ASSERT(waiting_ != nullptr && step != Step::waiting);
    // Whoever calls may be the one that is waited for.
    const std::unique_ptr<Kept> done = std::move(waiting_);
    if (step == Step::proceed) step = run();
    if (step != Step::waiting) owner_->on_passed(step);
}

}  // namespace weir::filter
