#include "weir/client/event_reader.hpp"

#include <utility>

namespace weir::client {

std::optional<std::string> LineReader::next() {
    for (;;) {
        const std::size_t end = in_.find('\n');
        const bool is_long = (end == std::string::npos ? in_.size() : end) > longest_;
        if (is_long && !is_skipping_) {
            is_skipping_ = true;
            ++left_out_;
        }
        if (end == std::string::npos) {
            if (is_skipping_) in_.clear();
            return std::nullopt;
        }
        std::string line = in_.substr(0, end);
        in_.erase(0, end + 1);
        if (std::exchange(is_skipping_, false)) continue;
        if (line.ends_with('\r')) line.pop_back();
        return line;
    }
}

void EventReader::take(std::string_view line) {
    const std::size_t colon = line.find(':');
    if (colon == 0) return;  // a comment
    const std::string_view field = line.substr(0, colon);
    std::string_view value =
        colon == std::string_view::npos ? std::string_view{} : line.substr(colon + 1);
    if (value.starts_with(' ')) value.remove_prefix(1);
    if (field == "event") event_.type = value;
    if (field == "id") event_.id = value;
    if (field == "data") {
        if (std::exchange(has_data_, true)) event_.data += '\n';
        event_.data += value;
    }
}

std::optional<ServerEvent> EventReader::next() {
    while (const auto line = lines_.next()) {
        if (!line->empty()) {
            take(*line);
            continue;
        }
        ServerEvent event = std::exchange(event_, {});
        if (std::exchange(has_data_, false)) return event;
    }
    return std::nullopt;
}

}  // namespace weir::client
