#include "weir/admin/server.hpp"

#include "weir/admin/collect.hpp"
#include "weir/core/version.hpp"
#include "weir/http/h1.hpp"
#include "weir/transport/socket.hpp"

#include "unit/admin/support.hpp"
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sys/uio.h>
#include <unistd.h>

namespace weir::admin {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr Duration kTurn = std::chrono::milliseconds{5};

struct Answer {
    std::uint16_t status = 0;
    std::string head;
    std::string body;
};

class AdminServer : public testing::Test {
  protected:
    // A client on the other end of a real socket, beside the loop it talks to.
    struct Client {
        transport::Socket socket;
        std::string in;
        bool has_ended = false;
    };

    AdminServer()
        : collector_(collect(process_.registry, [this] { return process_.snapshot; })),
          admin_(std::make_unique<Server>(
              main_, *Address::parse("127.0.0.1:0"), Server::Port::admin, process_.context())),
          telemetry_(
              main_, *Address::parse("127.0.0.1:0"), Server::Port::telemetry, process_.context()) {}

    void turn() {
        main_.run_one_for(kTurn);
        main_.poll();
    }

    static Client connect(const Server& server) {
        return {std::move(*transport::Socket::connect(server.local_address())), {}};
    }

    void send(Client& client, std::string_view bytes) {
        while (!bytes.empty()) {
            const iovec part{const_cast<char*>(bytes.data()), bytes.size()};
            const auto result = client.socket.send(std::span(&part, 1));
            if (result.state == transport::IoResult::State::failed) return;
            bytes.remove_prefix(result.bytes);
            turn();
        }
    }

    void receive(Client& client) {
        turn();
        std::array<char, 65536> buffer;
        const auto result = client.socket.receive(buffer);
        if (result.state == transport::IoResult::State::done) {
            client.in.append(buffer.data(), result.bytes);
        } else if (result.state != transport::IoResult::State::would_block) {
            client.has_ended = true;
        }
    }

    Answer read_answer(Client& client, http::Method method = http::Method::get) {
        http::ResponseHead head;
        for (;;) {
            const auto parse = http::parse_response_head(client.in, method, {}, head);
            const std::size_t whole = parse.consumed + head.content_length;
            const bool has_body = head.framing == http::Framing::length;
            if (parse.state == http::HeadParse::State::done &&
                (!has_body || client.in.size() >= whole)) {
                Answer answer{head.status, client.in.substr(0, parse.consumed), {}};
                if (has_body) answer.body = client.in.substr(parse.consumed, head.content_length);
                client.in.erase(0, has_body ? whole : parse.consumed);
                return answer;
            }
            if (client.has_ended) return {};
            receive(client);
        }
    }

    void wait_for_end(Client& client) {
        while (!client.has_ended)
            receive(client);
    }

