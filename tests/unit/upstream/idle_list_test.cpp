#include "upstream/idle_list.hpp"

#include "weir/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <vector>

namespace weir::upstream {
namespace {

struct Node {
    int number = 0;
    Node* newer = nullptr;
    Node* older = nullptr;
};

TEST(IdleList, KeepsTheOrderOfUseWhateverIsTakenOut) {
    std::vector<Node> nodes(20);
    for (int i = 0; i < 20; ++i)
        nodes[static_cast<std::size_t>(i)].number = i;
    IdleList<Node> list;
    std::deque<int> model;  // oldest first
    Random random(1);
    for (int step = 0; step < 20'000; ++step) {
        const int number = static_cast<int>(random.below(20));
        const auto at = std::find(model.begin(), model.end(), number);
        Node& node = nodes[static_cast<std::size_t>(number)];
        if (at == model.end()) {
            list.push(node);
            model.push_back(number);
        } else {
            list.remove(node);
            model.erase(at);
        }
        ASSERT_EQ(list.size(), model.size());
        ASSERT_EQ(list.is_empty(), model.empty());
        std::deque<int> seen;
        for (const Node* each = list.oldest(); each != nullptr; each = each->newer)
            seen.push_back(each->number);
        ASSERT_EQ(seen, model);
        if (!model.empty()) {
            ASSERT_EQ(list.freshest()->number, model.back());
        }
    }
}

}  // namespace
}  // namespace weir::upstream
