#include "inject/pod.hpp"

#include <array>

namespace weir::inject {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 3> kKinds{
    {{"startupProbe", "startup"}, {"readinessProbe", "readiness"}, {"livenessProbe", "liveness"}}};
constexpr std::array<std::string_view, 3> kHandlers{"httpGet", "tcpSocket", "grpc"};

// The number of a port that may be given by its name. None: the pod does not say.
std::optional<std::int64_t> port_of(const Value& container, const Value* port) {
    if (port == nullptr) return std::nullopt;
    if (const auto number = port->integer()) return number;
    if (port->kind == Value::Kind::string) {
        if (const auto number = Value::plain(port->text).integer()) return number;
    }
    const Value* ports = container.find("ports");
    if (ports == nullptr) return std::nullopt;
    for (const Value& each : ports->items) {
        const Value* number = each.find("containerPort");
        if (each.text_of("name") == port->text && number != nullptr) return number->integer();
    }
    return std::nullopt;
}

Value http_question(const Value& handler, std::int64_t port) {
    Value out = Value::object({{"type", Value::string("http")}, {"port", Value::number(port)}});
    const std::string_view path = handler.text_of("path");
    if (!path.empty()) out.set("path", Value::string(std::string(path)));
    if (handler.text_of("scheme") == "HTTPS") out.set("scheme", Value::string("https"));
    const Value* headers = handler.find("httpHeaders");
    if (headers == nullptr) return out;
    Value map = Value::object();
    for (const Value& header : headers->items)
        map.set(header.text_of("name"), Value::string(std::string(header.text_of("value"))));
    if (!map.members.empty()) out.set("headers", std::move(map));
    return out;
}

// What Weir is to ask, as telemetry.probes has it. None: kubelet goes on asking itself.
std::optional<Value> question(const Value& container,
                              const Value& probe,
                              std::string_view kind,
                              const Value& handler) {
    // To another host than the pod: none of the inbound listener's business.
    if (!handler.text_of("host").empty()) return std::nullopt;
    const auto port = port_of(container, handler.find("port"));
    if (!port || *port < 1 || *port > 65535) return std::nullopt;
    Value out = Value::object();
    if (kind == "httpGet") {
        out = http_question(handler, *port);
    } else {
        out.set("type", Value::string(kind == "grpc" ? "grpc" : "tcp"));
        out.set("port", Value::number(*port));
        const std::string_view service = handler.text_of("service");
        if (kind == "grpc" && !service.empty())
            out.set("service", Value::string(std::string(service)));
    }
    const Value* timeout = probe.find("timeoutSeconds");
    const auto seconds = timeout == nullptr ? std::nullopt : timeout->integer();
    if (seconds && *seconds > 1) out.set("timeout", Value::string(timeout->text + "s"));
    return out;
}

// "{kind: ...}" in the place of `from`.
void replace_member(Value& object, std::string_view from, std::string_view to, Value value) {
    for (auto& [key, member] : object.members) {
        if (key != from) continue;
        key = to;
        member = std::move(value);
        return;
    }
}

Value asked_of_weir(const std::string& name) {
    return Value::object(
        {{"path", Value::string("/probe/" + name)}, {"port", Value::number(kTelemetryPort)}});
}

void rewrite(Value& container, Value& probes, Value& originals) {
    const std::string name(container.text_of("name"));
    for (const auto& [key, kind] : kKinds) {
        Value* probe = container.find(key);
        if (probe == nullptr) continue;
        for (const std::string_view handler : kHandlers) {
            const Value* asked = probe->find(handler);
            if (asked == nullptr) continue;
            auto wanted = question(container, *probe, handler, *asked);
            if (!wanted) continue;
            const std::string path = name + "/" + std::string(kind);
            probes.set(path, *std::move(wanted));
            originals.ensure(name, Value::Kind::object)
                .set(key, Value::object({{std::string(handler), *asked}}));
            replace_member(*probe, handler, "httpGet", asked_of_weir(path));
            break;
        }
    }
}

template <typename Function>
void for_each_container(Value& spec, Function function) {
    for (const std::string_view list : {"initContainers", "containers"}) {
        Value* found = spec.find(list);
        if (found == nullptr) continue;
        for (Value& container : found->items)
            function(container);
    }
}

}  // namespace

Value rewrite_probes(Value& spec, Value& originals) {
    Value probes = Value::object();
    for_each_container(spec, [&](Value& container) { rewrite(container, probes, originals); });
    return probes;
}

void restore_probes(Value& spec, const Value& originals) {
    for_each_container(spec, [&](Value& container) {
        const Value* kept = originals.find(container.text_of("name"));
        if (kept == nullptr) return;
        for (const auto& [key, handler] : kept->members) {
            Value* probe = container.find(key);
            if (probe == nullptr || handler.members.empty()) continue;
            const auto& [kind, value] = handler.members.front();
            replace_member(*probe, "httpGet", kind, value);
        }
    });
}

}  // namespace weir::inject
