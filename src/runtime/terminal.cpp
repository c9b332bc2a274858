#include "terminal.hpp"

namespace weir::runtime {

std::string terminal_line(const telemetry::Event& event) {
    std::string line = "●  ";
    line +=
        event.kind == telemetry::Event::Kind::ejection ? "endpoint" : telemetry::word(event.kind);
    for (const std::string& name : {event.cluster, event.endpoint}) {
        if (!name.empty()) line.append(" ").append(name);
    }
    line += "  ";
    if (!event.from.empty()) line.append(event.from).append(" → ");
    line += event.to;
    const std::string& why = event.detail.empty() ? event.reason : event.detail;
    if (!why.empty()) line.append("  (").append(why).append(")");
    return line;
}

}  // namespace weir::runtime
