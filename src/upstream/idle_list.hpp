#pragma once

#include <cstddef>

namespace weir::upstream {

// The idle connections of an endpoint on one worker, by when they were used last: a list through
// their `newer` and `older`, which are null outside of it. Each operation costs a few stores.
// Thread: worker.
template <typename Connection>
class IdleList {
  public:
    IdleList() = default;
    IdleList(const IdleList&) = delete;
    IdleList& operator=(const IdleList&) = delete;

    [[nodiscard]] bool is_empty() const { return freshest_ == nullptr; }
    [[nodiscard]] std::size_t size() const { return size_; }
    [[nodiscard]] Connection* freshest() const { return freshest_; }
    [[nodiscard]] Connection* oldest() const { return oldest_; }

    void push(Connection& connection) {
        connection.older = freshest_;
        connection.newer = nullptr;
        (freshest_ != nullptr ? freshest_->newer : oldest_) = &connection;
        freshest_ = &connection;
        ++size_;
    }

    // It must be in the list.
    void remove(Connection& connection) {
        (connection.newer != nullptr ? connection.newer->older : freshest_) = connection.older;
        (connection.older != nullptr ? connection.older->newer : oldest_) = connection.newer;
        connection.newer = connection.older = nullptr;
        --size_;
    }

  private:
    Connection* freshest_ = nullptr;
    Connection* oldest_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace weir::upstream
