#include "weir/control/http_client.hpp"

#include "weir/transport/control_listener.hpp"

#include "support/control_loop.hpp"
#include <gtest/gtest.h>

namespace weir::control {
namespace {

using transport::ControlStream;
using transport::Task;
using transport::TaskHandle;
using transport::TaskScope;

constexpr Duration kStall = std::chrono::seconds{5};

// Answers each request with the next of its texts, then closes: at once, or when it was asked for
// more than it has.
class Server {
  public:
    Server(test::ControlLoop& loop, std::vector<std::string> answers)
        : executor_(loop.context().get_executor()),
          answers_(std::move(answers)),
          listener_(executor_,
                    "server",
                    std::move(*transport::Socket::listen(*Address::parse("127.0.0.1:0"), false)),
                    [this](transport::Socket socket) { serve(std::move(socket)); }) {}

    [[nodiscard]] HttpServer server() const {
        HttpServer server;
        server.address = listener_.local_address();
        server.authority = "api:80";
        return server;
    }
    [[nodiscard]] const std::string& asked() const { return asked_; }
    [[nodiscard]] std::size_t connections() const { return tasks_.size(); }
    void close_behind_each() { closes_ = true; }

  private:
    void serve(transport::Socket socket) {
        auto stream = std::make_shared<ControlStream>(executor_, std::move(socket));
        tasks_.push_back(transport::spawn(executor_, "connection", [this, stream](auto& scope) {
            return answer(scope, stream);
        }));
    }

    Task<> answer(TaskScope& scope, std::shared_ptr<ControlStream> stream) {
        std::string in;
        while (next_ < answers_.size()) {
            while (in.find("\r\n\r\n") == std::string::npos) {
                const bool has_more = co_await stream->read_more(scope, in);
                if (!has_more) co_return;
            }
            asked_ += std::exchange(in, {});
            const std::string& text = answers_[next_++];
            const bool is_sent = co_await stream->write(scope, text, kStall);
            if (!is_sent || closes_) break;
        }
        stream->close();
    }

    boost::asio::any_io_executor executor_;
    std::vector<std::string> answers_;
    std::size_t next_ = 0;
    bool closes_ = false;
    std::string asked_;
    std::vector<TaskHandle> tasks_;
    transport::ControlListener listener_;
};

class HttpClientTest : public ::testing::Test {
  protected:
    // The body; what went wrong is in client_.error().
    std::string ask(const Server& server, const HttpRequest& request = {}) {
        std::string body;
        bool is_done = false;
        const auto task = transport::spawn(
            loop_.context().get_executor(), "question", [&](TaskScope& scope) -> Task<> {
                const bool has_head = co_await client_.begin(scope, server.server(), request);
                while (has_head) {
                    const bool has_more = co_await client_.read(scope, body);
                    if (!has_more) break;
                }
                is_done = true;
            });
        EXPECT_TRUE(loop_.run_until([&] { return is_done; }));
        return body;
    }

