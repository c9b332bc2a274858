#include "inject/pod.hpp"

#include "weir/core/version.hpp"
#include "weir/intercept/rules.hpp"

#include <algorithm>
#include <array>

namespace weir::inject {
namespace {

using Member = Value::Member;

constexpr std::int64_t kUid = 2102;
constexpr std::int64_t kStartSeconds = 120;
constexpr std::array<std::int64_t, 4> kOwnPorts{15001, 15006, 9347, kTelemetryPort};

Value text(std::string_view word) {
    return Value::string(std::string(word));
}

Value words(std::initializer_list<std::string_view> list) {
    Value out = Value::array();
    for (const std::string_view word : list)
        out.items.push_back(text(word));
    return out;
}

Value field_of_pod(std::string_view name, std::string_view path) {
    return Value::object(
        {{"name", text(name)},
         {"valueFrom", Value::object({{"fieldRef", Value::object({{"fieldPath", text(path)}})}})}});
}

Value mount(std::string_view name, std::string_view path, bool is_read_only) {
    Value out = Value::object({{"name", text(name)}, {"mountPath", text(path)}});
    if (is_read_only) out.set("readOnly", Value::boolean(true));
    return out;
}

Value probe(std::string_view path, std::int64_t period, std::int64_t failures) {
    return Value::object({{"httpGet", Value::object({{"path", text(path)},
                                                     {"port", Value::number(kTelemetryPort)}})},
                          {"periodSeconds", Value::number(period)},
                          {"failureThreshold", Value::number(failures)}});
}

// No more than it needs; `uid` 0 is the init container, which sets rules of the kernel.
Value security(std::int64_t uid, std::initializer_list<std::string_view> added) {
    Value capabilities = Value::object({{"drop", words({"ALL"})}});
    if (added.size() > 0) capabilities.set("add", words(added));
    return Value::object({{"runAsUser", Value::number(uid)},
                          {"runAsGroup", Value::number(uid)},
                          {"runAsNonRoot", Value::boolean(uid != 0)},
                          {"readOnlyRootFilesystem", Value::boolean(true)},
                          {"allowPrivilegeEscalation", Value::boolean(false)},
                          {"capabilities", std::move(capabilities)},
                          {"seccompProfile", Value::object({{"type", text("RuntimeDefault")}})}});
}

Value resources(std::string_view cpu, std::string_view memory, std::string_view most) {
    return Value::object(
        {{"requests", Value::object({{"cpu", text(cpu)}, {"memory", text(memory)}})},
         {"limits", Value::object({{"memory", text(most)}})}});
}

Value init_container(const Settings& settings, const Options& options) {
    Value args = words({"redirect", "apply", "--uid", "2102"});
    for (const auto& [flag, ports] :
         {std::pair("--skip-inbound-ports", &settings.skip_inbound),
          std::pair("--skip-outbound-ports", &settings.skip_outbound)}) {
        if (ports->empty()) continue;
        args.items.push_back(text(flag));
        args.items.push_back(text(*ports));
    }
    return Value::object({{"name", text(kInit)},
                          {"image", text(options.image)},
                          {"args", std::move(args)},
                          {"resources", resources("10m", "16Mi", "64Mi")},
                          {"securityContext", security(0, {"NET_ADMIN", "NET_RAW"})},
                          {"volumeMounts", Value::array({mount("weir-run", "/run", false)})}});
}

Value sidecar(const Settings& settings, const Options& options) {
    Value mounts = Value::array(
        {mount("weir-config", "/etc/weir", true), mount("weir-state", "/var/lib/weir", false)});
    if (!settings.identity.empty())
        mounts.items.push_back(mount("weir-identity", kIdentityFolder, true));
    const Value drain =
        Value::object({{"exec", Value::object({{"command", words({"/weir", "drain"})}})}});
    return Value::object(
        {{"name", text(kSidecar)},
         {"image", text(options.image)},
         {"args", words({"run", "/etc/weir/weir.yaml"})},
         {"restartPolicy", text("Always")},
         {"env", Value::array({field_of_pod("POD_NAME", "metadata.name"),
                               field_of_pod("POD_NAMESPACE", "metadata.namespace"),
                               field_of_pod("POD_IP", "status.podIP"),
                               field_of_pod("NODE_NAME", "spec.nodeName"),
                               Value::object({{"name", text("WEIR_STATE_DIR")},
                                              {"value", text("/var/lib/weir")}})})},
         {"ports", Value::array({Value::object({{"name", text("weir-telemetry")},
                                                {"containerPort", Value::number(kTelemetryPort)},
                                                {"protocol", text("TCP")}})})},
         {"startupProbe", probe("/startupz", 1, kStartSeconds)},
         {"readinessProbe", probe("/readyz", 5, 2)},
         {"livenessProbe", probe("/healthz", 10, 3)},
         {"lifecycle", Value::object({{"preStop", drain}})},
         {"resources", resources("20m", "32Mi", "256Mi")},
         {"securityContext", security(kUid, {})},
         {"terminationMessagePolicy", text("FallbackToLogsOnError")},
         {"volumeMounts", std::move(mounts)}});
}

std::vector<Value> volumes(const Settings& settings) {
    const Value config = Value::object(
        {{"path", text("weir.yaml")},
         {"fieldRef",
          Value::object({{"fieldPath", text("metadata.annotations['weir.dev/config']")}})}});
    std::vector<Value> out{
        Value::object({{"name", text("weir-config")},
                       {"downwardAPI", Value::object({{"items", Value::array({config})}})}}),
        Value::object({{"name", text("weir-state")},
                       {"emptyDir", Value::object({{"sizeLimit", text("64Mi")}})}}),
        Value::object({{"name", text("weir-run")},
                       {"emptyDir",
                        Value::object({{"medium", text("Memory")}, {"sizeLimit", text("1Mi")}})}})};
    if (!settings.identity.empty()) {
        out.push_back(
            Value::object({{"name", text("weir-identity")},
                           {"secret", Value::object({{"secretName", text(settings.identity)}})}}));
    }
    return out;
}

// "weir" and "weir-init" as containers, "weir-..." as volumes.
bool is_ours(const Value& container) {
    const std::string_view name = container.text_of("name");
    return name == kSidecar || name == kInit;
}

bool erase_from(Value& spec, std::string_view list, bool (*is_wanted)(const Value&)) {
    Value* found = spec.find(list);
    if (found == nullptr || !found->is_array()) return false;
    const bool has_erased = std::erase_if(found->items, is_wanted) > 0;
    if (has_erased && found->items.empty()) spec.erase(list);
    return has_erased;
}

std::string refusal_of_containers(const Value& spec) {
    for (const std::string_view list : {"initContainers", "containers"}) {
        const Value* found = spec.find(list);
        if (found == nullptr) continue;
        for (const Value& container : found->items) {
            const std::string name(container.text_of("name"));
            if (is_ours(container)) return "it has a container '" + name + "' of its own";
            const Value* uid = container.at({"securityContext", "runAsUser"});
            if (uid != nullptr && uid->integer() == kUid)
                return "container '" + name +
                       "' runs as Weir's user 2102, whose connections are "
                       "not redirected";
            const Value* ports = container.find("ports");
            if (ports == nullptr) continue;
            for (const Value& port : ports->items) {
                const Value* number = port.find("containerPort");
                const auto taken = number == nullptr ? std::nullopt : number->integer();
                if (taken &&
                    std::find(kOwnPorts.begin(), kOwnPorts.end(), *taken) != kOwnPorts.end())
                    return "container '" + name + "' takes port " + number->text +
                           ", which is Weir's";
            }
        }
    }
    return {};
}

}  // namespace

std::string refusal(const Value& spec) {
    const Value* containers = spec.find("containers");
    if (containers == nullptr || containers->items.empty()) return "it has no containers";
    if (const Value* shares = spec.find("hostNetwork"); shares != nullptr && shares->is_true())
        return "it uses the host's network (hostNetwork): the rules would redirect the node's own "
               "connections";
    const Value* os = spec.at({"os", "name"});
    const Value* selected = spec.at({"nodeSelector", "kubernetes.io/os"});
    if ((os != nullptr && os->text == "windows") ||
        (selected != nullptr && selected->text == "windows"))
        return "it runs on Windows";
    const Value* uid = spec.at({"securityContext", "runAsUser"});
    if (uid != nullptr && uid->integer() == kUid)
        return "it runs as Weir's user 2102, whose connections are not redirected";
    if (const Value* list = spec.find("volumes"); list != nullptr) {
        for (const Value& volume : list->items) {
            const std::string name(volume.text_of("name"));
            if (name.starts_with(kOwnVolume)) return "it has a volume '" + name + "' of its own";
        }
    }
    return refusal_of_containers(spec);
}

void add_sidecar(Value& pod, const Settings& settings, const Options& options) {
    Value& spec = *pod.find("spec");
    Value config = settings.config;
    Value originals = Value::object();
    Value probes = rewrite_probes(spec, originals);
    if (!probes.members.empty()) config.find("telemetry")->set("probes", std::move(probes));

    Value& init = spec.ensure("initContainers", Value::Kind::array);
    init.items.insert(init.items.begin(),
                      {init_container(settings, options), sidecar(settings, options)});
    Value& list = spec.ensure("volumes", Value::Kind::array);
    for (Value& volume : volumes(settings))
        list.items.push_back(std::move(volume));

    Value& annotations =
        pod.ensure("metadata", Value::Kind::object).ensure("annotations", Value::Kind::object);
    annotations.set(kInjected, text(kVersion));
    annotations.set(kConfig, text(to_yaml(config)));
    if (!originals.members.empty()) annotations.set(kProbes, text(to_json(originals)));
}

bool remove_sidecar(Value& pod) {
    Value* metadata = pod.find("metadata");
    Value* annotations = metadata == nullptr ? nullptr : metadata->find("annotations");
    if (annotations == nullptr || annotations->find(kInjected) == nullptr) return false;
    Value* spec = pod.find("spec");
    if (spec == nullptr || !spec->is_object()) return false;
    if (const std::string_view kept = annotations->text_of(kProbes); !kept.empty()) {
        if (const auto originals = JsonValue::parse(kept))
            restore_probes(*spec, from_json(*originals));
    }
    erase_from(*spec, "initContainers", is_ours);
    erase_from(*spec, "volumes",
               [](const Value& volume) { return volume.text_of("name").starts_with(kOwnVolume); });
    for (const std::string_view name : {kInjected, kConfig, kProbes})
        annotations->erase(name);
    if (annotations->members.empty()) metadata->erase("annotations");
    if (metadata->members.empty()) pod.erase("metadata");
    return true;
}

}  // namespace weir::inject
