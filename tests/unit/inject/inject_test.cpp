#include "weir/inject/inject.hpp"

#include "inject/manifest.hpp"
#include "inject/pod.hpp"
#include "inject/settings.hpp"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::inject {
namespace {

using testing::HasSubstr;
using testing::Not;
using Kind = Note::Kind;

const Options kOptions{.image = "weir:test"};
const Options kRemoving{.image = "weir:test", .removes = true};

std::string deployment(const std::string& annotations = "", const std::string& spec = "") {
    return "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: shop\n  namespace: "
           "web\nspec:\n"
           "  template:\n    metadata:\n      labels: {app: shop}\n      annotations: {" +
           annotations +
           "}\n    spec:\n      containers:\n      - name: app\n        image: shop:1\n" + spec;
}

Note only_note(const Injected& injected) {
    EXPECT_EQ(injected.notes.size(), 1U);
    return injected.notes.empty() ? Note{} : injected.notes.front();
}

Value pod_of(const Injected& injected) {
    const Read read = from_yaml(injected.text);
    EXPECT_TRUE(read.value) << read.problem << injected.text;
    const Value* pod = read.value ? read.value->at({"spec", "template"}) : nullptr;
    return pod == nullptr ? Value() : *pod;
}

std::string config_of(const Value& pod) {
    const Value* annotations = pod.at({"metadata", "annotations"});
    return annotations == nullptr ? "" : std::string(annotations->text_of(kConfig));
}

TEST(Inject, AddsAnInitContainerAndANativeSidecar) {
    const Injected injected = inject(deployment(), kOptions);
    const Note note = only_note(injected);
    EXPECT_EQ(note.kind, Kind::injected) << note.reason;
    EXPECT_EQ(note.object, "Deployment web/shop");
    const Value pod = pod_of(injected);
    const Value* containers = pod.at({"spec", "initContainers"});
    ASSERT_NE(containers, nullptr);
    ASSERT_EQ(containers->items.size(), 2U);
    const Value& init = containers->items[0];
    EXPECT_EQ(init.text_of("name"), "weir-init");
    EXPECT_EQ(to_json(*init.at({"securityContext", "capabilities"})),
              R"({"drop":["ALL"],"add":["NET_ADMIN","NET_RAW"]})");
    const Value& sidecar = containers->items[1];
    EXPECT_EQ(sidecar.text_of("name"), "weir");
    EXPECT_EQ(sidecar.text_of("image"), "weir:test");
    EXPECT_EQ(sidecar.text_of("restartPolicy"), "Always");
    EXPECT_EQ(
        to_json(*sidecar.find("securityContext")),
        R"({"runAsUser":2102,"runAsGroup":2102,"runAsNonRoot":true,"readOnlyRootFilesystem":true,)"
        R"("allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},)"
        R"("seccompProfile":{"type":"RuntimeDefault"}})");
    EXPECT_EQ(to_json(*sidecar.at({"startupProbe", "httpGet"})),
              R"({"path":"/startupz","port":9348})");
    EXPECT_EQ(check_config(config_of(pod)), "");
    EXPECT_THAT(config_of(pod), HasSubstr("mode: inbound"));
}

TEST(Inject, TwiceIsOnceAndUninjectGivesBackWhatWas) {
    const std::string probes =
        "        ports: [{name: http, containerPort: 8080}]\n"
        "        livenessProbe:\n          httpGet: {path: /alive, port: http}\n"
        "          periodSeconds: 3\n"
        "        readinessProbe: {tcpSocket: {port: 8080}}\n"
        "        startupProbe: {grpc: {port: 9000, service: shop}, timeoutSeconds: 4}\n"
        "      volumes: [{name: data, emptyDir: {}}]\n";
    for (const std::string& text :
         {deployment(), deployment("", probes), deployment("note: '1'", probes)}) {
        const Injected once = inject(text, kOptions);
        EXPECT_EQ(only_note(once).kind, Kind::injected) << only_note(once).reason;
        const Injected twice = inject(once.text, kOptions);
        EXPECT_EQ(only_note(twice).kind, Kind::unchanged);
        EXPECT_EQ(twice.text, once.text);
        const Injected back = inject(once.text, kRemoving);
        EXPECT_EQ(only_note(back).kind, Kind::removed);
        Value before = *from_yaml(text).value;
        Value* metadata = before.find("spec")->find("template")->find("metadata");
        if (metadata->find("annotations")->members.empty()) metadata->erase("annotations");
        EXPECT_TRUE(same(*from_yaml(back.text).value, before)) << back.text;
        EXPECT_EQ(inject(back.text, kRemoving).text, back.text);
    }
}

