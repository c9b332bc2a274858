#pragma once

#include <string>
#include <string_view>
#include <vector>

// Kubernetes objects with a Weir beside their applications: text in, text out. Thread: any (pure).
namespace weir::inject {

// What is added to a pod, beside what its annotations say:
//
//   weir.dev/inject: disabled             leaves it alone
//   weir.dev/<path of the configuration>  "weir.dev/breaker.consecutive-failures": "3"
//   weir.dev/skip-inbound-ports, -outbound-ports, weir.dev/opaque-ports: "25,3306"
//   weir.dev/identity                     the Secret with tls.crt, tls.key and ca.crt
struct Options {
    std::string image;
    bool removes = false;  // takes away what was added before
};

// What became of one object.
struct Note {
    enum class Kind : std::uint8_t {
        injected,  // or brought up to date
        removed,
        unchanged,  // it has all of it already, or none of it
        disabled,   // weir.dev/inject: disabled
        refused,    // it stays as it is, and `reason` says why
    };
    Kind kind = Kind::unchanged;
    std::string object;  // "Deployment shop/orders"
    std::string reason{};
};
[[nodiscard]] std::string_view word(Note::Kind kind);

// Pods, what has a template of them (Deployment, StatefulSet, DaemonSet, ReplicaSet, Job, CronJob)
// and lists of these, in a YAML file of any number of documents or in JSON. Doing it twice is doing
// it once. Documents in which nothing changes stay byte for byte as they are; of the others the
// comments go. A document that cannot be read is refused as a whole.
struct Injected {
    std::string text;
    std::vector<Note> notes;  // none for objects without pods
    [[nodiscard]] bool has_refusals() const;
};
[[nodiscard]] Injected inject(std::string_view text, const Options& options);

// The difference of two texts as `diff -u` writes it; empty for none.
[[nodiscard]] std::string difference(std::string_view before,
                                     std::string_view after,
                                     std::string_view name);

}  // namespace weir::inject