    test::ControlLoop loop_;
    telemetry::Registry registry_{100};
    HttpClient client_{loop_.context().get_executor(), registry_, {}};
};

constexpr const char* kChunked =
    "HTTP/1.1 200 OK\r\nX-Consul-Index: 7\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\nhello\r\n7;x=y\r\n, world\r\n0\r\n\r\n";

TEST_F(HttpClientTest, AsksAndReads) {
    Server server(loop_, {kChunked});
    HttpRequest request;
    request.method = "POST";
    request.target = "/v3/kv/range?a=b";
    request.headers.emplace_back("Authorization", "Bearer t");
    request.body = "{}";
    EXPECT_EQ(ask(server, request), "hello, world");
    EXPECT_EQ(client_.error(), "");
    EXPECT_EQ(client_.head().status, 200);
    EXPECT_EQ(client_.head().header("x-consul-index"), "7");
    EXPECT_EQ(client_.head().header("none"), "");
    EXPECT_EQ(server.asked(),
              "POST /v3/kv/range?a=b HTTP/1.1\r\nHost: api:80\r\nUser-Agent: weir\r\n"
              "Authorization: Bearer t\r\nContent-Length: 2\r\n\r\n{}");
}

TEST_F(HttpClientTest, KeepsAConnectionThatIsKept) {
    const std::string one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
    Server server(loop_, {one, "HTTP/1.1 100 Continue\r\n\r\n" + one, one});
    EXPECT_EQ(ask(server), "1");
    EXPECT_EQ(ask(server), "1");
    EXPECT_EQ(ask(server), "1");
    EXPECT_EQ(server.connections(), 1U);
}

TEST_F(HttpClientTest, AsksAgainWhereAKeptConnectionHasClosed) {
    const std::string one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";
    Server server(loop_, {one, one});
    server.close_behind_each();
    EXPECT_EQ(ask(server), "1");
    EXPECT_EQ(ask(server), "1");
    EXPECT_EQ(client_.error(), "");
    EXPECT_EQ(server.connections(), 2U);
}

TEST_F(HttpClientTest, ReadsABodyThatEndsWithItsConnection) {
    Server server(loop_, {"HTTP/1.1 200 OK\r\n\r\nall of it"});
    server.close_behind_each();
    EXPECT_EQ(ask(server), "all of it");
    EXPECT_EQ(client_.error(), "");
}

TEST_F(HttpClientTest, SaysWhereAnAnswerWasCutOff) {
    const std::string whole = kChunked;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        Server server(loop_, {whole.substr(0, size)});
        server.close_behind_each();
        const std::string body = ask(server);
        ASSERT_NE(client_.error(), "") << size;
        ASSERT_TRUE(std::string("hello, world").starts_with(body)) << size;
    }
}

TEST_F(HttpClientTest, SaysWhatIsNoHttp) {
    for (const char* answer : {"hello\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
        Server server(loop_, {answer});
        EXPECT_EQ(ask(server), "") << answer;
        EXPECT_NE(client_.error(), "") << answer;
    }
}

TEST_F(HttpClientTest, BoundsWhatItTakesWhole) {
    Server server(loop_, {kChunked});
    std::string body;
    std::optional<bool> is_whole;
    const auto task = transport::spawn(
        loop_.context().get_executor(), "question", [&](TaskScope& scope) -> Task<> {
            const HttpRequest request;
            const bool has_head = co_await client_.begin(scope, server.server(), request);
            EXPECT_TRUE(has_head);
            is_whole = co_await client_.read_all(scope, body, 4);
        });
    ASSERT_TRUE(loop_.run_until([&] { return is_whole.has_value(); }));
    EXPECT_FALSE(*is_whole);
    EXPECT_NE(client_.error().find("larger than 4 bytes"), std::string::npos);
}

TEST_F(HttpClientTest, SaysThatNobodyIsThere) {
    HttpServer server;
    {
        const Server gone(loop_, {});
        server = gone.server();
    }
    bool is_done = false;
    const auto task = transport::spawn(
        loop_.context().get_executor(), "question", [&](TaskScope& scope) -> Task<> {
            const HttpRequest request;
            const bool has_head = co_await client_.begin(scope, server, request);
            EXPECT_FALSE(has_head);
            is_done = true;
        });
    ASSERT_TRUE(loop_.run_until([&] { return is_done; }));
    EXPECT_EQ(client_.error(), "cannot connect to api:80: refused, or no way there");
}

TEST_F(HttpClientTest, WaitsForSilenceOnlySoLong) {
    client_.set_times(kStall, std::chrono::milliseconds{20}, kStall);
    Server patient(loop_, {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "never"});
    EXPECT_EQ(ask(patient), "12345");
    EXPECT_TRUE(client_.is_late());
    EXPECT_EQ(client_.error(), "nothing from api:80 for 20ms");
}

TEST_F(HttpClientTest, EndsWithItsTask) {
    Server server(loop_, {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345", "never"});
    auto client = std::make_unique<HttpClient>(loop_.context().get_executor(), registry_,
                                               HttpClient::Options{});
    std::string body;
    auto task = transport::spawn(
        loop_.context().get_executor(), "question", [&](TaskScope& scope) -> Task<> {
            const HttpRequest request;
            bool has_more = co_await client->begin(scope, server.server(), request);
            while (has_more) {
                has_more = co_await client->read(scope, body);
            }
            ADD_FAILURE() << "it was ended";
        });
    ASSERT_TRUE(loop_.run_until([&] { return body == "12345"; }));
    task.cancel();
    client.reset();
    loop_.run_due();
}

}  // namespace
}  // namespace weir::control