TEST(Inject, AsksTheApplicationsProbesItself) {
    const Value pod =
        pod_of(inject(deployment("",
                                 "        ports: [{name: http, containerPort: 8080}]\n"
                                 "        livenessProbe:\n"
                                 "          httpGet: {path: /alive, port: http, scheme: HTTPS,\n"
                                 "                    httpHeaders: [{name: X-Probe, value: '1'}]}\n"
                                 "          periodSeconds: 3\n"
                                 "          timeoutSeconds: 4\n"
                                 "        readinessProbe: {grpc: {port: 9000, service: shop}}\n"
                                 "        startupProbe: {exec: {command: [true]}}\n"),
                      kOptions));
    const Value& app = pod.at({"spec", "containers"})->items.front();
    EXPECT_EQ(to_json(*app.find("livenessProbe")),
              R"({"httpGet":{"path":"/probe/app/liveness","port":9348},"periodSeconds":3,)"
              R"("timeoutSeconds":4})");
    EXPECT_EQ(to_json(*app.find("readinessProbe")),
              R"({"httpGet":{"path":"/probe/app/readiness","port":9348}})");
    EXPECT_EQ(to_json(*app.find("startupProbe")), R"({"exec":{"command":[true]}})");
    const Read config = from_yaml(config_of(pod));
    ASSERT_TRUE(config.value) << config.problem;
    EXPECT_EQ(to_json(*config.value->at({"telemetry", "probes"})),
              R"({"app/readiness":{"type":"grpc","port":9000,"service":"shop"},)"
              R"("app/liveness":{"type":"http","port":8080,"path":"/alive","scheme":"https",)"
              R"("headers":{"X-Probe":"1"},"timeout":"4s"}})");
}

TEST(Inject, LeavesProbesThatAskElsewhere) {
    const Value pod = pod_of(inject(
        deployment("",
                   "        livenessProbe: {httpGet: {path: /, port: 80, host: example.com}}\n"
                   "        readinessProbe: {httpGet: {path: /, port: unknown}}\n"),
        kOptions));
    EXPECT_EQ(config_of(pod).find("probes"), std::string::npos);
    EXPECT_EQ(pod.at({"metadata", "annotations"})->find(kProbes), nullptr);
}

TEST(Inject, MakesAnnotationsKeysOfTheConfiguration) {
    const Injected injected = inject(
        deployment(
            "weir.dev/breaker.consecutive-failures: '3', weir.dev/retry.on: '[connect, 503]', "
            "weir.dev/drain: 10s, weir.dev/listeners.out.passthrough: deny, "
            "weir.dev/clusters.or-ders.endpoints: '[\"orders:80\"]', "
            "weir.dev/listeners.out.routes: '[{host: orders, to: or-ders}]', "
            "weir.dev/opaque-ports: '25, 3306', weir.dev/skip-outbound-ports: '22,5000-5010'"),
        kOptions);
    EXPECT_EQ(only_note(injected).kind, Kind::injected) << only_note(injected).reason;
    const Value pod = pod_of(injected);
    const Read config = from_yaml(config_of(pod));
    ASSERT_TRUE(config.value);
    EXPECT_EQ(to_json(*config.value->at({"defaults"})),
              R"({"breaker":{"consecutive_failures":3},"retry":{"on":["connect",503]}})");
    EXPECT_EQ(config.value->text_of("drain"), "10s");
    EXPECT_EQ(to_json(*config.value->at({"clusters", "or-ders", "endpoints"})), R"(["orders:80"])");
    const Value& out = config.value->find("listeners")->items[1];
    EXPECT_EQ(out.text_of("passthrough"), "deny");
    EXPECT_EQ(to_json(*out.find("opaque_ports")), R"(["25","3306"])");
    EXPECT_EQ(to_json(*pod.at({"spec", "initContainers"})->items[0].find("args")),
              R"(["redirect","apply","--uid","2102","--skip-outbound-ports","22,5000-5010"])");
}

