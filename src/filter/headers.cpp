#include "kinds.hpp"

namespace weir::filter {
namespace {

struct Prepared {
    explicit Prepared(const config::HeaderEdits& edits) {
        for (const auto& [name, value] : edits.set) {
            removed.emplace_back(name);
            lines.append(name).append(": ").append(value).append("\r\n");
        }
        removed.insert(removed.end(), edits.remove.begin(), edits.remove.end());
    }
    std::vector<std::string_view> removed;  // texts of the configuration
    std::string lines;
};

class RequestHeaders final : public Filter {
  public:
    explicit RequestHeaders(const config::HeaderEdits& edits) : edits_(edits) {}

    Step begin(Pass& pass) const override {
        auto& removed = pass.edits().removed;
        removed.insert(removed.end(), edits_.removed.begin(), edits_.removed.end());
        pass.edits().request_lines += edits_.lines;
        return Step::proceed;
    }

  private:
    const Prepared edits_;
};

class AnswerHeaders final : public Filter {
  public:
    explicit AnswerHeaders(const config::HeaderEdits& edits) : edits_(edits) {}

    Step begin(Pass& pass) const override {
        auto& removed = pass.edits().removed_of_answer;
        removed.insert(removed.end(), edits_.removed.begin(), edits_.removed.end());
        pass.edits().answer_lines += edits_.lines;
        return Step::proceed;
    }

  private:
    const Prepared edits_;
};

}  // namespace

FilterPtr make_request_headers(const config::HeaderEdits& edits) {
    if (edits.is_none()) return nullptr;
    return std::make_shared<RequestHeaders>(edits);
}

FilterPtr make_answer_headers(const config::HeaderEdits& edits) {
    if (edits.is_none()) return nullptr;
    return std::make_shared<AnswerHeaders>(edits);
}

}  // namespace weir::filter