    Answer ask(const Server& server, const std::string& request) {
        Client client = connect(server);
        send(client, request);
        return read_answer(client,
                           request.starts_with("HEAD") ? http::Method::head : http::Method::get);
    }
    Answer get(const std::string& path, const std::string& more = "Host: localhost\r\n") {
        return ask(*admin_, "GET " + path + " HTTP/1.1\r\n" + more + "\r\n");
    }
    Answer post(const std::string& path, const std::string& body) {
        const std::string type = body.empty() ? "" : "Content-Type: application/json\r\n";
        return ask(*admin_, "POST " + path + " HTTP/1.1\r\nHost: localhost\r\n" + type +
                                "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                                body);
    }
    void await(Client& client, std::string_view text) {
        for (int i = 0; i < 2000 && client.in.find(text) == std::string::npos; ++i)
            receive(client);
        EXPECT_THAT(client.in, HasSubstr(std::string(text)));
    }
    [[nodiscard]] std::int64_t mutations(std::string_view operation,
                                         std::string_view result) const {
        return process_.registry.value(telemetry::Family::admin_mutations, {operation, result});
    }
    std::string body_of(const std::string& path) {
        const Answer answer = get(path);
        EXPECT_EQ(answer.status, 200) << path;
        EXPECT_THAT(answer.head, HasSubstr("Content-Type: application/json\r\n"));
        return answer.body;
    }

    boost::asio::io_context main_{1};
    FakeProcess process_;
    telemetry::Registry::CollectorToken collector_;
    std::unique_ptr<Server> admin_;
    Server telemetry_;
};

TEST_F(AdminServer, AnswersHealthAndMetricsOnBothPortsAndTheRestOnOne) {
    for (const char* path : {"/healthz", "/readyz", "/startupz", "/metrics"}) {
        const std::string request =
            std::string("GET ") + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
        EXPECT_EQ(ask(*admin_, request).status, 200) << path;
        EXPECT_EQ(ask(telemetry_, request).status, 200) << path;
    }
    for (const char* path : {"/", "/api/v1/status", "/api/v1/breakers"}) {
        const std::string request =
            std::string("GET ") + path + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
        EXPECT_EQ(ask(*admin_, request).status, 200) << path;
        EXPECT_EQ(ask(telemetry_, request).status, 404) << path;
    }
}

TEST_F(AdminServer, ChecksStrangersOnTheAdminPortOnly) {
    EXPECT_EQ(get("/metrics", "Host: 127.evil.com\r\n").status, 421);
    EXPECT_EQ(get("/metrics", "Host: localhost\r\nOrigin: http://evil.com\r\n").status, 403);
    EXPECT_EQ(get("/nothing", "Host: evil.com\r\n").status, 421);
    const std::string request =
        "GET /metrics HTTP/1.1\r\nHost: 10.0.0.1:9348\r\nOrigin: http://evil.com\r\n\r\n";
    EXPECT_EQ(ask(telemetry_, request).status, 200);
}

TEST_F(AdminServer, SaysWhatItWaitsForUntilItIsReady) {
    process_.readiness = {false, false, {"cluster orders: no endpoints yet"}};
    for (const char* path : {"/readyz", "/startupz"}) {
        const Answer answer = get(path);
        EXPECT_EQ(answer.status, 503);
        EXPECT_EQ(answer.body,
                  "{\"ready\":false,\"draining\":false,"
                  "\"waiting\":[\"cluster orders: no endpoints yet\"]}\n");
    }
    EXPECT_EQ(get("/healthz").status, 200);
    process_.readiness = {true, false, {}};
    EXPECT_EQ(get("/readyz").body, "ok\n");
}

TEST_F(AdminServer, IsNotReadyButStartedWhileItDrains) {
    process_.readiness = {false, true, {}};
    EXPECT_EQ(get("/readyz").status, 503);
    EXPECT_EQ(get("/startupz").status, 200);
}

TEST_F(AdminServer, GivesMetricsInTheFormatAskedFor) {
    const Answer text = get("/metrics");
    EXPECT_THAT(text.head, HasSubstr("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    EXPECT_THAT(text.body, Not(HasSubstr("# EOF")));
    EXPECT_THAT(
        text.body,
        HasSubstr("weir_breaker_state{cluster=\"orders\",route=\"_all\",state=\"closed\"} 1"));
    const Answer open =
        get("/metrics", "Host: localhost\r\nAccept: application/openmetrics-text\r\n");
    EXPECT_THAT(open.head, HasSubstr("Content-Type: application/openmetrics-text; version=1.0.0"));
    EXPECT_THAT(open.body, testing::EndsWith("# EOF\n"));
}

TEST_F(AdminServer, StatusTellsOfProcessConfigurationAndClusters) {
    const std::string body = body_of("/api/v1/status");
    for (const std::string& part :
         {"\"version\":\"" + std::string(kVersion) + "\"", std::string("\"node\":\"here\""),
          std::string("\"uptime_s\":90"), "\"pid\":" + std::to_string(::getpid()),
          std::string("\"hash\":\"0123456789abcdef\""), std::string("\"last_error\":null"),
          std::string("\"rss_bytes\":"), std::string("\"addresses\":[\"127.0.0.1:8080\"]"),
          std::string("{\"name\":\"orders\",\"state\":\"ok\",\"endpoints\":{\"healthy\":2,"
                      "\"penalized\":0,\"half_open\":0,\"ejected\":0,\"unhealthy\":0,"
                      "\"draining\":0},\"breaker\":\"closed\",\"rps\":0,\"error_rate\":0,"
                      "\"p50_ms\":null,\"p99_ms\":null}")}) {
        EXPECT_THAT(body, HasSubstr(part));
    }
    process_.config_state.last_error = "weir.yaml:3:1: no";
    EXPECT_THAT(body_of("/api/v1/status"), HasSubstr("\"last_error\":\"weir.yaml:3:1: no\""));
}

TEST_F(AdminServer, BreakersHaveStateAndHistory) {
    EXPECT_THAT(body_of("/api/v1/breakers"), HasSubstr("\"history\":[]"));
    FakeProcess::trip(process_.cluster("127.0.0.1:9000").breaker(), Clock::refresh());
    ASSERT_EQ(process_.cluster("127.0.0.1:9000").breaker().state(), resilience::State::closed)
        << "the run must also last, by default";
    FakeProcess::trip(process_.cluster("127.0.0.1:9000").breaker(),
                      Clock::refresh() + std::chrono::seconds{1});
    const std::string body = body_of("/api/v1/breakers");
    EXPECT_THAT(body, HasSubstr("\"cluster\":\"127.0.0.1:9000\",\"scope\":\"cluster\","
                                "\"mode\":\"enforce\",\"state\":\"open\""));
    EXPECT_THAT(body, HasSubstr("\"from\":\"closed\",\"to\":\"open\",\"reason\":\"consecutive\""));
    EXPECT_THAT(body, HasSubstr("\"opens_total\":1"));
    EXPECT_THAT(body_of("/api/v1/clusters"),
                HasSubstr("{\"name\":\"127.0.0.1:9000\",\"state\":\"down\""));
}

TEST_F(AdminServer, ClustersAreNamedInThePathAlsoEscaped) {
    EXPECT_THAT(body_of("/api/v1/clusters/orders"),
                HasSubstr("\"consecutive_failures\":5,\"consecutive_for\":\"0s\","
                          "\"failure_rate\":\"50%\",\"window\":\"10s\""));
    EXPECT_THAT(body_of("/api/v1/clusters/127.0.0.1%3A9000"),
                HasSubstr("\"name\":\"127.0.0.1:9000\""));
    const Answer missing = get("/api/v1/clusters/none/endpoints");
    EXPECT_EQ(missing.status, 404);
    EXPECT_THAT(missing.body, HasSubstr("{\"error\":{\"code\":\"no_such_cluster\""));
}

TEST_F(AdminServer, EndpointsSayTheirStateAndWhy) {
    auto& endpoint = *process_.cluster("orders").endpoints()->endpoints.front();
    endpoint.stats(0).requests = 7;
    endpoint.stats(0).ewma_ns = 2'000'000;
    endpoint.detector().machine().force(resilience::State::open,
                                        Clock::refresh() + std::chrono::hours{1}, Clock::now());
    const std::string body = body_of("/api/v1/clusters/orders/endpoints");
    EXPECT_THAT(body, HasSubstr("{\"address\":\"127.0.0.1:9001\",\"zone\":null,\"weight\":100,"));
    EXPECT_THAT(body, HasSubstr("\"state\":\"ejected\",\"reason\":\"forced\""));
    EXPECT_THAT(body, HasSubstr("\"ewma_ms\":2"));
    EXPECT_THAT(body, HasSubstr("\"requests\":7,\"errors\":0,\"last_error\":null,"));
    EXPECT_THAT(body, HasSubstr("{\"address\":\"127.0.0.1:9002\""));
    EXPECT_THAT(body_of("/api/v1/clusters"), HasSubstr("\"healthy\":1,\"penalized\":0,"
                                                       "\"half_open\":0,\"ejected\":1"));
}

TEST_F(AdminServer, RoutesAndListenersAreAsConfigured) {
    EXPECT_THAT(body_of("/api/v1/listeners"),
                HasSubstr("{\"name\":\"in\",\"mode\":\"gateway\",\"listen\":[\"127.0.0.1:8080\"]"));
    const std::string body = body_of("/api/v1/routes");
    EXPECT_THAT(body, HasSubstr("\"path\":\"/orders/\",\"path_kind\":\"prefix\",\"grpc\":null,"
                                "\"methods\":[\"GET\"]"));
    EXPECT_THAT(body, HasSubstr("\"to\":[{\"cluster\":\"orders\",\"weight\":1"));
    EXPECT_THAT(body, HasSubstr("\"respond\":{\"status\":410}"));
}

TEST_F(AdminServer, DiscoverySaysHowItWent) {
    process_.sources["orders"] = {.type = "dns",
                                  .last_contact = Clock::refresh(),
                                  .has_answered = true,
                                  .last_error = "no such name",
                                  .size = 2,
                                  .updates = 3,
                                  .failures = 1};
    const std::string body = body_of("/api/v1/discovery");
    EXPECT_THAT(body, HasSubstr("{\"cluster\":\"orders\",\"type\":\"dns\",\"answered\":true"));
    EXPECT_THAT(body, HasSubstr("\"error\":\"no such name\",\"size\":2,\"updates\":3"));
}

TEST_F(AdminServer, EventsCanBeNarrowed) {
    for (int i = 0; i < 3; ++i)
        process_.events.add({.cluster = "orders", .to = "open"});
    process_.events.add({.cluster = "other", .to = "open"});
    const std::string only = body_of("/api/v1/events?cluster=orders&n=1");
    EXPECT_THAT(only, HasSubstr("\"sequence\":3"));
    EXPECT_THAT(only, Not(HasSubstr("\"sequence\":2")));
    EXPECT_THAT(only, Not(HasSubstr("other")));
    EXPECT_THAT(body_of("/api/v1/events?since=3"), HasSubstr("[{\"sequence\":4"));
    EXPECT_EQ(body_of("/api/v1/events?since=4"), "[]\n");
    EXPECT_THAT(body_of("/api/v1/events?since=5"), HasSubstr("[{\"sequence\":1"))
        << "a number of the process before";
}

TEST_F(AdminServer, UnknownPathsAndMethodsAreJsonErrors) {
    const Answer unknown = get("/api/v1/nonsense");
    EXPECT_EQ(unknown.status, 404);
    EXPECT_THAT(unknown.body, HasSubstr("{\"error\":{\"code\":\"not_found\""));
    const Answer wrong = ask(*admin_,
                             "POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\n"
                             "Content-Length: 2\r\n\r\n{}");
    EXPECT_EQ(wrong.status, 405);
    EXPECT_THAT(wrong.head, HasSubstr("\r\nAllow: GET, HEAD\r\n"));
}

TEST_F(AdminServer, HeadHasTheHeadersOfGetAndNoBody) {
    Client client = connect(*admin_);
    send(client, "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    const Answer head = read_answer(client, http::Method::head);
    EXPECT_EQ(head.status, 200);
    EXPECT_THAT(head.head, HasSubstr("Content-Length: 3\r\n"));
    send(client, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(read_answer(client).body, "ok\n") << "the next answer follows at once";
}

TEST_F(AdminServer, AnswersPipelinedRequestsInOrderAndKeepsTheConnection) {
    Client client = connect(*admin_);
    send(client,
         "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
         "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
         "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    EXPECT_EQ(read_answer(client).status, 200);
    EXPECT_EQ(read_answer(client).status, 404);
    EXPECT_THAT(read_answer(client).head, HasSubstr("Connection: close\r\n"));
    wait_for_end(client);
}

TEST_F(AdminServer, TakesRequestsByteByByte) {
    Client client = connect(*admin_);
    const std::string request = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for (const char byte : request)
        send(client, std::string_view(&byte, 1));
    EXPECT_EQ(read_answer(client).status, 200);
}

TEST_F(AdminServer, RefusesWhatIsNoHttpAndEndsTheConnection) {
    Client client = connect(*admin_);
    send(client, "GET /healthz HTTP/1.1\r\nHost : localhost\r\n\r\n");
    const Answer answer = read_answer(client);
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr("{\"error\":{\"code\":\"bad_request\""));
    wait_for_end(client);
}

TEST_F(AdminServer, RefusesBodiesAbove64KiBByLengthAndByChunks) {
    const std::string head =
        "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    EXPECT_EQ(ask(*admin_, head + "Content-Length: 65537\r\n\r\n").status, 413);
    EXPECT_EQ(ask(*admin_, head + "Content-Length: 65536\r\n\r\n" + std::string(65536, 'x')).status,
              400);
    const std::string chunk = "8000\r\n" + std::string(0x8000, 'x') + "\r\n";
    const std::string chunked = head + "Transfer-Encoding: chunked\r\n\r\n";
    EXPECT_EQ(ask(*admin_, chunked + chunk + chunk + "0\r\n\r\n").status, 400);
    EXPECT_EQ(ask(*admin_, chunked + chunk + chunk + "1\r\nx\r\n0\r\n\r\n").status, 413);
}

TEST_F(AdminServer, AsksForABodyThatIsOffered) {
    Client client = connect(*admin_);
    send(client,
         "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
         "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(read_answer(client).status, 100);
    send(client, "{}");
    EXPECT_EQ(read_answer(client).status, 200);
    EXPECT_TRUE(process_.readiness.is_draining);
}

TEST_F(AdminServer, OneWhoReadsNothingHoldsUpNobody) {
    Client slow = connect(*admin_);
    std::string many;
    for (int i = 0; i < 200; ++i)
        many += "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const iovec part{many.data(), many.size()};
    static_cast<void>(slow.socket.send(std::span(&part, 1)));
    Client silent = connect(*admin_);
    EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(AdminServer, MakesRoomByClosingTheOneThatWasIdleLongest) {
    std::vector<Client> clients;
    for (std::size_t i = 0; i < Server::kConnections; ++i) {
        clients.push_back(connect(*admin_));
        send(clients.back(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        EXPECT_EQ(read_answer(clients.back()).status, 200);
    }
    EXPECT_EQ(get("/healthz").status, 200);
    wait_for_end(clients.front());
    send(clients.back(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(read_answer(clients.back()).status, 200);
}

TEST_F(AdminServer, RefusesOneMoreThanItsLimitWhenAllAreBusy) {
    std::vector<Client> clients;
    for (std::size_t i = 0; i < Server::kConnections; ++i) {
        clients.push_back(connect(*admin_));
        send(clients.back(), "GET /healthz HT");
        for (int turns = 0; turns < 3; ++turns)
            turn();
    }
    EXPECT_EQ(get("/healthz").status, 503);
    send(clients.front(), "TP/1.1\r\nHost: localhost\r\n\r\n");
    EXPECT_EQ(read_answer(clients.front()).status, 200) << "those inside are served";
}

TEST_F(AdminServer, DrainsAndEjectsEndpointsAndSaysWhoItWas) {
    const std::string first = "/api/v1/clusters/orders/endpoints/127.0.0.1%3A9001/";
    const Answer drained = post(first + "drain", "{\"for\":\"5m\",\"reason\":\"deploy\"}");
    EXPECT_EQ(drained.status, 200);
    EXPECT_THAT(drained.body, HasSubstr("\"state\":\"draining\""));
    EXPECT_THAT(drained.body, HasSubstr("\"by\":\"127.0.0.1\",\"reason\":\"deploy\"}"));
    EXPECT_THAT(body_of("/api/v1/clusters/orders"), HasSubstr("\"draining\":1"));
    EXPECT_THAT(post(first + "undrain", "").body, HasSubstr("\"state\":\"healthy\""));
    EXPECT_THAT(post(first + "eject", "").body,
                HasSubstr("\"state\":\"ejected\",\"reason\":\"forced\""));
    EXPECT_THAT(post(first + "uneject", "{}").body, HasSubstr("\"forced\":null"));
    EXPECT_EQ(mutations("endpoint_drain", "ok"), 1);
    EXPECT_EQ(mutations("endpoint_uneject", "ok"), 1);
    EXPECT_EQ(post("/api/v1/clusters/orders/endpoints/10.0.0.1:1/drain", "").status, 404);
    EXPECT_EQ(post("/api/v1/clusters/none/endpoints/10.0.0.1:1/drain", "").status, 404);
    EXPECT_EQ(mutations("endpoint_drain", "refused"), 2);
}

TEST_F(AdminServer, KeepsTheLastEndpointUnlessForced) {
    const std::string base = "/api/v1/clusters/orders/endpoints/";
    EXPECT_EQ(post(base + "127.0.0.1:9001/eject", "").status, 200);
    const Answer refused = post(base + "127.0.0.1:9002/drain", "");
    EXPECT_EQ(refused.status, 409);
    EXPECT_THAT(refused.body, HasSubstr("{\"error\":{\"code\":\"last_endpoint\""));
    EXPECT_THAT(refused.body, HasSubstr("127.0.0.1:9002 is the last endpoint of orders"));
    EXPECT_EQ(post(base + "127.0.0.1:9001/drain", "").status, 200) << "it was out already";
    EXPECT_EQ(post(base + "127.0.0.1:9002/drain", "{\"force\":true}").status, 200);
    EXPECT_EQ(post("/api/v1/clusters/127.0.0.1:9000/endpoints/127.0.0.1:9000/eject", "").status,
              409);
}

TEST_F(AdminServer, ForcesBreakersForATime) {
    const Answer opened =
        post("/api/v1/breakers/orders/open", "{\"for\":\"1h\",\"reason\":\"a test\"}");
    EXPECT_EQ(opened.status, 200);
    EXPECT_THAT(opened.body, HasSubstr("\"state\":\"open\""));
    EXPECT_THAT(opened.body, HasSubstr("\"by\":\"127.0.0.1\",\"reason\":\"a test\"}"));
    tick(*process_.snapshot, Clock::refresh() + std::chrono::minutes{59});
    EXPECT_EQ(process_.cluster("orders").breaker().state(), resilience::State::open);
    EXPECT_THAT(post("/api/v1/breakers/orders/close", "").body, HasSubstr("\"state\":\"closed\""));
    EXPECT_THAT(post("/api/v1/breakers/orders/auto", "").body, HasSubstr("\"forced\":null"));
    EXPECT_EQ(post("/api/v1/breakers/none/open", "").status, 404);
}

TEST_F(AdminServer, RefusesBodiesThatSayNothingItKnows) {
    for (const char* body :
         {"{\"for\":\"25h\"}", "{\"for\":\"0s\"}", "{\"for\":\"5\"}", "{\"for\":\"\"}",
          "{\"for\":5}", "{\"fro\":\"5m\"}", "[]", "{", "\"5m\"", "{\"reason\":true}"}) {
        const Answer answer = post("/api/v1/breakers/orders/open", body);
        EXPECT_EQ(answer.status, 400) << body;
        EXPECT_THAT(answer.body, HasSubstr("{\"error\":{\"code\":\"bad_request\"")) << body;
    }
    EXPECT_FALSE(process_.cluster("orders").breaker().is_forced());
    EXPECT_EQ(post("/api/v1/drain", "{\"for\":\"5m\"}").status, 400);
    const Answer time_alone = ask(*admin_,
                                  "PUT /api/v1/log HTTP/1.1\r\nHost: localhost\r\n"
                                  "Content-Type: application/json\r\n"
                                  "Content-Length: 12\r\n\r\n{\"for\":\"1m\"}");
    EXPECT_EQ(time_alone.status, 400) << "it does not take back what is set";
    EXPECT_FALSE(process_.readiness.is_draining);
}

TEST_F(AdminServer, TellsThePathOfARequestAsTheDataPathSeesIt) {
    const std::string taken = body_of("/api/v1/route?path=/x/../orders/%2561&method=GET");
    EXPECT_THAT(taken, HasSubstr("\"action\":\"forward\""));
    EXPECT_THAT(taken, HasSubstr("\"cluster\":\"orders\""));
    const std::string other = body_of("/api/v1/route?path=/orders/1&method=POST");
    EXPECT_THAT(other, HasSubstr("\"cluster\":\"127.0.0.1:9000\""));
    EXPECT_THAT(other, HasSubstr("\"why\":\"method POST is not GET\""));
    EXPECT_EQ(get("/api/v1/route?path=/a%0d%0aX:1").status, 400);
    EXPECT_EQ(get("/api/v1/route?path=/a%252Fb").status, 400) << "refused there, too";
    EXPECT_EQ(get("/api/v1/route?listener=none").status, 404);
}

TEST_F(AdminServer, HandsConfigurationsOverAndTellsWhatCameOfThem) {
    process_.result = {.changes = {{"clusters.orders.lb.policy", "a", "b"}},
                       .needs_restart = {"threads"},
                       .hash = "fedc"};
    const Answer put = ask(*admin_,
                           "PUT /api/v1/config?persist=1 HTTP/1.1\r\nHost: localhost\r\n"
                           "If-Match: \"0123\"\r\nContent-Type: application/yaml\r\n"
                           "Content-Length: 10\r\n\r\nversion: 1");
    EXPECT_EQ(put.body,
              "{\"changed\":[\"clusters.orders.lb.policy\"],\"needs_restart\":[\"threads\"],"
              "\"hash\":\"fedc\",\"warnings\":[]}\n");
    EXPECT_THAT(put.head, HasSubstr("ETag: \"fedc\"\r\n"));
    EXPECT_EQ(process_.applied, "version: 1");
    EXPECT_EQ(process_.if_match, "0123");
    EXPECT_TRUE(process_.is_persistent);
    EXPECT_THAT(post("/api/v1/config/validate", "{}").body,
                HasSubstr("\"diff\":[{\"path\":\"clusters.orders.lb.policy\",\"from\":\"a\","));
    for (const std::string none : {"", "\"\"", "W/\"\""}) {
        ask(*admin_, "PUT /api/v1/config HTTP/1.1\r\nHost: localhost\r\nIf-Match: " + none +
                         "\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        EXPECT_EQ(process_.if_match, "\"\"") << "not the same as no If-Match";
    }
    using Status = ConfigResult::Status;
    for (const auto& [status, code] :
         std::initializer_list<std::pair<Status, std::uint16_t>>{{Status::accepted, 200},
                                                                 {Status::invalid, 422},
                                                                 {Status::other_config, 412},
                                                                 {Status::no_file, 409},
                                                                 {Status::failed, 409}}) {
        process_.result.status = status;
        EXPECT_EQ(post("/api/v1/config/reload", "").status, code);
    }
}

TEST_F(AdminServer, NamesThePlaceOfTheFirstError) {
    process_.result.status = ConfigResult::Status::invalid;
    process_.result.sources = {{"weir.yaml", "x"}};
    process_.result.report.add({.code = 101,
                                .place = {.line = 3, .column = 5, .file = 0},
                                .what = "unknown key 'x'",
                                .help = "keys here: y"});
    const Answer answer = post("/api/v1/config/reload", "");
    EXPECT_THAT(answer.body,
                HasSubstr("{\"error\":{\"code\":\"W101\",\"message\":\"unknown key 'x'\","
                          "\"path\":\"weir.yaml\",\"line\":3,\"column\":5,"
                          "\"help\":\"keys here: y\"},\"errors\":[{\"code\":\"W101\""));
    EXPECT_EQ(mutations("config_reload", "refused"), 1);
}

TEST_F(AdminServer, StreamsEventsFromTheOneNamedOn) {
    for (int i = 0; i < 3; ++i)
        process_.events.add({.cluster = "orders", .to = "open"});
    Client client = connect(*admin_);
    send(client,
         "GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
         "Last-Event-ID: 2\r\n\r\n");
    const Answer head = read_answer(client);
    EXPECT_THAT(head.head, HasSubstr("Content-Type: text/event-stream\r\n"));
    await(client, "id: 3\nevent: config\ndata: {\"sequence\":3,");
    EXPECT_THAT(client.in, Not(HasSubstr("id: 2\n")));
    process_.events.add({.kind = telemetry::Event::Kind::breaker, .cluster = "orders"});
    await(client, "id: 4\nevent: breaker\n");
    EXPECT_THAT(client.in, testing::EndsWith("}\n\n"));
}

TEST_F(AdminServer, StreamsAreFewAndMakeRoomWhenTheirClientsLeave) {
    const std::string request =
        "GET /api/v1/stream?every=100ms HTTP/1.1\r\nHost: localhost\r\n\r\n";
    std::vector<Client> clients;
    for (int i = 0; i < 16; ++i) {
        clients.push_back(connect(*admin_));
        send(clients.back(), request);
        await(clients.back(), "event: status\ndata: {\"version\":");
    }
    const Answer refused = ask(*admin_, request);
    EXPECT_EQ(refused.status, 503);
    EXPECT_THAT(refused.body, HasSubstr("\"overloaded\""));
    clients.pop_back();
    std::uint16_t status = 0;
    for (int i = 0; i < 200 && status != 200; ++i)
        status = ask(*admin_, request).status;
    EXPECT_EQ(status, 200);
}

TEST_F(AdminServer, PacksMetricsForThoseWhoTakeIt) {
    const Answer packed = get("/metrics", "Host: localhost\r\nAccept-Encoding: br, gzip\r\n");
    EXPECT_THAT(packed.head, HasSubstr("Content-Encoding: gzip\r\nVary: Accept-Encoding\r\n"));
    EXPECT_EQ(packed.body.substr(0, 2), "\x1f\x8b");
    EXPECT_THAT(get("/metrics", "Host: localhost\r\nAccept-Encoding: gzip;q=0\r\n").head,
                Not(HasSubstr("Content-Encoding")));
}

TEST_F(AdminServer, OpensLogsAgainOrSaysWhyNot) {
    EXPECT_EQ(post("/api/v1/log/reopen", "").body, "{\"done\":true}\n");
    EXPECT_EQ(process_.reopened, 1);
    process_.reopen_failure = "access_log.to /x: no such folder";
    const Answer failed = post("/api/v1/log/reopen", "");
    EXPECT_EQ(failed.status, 500);
    EXPECT_THAT(failed.body, HasSubstr("no such folder"));
    EXPECT_EQ(mutations("log_reopen", "failed"), 1);
}

TEST_F(AdminServer, AClientMayLeaveAtAnyByte) {
    const std::string request =
        "POST /api/v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd";
    for (std::size_t size = 0; size <= request.size(); ++size) {
        Client client = connect(*admin_);
        send(client, request.substr(0, size));
        client.socket.reset_on_close();
    }
    EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(AdminServer, EndsWithClientsInEveryState) {
    Client idle = connect(*admin_);
    Client half = connect(*admin_);
    send(half, "GET /hea");
    Client fresh = connect(*admin_);
    turn();
    admin_.reset();
    wait_for_end(idle);
    wait_for_end(half);
    wait_for_end(fresh);
}

TEST_F(AdminServer, SaysWhichAddressIsInUse) {
    const Address taken = admin_->local_address();
    try {
        const Server second(main_, taken, Server::Port::telemetry, process_.context());
        FAIL() << "it listened twice";
    } catch (const std::runtime_error& error) {
        EXPECT_THAT(error.what(), HasSubstr("telemetry.listen " + taken.to_string()));
        EXPECT_THAT(error.what(), HasSubstr("in use"));
    }
}

TEST_F(AdminServer, ListensOnAUnixSocketAndReplacesADeadOne) {
    const auto directory =
        std::filesystem::temp_directory_path() / ("weir-admin-test-" + std::to_string(::getpid()));
    std::filesystem::create_directory(directory);
    const auto file = directory / "admin.sock";
    const Address address = *Address::parse("unix:" + file.string());
    { const auto dead = transport::Socket::listen(address, false); }
    ASSERT_TRUE(std::filesystem::exists(file));
    {
        const Server server(main_, address, Server::Port::admin, process_.context());
        EXPECT_EQ(ask(server, "GET /healthz HTTP/1.1\r\nHost: any.thing\r\n\r\n").status, 200);
        EXPECT_THROW(Server(main_, address, Server::Port::admin, process_.context()),
                     std::runtime_error);
        EXPECT_EQ(std::filesystem::status(file).permissions() & std::filesystem::perms::others_all,
                  std::filesystem::perms::none);
    }
    EXPECT_FALSE(std::filesystem::exists(file));
    std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace weir::admin
