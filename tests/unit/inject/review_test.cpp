#include "weir/inject/review.hpp"

#include "weir/core/json.hpp"
#include "weir/crypto/base64.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir::inject {
namespace {

using testing::HasSubstr;

const Options kOptions{.image = "weir:test"};

std::string request(const std::string& pod, const std::string& kind = "Pod") {
    return R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u-1",)"
           R"("kind":{"group":"","version":"v1","kind":")" +
           kind + R"("},"namespace":"web","operation":"CREATE","object":)" + pod + "}}";
}

const std::string kPod =
    R"({"metadata":{"generateName":"shop-","annotations":{"a/b~c":"1"}},"spec":{"containers":[)"
    R"({"name":"app","image":"a","livenessProbe":{"tcpSocket":{"port":80}}}],"volumes":[{"name":"t"}]}})";

TEST(Review, PatchesAPod) {
    const Review made = review(request(kPod), kOptions);
    EXPECT_EQ(made.problem, "");
    EXPECT_EQ(made.note.kind, Note::Kind::injected) << made.note.reason;
    EXPECT_EQ(made.note.object, "Pod web/shop-");
    const auto answer = JsonValue::parse(made.answer);
    ASSERT_TRUE(answer);
    const JsonValue& response = (*answer)["response"];
    EXPECT_EQ(response["uid"].text(), "u-1");
    EXPECT_EQ(response["allowed"].boolean(), true);
    EXPECT_EQ(response["patchType"].text(), "JSONPatch");
    const auto patch = crypto::decode_base64(response["patch"].text());
    ASSERT_TRUE(patch);
    EXPECT_THAT(*patch, HasSubstr(R"({"op":"add","path":"/spec/initContainers","value":[)"));
    EXPECT_THAT(*patch, HasSubstr(R"({"op":"add","path":"/spec/volumes/1","value":)"));
    EXPECT_THAT(*patch, HasSubstr(R"("path":"/metadata/annotations/weir.dev~1injected")"));
    EXPECT_THAT(
        *patch,
        HasSubstr(R"({"op":"remove","path":"/spec/containers/0/livenessProbe/tcpSocket"})"));
}

TEST(Review, LetsInWhatItLeavesAlone) {
    const std::string disabled =
        R"({"metadata":{"annotations":{"weir.dev/inject":"disabled"}},"spec":{"containers":[{"name":"a"}]}})";
    const std::string host = R"({"spec":{"hostNetwork":true,"containers":[{"name":"a"}]}})";
    const std::string injected =
        R"({"metadata":{"annotations":{"weir.dev/injected":"0"}},"spec":{"containers":[{"name":"a"}]}})";
    for (const auto& [text, kind] : {std::pair(request(disabled), Note::Kind::disabled),
                                     std::pair(request(host), Note::Kind::refused),
                                     std::pair(request(injected), Note::Kind::unchanged),
                                     std::pair(request(kPod, "Service"), Note::Kind::unchanged)}) {
        const Review made = review(text, kOptions);
        EXPECT_EQ(made.note.kind, kind) << text;
        const auto answer = JsonValue::parse(made.answer);
        ASSERT_TRUE(answer);
        EXPECT_EQ((*answer)["response"]["allowed"].boolean(), true);
        EXPECT_TRUE((*answer)["response"]["patch"].is_null());
        EXPECT_EQ((*answer)["response"]["warnings"].items().size(),
                  kind == Note::Kind::refused ? 1U : 0U);
    }
}

TEST(Review, RefusesWhatIsNone) {
    for (
        const char* text :
        {"", "{", "[]", "{}", R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1"})",
         R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1beta1","request":{"uid":"1"}})",
         R"({"kind":"AdmissionReview","apiVersion":"admission.k8s.io/v1","request":{}})"}) {
        const Review made = review(text, kOptions);
        EXPECT_NE(made.problem, "") << text;
        EXPECT_EQ(made.answer, "");
    }
}

}  // namespace
}  // namespace weir::inject