TEST(Inject, RefusesAnnotationsThatAreNoConfiguration) {
    const struct {
        const char* annotation;
        const char* says;
    } cases[] = {
        {"weir.dev/breker.mode: off", "did you mean weir.dev/breaker?"},
        {"weir.dev/breaker.consecutive-failure: '3'", "did you mean 'consecutive_failures'?"},
        {"weir.dev/breaker.consecutive-failures: many", "consecutive-failures is no configuration"},
        {"weir.dev/timeout.request: '5'", "a duration needs a unit"},
        {"weir.dev/inject: sometimes", "write enabled or disabled"},
        {"weir.dev/skip-inbound-ports: a", "no list of ports"},
        {"weir.dev/listeners.third.mode: inbound", "write listeners.in.KEY"},
        {"weir.dev/drain: '${HOME}'", "weir.dev/drain"},
        {"weir.dev/admin.token: '{file: /etc/passwd}'", "files are not read here"},
        {"weir.dev/include: '[/etc/*]'", "names no key"},
    };
    for (const auto& each : cases) {
        const std::string text = deployment(each.annotation);
        const Injected injected = inject(text, kOptions);
        const Note note = only_note(injected);
        EXPECT_EQ(note.kind, Kind::refused) << each.annotation;
        EXPECT_THAT(note.reason, HasSubstr(each.says)) << each.annotation;
        EXPECT_EQ(injected.text, text);
        EXPECT_TRUE(injected.has_refusals());
    }
}

TEST(Inject, RefusesPodsThatCannotHaveASidecar) {
    const struct {
        const char* spec;
        const char* says;
    } cases[] = {
        {"      hostNetwork: true\n", "hostNetwork"},
        {"      os: {name: windows}\n", "Windows"},
        {"      securityContext: {runAsUser: 2102}\n", "user 2102"},
        {"        securityContext: {runAsUser: 2102}\n", "user 2102"},
        {"        ports: [{containerPort: 15001}]\n", "port 15001"},
        {"      - name: weir\n        image: other\n", "container 'weir' of its own"},
        {"      volumes: [{name: weir-config}]\n", "volume 'weir-config' of its own"},
    };
    for (const auto& each : cases) {
        const std::string text = deployment("", each.spec);
        const Injected injected = inject(text, kOptions);
        EXPECT_EQ(only_note(injected).kind, Kind::refused) << each.spec;
        EXPECT_THAT(only_note(injected).reason, HasSubstr(each.says));
        EXPECT_EQ(injected.text, text);
    }
}

TEST(Inject, LeavesAloneWhatIsDisabled) {
    const std::string text = deployment("weir.dev/inject: disabled");
    const Injected injected = inject(text, kOptions);
    EXPECT_EQ(only_note(injected).kind, Kind::disabled);
    EXPECT_EQ(injected.text, text);
    EXPECT_FALSE(injected.has_refusals());
    // Of one that had a sidecar before: it goes.
    std::string was = inject(deployment(), kOptions).text;
    was.insert(was.find("weir.dev/injected"), "weir.dev/inject: disabled\n        ");
    EXPECT_EQ(only_note(inject(was, kOptions)).kind, Kind::removed);
}

TEST(Inject, KnowsEveryKindThatHasPods) {
    const std::string pod = "{containers: [{name: app, image: a}]}";
    const std::pair<const char*, std::string> kinds[] = {
        {"Pod", "spec: " + pod},
        {"StatefulSet", "spec: {template: {spec: " + pod + "}}"},
        {"DaemonSet", "spec: {template: {spec: " + pod + "}}"},
        {"Job", "spec: {template: {spec: " + pod + "}}"},
        {"CronJob", "spec: {jobTemplate: {spec: {template: {spec: " + pod + "}}}}"},
    };
    for (const auto& [kind, spec] : kinds) {
        const std::string text =
            "kind: " + std::string(kind) + "\nmetadata: {name: a}\n" + spec + "\n";
        const Injected injected = inject(text, kOptions);
        EXPECT_EQ(only_note(injected).kind, Kind::injected) << kind << only_note(injected).reason;
        EXPECT_EQ(inject(injected.text, kOptions).text, injected.text) << kind;
        EXPECT_THAT(inject(injected.text, kRemoving).text, Not(HasSubstr("weir"))) << kind;
    }
    const Injected list = inject(
        "kind: List\nitems:\n- {kind: Service, metadata: {name: s}}\n- {kind: Pod, metadata: "
        "{name: a}, spec: " +
            pod + "}\n- {kind: Pod, metadata: {name: b}, spec: {}}\n",
        kOptions);
    ASSERT_EQ(list.notes.size(), 2U);
    EXPECT_EQ(list.notes[0].kind, Kind::injected);
    EXPECT_EQ(list.notes[1].kind, Kind::refused);
}

TEST(Inject, PassesOtherDocumentsByteForByte) {
    const std::string service = "# of the shop\nkind:   Service\nmetadata: {name: s }\n";
    const std::string broken = "kind: Deployment\n  bad: [\n";
    const std::string text =
        service + "---\n" + deployment() + "...\n---\n" + broken + "--- # end\n# nothing\n";
    const Injected injected = inject(text, kOptions);
    EXPECT_THAT(injected.text, testing::StartsWith(service + "---\napiVersion: apps/v1\n"));
    EXPECT_THAT(injected.text, testing::EndsWith("...\n---\n" + broken + "--- # end\n# nothing\n"));
    ASSERT_EQ(injected.notes.size(), 2U);
    EXPECT_EQ(injected.notes[1].kind, Kind::refused);
    EXPECT_THAT(injected.notes[1].reason, HasSubstr("cannot be read"));
    const Injected other = inject("kind: ConfigMap\nbinary: !!binary aGVsbG8=\n", kOptions);
    EXPECT_EQ(other.text, "kind: ConfigMap\nbinary: !!binary aGVsbG8=\n");
    EXPECT_FALSE(other.has_refusals());
    EXPECT_EQ(inject("", kOptions).text, "");
    EXPECT_EQ(inject("\n# only words\n", kOptions).notes.size(), 0U);
}

TEST(Inject, AnswersJsonWithJson) {
    const std::string text = R"({"kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[
        {"name":"app","image":"a","env":[{"name":"N","value":"1"}]}]}})";
    const Injected injected = inject(text, kOptions);
    EXPECT_EQ(only_note(injected).kind, Kind::injected);
    const auto json = JsonValue::parse(injected.text);
    ASSERT_TRUE(json);
    EXPECT_EQ((*json)["spec"]["initContainers"].items().size(), 2U);
    EXPECT_EQ((*json)["spec"]["containers"].items()[0]["env"].items()[0]["value"].kind(),
              JsonValue::Kind::string);
    EXPECT_EQ(inject(injected.text, kOptions).text, injected.text);
}

TEST(Inject, MountsTheIdentityOfTheMesh) {
    const Value pod = pod_of(inject(deployment("weir.dev/identity: shop-id"), kOptions));
    EXPECT_THAT(config_of(pod), HasSubstr("tls: mesh"));
    EXPECT_THAT(to_json(*pod.at({"spec", "volumes"})), HasSubstr(R"("secretName":"shop-id")"));
}

TEST(Difference, IsUnified) {
    EXPECT_EQ(difference("same\n", "same\n", "f"), "");
    EXPECT_EQ(difference("a\nb\nc\n", "a\nx\nc\nd\n", "f"),
              "--- f\n+++ f\n@@ -1,3 +1,4 @@\n a\n-b\n+x\n c\n+d\n");
    EXPECT_EQ(difference("", "a\n", "f"), "--- f\n+++ f\n@@ -0,0 +1,1 @@\n+a\n");
    std::string many;
    std::string others;
    for (int i = 0; i < 3000; ++i) {
        many += "a" + std::to_string(i) + "\n";
        others += "b" + std::to_string(i) + "\n";
    }
    EXPECT_THAT(difference(many, others, "f"),
                testing::StartsWith("--- f\n+++ f\n@@ -1,3000 +1,3000 @@\n-a0\n"));
    std::string before;
    std::string after;
    for (int i = 0; i < 40; ++i) {
        before += std::to_string(i) + "\n";
        after += (i == 5 || i == 30 ? "new" : std::to_string(i)) + "\n";
    }
    const std::string text = difference(before, after, "f");
    EXPECT_THAT(
        text, HasSubstr("@@ -3,7 +3,7 @@\n 2\n 3\n 4\n-5\n+new\n 6\n 7\n 8\n@@ -28,7 +28,7 @@\n"));
}

}  // namespace
}  // namespace weir::inject
